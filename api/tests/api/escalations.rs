//! `/v1/escalations`: what needs a human.

use std::time::Duration;

use axum::http::Method;
use golden_api::CallerRole;
use golden_jobs::{
    Role, State, WorkerId,
    escalations::{Escalation, Severity},
    outcome::Verdict,
};
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, id, request, text, token};

/// An escalation of tenant `acme` that is open. Answers its id.
pub(crate) async fn opened(golden: &Golden, about: &str, subject: &str) -> String {
    let payload = json!({"about": about, "subject": subject, "reason": "somebody has to look", "severity": "high"});
    let job = golden.submit(json!({"kind": "escalation", "payload": payload})).await;
    // Beside those that were answered and go on.
    let claimed = golden.store.claim(Role::Supervisor, 100, WorkerId::new()).await.unwrap();
    let claimed = claimed.into_iter().find(|claimed| claimed.run.id == id(&job)).unwrap();
    let what: Escalation = serde_json::from_str(claimed.payload.get()).unwrap();
    let opened = golden.store.open_escalation(claimed.run, &what).await.unwrap();
    let wait = Verdict::Await { children: vec![], checkpoint: None, until: Some(Duration::from_secs(60)) };
    golden.finish(&claimed, wait).await;
    opened.id.to_string()
}

/// The answer to somebody who answers for a review's panel.
pub(crate) async fn about_a_review(golden: &Golden) -> Answer {
    let escalation = opened(golden, "review", "rev_1").await;
    resolve(golden, &escalation, json!({"resolution": "approved"})).await
}

async fn resolve(golden: &Golden, id: &str, answer: Value) -> Answer {
    golden.post(&format!("/v1/escalations/{id}/resolve"), answer).await
}

#[tokio::test]
async fn an_escalation_is_read_acknowledged_and_resolved_once() {
    let golden = Golden::start().await;
    let esc = opened(&golden, "other", "the database").await;
    let path = format!("/v1/escalations/{esc}");

    let read = golden.get(&path).await;
    let body = &read.body;
    assert_eq!(
        (&body["state"], &body["about"], &body["subject"]),
        (&json!("open"), &json!("other"), &json!("the database"))
    );
    assert_eq!(
        (&body["severity"], &body["resolution"], &body["links"]["self"]),
        (&json!("high"), &Value::Null, &json!(path))
    );
    let job = text(&body["links"]["job"]);
    assert_eq!(golden.get(&job).await.body["kind"], "escalation");

    let acknowledged = golden.post(&format!("{path}/acknowledge"), json!({})).await;
    assert_eq!((acknowledged.status.as_u16(), &acknowledged.body["state"]), (200, &json!("acknowledged")));
    assert!(acknowledged.body["acknowledged_by"].is_string(), "{}", acknowledged.text);

    let wrong = resolve(&golden, &esc, json!({"resolution": "withdrawn", "note": "x".repeat(2001)})).await;
    assert_eq!(wrong.problem(), (422, "validation-failed"));
    let pointers: Vec<_> =
        wrong.body["errors"].as_array().unwrap().iter().map(|error| text(&error["pointer"])).collect();
    assert_eq!(pointers, ["/resolution", "/note"]);

    let resolved = resolve(&golden, &esc, json!({"resolution": "fixed", "note": "it answers\u{202E} again"})).await;
    assert_eq!((resolved.status.as_u16(), &resolved.body["resolution"]), (200, &json!("fixed")));
    assert_eq!(resolved.body["note"], "it answers again");
    let again = resolve(&golden, &esc, json!({"resolution": "rejected"})).await;
    assert_eq!(again.problem(), (409, "conflict"));
    assert!(text(&again.body["detail"]).ends_with("has answered it already: fixed"), "{}", again.text);
    assert_eq!(golden.post(&format!("{path}/acknowledge"), json!({})).await.problem(), (409, "conflict"));
    assert_eq!(golden.get(&path).await.body, resolved.body);
    assert_eq!(golden.get(&job).await.body["state"], State::Queued.as_str(), "its job goes on");

    // Its job being cancelled, nobody waits for an answer.
    let other = opened(&golden, "other", "y").await;
    let read = golden.get(&format!("/v1/escalations/{other}")).await;
    golden.post(&format!("{}/cancel", text(&read.body["links"]["job"])), json!({})).await;
    let withdrawn = golden.get(&format!("/v1/escalations/{other}")).await;
    assert_eq!((&withdrawn.body["state"], &withdrawn.body["resolution"]), (&json!("resolved"), &json!("withdrawn")));

    let refused = about_a_review(&golden).await;
    assert_eq!(refused.problem(), (409, "decide-review"));
    assert!(text(&refused.body["detail"]).contains("rev_1"), "{}", refused.text);
}

#[tokio::test]
async fn escalations_are_listed_and_counted() {
    let golden = Golden::start().await;
    let first = opened(&golden, "task", "x").await;
    let second = opened(&golden, "budget", "acme").await;
    golden.post(&format!("/v1/escalations/{first}/acknowledge"), json!({})).await;
    let list = async |query: &str| {
        let answer = golden.get(&format!("/v1/escalations{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        answer.body["data"].as_array().unwrap().iter().map(|found| text(&found["id"])).collect::<Vec<_>>()
    };

    assert_eq!(list("").await, [second.clone(), first.clone()]);
    for (query, found) in [
        ("?state=unresolved", vec![&second, &first]),
        ("?state=open", vec![&second]),
        ("?state=acknowledged&about=task", vec![&first]),
        ("?state=resolved", vec![]),
        ("?about=budget&severity=high", vec![&second]),
        ("?subject=x", vec![&first]),
        ("?severity=low", vec![]),
    ] {
        assert_eq!(list(query).await.iter().collect::<Vec<_>>(), found, "{query}");
    }
    let page = golden.get("/v1/escalations?limit=1").await;
    let rest = golden.get(&format!("/v1/escalations?limit=1&cursor={}", text(&page.body["next_cursor"]))).await;
    assert_eq!((text(&page.body["data"][0]["id"]), text(&rest.body["data"][0]["id"])), (second, first));
    assert_eq!(golden.get("/v1/escalations?state=closed").await.problem(), (400, "malformed-request"));

    let elsewhere = request(Method::GET, "/v1/escalations").token(Some(token("globex", CallerRole::Admin)));
    assert_eq!(golden.send(elsewhere.empty()).await.body["data"], json!([]));

    // Both of them count, though neither has anything for a worker to do.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let scaling = golden.get("/v1/scaling").await;
    let supervisor = &scaling.body["roles"]["supervisor"];
    assert_eq!((&supervisor["escalations"], &supervisor["load"]), (&json!(2), &json!(0)));
    let metrics = golden.get("/metrics").await;
    assert!(metrics.text.contains("\ngolden_escalations_open 2\n"), "{}", metrics.text);
}

#[tokio::test]
async fn an_escalation_says_what_is_wrong() {
    let golden = Golden::start().await;
    let good = json!({"about": "other", "subject": "x", "reason": "y", "severity": Severity::Low});
    for (member, value) in [
        ("subject", json!("<b>")),
        ("reason", json!(" \u{202E}")),
        ("reason", json!("x".repeat(2001))),
        ("severity", json!("urgent")),
        ("about", json!("job")),
    ] {
        let mut payload = good.clone();
        payload[member] = value;
        let refused = golden.post("/v1/jobs", json!({"kind": "escalation", "payload": payload})).await;
        assert_eq!(refused.problem(), (422, "validation-failed"), "{member}");
        let pointer = text(&refused.body["errors"][0]["pointer"]);
        assert_eq!(pointer, format!("/payload/{member}"));
    }
}
