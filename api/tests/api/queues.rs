//! Queues are looked at, held back and bounded, each tenant's by those who may.

use axum::http::Method;
use golden_api::CallerRole::{self, Admin, Developer, Observer, Operator};
use golden_jobs::{Role, WorkerId};
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, request, token};

async fn ask(golden: &Golden, method: Method, path: &str, tenant: &str, role: CallerRole) -> Answer {
    golden.send(request(method, path).token(Some(token(tenant, role))).empty()).await
}

async fn submit(golden: &Golden, tenant: &str, job: Value) -> Answer {
    golden.send(request(Method::POST, "/v1/jobs").token(Some(token(tenant, Developer))).json(&job)).await
}

async fn claims(golden: &Golden) -> usize {
    golden.store.claim(Role::Orchestrator, 100, WorkerId::new()).await.unwrap().len()
}

#[tokio::test]
async fn a_tenant_sees_its_own_figures_and_an_admin_those_of_all() {
    let golden = Golden::start().await;
    for (tenant, jobs) in [("acme", 2), ("emca", 5)] {
        for _ in 0..jobs {
            submit(&golden, tenant, json!({"kind": "noop"})).await;
        }
        submit(&golden, tenant, json!({"kind": "noop", "delay": 3600})).await;
    }
    golden.claim(Role::Orchestrator).await;

    for role in [Observer, Operator] {
        let list = ask(&golden, Method::GET, "/v1/queues", "acme", role).await;
        let roles: Vec<_> = list.body["data"].as_array().unwrap().iter().map(|queue| &queue["role"]).collect();
        assert_eq!(roles, ["orchestrator", "peer-hub", "sandbox", "supervisor", "webhook"]);
        let queue = &list.body["data"][0];
        assert_eq!((&queue["total"], &queue["own"]["tenant"]), (&Value::Null, &json!("acme")), "{role}");
        let own = &queue["own"];
        let figures = ["queued", "scheduled", "running", "at_least"].map(|name| own[name].clone());
        assert_eq!(figures, [json!(1), json!(1), json!(1), json!(false)], "{own}");
        let one = ask(&golden, Method::GET, "/v1/queues/orchestrator", "acme", role).await;
        assert_eq!(one.body["own"]["queued"], 1);
        assert_eq!(ask(&golden, Method::GET, own["links"]["self"].as_str().unwrap(), "acme", role).await.status, 200);
    }
    let queue = ask(&golden, Method::GET, "/v1/queues/orchestrator", "acme", Admin).await.body;
    let figures = ["queued", "scheduled", "running"].map(|name| queue["total"][name].clone());
    assert_eq!(figures, [json!(6), json!(2), json!(1)], "{queue}");
    for path in ["/v1/queues/nope", "/v1/queues/%00", "/v1/queues/nope/tenants/acme", "/v1/queues/sandbox/tenants/%00"]
    {
        assert_eq!(ask(&golden, Method::GET, path, "acme", Admin).await.problem(), (404, "not-found"), "{path}");
    }
}

#[tokio::test]
async fn an_operator_holds_its_own_tenants_queue_back_and_nobody_elses() {
    let golden = Golden::start().await;
    submit(&golden, "acme", json!({"kind": "noop"})).await;
    submit(&golden, "emca", json!({"kind": "noop"})).await;
    let path = |tenant: &str, what: &str| format!("/v1/queues/orchestrator/tenants/{tenant}{what}");

    let paused = ask(&golden, Method::POST, &path("acme", "/pause"), "acme", Operator).await;
    assert_eq!((paused.status.as_u16(), &paused.body["paused"]), (200, &json!(true)), "{}", paused.text);
    assert_eq!((&paused.body["paused_by"], paused.body["paused_at"].is_string()), (&json!("tester"), true));
    assert_eq!(claims(&golden).await, 1, "the other tenant's");
    assert_eq!(submit(&golden, "acme", json!({"kind": "noop"})).await.status, 202);

    for (method, what) in [(Method::GET, ""), (Method::POST, "/pause"), (Method::POST, "/resume")] {
        let theirs = ask(&golden, method.clone(), &path("acme", what), "emca", Operator).await;
        let nobodys = ask(&golden, method.clone(), &path("nobody", what), "emca", Operator).await;
        let nobodys_to_admins = ask(&golden, method, &path("nobody", what), "emca", Admin).await;
        for answer in [&theirs, &nobodys, &nobodys_to_admins] {
            assert_eq!(answer.problem(), (404, "not-found"), "{what}");
            assert_eq!(answer.body["detail"], theirs.body["detail"], "{what}");
        }
    }
    assert_eq!(claims(&golden).await, 0);

    let resumed = ask(&golden, Method::POST, &path("acme", "/resume"), "emca", Admin).await;
    assert_eq!((&resumed.body["tenant"], &resumed.body["paused"]), (&json!("acme"), &json!(false)), "{}", resumed.text);
    assert_eq!(claims(&golden).await, 2);
    // A tenant of which nothing is recorded yet.
    assert_eq!(ask(&golden, Method::POST, &path("new", "/pause"), "new", Operator).await.status, 200);
}

#[tokio::test]
async fn a_paused_role_shows_to_all_and_who_paused_it_to_admins() {
    let golden = Golden::start().await;
    submit(&golden, "acme", json!({"kind": "noop"})).await;
    let path = "/v1/queues/orchestrator";
    let refused = ask(&golden, Method::POST, &format!("{path}/pause"), "acme", Operator).await;
    assert_eq!(refused.problem(), (403, "forbidden"));

    let paused = ask(&golden, Method::POST, &format!("{path}/pause"), "ops", Admin).await;
    assert_eq!(
        (&paused.body["paused"], &paused.body["paused_by"]),
        (&json!(true), &json!("tester")),
        "{}",
        paused.text
    );
    let shown = ask(&golden, Method::GET, path, "acme", Operator).await.body;
    assert_eq!((&shown["paused"], &shown["paused_by"]), (&json!(true), &Value::Null), "{shown}");
    assert_eq!((shown["paused_at"].is_string(), &shown["own"]["paused"]), (true, &json!(false)), "{shown}");
    assert_eq!(claims(&golden).await, 0);

    let resumed = ask(&golden, Method::POST, &format!("{path}/resume"), "ops", Admin).await;
    assert_eq!((&resumed.body["paused"], &resumed.body["paused_at"]), (&json!(false), &Value::Null));
    assert_eq!(claims(&golden).await, 1);
}

#[tokio::test]
async fn a_quota_is_replaced_as_a_whole_and_kept_to() {
    let golden = Golden::start().await;
    submit(&golden, "acme", json!({"kind": "noop", "delay": 3600})).await;
    let limit = async |tenant: &str, quota: Value| {
        let path = format!("/v1/queues/orchestrator/tenants/{tenant}/quota");
        golden.send(request(Method::PUT, &path).token(Some(token("ops", Admin))).json(&quota)).await
    };
    let quotas = |answer: &Answer| ["max_queued", "max_running"].map(|name| answer.body[name].clone());

    let set = limit("acme", json!({"max_queued": 1, "max_running": 3})).await;
    assert_eq!(quotas(&set), [json!(1), json!(3)], "{}", set.text);
    assert_eq!(submit(&golden, "acme", json!({"kind": "noop"})).await.problem(), (429, "queue-full"));
    let set = limit("acme", json!({"max_queued": null})).await;
    assert_eq!(quotas(&set), [Value::Null, Value::Null], "{}", set.text);
    assert_eq!(submit(&golden, "acme", json!({"kind": "noop"})).await.status, 202);

    assert_eq!(limit("nobody", json!({})).await.problem(), (404, "not-found"));
    for (wrong, pointer) in [
        (json!({"max_queued": 0}), "/max_queued"),
        (json!({"max_queued": u64::MAX}), "/max_queued"),
        (json!({"max_running": 0}), "/max_running"),
        (json!({"max_running": u32::MAX}), "/max_running"),
        (json!({"max_running": -1}), "/max_running"),
        (json!({"weight": 1}), "/weight"),
    ] {
        let refused = limit("acme", wrong.clone()).await;
        assert_eq!(refused.problem(), (422, "validation-failed"), "{wrong}");
        assert!(refused.text.contains(pointer), "{wrong}: {}", refused.text);
    }
}
