//! `POST /v1/jobs/batch`: many jobs in one request, all or none, or each for itself.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use golden_api::CallerRole;
use golden_jobs::Role;
use serde_json::{Value, json};

use crate::{
    down::Down,
    harness::{Answer, Golden, request, succeeded, text, token},
};

const ALL: &str = "/v1/jobs/batch";
const PARTIAL: &str = "/v1/jobs/batch?partial=true";

fn noop(output: impl Into<Value>) -> Value {
    json!({"kind": "noop", "payload": {"output": output.into()}})
}

async fn keyed(golden: &Golden, path: &str, key: &str, jobs: &Value) -> Answer {
    golden.send(request(Method::POST, path).header("idempotency-key", key).json(jobs)).await
}

fn pointers(problem: &Value) -> Vec<String> {
    problem["errors"].as_array().unwrap().iter().map(|error| text(&error["pointer"])).collect()
}

fn statuses(answer: &Answer) -> Vec<u64> {
    answer.body["data"].as_array().unwrap().iter().map(|line| line["status"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_batch_is_accepted_in_its_order_and_each_job_can_be_read() {
    let golden = Golden::start().await;
    let sent = request(Method::POST, ALL);
    let jobs = [noop(1), json!({"kind": "noop", "delay": 60, "priority": 1}), noop("three")];

    for request in [sent.json(&json!(jobs)), request(Method::POST, ALL).ndjson(&jobs)] {
        let answer = golden.send(request).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        let data = answer.body["data"].as_array().unwrap();
        let outputs: Vec<_> = data.iter().map(|job| &job["payload"]["output"]).collect();
        assert_eq!(outputs, [&json!(1), &Value::Null, &json!("three")]);
        assert_eq!((&data[1]["state"], &data[1]["priority"]), (&json!("scheduled"), &json!(1)));
        for job in data {
            assert_eq!(&golden.get(job["links"]["self"].as_str().unwrap()).await.body, job);
        }
    }
    assert_eq!(golden.get("/v1/jobs").await.ids().len(), 6);
}

#[tokio::test]
async fn payloads_are_kept_character_by_character() {
    let golden = Golden::start().await;
    let (one, other) = (r#"{"output": [ 1.50, 1E2 ]}"#, r#"{"output":  "\u0041"}"#);
    let array = format!(r#"[{{"payload": {one}, "kind": "noop"}}, {{"kind": "noop", "payload": {other}}}]"#);
    let lines =
        format!("\r\n  {{\"payload\": {one}, \"kind\": \"noop\"}}\r\n\n{{\"kind\": \"noop\", \"payload\": {other}}}");
    for (kind, body) in [("application/json", array), ("application/x-ndjson", lines)] {
        let answer = golden.send(request(Method::POST, ALL).header("content-type", kind).body(body)).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        assert!(answer.text.contains(one) && answer.text.contains(other), "{}", answer.text);
    }
}

#[tokio::test]
async fn one_wrong_job_refuses_all_and_everything_wrong_is_said() {
    let golden = Golden::start().await;
    let answer = golden
        .post(
            ALL,
            json!([
                noop(1),
                {"kind": "picky", "payload": {"count": 13}},
                {"kind": "nope"},
                noop(2),
                {"kind": "noop", "priority": 99, "idempotency_key": "k"},
                {},
            ]),
        )
        .await;
    assert_eq!(answer.problem(), (422, "validation-failed"));
    assert_eq!(pointers(&answer.body), ["/1/payload/count", "/2/kind", "/4/idempotency_key", "/4/priority", "/5/kind"]);
    assert_eq!(golden.get("/v1/jobs").await.body["data"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_read_is_malformed_and_says_where() {
    let golden = Golden::start().await;
    for (kind, body, detail) in [
        ("application/json", "[", "EOF"),
        ("application/json", r#"{"kind":"noop"}"#, "an array of jobs"),
        ("application/json", r#"[{"kind":"noop"}] []"#, "trailing"),
        ("application/json", r#"[{"kind":"noop"}, 1]"#, "/1: a job must be a JSON object"),
        (
            "application/json",
            r#"[{"kind":"noop","kind":"noop"}]"#,
            "/0: a job is not acceptable JSON: the key \"kind\"",
        ),
        ("application/x-ndjson", "{\"kind\":\"noop\"}\n\n{\"kind\":", "/1: a job is not acceptable JSON: EOF"),
        ("application/x-ndjson", "[{\"kind\":\"noop\"}]", "/0: a job must be a JSON object"),
    ] {
        let answer = golden.send(request(Method::POST, ALL).header("content-type", kind).body(body)).await;
        assert_eq!(answer.problem(), (400, "malformed-request"), "{body}: {}", answer.text);
        assert!(text(&answer.body["detail"]).contains(detail), "{detail}: {}", answer.text);
    }
    let answer = golden.send(request(Method::POST, ALL).header("content-type", "text/csv").body("kind\nnoop")).await;
    assert_eq!(answer.problem(), (415, "unsupported-media-type"));
    assert_eq!(golden.get("/v1/jobs").await.body["data"], json!([]));
}

#[tokio::test]
async fn a_batch_has_limits() {
    let golden = Golden::start().await;
    let many = |jobs| json!(vec![json!({"kind": "noop"}); jobs]);
    let answer = golden.post(ALL, many(1000)).await;
    assert_eq!((answer.status, answer.ids().len()), (StatusCode::ACCEPTED, 1000));
    for jobs in [0, 1001, 1500] {
        let answer = golden.post(ALL, many(jobs)).await;
        assert_eq!(answer.problem(), (422, "validation-failed"), "{jobs}");
        assert!(text(&answer.body["detail"]).contains("1 to 1000 jobs"), "{}", answer.text);
    }
    let answer = golden.send(request(Method::POST, ALL).ndjson(&[])).await;
    assert_eq!(answer.problem(), (422, "validation-failed"));

    let heavy = noop("x".repeat(200 * 1024));
    let answer = golden.send(request(Method::POST, ALL).ndjson(&vec![heavy.clone(); 30])).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "six of eight MiB");
    let answer = golden.send(request(Method::POST, ALL).ndjson(&vec![heavy; 45])).await;
    assert_eq!(answer.problem(), (413, "too-large"));
    let answer = golden.post(ALL, json!([noop(1), noop("x".repeat(256 * 1024))])).await;
    assert_eq!(answer.problem(), (413, "too-large"));
    assert!(text(&answer.body["detail"]).starts_with("/1: a payload has at most"), "{}", answer.text);
}

#[tokio::test]
async fn a_batch_that_comes_again_is_the_first_answer_again() {
    let golden = Golden::start().await;
    let jobs = json!([noop(1), {"kind": "noop", "delay": 60}, noop(1)]);
    let first = keyed(&golden, ALL, "k", &jobs).await;
    let claimed = golden.claim(Role::Orchestrator).await;
    golden.finish(&claimed, succeeded("1")).await;

    let again = keyed(&golden, ALL, "k", &jobs).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (StatusCode::ACCEPTED, "true"));
    assert_eq!(again.body, first.body);
    let lines: Vec<Value> = jobs.as_array().unwrap().clone();
    let spelled = request(Method::POST, ALL).header("idempotency-key", "k").ndjson(&lines);
    assert_eq!(golden.send(spelled).await.body, first.body);
    assert_eq!(golden.metrics.idempotency_hits.get(), 2);

    let other = keyed(&golden, ALL, "k", &json!([noop(1)])).await;
    assert_eq!(other.problem(), (422, "idempotency-key-reused"));
    assert_eq!(golden.get("/v1/jobs").await.ids().len(), 3);
    // What was refused has not used its key up, and a key is each tenant's own.
    assert_eq!(keyed(&golden, ALL, "l", &json!([{"kind": "nope"}])).await.status, 422);
    assert_eq!(keyed(&golden, ALL, "l", &json!([noop(1)])).await.status, 202);
    let theirs = request(Method::POST, ALL).token(Some(token("other", CallerRole::Developer)));
    let theirs = golden.send(theirs.header("idempotency-key", "k").json(&jobs)).await;
    assert_eq!((theirs.status, theirs.header("idempotent-replayed")), (StatusCode::ACCEPTED, ""));
}

#[tokio::test]
async fn a_partial_batch_answers_line_by_line() {
    let golden = Golden::start().await;
    let body = "{\"kind\":\"noop\"}\n{\"kind\":\n{\"kind\":\"nope\"}\n{\"kind\":\"picky\",\"payload\":{\"count\":13}}\n\
                {\"kind\":\"noop\",\"idempotency_key\":7}\n{\"kind\":\"noop\",\"priority\":1}";
    let sent = request(Method::POST, PARTIAL).header("content-type", "application/x-ndjson").body(body);
    let answer = golden.send(sent).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(statuses(&answer), [202, 400, 422, 422, 400, 202]);
    let line = |n: usize| &answer.body["data"][n];
    assert_eq!((&line(0)["job"]["state"], &line(5)["job"]["priority"]), (&json!("queued"), &json!(1)));
    assert_eq!(line(2)["problem"]["code"], "unknown-kind");
    assert_eq!(pointers(&line(3)["problem"]), ["/payload/count"]);
    assert_eq!(pointers(&line(4)["problem"]), ["/idempotency_key"]);
    assert!(line(0).get("problem").is_none() && line(1).get("job").is_none());
    assert!(line(1)["problem"].get("request_id").is_none());
    assert_eq!(golden.get("/v1/jobs").await.ids().len(), 2);
}

#[tokio::test]
async fn each_line_of_a_partial_batch_has_its_own_key() {
    let golden = Golden::start().await;
    let own = |key: &str, output| json!({"kind": "noop", "payload": {"output": output}, "idempotency_key": key});
    let first = keyed(&golden, PARTIAL, "k", &json!([own("a", 1), noop(2), {"kind": "nope"}])).await;
    assert_eq!(statuses(&first), [202, 202, 422]);

    // The wrong line is mended, the others are as before.
    let again = keyed(&golden, PARTIAL, "k", &json!([own("a", 1), noop(2), noop(3)])).await;
    assert_eq!(statuses(&again), [202, 202, 202], "{}", again.text);
    for line in 0..2 {
        assert_eq!(again.body["data"][line]["job"], first.body["data"][line]["job"]);
        assert_eq!(again.body["data"][line]["idempotent_replayed"], true);
    }
    assert!(again.body["data"][2].get("idempotent_replayed").is_none());

    // A key of its own is not bound to a place, one by place is.
    let moved = keyed(&golden, PARTIAL, "k", &json!([noop(9), own("a", 1), own("a", 2)])).await;
    assert_eq!(statuses(&moved), [202, 202, 422], "{}", moved.text);
    assert_eq!(moved.body["data"][2]["problem"]["code"], "idempotency-key-reused");
    assert_eq!(golden.get("/v1/jobs").await.ids().len(), 4);
}

#[tokio::test]
async fn a_batch_needs_the_store() {
    let down = Golden::with(|api| api.store = Arc::new(Down::default())).await;
    for path in [ALL, PARTIAL] {
        assert_eq!(down.post(path, json!([noop(1), noop(2)])).await.problem(), (503, "store-unavailable"), "{path}");
    }
    let odd = down.post("/v1/jobs/batch?partial=maybe", json!([noop(1)])).await;
    assert_eq!(odd.problem(), (400, "malformed-request"));
}
