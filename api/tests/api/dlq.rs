//! `/v1/dlq`: dead letters.

use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use golden_jobs::{
    Role,
    outcome::{JobError, Verdict},
};
use serde_json::{Value, json};

use crate::harness::{Golden, request, text};

#[tokio::test]
async fn a_dead_letter_says_what_died_of_what() {
    let golden = Golden::start().await;
    let job = golden.dead("no more disk").await;
    let list = golden.get("/v1/dlq").await;
    let letter = &list.body["data"][0];
    assert_eq!(letter["job_id"], job);
    assert_eq!(letter["original_subject"], "jobs.orchestrator.noop");
    assert_eq!((&letter["error"]["code"], &letter["error"]["message"]), (&json!("test"), &json!("no more disk")));
    assert_eq!((&letter["resolved"], &letter["attempts"]), (&json!(false), &json!(1)));
    assert_eq!(&golden.get(letter["links"]["self"].as_str().unwrap()).await.body, letter);
}

#[tokio::test]
async fn dead_letters_are_filtered_and_paged() {
    let golden = Golden::start().await;
    for message in ["disk full", "disk gone", "100% cpu"] {
        golden.dead(message).await;
    }
    let all = golden.get("/v1/dlq").await.ids();
    for (filter, expected) in [
        ("error=disk", &all[1..]),
        ("error=100%25", &all[..1]),
        ("kind=noop", &all[..]),
        ("kind=other", &[]),
        ("subject=jobs.orchestrator.noop", &all[..]),
        ("since=2001-01-01T00:00:00Z", &all[..]),
        ("until=2001-01-01T00:00:00Z", &[]),
        ("limit=1", &all[..1]),
    ] {
        assert_eq!(golden.get(&format!("/v1/dlq?{filter}")).await.ids(), expected, "{filter}");
    }
    let cursor = text(&golden.get("/v1/dlq?limit=2").await.body["next_cursor"]);
    assert_eq!(golden.get(&format!("/v1/dlq?limit=2&cursor={cursor}")).await.ids(), &all[2..]);
    for (filter, said) in [
        ("limit=x", "limit: "),
        ("since=2h", "since: \"2h\" is not a time as in RFC 3339"),
        ("since=2026-01-01T00:00:00+02:00", "in a URL, + is written %2B"),
        ("knid=noop", "knid: unknown field"),
    ] {
        let answer = golden.get(&format!("/v1/dlq?{filter}")).await;
        assert_eq!(answer.problem(), (400, "malformed-request"), "{filter}");
        assert!(answer.text.replace('\\', "").contains(said), "{}", answer.text);
    }
}

#[tokio::test]
async fn one_is_replayed_once_however_often_it_is_asked_for() {
    let golden = Golden::start().await;
    let job = golden.dead("x").await;
    let letter = golden.get("/v1/dlq").await.ids().remove(0);
    let path = format!("/v1/dlq/{letter}/replay");
    let answers = join_all((0..10).map(|_| golden.send(request(Method::POST, &path).empty()))).await;
    for answer in answers {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!((&answer.body["resolution"], &answer.body["resolved_by"]), (&json!("replayed"), &json!("tester")));
    }
    assert_eq!(golden.get(&format!("/v1/jobs/{job}")).await.body["state"], "queued");
    assert!(golden.get("/v1/dlq").await.ids().is_empty());
    assert_eq!(golden.get("/v1/dlq?include_resolved=true").await.ids(), [letter]);
    golden.claim(Role::Orchestrator).await;
}

#[tokio::test]
async fn many_are_replayed_in_chunks_and_once() {
    let golden = Golden::start().await;
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(golden.dead("x").await);
    }
    let dry = golden.post("/v1/dlq/replay", json!({"all": true, "dry_run": true})).await;
    assert_eq!(dry.body, json!({"matched": 5, "replayed": [], "remaining": 5}));

    let first = golden.post("/v1/dlq/replay", json!({"all": true, "kind": "noop", "limit": 2})).await;
    assert_eq!((&first.body["matched"], &first.body["remaining"]), (&json!(5), &json!(3)));
    let (a, b) = tokio::join!(
        golden.post("/v1/dlq/replay", json!({"all": true})),
        golden.post("/v1/dlq/replay", json!({"all": true})),
    );
    let mut replayed: Vec<String> = [first, a, b]
        .iter()
        .flat_map(|answer| answer.body["replayed"].as_array().unwrap().iter().map(text).collect::<Vec<_>>())
        .collect();
    replayed.sort();
    assert_eq!(replayed, jobs);
}

#[tokio::test]
async fn what_dies_again_does_not_keep_a_bounded_replay_going() {
    let golden = Golden::start().await;
    golden.dead("x").await;
    let until = golden.get("/v1/dlq").await.body["data"][0]["created_at"].clone();
    let until = chrono::DateTime::parse_from_rfc3339(until.as_str().unwrap()).unwrap();
    let body = json!({"all": true, "until": (until + chrono::TimeDelta::microseconds(1)).to_rfc3339()});
    assert_eq!(golden.post("/v1/dlq/replay", body.clone()).await.body["remaining"], 0);
    let claimed = golden.claim(Role::Orchestrator).await;
    golden.finish(&claimed, Verdict::Dead { error: JobError::new("test", "again") }).await;
    assert_eq!(golden.post("/v1/dlq/replay", body).await.body["matched"], 0);
    assert_eq!(golden.get("/v1/dlq").await.ids().len(), 1);
}

#[tokio::test]
async fn one_is_replayed_with_another_payload() {
    let golden = Golden::start().await;
    golden.dead("x").await;
    let letter = golden.get("/v1/dlq").await.ids().remove(0);
    let bad = json!({"ids": [letter], "payload": {"sleep_ms": "x"}});
    let answer = golden.post("/v1/dlq/replay", bad).await;
    assert_eq!(answer.problem(), (422, "validation-failed"));
    assert_eq!(answer.body["errors"][0]["pointer"], "/payload/sleep_ms");

    let good = golden.post("/v1/dlq/replay", json!({"ids": [letter], "payload": {"output": 5}})).await;
    assert_eq!(good.body["replayed"].as_array().unwrap().len(), 1, "{}", good.text);
    assert_eq!(golden.claim(Role::Orchestrator).await.payload.get(), r#"{"output":5}"#);
}

#[tokio::test]
async fn purged_ones_are_given_up() {
    let golden = Golden::start().await;
    let job = golden.dead("x").await;
    golden.dead("y").await;
    let letter = golden.get("/v1/dlq").await.ids().remove(1);
    let purged = golden.post("/v1/dlq/purge", json!({"error": "x"})).await;
    assert_eq!(purged.body, json!({"matched": 1, "purged": 1, "remaining": 0}));
    let replay = golden.send(request(Method::POST, &format!("/v1/dlq/{letter}/replay")).empty()).await;
    assert_eq!(replay.problem(), (409, "conflict"));
    assert_eq!(golden.get(&format!("/v1/jobs/{job}")).await.body["state"], "dead");
    assert_eq!(golden.get("/v1/dlq").await.ids().len(), 1);
}

#[tokio::test]
async fn a_selection_says_what_it_means() {
    let golden = Golden::start().await;
    golden.dead("x").await;
    let id = golden_jobs::DeadLetterId::new();
    let bodies: Vec<(Value, &str)> = vec![
        (json!({}), ""),
        (json!({"all": false}), ""),
        (json!({"all": true, "ids": [id]}), "/all"),
        (json!({"ids": [id, "x"]}), "/ids/1"),
        (json!({"all": true, "limit": 0}), "/limit"),
        (json!({"all": true, "limit": 1001}), "/limit"),
        (json!({"all": true, "payload": {}}), "/payload"),
        (json!({"all": true, "k/nd": "noop"}), "/k~1nd"),
        (json!({"all": true, "since": "yesterday"}), "/since"),
        // It is in every error, so it would be `all` without saying so.
        (json!({"error": ""}), "/error"),
        (json!({"all": true, "error": ""}), "/error"),
    ];
    for path in ["/v1/dlq/replay", "/v1/dlq/purge"] {
        for (body, pointer) in &bodies {
            let answer = golden.post(path, body.clone()).await;
            assert_eq!(answer.problem(), (422, "validation-failed"), "{path} {body}");
            assert_eq!(answer.body["errors"][0]["pointer"], *pointer, "{path} {body}");
        }
    }
    assert_eq!(golden.post("/v1/dlq/purge", json!({"ids": [id], "payload": {}})).await.status, 422);
    assert_eq!(golden.post("/v1/dlq/replay", json!({"ids": [id], "payload": {}})).await.status, 404);
    assert_eq!(golden.get("/v1/dlq").await.ids().len(), 1);
}

/// PostgreSQL could not even look for it, and both stores answer the same.
#[tokio::test]
async fn a_text_to_look_for_has_no_nul() {
    let golden = Golden::start().await;
    for path in ["/v1/dlq?error=%00", "/v1/dlq?subject=a%00b", "/v1/jobs?kind=%00"] {
        assert_eq!(golden.get(path).await.problem(), (400, "malformed-request"), "{path}");
    }
    let answer = golden.post("/v1/dlq/purge", json!({"subject": "\0"})).await;
    assert_eq!(answer.problem(), (422, "validation-failed"));
    assert_eq!(answer.body["errors"][0]["pointer"], "/subject");
    assert_eq!(golden.get("/v1/kinds/%00").await.problem(), (404, "not-found"));
}
