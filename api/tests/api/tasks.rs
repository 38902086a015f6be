//! `/tasks` and `/v1/tasks`: the short form of a job of the kind `task`, and its steps.

use axum::http::{Method, StatusCode};
use golden_jobs::{
    Role,
    kinds::Noop,
    outcome::Verdict,
    store::{Due, NewJob},
};
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, id, request, succeeded, text};

fn greeting() -> Value {
    json!({"name": "greeting", "goal": "Print a friendly greeting", "language": "python"})
}

fn with(member: &str, value: Value) -> Value {
    let mut task = greeting();
    task[member] = value;
    task
}

#[tokio::test]
async fn a_task_is_a_job_in_fewer_words() {
    let golden = Golden::start().await;
    let mut asked = with("context", json!("Be\u{202E} kind\u{7}."));
    for (member, value) in [
        ("max_rounds", json!(5)),
        ("review", json!({"risk": "high"})),
        ("max_cost", json!(500_000)),
        ("priority", json!(2)),
        ("delay", json!(60)),
        ("callback_url", json!("http://127.0.0.1:1/told")),
        ("metadata", json!({"team": "core"})),
        ("request_id", Value::Null),
    ] {
        asked[member] = value;
    }
    let answer = golden.post("/tasks", asked).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    let job = answer.body.clone();
    assert_eq!(answer.header("location"), format!("/v1/jobs/{}", text(&job["id"])));
    assert_eq!(golden.get(answer.header("location")).await.body, job, "as of any job");
    assert_eq!(
        job["payload"],
        json!({
            "name": "greeting", "goal": "Print a friendly greeting", "language": "python",
            "context": "Be kind.", "max_rounds": 5, "review": {"risk": "high"}, "submitted_by": "tester",
        })
    );
    for (member, value) in [
        ("kind", json!("task")),
        ("role", json!("orchestrator")),
        ("state", json!("scheduled")),
        ("max_cost", json!(500_000)),
        ("priority", json!(2)),
        ("callback_url", json!("http://127.0.0.1:1/told")),
        ("metadata", json!({"team": "core"})),
    ] {
        assert_eq!(job[member], value, "{member}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_task_is_told_where_it_stands() {
    let golden = Golden::start().await;
    let injected = "test; DROP TABLE users;";
    for (task, pointer) in [
        (with("name", json!(injected)), "/name"),
        (with("name", json!("")), "/name"),
        (with("name", json!("x".repeat(129))), "/name"),
        (with("name", json!(7)), "/name"),
        (with("goal", json!("\u{7}\n")), "/goal"),
        (with("language", json!("cobol")), "/language"),
        (with("max_rounds", json!(6)), "/max_rounds"),
        (with("review", json!({"risk": "some"})), "/review/risk"),
        (with("review", json!({"panel": ["manager", "tester", "reviewer"]})), "/review/panel/0"),
        (with("max_cost", json!(-1)), "/max_cost"),
        (with("priority", json!(10)), "/priority"),
        (with("callback_url", json!("ftp://x")), "/callback_url"),
        (with("request_id", json!("a b")), "/request_id"),
        (with("kind", json!("noop")), "/kind"),
        (with("payload", json!({})), "/payload"),
        (json!({"name": "a", "language": "bash"}), ""),
    ] {
        let answer = golden.post("/tasks", task.clone()).await;
        assert_eq!(answer.problem(), (422, "validation-failed"), "{task}: {}", answer.text);
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{task}: {}", answer.text);
    }
    let cobol = golden.post("/tasks", with("language", json!("cobol"))).await;
    assert!(cobol.text.contains("python, javascript, bash"), "{}", cobol.text);
    // In free text it is a text like any other.
    let fine = golden.post("/v1/tasks", with("goal", json!(injected))).await;
    assert_eq!(fine.body["payload"]["goal"], injected);
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_the_same_task_on_either_path() {
    let golden = Golden::start().await;
    let named = with("request_id", json!("one"));
    let send = async |path: &str, key: Option<&str>, body: &Value| -> Answer {
        let sent = request(Method::POST, path);
        let sent = if let Some(key) = key { sent.header("idempotency-key", key) } else { sent };
        golden.send(sent.json(body)).await
    };
    let first = send("/tasks", None, &named).await;
    for (path, key, body) in [
        ("/tasks", None, &named),
        ("/v1/tasks", None, &named),
        ("/v1/tasks", Some("one"), &named),
        ("/tasks", Some("one"), &greeting()),
    ] {
        let again = send(path, key, body).await;
        assert_eq!((again.status, &again.body), (StatusCode::ACCEPTED, &first.body), "{}", again.text);
        assert_eq!(again.header("idempotent-replayed"), "true");
    }
    let mut other = named.clone();
    other["goal"] = json!("Something else");
    assert_eq!(send("/v1/tasks", None, &other).await.problem(), (422, "idempotency-key-reused"));
    let two = send("/tasks", Some("two"), &named).await;
    assert_eq!((two.problem(), &two.body["errors"][0]["pointer"]), ((422, "validation-failed"), &json!("/request_id")));
    assert_eq!(golden.get("/v1/tasks").await.ids(), [text(&first.body["id"])]);
}

#[tokio::test]
async fn a_task_is_shown_with_its_steps_and_listed_among_tasks_alone() {
    let golden = Golden::start().await;
    let task = golden.post("/tasks", with("metadata", json!({"team": "core"}))).await.body;
    let other = golden.post("/tasks", greeting()).await.body;
    let noop = golden.submit(json!({"kind": "noop"})).await;
    assert_eq!(golden.get("/v1/tasks").await.ids(), [text(&other["id"]), text(&task["id"])]);
    assert_eq!(golden.get("/v1/tasks?metadata.team=core&state=queued").await.ids(), [text(&task["id"])]);
    assert_eq!(golden.get("/v1/tasks?state=dead").await.ids(), [""; 0]);
    assert_eq!(golden.get(&format!("/v1/tasks/{}", text(&noop["id"]))).await.problem(), (404, "not-found"));

    let claimed = golden.claim(Role::Orchestrator).await;
    assert_eq!(claimed.run.id, id(&task));
    let child = NewJob {
        id: golden_jobs::JobId::new(),
        tenant_id: "acme".into(),
        kind: <Noop as golden_jobs::Job>::KIND.into(),
        role: Role::Sandbox,
        priority: 5,
        payload: serde_json::from_str("{}").unwrap(),
        max_attempts: 1,
        timeout: std::time::Duration::from_secs(1),
        due: Due::Now,
        metadata: Some(serde_json::from_str(r#"{"step": "plan"}"#).unwrap()),
        callback_url: None,
        parent_id: None,
        max_cost: None,
        trace: None,
        idempotency: None,
    };
    golden.finish(&claimed, Verdict::Await { children: vec![child], checkpoint: None, until: None }).await;
    let step = golden.claim(Role::Sandbox).await;
    golden.finish(&step, succeeded("1")).await;

    let shown = golden.get(&format!("/v1/tasks/{}", text(&task["id"]))).await.body;
    assert_eq!((&shown["id"], &shown["kind"], &shown["tree_cost_micros"]), (&task["id"], &json!("task"), &json!(0)));
    let steps = shown["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1);
    assert_eq!((&steps[0]["step"], &steps[0]["state"]), (&json!("plan"), &json!("succeeded")));
    assert_eq!(golden.get(steps[0]["link"].as_str().unwrap()).await.body["parent_id"], task["id"]);
}

#[tokio::test]
async fn without_a_sandbox_a_task_is_not_begun() {
    let golden = Golden::with(|api| api.sandbox_missing = Some("there is no docker".to_owned())).await;
    assert_eq!(golden.post("/tasks", greeting()).await.problem(), (503, "sandbox-unavailable"));
}
