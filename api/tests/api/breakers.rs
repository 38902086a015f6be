//! Breakers are seen by all, those of hosts by those who run the installation, and set by these.

use std::time::Duration;

use axum::http::Method;
use golden_api::CallerRole::{self, Admin, Observer, Operator};
use golden_jobs::{
    Role,
    breakers::{self, Board, Dependency},
    metrics::Metrics,
    store::breakers::{Finding, Vote},
};
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, request, token, worker};

async fn ask(golden: &Golden, method: Method, path: &str, role: CallerRole, body: &Value) -> Answer {
    golden.send(request(method, path).token(Some(token("acme", role))).json(body)).await
}

async fn list(golden: &Golden, role: CallerRole) -> Vec<(String, String)> {
    let list = golden.send(request(Method::GET, "/v1/breakers").token(Some(token("acme", role))).empty()).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.body["data"].as_array().unwrap().iter().map(|one| (text(&one["name"]), text(&one["state"]))).collect()
}

fn states(states: &[(&str, &str)]) -> Vec<(String, String)> {
    states.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect()
}

const CLOSED: [(&str, &str); 3] = [("docker", "closed"), ("nats", "closed"), ("redis", "closed")];

/// A worker that finds this host open.
async fn finds_open(golden: &Golden, name: &str) {
    let worker = worker(Role::Orchestrator);
    golden.store.heartbeat(&worker).await.unwrap();
    let finding = Finding::Open { lasts: Duration::from_secs(300), opened: 1 };
    let dependency: Dependency = name.parse().unwrap();
    golden.store.vote(worker.id, &[Vote { dependency, finding }]).await.unwrap();
}

#[tokio::test]
async fn hosts_are_listed_for_admins_alone() {
    let golden = Golden::start().await;
    finds_open(&golden, "http:of-a-tenant.example").await;
    let open = [&CLOSED[..], &[("http:of-a-tenant.example", "open")]].concat();
    assert_eq!(list(&golden, Admin).await, states(&open));
    for role in [Observer, Operator] {
        assert_eq!(list(&golden, role).await, states(&CLOSED));
    }

    for (role, named) in [(Admin, true), (Observer, false)] {
        let scraped = golden.send(request(Method::GET, "/metrics").token(Some(token("acme", role))).empty()).await;
        assert_eq!(scraped.text.contains("circuit_breaker_state{name=\"http:of-a-tenant.example\"} 2"), named);
        for line in ["{name=\"http\"} 2", "{name=\"webhook\"} 0", "{name=\"docker\"} 0"] {
            assert!(scraped.text.contains(&format!("circuit_breaker_state{line}\n")), "{line}: {}", scraped.text);
        }
    }
}

#[tokio::test]
async fn an_admin_forces_and_disables_and_operators_reset_them() {
    let golden = Golden::start().await;
    finds_open(&golden, "http:a.example").await;
    let reason = json!({"reason": "maintenance", "seconds": 60});
    for role in [Observer, Operator] {
        let refused = ask(&golden, Method::POST, "/v1/breakers/docker/force-open", role, &reason).await;
        assert_eq!(refused.problem(), (403, "forbidden"));
    }
    let forced = ask(&golden, Method::POST, "/v1/breakers/docker/force-open", Admin, &reason).await;
    assert_eq!(forced.body["state"], "forced_open", "{}", forced.text);
    assert_eq!(forced.body["reason"], "maintenance");
    assert!(forced.body["until"].is_string() && forced.body["set_by"].is_string(), "{}", forced.text);

    let disabled = ask(&golden, Method::POST, "/v1/breakers/http%3Aa.example/disable", Admin, &reason).await;
    assert_eq!((&disabled.body["state"], &disabled.body["votes"]), (&json!("disabled"), &json!(1)));
    let reset = ask(&golden, Method::POST, "/v1/breakers/http:a.example/reset", Operator, &json!({})).await;
    assert_eq!((&reset.body["state"], &reset.body["votes"]), (&json!("closed"), &json!(0)));

    let one =
        ask(&golden, Method::POST, "/admin/circuit-breaker/reset?name=http:a.example", Operator, &json!({})).await;
    assert_eq!(one.body["data"][0]["state"], "forced_open");
    let all = ask(&golden, Method::POST, "/admin/circuit-breaker/reset", Operator, &json!({})).await;
    assert_eq!(list(&golden, Admin).await, states(&CLOSED), "{}", all.text);
}

#[tokio::test]
async fn a_word_has_a_reason_and_an_hour_at_most() {
    let golden = Golden::start().await;
    let path = "/v1/breakers/docker/disable";
    for (body, pointer) in [
        (json!({"reason": " "}), "/reason"),
        (json!({"reason": "x".repeat(501)}), "/reason"),
        (json!({"reason": "x", "seconds": 0}), "/seconds"),
        (json!({"reason": "x", "seconds": 3601}), "/seconds"),
    ] {
        let answer = ask(&golden, Method::POST, path, Admin, &body).await;
        assert_eq!(answer.problem(), (422, "validation-failed"), "{body}: {}", answer.text);
        assert_eq!(answer.body["errors"][0]["pointer"], pointer);
    }
    let longest = ask(&golden, Method::POST, path, Admin, &json!({"reason": "x", "seconds": 3600})).await;
    assert_eq!(longest.status, 200, "{}", longest.text);
    for name in ["disk", "http:", "http:a%2Fb", "docker:x"] {
        let path = format!("/v1/breakers/{name}/reset");
        assert_eq!(ask(&golden, Method::POST, &path, Admin, &json!({})).await.problem(), (404, "not-found"), "{name}");
    }
}

#[tokio::test]
async fn what_this_process_finds_of_its_own_connections_is_shown_and_reset() {
    let board = Board::new(breakers::Options::default(), Metrics::new());
    let golden = Golden::with(|api| api.breakers = board.clone()).await;
    for _ in 0..5 {
        board.call(&Dependency::Redis, Duration::from_secs(1)).unwrap().ended(true);
    }
    let open = [("docker", "closed"), ("nats", "closed"), ("redis", "open")];
    assert_eq!(list(&golden, Observer).await, states(&open));
    let scraped = golden.send(request(Method::GET, "/metrics").token(Some(token("acme", Observer))).empty()).await;
    assert!(scraped.text.contains("circuit_breaker_state{name=\"redis\"} 2\n"), "{}", scraped.text);

    let reset = ask(&golden, Method::POST, "/v1/breakers/redis/reset", Operator, &json!({})).await;
    assert_eq!((&reset.body["state"], &reset.body["needed"]), (&json!("closed"), &json!(1)));
    assert_eq!(list(&golden, Observer).await, states(&CLOSED));
}
