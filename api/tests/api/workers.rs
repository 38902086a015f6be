//! Workers are seen by all, their runs by those whose they are, and drained by admins.

use axum::http::Method;
use golden_api::CallerRole::{self, Admin, Observer, Operator};
use golden_jobs::{Role, store::Heard};
use serde_json::json;

use crate::harness::{Answer, Golden, request, token, worker};

async fn ask(golden: &Golden, method: Method, path: &str, tenant: &str, role: CallerRole) -> Answer {
    golden.send(request(method, path).token(Some(token(tenant, role))).empty()).await
}

#[tokio::test]
async fn what_a_worker_runs_is_told_to_those_whose_it_is_and_to_admins() {
    let golden = Golden::start().await;
    let worker = worker(Role::Orchestrator);
    golden.store.heartbeat(&worker).await.unwrap();
    for tenant in ["acme", "acme", "emca"] {
        let submit = request(Method::POST, "/v1/jobs").token(Some(token(tenant, Admin)));
        assert_eq!(golden.send(submit.json(&json!({"kind": "noop"}))).await.status, 202);
    }
    assert_eq!(golden.store.claim(Role::Orchestrator, 10, worker.id).await.unwrap().len(), 3);

    for (tenant, role, tenants) in [
        ("acme", Operator, vec!["acme", "acme"]),
        ("emca", Observer, vec!["emca"]),
        ("none", Operator, vec![]),
        ("ops", Admin, vec!["acme", "acme", "emca"]),
    ] {
        let list = ask(&golden, Method::GET, "/v1/workers", tenant, role).await;
        assert_eq!(list.ids(), [worker.id.to_string()]);
        let one = ask(&golden, Method::GET, &format!("/v1/workers/{}", worker.id), tenant, role).await;
        for seen in [&list.body["data"][0], &one.body] {
            let mut runs: Vec<_> = seen["runs"].as_array().unwrap().iter().map(|run| &run["tenant"]).collect();
            runs.sort_by_key(|tenant| tenant.to_string());
            assert_eq!(
                (runs, &seen["running"]),
                (tenants.iter().map(|t| json!(t)).collect::<Vec<_>>().iter().collect(), &json!(tenants.len()))
            );
        }
        if let Some(run) = one.body["runs"].get(0) {
            assert_eq!(
                (&run["kind"], &run["attempt"], &run["role"]),
                (&json!("noop"), &json!(1), &json!("orchestrator"))
            );
        }
    }
    for path in ["/v1/workers/wrk_01981d2a-0b3e-7c21-9f60-5a4c8e1d7b32", "/v1/workers/x"] {
        assert_eq!(ask(&golden, Method::GET, path, "acme", Admin).await.problem(), (404, "not-found"));
    }
}

#[tokio::test]
async fn a_worker_is_drained_by_an_admin() {
    let golden = Golden::start().await;
    let worker = worker(Role::Orchestrator);
    golden.store.heartbeat(&worker).await.unwrap();
    let path = format!("/v1/workers/{}/drain", worker.id);

    let refused = ask(&golden, Method::POST, &path, "acme", Operator).await;
    assert_eq!(refused.problem(), (403, "forbidden"));
    assert_eq!(golden.store.heartbeat(&worker).await.unwrap(), Heard::Alive);
    let drained = ask(&golden, Method::POST, &path, "acme", Admin).await;
    assert!(drained.body["draining_since"].is_string(), "{}", drained.text);
    assert_eq!(golden.store.heartbeat(&worker).await.unwrap(), Heard::Draining);
    let again = ask(&golden, Method::POST, &path, "acme", Admin).await;
    assert_eq!(again.body["draining_since"], drained.body["draining_since"]);

    golden.store.retire(worker.id).await.unwrap();
    assert_eq!(ask(&golden, Method::POST, &path, "acme", Admin).await.problem(), (404, "not-found"));
}
