//! Tenants are made, changed, shut out and forgotten by those who run the installation.

use axum::http::Method;
use golden_api::{
    Auth,
    CallerRole::{Admin, Operator},
    auth::{Expected, Pace},
};
use golden_jobs::Role;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Golden, request, succeeded, text, token},
    issuer::{Published, Signer, set},
};

/// A request of an admin of tenant `ops`.
async fn ask(golden: &Golden, method: Method, path: &str, body: Option<Value>) -> Answer {
    let asked = request(method, path).token(Some(token("ops", Admin)));
    let asked = match body {
        Some(body) => asked.json(&body),
        None => asked.empty(),
    };
    golden.send(asked).await
}

#[tokio::test]
async fn a_tenant_is_made_listed_changed_and_deleted() {
    let golden = Golden::start().await;
    let made = ask(&golden, Method::POST, "/v1/tenants", Some(json!({"id": "a/b c", "weight": 3}))).await;
    assert_eq!((made.status.as_u16(), made.header("location")), (201, "/v1/tenants/a%2Fb%20c"), "{}", made.text);
    let path = text(&made.body["links"]["self"]);
    let again = ask(&golden, Method::POST, "/v1/tenants", Some(json!({"id": "a/b c"}))).await;
    assert_eq!(again.problem(), (409, "name-taken"));

    for id in ["b", "c", "d"] {
        ask(&golden, Method::POST, "/v1/tenants", Some(json!({"id": id}))).await;
    }
    let page = ask(&golden, Method::GET, "/v1/tenants?limit=3", None).await;
    assert_eq!((page.ids(), &page.body["next_cursor"]), (vec!["a/b c".into(), "b".into(), "c".into()], &json!("c")));
    let page = ask(&golden, Method::GET, "/v1/tenants?limit=3&cursor=c", None).await;
    assert_eq!((page.ids(), &page.body["next_cursor"]), (vec!["d".to_owned()], &Value::Null));

    let terms = |answer: &Answer| ["weight", "max_payload", "max_result"].map(|name| answer.body[name].clone());
    let changed = ask(&golden, Method::PATCH, &path, Some(json!({"max_payload": 1000, "max_result": 5}))).await;
    assert_eq!(terms(&changed), [json!(3), json!(1000), json!(5)], "{}", changed.text);
    let changed = ask(&golden, Method::PATCH, &path, Some(json!({"weight": 9, "max_payload": null}))).await;
    assert_eq!(terms(&changed), [json!(9), Value::Null, json!(5)], "{}", changed.text);
    let shown = ask(&golden, Method::GET, &path, None).await;
    assert_eq!((terms(&shown), shown.body["queues"].as_array().unwrap().len()), (terms(&changed), Role::ALL.len()));
    assert_eq!(shown.body["queues"][0]["tenant"], "a/b c");

    assert_eq!(ask(&golden, Method::DELETE, &path, None).await.status, 204);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(ask(&golden, method, &path, None).await.problem(), (404, "not-found"));
    }
    assert_eq!(ask(&golden, Method::PATCH, &path, Some(json!({}))).await.problem(), (404, "not-found"));
}

#[tokio::test]
async fn what_breaks_a_rule_is_told_all_at_once() {
    let golden = Golden::start().await;
    ask(&golden, Method::POST, "/v1/tenants", Some(json!({"id": "acme"}))).await;
    let wrong =
        json!({"id": "<b>", "weight": 0, "max_payload": 0, "max_result": 9_000_000, "sandbox_limits": {"wall_ms": 1}});
    let made = ask(&golden, Method::POST, "/v1/tenants", Some(wrong)).await;
    let wrong = json!({"weight": 1001, "max_payload": 9_000_000, "max_result": 0, "sandbox_limits": {"memory_mib": 1}});
    let changed = ask(&golden, Method::PATCH, "/v1/tenants/acme", Some(wrong)).await;
    let wrong = json!({"role": "developer", "sub": " ", "ttl": 0, "rate_limit": 0});
    let token = ask(&golden, Method::POST, "/v1/tenants/acme/tokens", Some(wrong)).await;
    for (answer, pointers) in [
        (made, vec!["/id", "/weight", "/max_payload", "/max_result", "/sandbox_limits/wall_ms"]),
        (changed, vec!["/weight", "/max_payload", "/max_result", "/sandbox_limits/memory_mib"]),
        (token, vec!["/sub", "/ttl", "/rate_limit"]),
    ] {
        assert_eq!(answer.problem(), (422, "validation-failed"));
        let told: Vec<_> = answer.body["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
        assert_eq!(told, pointers, "{}", answer.text);
    }
    for (path, wrong) in [
        ("/v1/tenants", json!({})),
        ("/v1/tenants", json!({"id": "x", "suspended": true})),
        ("/v1/tenants", json!({"id": "x", "sandbox_limits": [1000]})),
        ("/v1/tenants/acme/tokens", json!({"role": "admin", "sub": "me"})),
        ("/v1/tenants/acme/tokens", json!({"role": "developer", "sub": "me", "ttl": 31_536_001})),
    ] {
        let answer = ask(&golden, Method::POST, path, Some(wrong.clone())).await;
        assert_eq!(answer.problem(), (422, "validation-failed"), "{wrong}");
    }
}

#[tokio::test]
async fn a_tenant_is_shut_out_and_let_in_again_but_never_by_itself() {
    let golden = Golden::start().await;
    ask(&golden, Method::POST, "/v1/tenants", Some(json!({"id": "acme"}))).await;
    ask(&golden, Method::POST, "/v1/tenants", Some(json!({"id": "ops"}))).await;
    for (method, path) in [(Method::POST, "/v1/tenants/ops/suspend"), (Method::DELETE, "/v1/tenants/ops")] {
        assert_eq!(ask(&golden, method, path, None).await.problem(), (409, "conflict"), "{path}");
    }
    let suspended = ask(&golden, Method::POST, "/v1/tenants/acme/suspend", None).await;
    assert_eq!((&suspended.body["suspended"], suspended.body["suspended_at"].is_string()), (&json!(true), true));
    // Whoever was not served yet is refused at once, others within a second (see `terms`).
    let list = request(Method::GET, "/v1/jobs").token(Some(token("acme", Operator))).empty();
    assert_eq!(golden.send(list).await.problem(), (403, "tenant-suspended"));
    assert_eq!(ask(&golden, Method::POST, "/v1/tenants/none/suspend", None).await.problem(), (404, "not-found"));

    let resumed = ask(&golden, Method::POST, "/v1/tenants/acme/resume", None).await;
    assert_eq!((&resumed.body["suspended"], &resumed.body["suspended_at"]), (&json!(false), &Value::Null));
    assert_eq!(ask(&golden, Method::POST, "/v1/tenants/ops/resume", None).await.status, 200);
}

#[tokio::test]
async fn a_tenant_with_open_jobs_is_not_deleted() {
    let golden = Golden::start().await;
    golden.submit(json!({"kind": "noop"})).await;
    assert_eq!(ask(&golden, Method::DELETE, "/v1/tenants/acme", None).await.problem(), (409, "conflict"));
    let claimed = golden.claim(Role::Orchestrator).await;
    golden.finish(&claimed, succeeded("1")).await;
    assert_eq!(ask(&golden, Method::DELETE, "/v1/tenants/acme", None).await.status, 204);
}

#[tokio::test]
async fn a_token_is_made_for_a_tenant_that_is_known() {
    let golden = Golden::start().await;
    let path = "/v1/tenants/acme/tokens";
    let body = || Some(json!({"role": "developer", "sub": "ci", "ttl": 60}));
    assert_eq!(ask(&golden, Method::POST, path, body()).await.problem(), (404, "not-found"));
    ask(&golden, Method::POST, "/v1/tenants", Some(json!({"id": "acme"}))).await;

    let made = ask(&golden, Method::POST, path, body()).await;
    assert_eq!((made.status.as_u16(), made.header("cache-control")), (201, "no-store"));
    let told = ["tenant", "role", "sub"].map(|name| made.body[name].clone());
    assert_eq!(told, [json!("acme"), json!("developer"), json!("ci")]);
    let submit = request(Method::POST, "/v1/jobs").token(Some(text(&made.body["token"])));
    let job = golden.send(submit.json(&json!({"kind": "noop"}))).await;
    assert_eq!((job.status.as_u16(), &job.body["tenant"]), (202, &json!("acme")), "{}", job.text);
    let purge = request(Method::POST, "/v1/dlq/purge").token(Some(text(&made.body["token"])));
    assert_eq!(golden.send(purge.json(&json!({"all": true}))).await.problem(), (403, "forbidden"));
}

/// The answer to a token that is asked of a server which only has public keys.
pub(crate) async fn elsewhere() -> Answer {
    let issuer = Signer::ed("k");
    let published = Published::new(Ok(set(&[&issuer])), Pace::NETWORK);
    let auth = Auth::jwks(published, Expected::default()).await.unwrap();
    let golden = Golden::with(|api| api.auth = auth).await;
    let exp = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 600;
    let admin = issuer.token(&json!({"tenant": "ops", "role": "admin", "exp": exp}));
    let send = async |path: &str, body: Value| {
        golden.send(request(Method::POST, path).token(Some(admin.clone())).json(&body)).await
    };
    send("/v1/tenants", json!({"id": "acme"})).await;
    send("/v1/tenants/acme/tokens", json!({"role": "observer", "sub": "x"})).await
}
