//! What tenants may spend is set by admins and read by themselves; where it is gone, new work that spends is refused.

use axum::http::Method;
use golden_api::CallerRole::{Admin, Developer, Observer};
use golden_jobs::{
    Role, WorkerId,
    audit::Actor,
    budgets::Micros,
    store::budgets::{Ask, Reserved},
};
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, request, token};

async fn ask(golden: &Golden, method: Method, path: &str, tenant: &str, role: golden_api::CallerRole) -> Answer {
    golden.send(request(method, path).token(Some(token(tenant, role))).empty()).await
}

async fn set(golden: &Golden, tenant: &str, body: Value) -> Answer {
    let put = request(Method::PUT, &format!("/v1/budgets/{tenant}"));
    golden.send(put.token(Some(token(tenant, Admin))).json(&body)).await
}

async fn submit(golden: &Golden, tenant: &str, job: Value) -> Answer {
    golden.send(request(Method::POST, "/v1/jobs").token(Some(token(tenant, Developer))).json(&job)).await
}

/// The answer to new work that spends, of a tenant that has nothing to spend.
pub(crate) async fn broke(golden: &Golden) -> Answer {
    set(golden, "broke", json!({"limit_micros": 0})).await;
    submit(golden, "broke", json!({"kind": "spends"})).await
}

#[tokio::test]
async fn a_budget_is_set_by_admins_and_read_by_its_tenant() {
    let golden = Golden::start().await;
    let read = async || ask(&golden, Method::GET, "/v1/budgets/acme", "acme", Observer).await.body;
    let fresh = read().await;
    assert_eq!(
        (&fresh["limit_micros"], &fresh["period"], &fresh["exhausted"]),
        (&json!(10_000_000), &json!("month"), &json!(false))
    );
    assert_eq!((&fresh["limit_is_default"], &fresh["left_micros"]), (&json!(true), &json!(10_000_000)));

    let answer = set(&golden, "acme", json!({"limit_micros": 5, "period": "day"})).await;
    assert_eq!((answer.status.as_u16(), &answer.body["limit_micros"]), (200, &json!(5)), "{}", answer.text);
    assert_eq!(read().await, answer.body);
    let listed = ask(&golden, Method::GET, "/v1/budgets?limit=1", "ops", Admin).await.body;
    assert_eq!((&listed["data"], &listed["next_cursor"]), (&json!([answer.body]), &Value::Null));

    for wrong in [json!({"limit_micros": -1}), json!({"limit_micros": 1.5}), json!({"period": "week"}), json!({"x": 1})]
    {
        assert_eq!(set(&golden, "acme", wrong.clone()).await.problem(), (422, "validation-failed"), "{wrong}");
    }
    assert_eq!(read().await["limit_micros"], 5);
    let back = set(&golden, "acme", json!({"period": null})).await;
    assert_eq!((&back.body["limit_micros"], &back.body["period"]), (&json!(10_000_000), &json!("month")));
    let audit = ask(&golden, Method::GET, "/v1/audit?action=budget.set", "acme", Admin).await;
    assert_eq!(audit.body["data"].as_array().unwrap().len(), 2, "{}", audit.text);
}

#[tokio::test]
async fn where_the_budget_is_gone_only_new_work_that_spends_is_refused() {
    let golden = Golden::start().await;
    let spends = json!({"kind": "spends", "max_cost": 60});
    let accepted = submit(&golden, "acme", spends.clone()).await;
    assert_eq!((accepted.status.as_u16(), &accepted.body["max_cost"]), (202, &json!(60)), "{}", accepted.text);
    let wrong = submit(&golden, "acme", json!({"kind": "spends", "max_cost": -1})).await;
    assert_eq!(
        (wrong.problem(), &wrong.body["errors"][0]["pointer"]),
        ((422, "validation-failed"), &json!("/max_cost"))
    );

    let (one, batch) = (json!({"kind": "spends", "max_cost": 1}), json!([{"kind": "spends", "max_cost": 1}]));
    let keyed = async |path: &str, body: &Value| {
        let request = request(Method::POST, path).token(Some(token("acme", Developer)));
        golden.send(request.header("idempotency-key", "again").json(body)).await
    };
    let paths = [("/v1/jobs", &one), ("/v1/jobs/batch", &batch), ("/v1/jobs/batch?partial=true", &batch)];
    for (path, body) in paths {
        assert!(keyed(path, body).await.status.is_success());
    }

    set(&golden, "acme", json!({"limit_micros": 50})).await;
    let run = golden.store.claim(Role::Orchestrator, 1, WorkerId::new()).await.unwrap().remove(0);
    let ask = Ask { run: run.run, step: "a".to_owned(), reask: 0, amount: Micros::new(50).unwrap() };
    let Reserved::Granted(reservation) = golden.store.reserve(&ask).await.unwrap() else { panic!("there is money") };
    assert_eq!(submit(&golden, "acme", spends.clone()).await.status, 202, "what is reserved may come back");
    golden.store.settle(reservation.id, ask.amount).await.unwrap();

    let refused = submit(&golden, "acme", spends.clone()).await;
    assert_eq!(refused.problem(), (402, "budget-exhausted"));
    assert!(refused.body["retry_at"].is_string(), "{}", refused.text);
    assert_eq!(submit(&golden, "acme", json!({"kind": "noop"})).await.status, 202);
    assert_eq!(submit(&golden, "globex", spends.clone()).await.status, 202);
    let batch = request(Method::POST, "/v1/jobs/batch?partial=true").token(Some(token("acme", Developer)));
    let batch = golden.send(batch.json(&json!([spends, {"kind": "noop"}]))).await;
    assert_eq!((&batch.body["data"][0]["status"], &batch.body["data"][1]["status"]), (&json!(402), &json!(202)));
    for (path, body) in paths {
        let again = keyed(path, body).await;
        assert!(again.status.is_success(), "what was accepted once has its answer: {path}: {}", again.text);
        let replayed = again.headers.contains_key("idempotent-replayed");
        assert!(replayed || again.body["data"][0]["idempotent_replayed"] == true, "{path}: {}", again.text);
    }
    assert_eq!(keyed("/v1/jobs", &json!({"kind": "spends"})).await.problem(), (422, "idempotency-key-reused"));
    let schedule = json!({"name": "later", "cron": "@daily", "job": spends});
    let stored = request(Method::POST, "/v1/schedules").token(Some(token("acme", Developer)));
    let stored = golden.send(stored.json(&schedule)).await;
    assert_eq!((stored.status.as_u16(), &stored.body["job"]["max_cost"]), (201, &json!(60)), "{}", stored.text);

    let acme = golden_jobs::store::budgets::BudgetTerms { limit: Micros::new(51), period: None };
    golden.store.set_budget("acme", &acme, &Actor::golden()).await.unwrap();
    assert_eq!(submit(&golden, "acme", spends).await.status, 202);
}
