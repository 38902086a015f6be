//! What agents are told is proposed, decided and activated over the API, by the rules.

use axum::http::Method;
use golden_api::{
    CallerRole::{self, Admin, Developer, Observer, Operator},
    auth::Grant,
};
use golden_jobs::{
    ChangeId, JobId, Role, State,
    audit::Actor,
    governance::{
        change::{Order, Step},
        document::PolicyDocument,
        evaluation::Evaluation,
    },
    store::{JobFilter, Page},
};
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, minted, request, text};

const TENANT: &str = "acme";

async fn ask(golden: &Golden, who: &str, role: CallerRole, method: Method, path: &str, body: Value) -> Answer {
    let grant = Grant { tenant: TENANT.into(), role, subject: who.into(), rate_limit: None };
    let sent = request(method.clone(), path).token(Some(minted(&grant)));
    golden.send(if method == Method::GET { sent.empty() } else { sent.json(&body) }).await
}

async fn post(golden: &Golden, who: &str, role: CallerRole, path: &str, body: Value) -> Answer {
    ask(golden, who, role, Method::POST, path, body).await
}

async fn get(golden: &Golden, path: &str) -> Value {
    ask(golden, "eye", Observer, Method::GET, path, Value::Null).await.body
}

async fn propose(golden: &Golden, role: &str, prompt: &str) -> Answer {
    let body = json!({"document": {"prompt": prompt}, "reason": "better answers"});
    post(golden, "dev", Developer, &format!("/v1/policies/{role}/changes"), body).await
}

/// As far as its job takes it. Answers its id.
async fn evaluated(golden: &Golden, role: &str, prompt: &str) -> String {
    let id = text(&propose(golden, role, prompt).await.body["id"]);
    let change: ChangeId = id.parse().unwrap();
    let judged = Evaluation::of(&PolicyDocument::default(), &PolicyDocument::default());
    for step in [Step::Validate, Step::Evaluate, Step::Judged(judged)] {
        let order = Order::Take(change, step);
        golden.store.govern(TENANT, &order, &Actor::golden()).await.unwrap().unwrap();
    }
    id
}

fn reason() -> Value {
    json!({"reason": "because"})
}

/// The answers to orders that the rules refuse, one for each of their problems.
pub(crate) async fn refusals(golden: &Golden) -> Vec<Answer> {
    let security = evaluated(golden, "security", "Trust nobody.").await;
    let shown = get(golden, &format!("/v1/policies/security/changes/{security}")).await;
    let yes = |sha256: &Value| json!({"content_sha256": sha256, "base_version": 0, "reason": "read it"});
    let approve = format!("/v1/approvals/{security}/approve");
    let own = post(golden, "dev", Admin, &approve, yes(&shown["content_sha256"])).await;
    let stale = post(golden, "ada", Admin, &approve, yes(&json!("0".repeat(64)))).await;

    let activate = |id: &str| format!("/v1/policies/developer/changes/{id}/activate");
    let mut activated = Vec::new();
    for n in 0..6 {
        let id = evaluated(golden, "developer", &n.to_string()).await;
        activated.push(id);
    }
    let first = post(golden, "olga", Operator, &activate(&activated[0]), json!({})).await;
    assert_eq!(first.body["state"], "canary", "{}", first.text);
    let back = post(golden, "olga", Operator, "/v1/policies/developer/rollback", reason()).await;
    assert_eq!(back.body["state"], "rolled_back");
    let cooldown = post(golden, "olga", Operator, &activate(&activated[1]), json!({})).await;
    post(golden, "olga", Operator, "/v1/policies/developer/freeze", reason()).await;
    let frozen = post(golden, "olga", Operator, &activate(&activated[1]), json!({})).await;

    // Whoever is allowed to sets the rules aside until the quota of a day is used up.
    for n in 0..5 {
        let id = evaluated(golden, "tester", &n.to_string()).await;
        post(golden, "ada", Admin, &format!("/v1/policies/tester/changes/{id}/break-glass"), reason()).await;
    }
    let more = evaluated(golden, "tester", "more").await;
    let quota =
        post(golden, "olga", Operator, &format!("/v1/policies/tester/changes/{more}/activate"), json!({})).await;
    vec![own, stale, cooldown, frozen, quota]
}

#[tokio::test]
async fn a_change_is_proposed_approved_and_activated() {
    let golden = Golden::start().await;
    let all = get(&golden, "/v1/policies").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 5);
    let made = propose(&golden, "architect", "Draw boxes.").await;
    assert_eq!((made.status.as_u16(), &made.body["state"]), (201, &json!("proposed")), "{}", made.text);
    assert_eq!((&made.body["version"], &made.body["proposed_by"]), (&json!(1), &json!("user:dev")));
    let id = text(&made.body["id"]);
    assert_eq!(get(&golden, made.header("location")).await, made.body);
    // What sees to it is a job of the same number.
    let job = JobId::from(id.parse::<ChangeId>().unwrap());
    let job = golden.store.job(TENANT, job).await.unwrap().unwrap();
    assert_eq!((job.kind.as_str(), job.role, job.state), ("learning.update", Role::Supervisor, State::Queued));
    assert_eq!(get(&golden, "/v1/approvals").await["data"], json!([]));

    let second = evaluated(&golden, "architect", "Draw circles.").await;
    let waiting = get(&golden, "/v1/approvals").await;
    assert_eq!(waiting["data"][0]["id"], json!(second));
    let sha256 = waiting["data"][0]["content_sha256"].clone();
    let yes = json!({"content_sha256": sha256, "base_version": 0, "reason": "read it"});
    let approved = post(&golden, "olga", Operator, &format!("/v1/approvals/{second}/approve"), yes).await;
    assert_eq!((&approved.body["state"], &approved.body["approved_by"]), (&json!("approved"), &json!("user:olga")));
    let activate = format!("/v1/policies/architect/changes/{second}/activate");
    assert_eq!(post(&golden, "dev", Developer, &activate, json!({})).await.problem(), (403, "forbidden"));
    let begun = post(&golden, "olga", Operator, &activate, json!({})).await;
    assert_eq!(begun.body["state"], "canary", "{}", begun.text);
    let policy = get(&golden, "/v1/policies/architect").await;
    assert_eq!((&policy["canary"]["version"], &policy["activations_left"]), (&json!(2), &json!(1)));
    assert!(policy["next_activation_at"].is_string() && policy["refused"].is_string());

    let break_glass = format!("/v1/policies/architect/changes/{second}/break-glass");
    let now = post(&golden, "ada", Admin, &break_glass, reason()).await;
    assert_eq!(now.body["state"], "active", "{}", now.text);
    assert_eq!(get(&golden, "/v1/approvals").await["data"][0]["broken_glass"]["by"], "user:ada");
    let review = format!("/v1/policies/architect/changes/{second}/review");
    assert_eq!(post(&golden, "ada", Admin, &review, reason()).await.problem(), (403, "self-approval"));
    let reviewed = post(&golden, "olga", Operator, &review, reason()).await;
    assert_eq!(reviewed.body["broken_glass"]["reviewed_by"], "user:olga");
    let versions = get(&golden, "/v1/policies/architect/versions?limit=1").await;
    assert_eq!(
        (&versions["data"][0]["document"]["prompt"], &versions["next_cursor"]),
        (&json!("Draw circles."), &json!("2"))
    );
    assert_eq!(get(&golden, "/v1/policies/architect/versions/1").await["document"]["prompt"], "Draw boxes.");
    let stale = get(&golden, "/v1/policies/architect/changes?state=stale").await;
    assert_eq!(stale["data"][0]["id"], json!(id), "what was made for no version has no place after the first");
    let metrics = golden.metrics.render();
    assert!(metrics.contains("governance_activations_total{outcome=\"active\",role=\"architect\"} 1"));
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_told_by_its_place() {
    let golden = Golden::start().await;
    let path = "/v1/policies/tester/changes";
    for (body, pointer) in [
        (json!({"document": {"parameters": {"temperature": 3}}, "reason": "x"}), "/document/parameters/temperature"),
        (json!({"document": {"thresholds": {"confidence": 1}}, "reason": "x"}), "/document/thresholds/confidence"),
        (json!({"document": {}, "reason": " "}), "/reason"),
        (json!({"document": {}, "reason": "x", "activate_at": "2999-01-01T00:00:00Z"}), "/activate_at"),
    ] {
        let answer = post(&golden, "dev", Developer, path, body).await;
        assert_eq!(answer.problem(), (422, "validation-failed"), "{}", answer.text);
        assert!(answer.text.contains(pointer), "{pointer}: {}", answer.text);
    }
    assert_eq!(propose(&golden, "manager", "x").await.problem(), (404, "not-found"));
    let id = evaluated(&golden, "tester", "x").await;
    let elsewhere = format!("/v1/policies/developer/changes/{id}");
    assert_eq!(ask(&golden, "eye", Observer, Method::GET, &elsewhere, Value::Null).await.problem(), (404, "not-found"));
    let withdraw = format!("/v1/policies/tester/changes/{id}/withdraw");
    assert_eq!(post(&golden, "dev", Developer, &withdraw, reason()).await.body["state"], "withdrawn");
    assert_eq!(post(&golden, "dev", Developer, &withdraw, reason()).await.problem(), (409, "conflict"));
    for back in ["rollback", "unfreeze"] {
        let path = format!("/v1/policies/tester/{back}");
        assert_eq!(post(&golden, "ada", Admin, &path, reason()).await.problem(), (409, "conflict"));
    }
}

#[tokio::test]
async fn a_role_that_is_frozen_is_a_question_to_a_human() {
    let golden = Golden::start().await;
    for prompt in ["a", "b"] {
        let id = evaluated(&golden, "reviewer", prompt).await;
        post(&golden, "ada", Admin, &format!("/v1/policies/reviewer/changes/{id}/break-glass"), reason()).await;
    }
    let asked = async || {
        let filter = JobFilter { tenant_id: TENANT.into(), kind: Some("escalation".into()), ..JobFilter::default() };
        golden.store.jobs(&filter, Page { before: None, limit: 9 }).await.unwrap().jobs.len()
    };
    for (active, questions) in [(1, 0), (0, 1)] {
        post(&golden, "olga", Operator, "/v1/policies/reviewer/rollback", reason()).await;
        let policy = get(&golden, "/v1/policies/reviewer").await;
        assert_eq!((&policy["active_version"], asked().await), (&json!(active), questions));
    }
    assert_eq!(get(&golden, "/v1/policies/reviewer").await["frozen"]["by"], "system:golden");
    let unfrozen = post(&golden, "ada", Admin, "/v1/policies/reviewer/unfreeze", reason()).await;
    assert_eq!((&unfrozen.body["frozen"], asked().await), (&Value::Null, 1), "{}", unfrozen.text);
}

#[tokio::test]
async fn refusals_say_when_it_may_be() {
    let golden = Golden::start().await;
    let answers = refusals(&golden).await;
    let problems: Vec<_> = answers.iter().map(Answer::problem).collect();
    let expected = [
        (403, "self-approval"),
        (412, "stale"),
        (409, "governance-cooldown"),
        (409, "governance-frozen"),
        (409, "governance-quota"),
    ];
    assert_eq!(problems, expected);
    assert!(answers[2].body["retry_at"].is_string() && answers[4].body["retry_at"].is_string());
    assert!(golden.metrics.render().contains("governance_activations_total{outcome=\"frozen\",role=\"developer\"} 1"));
}

/// Else the version on trial would be asked for ever, whatever came of it.
#[tokio::test]
async fn the_job_that_judges_a_trial_is_not_cancelled() {
    let golden = Golden::start().await;
    let id = evaluated(&golden, "developer", "Write less.").await;
    let activate = format!("/v1/policies/developer/changes/{id}/activate");
    assert_eq!(post(&golden, "olga", Operator, &activate, json!({})).await.body["state"], "canary");
    let job = JobId::from(id.parse::<ChangeId>().unwrap());

    let refused = post(&golden, "dev", Developer, &format!("/v1/jobs/{job}/cancel"), Value::Null).await;
    assert_eq!(refused.status.as_u16(), 409, "{}", refused.text);
    assert!(text(&refused.body["detail"]).contains(&id), "{}", refused.text);
    assert!(!golden.store.job(TENANT, job).await.unwrap().unwrap().state.is_terminal());
}
