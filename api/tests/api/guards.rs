//! `/v1/guards`: what looks after the installation itself.

use axum::http::Method;
use golden_api::CallerRole::{Developer, Operator};
use golden_jobs::{
    WorkerId,
    guards::{Guard, LEASE, Looked},
};
use serde_json::{Value, json};

use crate::harness::{Golden, request, token};

#[tokio::test]
async fn operators_see_how_each_guard_fares() {
    let golden = Golden::start().await;
    let ask =
        async |role| golden.send(request(Method::GET, "/v1/guards").token(Some(token("acme", role))).empty()).await;
    assert_eq!(ask(Developer).await.problem(), (403, "forbidden"));
    let fresh = ask(Operator).await.body;
    let named = |list: &Value, name: &str| {
        let found = list["data"].as_array().unwrap().iter().find(|guard| guard["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {list}")).clone()
    };
    assert_eq!(fresh["data"].as_array().unwrap().len(), Guard::ALL.len());
    let unseen = named(&fresh, "dead_letters");
    assert_eq!(
        (&unseen["looked_at"], &unseen["remedies"], &unseen["remedies_limit"]),
        (&Value::Null, &json!(0), &json!(10))
    );
    let chore = named(&fresh, "lost_workers");
    assert_eq!((&chore["looked_after_by"], &chore["remedies"]), (&json!("workers"), &Value::Null));

    let supervisor = WorkerId::new();
    golden.store.take_guards(supervisor, &[Guard::DeadLetters], LEASE).await.unwrap();
    for looked in [Looked::Remedied("paused".into()), Looked::Failed("no".into()), Looked::Told("no".into())] {
        assert!(golden.store.guard_looked(supervisor, Guard::DeadLetters, &looked).await.unwrap());
    }

    let seen = named(&ask(Operator).await.body, "dead_letters");
    assert!(seen["looked_at"].is_string(), "{seen}");
    assert_eq!((&seen["remedies"], &seen["failures"], &seen["escalated"]), (&json!(2), &json!(2), &json!(true)));
}
