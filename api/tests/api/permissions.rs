//! Every route with every role, against the table of the design.

use axum::http::Method;
use golden_api::CallerRole::{self, Admin, Developer, Observer, Operator};
use serde_json::json;

use crate::harness::{Golden, request, token};

/// Method, path, a path that matches it, and the least role (`None`: anybody).
const TABLE: [(&str, &str, Option<CallerRole>); 26] = [
    ("POST", "/v1/jobs", Some(Developer)),
    ("POST", "/v1/jobs/batch", Some(Developer)),
    ("GET", "/v1/jobs", Some(Observer)),
    ("GET", "/v1/jobs/{id}", Some(Observer)),
    ("GET", "/v1/jobs/{id}/attempts", Some(Observer)),
    ("GET", "/v1/jobs/{id}/logs", Some(Observer)),
    ("GET", "/v1/jobs/{id}/events", Some(Observer)),
    ("POST", "/v1/jobs/{id}/cancel", Some(Developer)),
    ("POST", "/v1/jobs/{id}/retry", Some(Operator)),
    ("GET", "/v1/kinds", None),
    ("GET", "/v1/kinds/{kind}", None),
    ("GET", "/v1/dlq", Some(Observer)),
    ("GET", "/v1/dlq/{id}", Some(Observer)),
    ("POST", "/v1/dlq/replay", Some(Operator)),
    ("POST", "/v1/dlq/purge", Some(Operator)),
    ("POST", "/v1/dlq/{id}/replay", Some(Operator)),
    ("GET", "/v1/webhooks/secret", Some(Developer)),
    ("GET", "/v1/webhooks/deliveries", Some(Observer)),
    ("GET", "/health", None),
    ("GET", "/livez", None),
    ("GET", "/readyz", None),
    ("GET", "/metrics", Some(Observer)),
    ("GET", "/openapi.json", None),
    ("GET", "/docs", None),
    ("GET", "/docs/problems", None),
    ("GET", "/docs/problems/{code}", None),
];

#[test]
fn the_table_has_every_route() {
    let mut routes = golden_api::routes();
    let mut table: Vec<_> = TABLE.iter().map(|(method, path, _)| (*method, *path)).collect();
    routes.sort_unstable();
    table.sort_unstable();
    assert_eq!(routes, table);
}

#[tokio::test]
async fn every_role_may_what_the_table_says_and_nothing_else() {
    let golden = Golden::start().await;
    let callers = [None, Some(Observer), Some(Developer), Some(Operator), Some(Admin)];
    for (method, path, least) in TABLE {
        let denied_before = denials(&golden);
        let mut denied = 0;
        for caller in callers {
            let sent = request(method.parse::<Method>().unwrap(), path).token(caller.map(|role| token("acme", role)));
            let answer = golden.send(sent.json(&json!({}))).await;
            let status = answer.status.as_u16();
            if caller >= least {
                assert!(status != 401 && status != 403, "{method} {path} {caller:?}: {status}");
                continue;
            }
            denied += 1;
            match caller {
                None => {
                    assert_eq!(answer.problem(), (401, "unauthenticated"), "{method} {path}");
                    assert!(answer.header("www-authenticate").starts_with("Bearer"));
                }
                Some(_) => assert_eq!(answer.problem(), (403, "forbidden"), "{method} {path} {caller:?}"),
            }
        }
        assert_eq!(denials(&golden) - denied_before, denied, "{method} {path}");
    }
}

fn denials(golden: &Golden) -> u64 {
    let text = golden.metrics.render();
    let lines = text.lines().filter(|line| line.starts_with("rbac_permission_denied_total{"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn a_token_that_does_not_count_is_401_on_every_guarded_route() {
    let golden = Golden::start().await;
    for authorization in ["Bearer", "Bearer ", "Bearer x.y.z", "Basic YTpi", "x"] {
        let sent = request(Method::GET, "/v1/jobs").token(None).header("authorization", authorization);
        let answer = golden.send(sent.empty()).await;
        assert_eq!(answer.problem(), (401, "unauthenticated"), "{authorization}");
        assert!(answer.header("www-authenticate").contains("invalid_token"));
    }
    // Of two, a proxy before us may have checked the other.
    let good = format!("Bearer {}", token("acme", Admin));
    let sent = request(Method::GET, "/v1/jobs").token(None).header("authorization", &good);
    let answer = golden.send(sent.header("authorization", "Bearer x.y.z").empty()).await;
    assert_eq!(answer.problem(), (401, "unauthenticated"));

    let sent = request(Method::GET, "/livez").token(None).header("authorization", "Bearer x.y.z");
    assert_eq!(golden.send(sent.empty()).await.status, 200);
}

#[tokio::test]
async fn a_denied_request_is_not_read() {
    let golden = Golden::start().await;
    let sent = request(Method::POST, "/v1/jobs").token(Some(token("acme", Observer)));
    assert_eq!(golden.send(sent.body("{")).await.problem(), (403, "forbidden"));
}
