//! Panels judge work, and humans what they could not.

use axum::http::Method;
use golden_api::CallerRole::{self, Admin, Developer, Operator};
use golden_jobs::{
    JobId, ReviewId, kinds,
    models::exchange::AgentRole,
    reviews::{Opening, Panel, Review, Risk, Vote, abstention},
    store::reviews::Opened,
};
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, request, text, token};

/// Work to be judged.
pub(crate) fn work(file: &str) -> Value {
    json!({"title": "A parser", "goal": "It parses.", "files": {"a.py": file}, "author": "developer"})
}

/// A review of tenant `acme` that was opened as its job would.
pub(crate) async fn opened(golden: &Golden, submitted_by: Option<&str>) -> Review {
    let job = golden.post("/v1/reviews", work("x")).await;
    assert_eq!(job.status, 202, "{}", job.text);
    let job: JobId = text(&job.body["id"]).parse().unwrap();
    let opening = Opening {
        id: job.into(),
        again: false,
        tenant_id: "acme".into(),
        job_id: job,
        title: "A parser".into(),
        risk: Risk::Normal,
        author: AgentRole::Developer,
        submitted_by: submitted_by.map(str::to_owned),
        digest: "d1".into(),
        panel: Panel::of(Risk::Normal, AgentRole::Developer, None).unwrap(),
    };
    match golden.store.open_review(&opening).await.unwrap() {
        Opened::Open(review) => *review,
        other => panic!("{other:?}"),
    }
}

/// All who are asked say the same, as often as it takes.
async fn all_say(golden: &Golden, id: ReviewId, vote: Vote) -> Review {
    loop {
        let review = golden.store.review("acme", id).await.unwrap().unwrap();
        let missing: Vec<_> = review.missing().copied().collect();
        if missing.is_empty() || review.closed_at.is_some() {
            return review;
        }
        for seat in missing {
            let mut ballot = abstention(&seat, review.round, &review.digest, "refused", review.opened_at);
            ballot.verdict = vote;
            golden.store.cast("acme", id, &ballot).await.unwrap();
        }
        golden.store.advance_review("acme", id).await.unwrap();
    }
}

async fn decide(golden: &Golden, id: ReviewId, role: CallerRole, body: Value) -> Answer {
    let decide = request(Method::POST, &format!("/v1/reviews/{id}/decide"));
    golden.send(decide.token(Some(token("acme", role))).json(&body)).await
}

fn yes() -> Value {
    json!({"decision": "approve", "reason": "I ran it."})
}

/// The answer to somebody who would decide on work of their own.
pub(crate) async fn decided_by_its_author(golden: &Golden) -> Answer {
    let review = opened(golden, Some(SUBJECT)).await;
    all_say(golden, review.id, Vote::Abstain).await;
    decide(golden, review.id, Operator, yes()).await
}

/// Whoever shows a token of the tests.
const SUBJECT: &str = "tester";

#[tokio::test]
async fn a_review_is_submitted_read_listed_and_decided() {
    let golden = Golden::start().await;
    let wrong = golden.post("/v1/reviews", json!({"title": "x", "goal": "y", "author": "developer"})).await;
    assert_eq!(wrong.problem(), (422, "validation-failed"));
    let panel = json!({"title": "x", "goal": "y", "files": {"a": "b"}, "author": "tester", "panel": ["tester", "tester", "tester"]});
    let wrong = golden.post("/v1/reviews", panel).await;
    assert_eq!(wrong.body["errors"][0]["pointer"], "/panel", "{}", wrong.text);

    // It says who submits it, whatever it said.
    let mut forged = work("pass");
    forged["submitted_by"] = json!("somebody");
    let key =
        || request(Method::POST, "/v1/reviews").token(Some(token("acme", Developer))).header("idempotency-key", "r");
    let job = golden.send(key().json(&forged)).await;
    assert_eq!((job.status.as_u16(), &job.body["kind"]), (202, &json!("review")), "{}", job.text);
    assert_eq!(job.body["payload"]["submitted_by"], SUBJECT);
    let again = golden.send(key().json(&forged)).await;
    assert_eq!((&again.body["id"], again.header("idempotent-replayed")), (&job.body["id"], "true"));

    // Before its job begins, its number is known and nobody was asked.
    let id = text(&job.body["id"]).replace("job_", "rev_");
    let pending = golden.get(&format!("/v1/reviews/{id}")).await;
    assert_eq!((&pending.body["state"], &pending.body["rounds"]), (&json!("PENDING"), &json!([])), "{}", pending.text);
    assert_eq!(decide(&golden, id.parse().unwrap(), Operator, yes()).await.problem(), (409, "conflict"));
    golden.post(&format!("/v1/jobs/{}/cancel", text(&job.body["id"])), json!({})).await;
    assert_eq!(golden.get(&format!("/v1/reviews/{id}")).await.body["state"], "CANCELLED");

    let review = opened(&golden, Some("ada")).await;
    let path = format!("/v1/reviews/{}", review.id);
    assert_eq!(golden.get(&path).await.body["state"], "COLLECTING");
    assert_eq!(decide(&golden, review.id, Operator, yes()).await.problem(), (409, "conflict"));
    all_say(&golden, review.id, Vote::Abstain).await;
    let escalated = golden.get(&path).await;
    assert_eq!((&escalated.body["state"], &escalated.body["decision"]), (&json!("ESCALATED"), &Value::Null));
    let round = &escalated.body["rounds"][0];
    assert_eq!((round["panel"].as_array().unwrap().len(), round["ballots"].as_array().unwrap().len()), (6, 6));
    assert_eq!((&round["panel"][3]["replaces"], &round["ballots"][0]["reason"]), (&json!(1), &json!("refused")));

    for wrong in
        [json!({}), json!({"decision": "perhaps", "reason": "x"}), json!({"decision": "reject", "reason": " "})]
    {
        assert_eq!(decide(&golden, review.id, Operator, wrong).await.problem(), (422, "validation-failed"));
    }
    assert_eq!(decide(&golden, review.id, Developer, yes()).await.problem(), (403, "forbidden"));
    let decided = decide(&golden, review.id, Admin, yes()).await;
    assert_eq!((decided.status.as_u16(), &decided.body["state"]), (200, &json!("APPROVED")), "{}", decided.text);
    let said = &decided.body["decision"];
    assert_eq!((&said["by"], &said["reason"]), (&json!(SUBJECT), &json!("I ran it.")));
    assert_eq!(decide(&golden, review.id, Operator, yes()).await.problem(), (409, "conflict"), "it is decided once");
    let audited = golden.get("/v1/audit?action=review.decided").await;
    assert_eq!(audited.body["data"].as_array().unwrap().len(), 1, "{}", audited.text);

    let other = opened(&golden, None).await;
    let again = |id: String| {
        let mut second = work("y");
        second["round_of"] = json!(id);
        golden.post("/v1/reviews", second)
    };
    assert_eq!(again(other.id.to_string()).await.problem(), (409, "conflict"), "its panel has not asked for changes");
    let nobodys = again(format!("rev_{}", uuid::Uuid::now_v7())).await;
    assert_eq!(nobodys.body["errors"][0]["pointer"], "/round_of", "{}", nobodys.text);
    all_say(&golden, other.id, Vote::Approve).await;
    let listed = async |query: &str| {
        let list = golden.get(&format!("/v1/reviews{query}")).await;
        let ids = list.body["data"].as_array().unwrap().iter().map(|review| text(&review["id"]));
        (ids.collect::<Vec<_>>(), list.body["next_cursor"].as_str().map(str::to_owned))
    };
    let (first, second) = (review.id.to_string(), other.id.to_string());
    assert_eq!(listed("").await, (vec![second.clone(), first.clone()], None));
    let (page, cursor) = listed("?limit=1").await;
    assert_eq!(page, [second]);
    assert_eq!(listed(&format!("?limit=1&cursor={}", cursor.unwrap())).await, (vec![first], None));
    assert_eq!(listed("?state=APPROVED&risk=normal").await.0.len(), 2);
    assert_eq!(listed("?state=ESCALATED").await.0.len() + listed("?risk=high").await.0.len(), 0);
    assert_eq!(golden.get("/v1/reviews?state=approved").await.problem(), (400, "malformed-request"));
}

#[tokio::test]
async fn every_way_in_writes_who_submits() {
    let golden = Golden::start().await;
    let payload = || {
        let mut work = work("pass");
        work["submitted_by"] = json!("somebody");
        work
    };
    let job = golden.submit(json!({"kind": "review", "payload": payload()})).await;
    let batch = golden.post("/v1/jobs/batch", json!([{"kind": "review", "payload": payload()}])).await;
    let schedule = json!({"name": "nightly", "cron": "@daily", "job": {"kind": "review", "payload": payload()}});
    let schedule = golden.post("/v1/schedules", schedule).await;
    let said = [&job["payload"], &batch.body["data"][0]["payload"], &schedule.body["job"]["payload"]];
    for payload in said {
        let work: kinds::Review = serde_json::from_value(payload.clone()).unwrap();
        assert!(work.submitted_by.is_some_and(|by| by != "somebody"), "{payload}");
    }
}
