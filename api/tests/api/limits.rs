//! Rate limits as clients meet them.

use axum::http::{Method, Request};
use golden_api::{CallerRole, Grant, Quotas, RateLimits};
use serde_json::json;

use crate::harness::{Answer, Golden, minted, request, text, token};

async fn limited(quotas: Quotas) -> Golden {
    Golden::with(|api| api.options.rate_limits = RateLimits::PerMinute(quotas)).await
}

async fn list(golden: &Golden, token: &str) -> Answer {
    golden.send(request(Method::GET, "/v1/jobs").token(Some(token.to_owned())).empty()).await
}

/// The `r` of the RateLimit header.
fn remaining(answer: &Answer) -> u32 {
    let standing = answer.header("ratelimit");
    standing.split(";r=").nth(1).unwrap().split(';').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn each_role_has_the_limit_of_the_design() {
    let golden = limited(Quotas::default()).await;
    for (role, quota) in [("admin", 100), ("operator", 50), ("developer", 30), ("observer", 20)] {
        let token = token("acme", role.parse().unwrap());
        // One subject has one window, whatever its token's role: a tenant for each keeps them apart.
        let grant = Grant { tenant: role.into(), role: role.parse().unwrap(), subject: "s".into(), rate_limit: None };
        let own = minted(&grant);
        for left in (0..quota).rev() {
            let answer = list(&golden, &own).await;
            assert_eq!((answer.status.as_u16(), remaining(&answer)), (200, left), "{role}");
            assert_eq!(answer.header("ratelimit-policy"), format!("\"{role}\";q={quota};w=60"));
        }
        let refused = list(&golden, &own).await;
        assert_eq!(refused.problem(), (429, "rate-limited"));
        assert_eq!(list(&golden, &token).await.status, 200, "others go on");
    }
}

#[tokio::test]
async fn a_refusal_says_when_to_come_back_and_counts() {
    let golden = limited(Quotas { developer: 1, ..Quotas::default() }).await;
    let token = token("acme", CallerRole::Developer);
    assert_eq!(list(&golden, &token).await.header("ratelimit"), "\"developer\";r=0;t=60");
    let refused = list(&golden, &token).await;
    assert_eq!(refused.problem(), (429, "rate-limited"));
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").starts_with("\"developer\";r=0;t="));
    assert!(chrono::DateTime::parse_from_rfc3339(&text(&refused.body["retry_at"])).is_ok());
    assert!(
        golden.metrics.render().contains(r#"golden_rate_limited_total{policy="developer",route="GET /v1/jobs"} 1"#)
    );
}

#[tokio::test]
async fn what_is_refused_for_the_role_or_the_body_counts_too_and_shows_the_headers() {
    let golden = limited(Quotas { observer: 3, ..Quotas::default() }).await;
    let token = token("acme", CallerRole::Observer);
    let submit = || request(Method::POST, "/v1/jobs").token(Some(token.clone())).json(&json!({"kind": "noop"}));
    let denied = golden.send(submit()).await;
    assert_eq!((denied.problem(), remaining(&denied)), ((403, "forbidden"), 2));
    let missing = golden.send(request(Method::GET, "/v1/jobs/x").token(Some(token.clone())).empty()).await;
    assert_eq!((missing.problem(), remaining(&missing)), ((404, "not-found"), 1));
    let malformed = golden.send(request(Method::GET, "/v1/jobs?x=y").token(Some(token.clone())).empty()).await;
    assert_eq!((malformed.problem(), remaining(&malformed)), ((400, "malformed-request"), 0));
    assert_eq!(golden.send(submit()).await.problem(), (429, "rate-limited"));
}

#[tokio::test]
async fn tenants_and_subjects_have_their_own_windows_and_tokens_of_one_subject_share() {
    let golden = limited(Quotas { developer: 2, ..Quotas::default() }).await;
    let grant = |tenant: &str, subject: &str| {
        minted(&Grant { tenant: tenant.into(), role: CallerRole::Developer, subject: subject.into(), rate_limit: None })
    };
    assert_eq!(remaining(&list(&golden, &grant("acme", "eve")).await), 1);
    assert_eq!(remaining(&list(&golden, &grant("acme", "bob")).await), 1);
    assert_eq!(remaining(&list(&golden, &grant("emca", "eve")).await), 1);
    let rate_limit = Some(2);
    let other = minted(&Grant { tenant: "acme".into(), role: CallerRole::Observer, subject: "eve".into(), rate_limit });
    assert_eq!(remaining(&list(&golden, &other).await), 0);
}

#[tokio::test]
async fn a_token_asks_for_a_limit_of_its_own_as_far_as_allowed() {
    let golden = limited(Quotas { service: Some(500), ..Quotas::default() }).await;
    for (asked, policy) in [(400, "\"service\";q=400;w=60"), (4_000, "\"service\";q=500;w=60")] {
        let grant =
            Grant { tenant: "acme".into(), role: CallerRole::Developer, subject: "ci".into(), rate_limit: Some(asked) };
        assert_eq!(list(&golden, &minted(&grant)).await.header("ratelimit-policy"), policy);
    }
}

#[tokio::test]
async fn strangers_are_limited_by_address_whatever_they_show_and_callers_beside_them_are_not() {
    let golden = limited(Quotas { anonymous: 3, ..Quotas::default() }).await;
    let kinds = || request(Method::GET, "/v1/kinds").token(None).empty();
    assert_eq!(golden.send(kinds()).await.header("ratelimit-policy"), "\"anonymous\";q=3;w=60");
    assert_eq!(golden.send(request(Method::GET, "/v1/jobs").token(None).empty()).await.problem().0, 401);
    assert_eq!(list(&golden, "x.y.z").await.problem().0, 401);
    assert_eq!(golden.send(kinds()).await.problem(), (429, "rate-limited"));
    let refused = list(&golden, "x.y.z").await;
    assert_eq!(refused.problem(), (429, "rate-limited"));
    assert!(text(&refused.body["detail"]).contains("the token is not"), "{}", refused.text);

    let token = token("acme", CallerRole::Developer);
    let known = golden.send(request(Method::GET, "/v1/kinds").token(Some(token.clone())).empty()).await;
    assert_eq!((known.status.as_u16(), known.header("ratelimit-policy")), (200, "\"developer\";q=30;w=60"));
    assert_eq!(list(&golden, &token).await.status, 200);
}

#[tokio::test]
async fn probes_are_never_limited() {
    let golden = limited(Quotas { anonymous: 1, ..Quotas::default() }).await;
    for path in ["/livez", "/readyz"] {
        for _ in 0..20 {
            let answer = golden.send(request(Method::GET, path).token(None).empty()).await;
            assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (200, ""));
        }
    }
    assert_eq!(golden.send(request(Method::GET, "/health").token(None).empty()).await.status, 200);
    assert_eq!(golden.send(request(Method::GET, "/health").token(None).empty()).await.status, 429);
}

#[tokio::test]
async fn behind_a_proxy_the_address_it_saw_is_the_one_that_counts() {
    let golden = Golden::with(|api| {
        api.options.rate_limits = RateLimits::PerMinute(Quotas { anonymous: 1, ..Quotas::default() });
        api.options.trusted_proxies = 1;
    })
    .await;
    let from = |forwarded: &str| -> Request<_> {
        request(Method::GET, "/v1/kinds").token(None).header("x-forwarded-for", forwarded).empty()
    };
    assert_eq!(golden.send(from("203.0.113.7")).await.status, 200);
    assert_eq!(golden.send(from("203.0.113.8")).await.status, 200);
    // What the client made up itself stands to the left.
    assert_eq!(golden.send(from("198.51.100.1, 203.0.113.7")).await.status, 429);
    // A network is one.
    assert_eq!(golden.send(from("2001:db8::1")).await.status, 200);
    assert_eq!(golden.send(from("2001:db8::2")).await.status, 429);
}

#[tokio::test]
async fn without_limits_nothing_is_said_of_them() {
    let golden = Golden::start().await;
    let answer = golden.get("/v1/jobs").await;
    assert_eq!((answer.header("ratelimit-policy"), answer.header("ratelimit")), ("", ""));
}
