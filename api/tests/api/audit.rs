//! Who changed what is listed, exported and told apart by whose it is.

use std::time::{Duration, Instant};

use axum::http::Method;
use golden_api::CallerRole::{self, Admin, Developer, Observer, Operator};
use golden_jobs::{
    audit::{Act, Action, Actor, Entry, check::Checker},
    store::audit::ChainName,
};
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, request, text, token};

async fn ask(golden: &Golden, method: Method, path: &str, who: (&str, CallerRole), body: &Value) -> Answer {
    golden.send(request(method, path).token(Some(token(who.0, who.1))).json(body)).await
}

async fn get(golden: &Golden, path: &str, who: (&str, CallerRole)) -> Answer {
    golden.send(request(Method::GET, path).token(Some(token(who.0, who.1))).empty()).await
}

fn actions(list: &Answer) -> Vec<String> {
    let entries = list.body["data"].as_array().unwrap_or_else(|| panic!("{}", list.text));
    entries.iter().map(|entry| text(&entry["payload"]["action"])).collect()
}

#[tokio::test]
async fn what_people_do_is_in_their_tenants_log_with_who_they_are() {
    let golden = Golden::start().await;
    let (ops, admin) = (("acme", Operator), ("ops", Admin));
    let dead = golden.dead("x").await;
    ask(&golden, Method::POST, "/v1/dlq/replay", ops, &json!({"all": true})).await;
    ask(&golden, Method::POST, &format!("/v1/jobs/{dead}/cancel"), ("acme", Developer), &json!({})).await;
    ask(&golden, Method::POST, "/v1/queues/sandbox/tenants/acme/pause", admin, &json!({})).await;
    ask(&golden, Method::POST, "/v1/tenants/acme/tokens", admin, &json!({"role": "observer", "sub": "grafana"})).await;
    get(&golden, "/v1/webhooks/secret", ("acme", Developer)).await;

    let list = get(&golden, "/v1/audit", ops).await;
    let expected = ["callback_secret.shown", "token.minted", "queue.paused", "job.cancelled", "dead_letters.replayed"];
    assert_eq!(actions(&list), expected, "{}", list.text);
    let paused = &list.body["data"][2]["payload"];
    assert_eq!((&paused["actor_tenant"], &paused["actor_role"]), (&json!("ops"), &json!("admin")), "{paused}");
    assert_eq!(list.body["data"][1]["payload"]["details"]["subject"], "grafana");
    for secret in ["whsec_", "eyJ"] {
        assert!(!list.text.contains(secret), "{}", list.text);
    }

    let first = get(&golden, "/v1/audit?limit=2", ops).await;
    let rest = get(&golden, &format!("/v1/audit?limit=2&cursor={}", text(&first.body["next_cursor"])), ops).await;
    assert_eq!([actions(&first), actions(&rest)].concat(), expected[..4]);
    assert_eq!(actions(&get(&golden, "/v1/audit?action=queue.paused&actor=user:tester", ops).await), expected[2..3]);
    assert!(actions(&get(&golden, "/v1/audit?until=2020-01-01T00:00:00Z", ops).await).is_empty());
    for wrong in ["action=nothing", "cursor=x", "limit=0"] {
        let answer = get(&golden, &format!("/v1/audit?{wrong}"), ops).await;
        assert_eq!(answer.problem(), (400, "malformed-request"), "{wrong}");
    }
    // What was refused, and what changed nothing.
    let before = get(&golden, "/v1/audit/head", ops).await;
    ask(&golden, Method::POST, "/v1/tenants/acme/suspend", ops, &json!({})).await;
    ask(&golden, Method::POST, "/v1/queues/sandbox/tenants/acme/pause", admin, &json!({})).await;
    assert_eq!(get(&golden, "/v1/audit/head", ops).await.body, before.body);
}

#[tokio::test]
async fn a_chain_is_read_by_its_tenant_and_by_those_who_run_the_installation() {
    let golden = Golden::start().await;
    let (ops, admin) = (("acme", Operator), ("ops", Admin));
    ask(&golden, Method::POST, "/v1/tenants", admin, &json!({"id": "gone"})).await;
    let deleted = ask(&golden, Method::DELETE, "/v1/tenants/gone", admin, &json!({})).await;
    assert_eq!(deleted.status, 204);
    let reason = json!({"reason": "maintenance", "seconds": 60});
    ask(&golden, Method::POST, "/v1/breakers/docker/force-open", admin, &reason).await;

    assert_eq!(actions(&get(&golden, "/v1/audit?tenant=gone", admin).await), ["tenant.deleted", "tenant.created"]);
    assert_eq!(actions(&get(&golden, "/v1/audit?installation=true", admin).await), ["breaker.set"]);
    assert_eq!(get(&golden, "/v1/audit/head?installation=true", admin).await.body["tenant"], Value::Null);
    for (query, problem) in [
        ("tenant=gone", (404, "not-found")),
        ("tenant=never", (404, "not-found")),
        ("installation=true", (403, "forbidden")),
        ("tenant=acme&installation=true", (400, "malformed-request")),
    ] {
        for path in ["/v1/audit", "/v1/audit/head", "/v1/audit/export"] {
            assert_eq!(get(&golden, &format!("{path}?{query}"), ops).await.problem(), problem, "{path}?{query}");
        }
    }
    assert_eq!(get(&golden, "/v1/audit?tenant=never", admin).await.problem(), (404, "not-found"));
    assert_eq!(get(&golden, "/v1/audit?tenant=acme", ops).await.status, 200);
}

#[tokio::test]
async fn an_export_has_the_whole_chain_and_says_where_it_ends() {
    let golden = Golden::start().await;
    let ops = ("acme", Operator);
    let export = async |query: &str| get(&golden, &format!("/v1/audit/export{query}"), ops).await;
    let end =
        |answer: &Answer| serde_json::from_str::<Value>(answer.text.lines().last().unwrap()).unwrap()["end"].take();
    assert_eq!(end(&export("").await)["seq"], 0);

    // More than is read at once.
    let by = Actor::caller("kim", "acme", "operator");
    let acts: Vec<_> = (0..1_100).map(|n| (by.clone(), Act::on(Action::JobRetried, n))).collect();
    golden.store.record_acts(&ChainName::of("acme"), &acts).await.unwrap();
    let whole = export("").await;
    let mut checker = Checker::beginning_at(1);
    for line in whole.text.lines().take(1_100) {
        checker.check(&serde_json::from_str::<Entry>(line).unwrap()).unwrap();
    }
    let head = checker.head().unwrap();
    assert_eq!((head.seq, end(&whole)), (1_100, json!({"seq": 1_100, "hash": head.hash, "tenant": "acme"})));
    assert_eq!(get(&golden, "/v1/audit/head", ops).await.body["hash"], json!(head.hash));

    let tail = export("?from=1099").await;
    assert_eq!(tail.text.lines().count(), 3);
    assert_eq!(export("?from=2000").await.text.lines().count(), 1);
    assert_eq!(export("?from=0").await.problem(), (400, "malformed-request"));
}

#[tokio::test]
async fn denials_on_routes_that_change_something_are_one_entry_for_each_subject_and_route() {
    let golden = Golden::with(|api| api.options.denials_gathered = Duration::from_millis(50)).await;
    let observer = ("acme", Observer);
    // Before the others, so that it is in the log by the time they are, if it ever is.
    get(&golden, "/v1/audit", observer).await;
    for _ in 0..3 {
        ask(&golden, Method::POST, "/v1/dlq/purge", observer, &json!({"all": true})).await;
    }
    ask(&golden, Method::POST, "/v1/tenants", ("acme", Operator), &json!({"id": "x"})).await;
    let (mut told, begun) = (Vec::new(), Instant::now());
    // They may have been gathered in more than one go.
    let times = |told: &[Value]| told.iter().map(|entry| entry["details"]["times"].as_u64().unwrap()).sum::<u64>();
    while times(&told) < 4 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{told:?}");
        let list = get(&golden, "/v1/audit?action=access.denied", ("acme", Operator)).await;
        told = list.body["data"].as_array().unwrap().iter().map(|entry| entry["payload"].clone()).collect();
    }
    for (route, role, times_denied) in [("POST /v1/dlq/purge", "observer", 3), ("POST /v1/tenants", "operator", 1)] {
        let of: Vec<Value> = told.iter().filter(|entry| entry["target"] == route).cloned().collect();
        assert_eq!(times(&of), times_denied, "{told:?}");
        assert!(of.iter().all(|entry| entry["actor_role"] == role), "{told:?}");
    }
    assert_eq!(told.iter().filter(|entry| entry["target"] == "GET /v1/audit").count(), 0);
}
