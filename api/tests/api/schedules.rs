//! `/v1/schedules`.

use axum::http::{Method, StatusCode};
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use golden_api::CallerRole;
use golden_jobs::{
    ScheduleId,
    functions::Called,
    schedules::decide,
    store::{
        NewJob,
        schedules::{CatchUp, Created, NewSchedule, SlotOutcome, WhichSchedule},
    },
};
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, request, text, token};

fn nightly() -> Value {
    json!({"name": "nightly", "cron": "30  3 * * MON-FRI", "time_zone": "Europe/Berlin", "job": {"kind": "noop"}})
}

async fn create(golden: &Golden, body: Value) -> Value {
    let answer = golden.post("/v1/schedules", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.body
}

async fn patch(golden: &Golden, path: &str, body: Value) -> Answer {
    golden.send(request(Method::PATCH, path).json(&body)).await
}

fn time(value: &Value) -> DateTime<Utc> {
    text(value).parse().unwrap()
}

/// What its next slot would come to.
async fn next_job(golden: &Golden, name: &str) -> NewJob {
    let schedule = golden.store.schedule("acme", &WhichSchedule::Name(name.to_owned())).await.unwrap().unwrap();
    match decide(&schedule, &golden_jobs::kinds::registry(), &Called::default(), schedule.next_slot.unwrap()).outcome {
        SlotOutcome::Fired(job) => *job,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_schedule_is_made_shown_listed_and_deleted() {
    let golden = Golden::start().await;
    let answer = golden.post("/v1/schedules", nightly()).await;
    let made = answer.body.clone();
    assert_eq!(answer.header("location"), text(&made["links"]["self"]));
    let expected = json!({
        "kind": "noop", "payload": {}, "priority": 5, "max_attempts": 5, "timeout": 300,
    });
    assert_eq!(
        (&made["job"], &made["cron"], &made["catch_up"]),
        (&expected, &"30 3 * * MON-FRI".into(), &"one".into())
    );
    assert_eq!((&made["paused"], &made["last"], &made["last_job_id"]), (&false.into(), &Value::Null, &Value::Null));
    let next = time(&made["next_slot"]);
    assert!(
        next > golden.store.time().await.unwrap() && [1, 2].contains(&next.hour()) && next.minute() == 30,
        "{next}"
    );

    for path in [answer.header("location"), "/v1/schedules/nightly"] {
        let shown = golden.get(path).await.body;
        let mut slots: Vec<_> = shown["next_slots"].as_array().unwrap().iter().map(time).collect();
        assert_eq!((slots.len(), slots[0]), (5, next));
        slots.dedup();
        assert_eq!(slots.len(), 5);
        assert_eq!(golden.get(&format!("{path}?slots=2")).await.body["next_slots"].as_array().unwrap().len(), 2);
    }
    create(&golden, json!({"name": "b", "cron": "@hourly", "job": {"kind": "noop"}})).await;
    let page = golden.get("/v1/schedules?limit=1").await;
    assert_eq!((&page.body["data"][0]["name"], &page.body["data"][0]["time_zone"]), (&"b".into(), &"UTC".into()));
    let cursor = text(&page.body["next_cursor"]);
    assert_eq!(golden.get(&format!("/v1/schedules?cursor={cursor}")).await.ids(), [text(&made["id"])]);

    let delete = || async { golden.send(request(Method::DELETE, "/v1/schedules/nightly").empty()).await };
    assert_eq!(delete().await.status, StatusCode::NO_CONTENT);
    assert_eq!(delete().await.problem(), (404, "not-found"));
    assert_eq!(golden.get(answer.header("location")).await.problem(), (404, "not-found"));
}

#[tokio::test]
async fn a_slot_submits_what_was_asked_for() {
    let golden = Golden::start().await;
    // As it was typed: a number that no double holds, and the order of the members.
    let body = r#"{"name": "n", "cron": "* * * * *", "job": {"kind": "noop",
        "payload": {"output": 12345678901234567890123, "fail": 0}, "priority": 1, "timeout": 2.5,
        "max_attempts": 2, "callback_url": "http://127.0.0.1:9/x", "metadata": {"team": "blue"}}}"#;
    let made =
        golden.send(request(Method::POST, "/v1/schedules").header("content-type", "application/json").body(body));
    assert_eq!(made.await.status, StatusCode::CREATED);

    let job = next_job(&golden, "n").await;

    assert_eq!(job.payload.get(), r#"{"output": 12345678901234567890123, "fail": 0}"#);
    assert_eq!((job.priority, job.max_attempts, job.timeout.as_millis()), (1, 2, 2500));
    assert_eq!(job.callback_url.as_deref(), Some("http://127.0.0.1:9/x"));
    let metadata: Value = serde_json::from_str(job.metadata.unwrap().get()).unwrap();
    assert_eq!((&metadata["team"], &metadata["schedule"]), (&"blue".into(), &"n".into()));
}

#[tokio::test]
async fn what_is_wrong_is_said_of_its_place() {
    let golden = Golden::start().await;
    create(&golden, nightly()).await;
    let with = |change: Value| {
        let mut body = nightly();
        let (body_map, change) = (body.as_object_mut().unwrap(), change.as_object().unwrap().clone());
        body_map.insert("name".into(), "other".into());
        body_map.extend(change);
        body
    };
    for (change, pointer, detail) in [
        (json!({"cron": "0 25 * * *"}), "/cron", "`25` is no hour: 0-23"),
        (json!({"cron": "0 0 3 * * *"}), "/cron", "shortest interval is a minute"),
        (json!({"cron": "0 0 31 2 *"}), "/cron", "never come"),
        (json!({"cron": 5}), "/cron", "a text"),
        (json!({"cron": null}), "/cron", "say when"),
        (json!({"time_zone": "europe/berlin"}), "/time_zone", "did you mean Europe/Berlin?"),
        (json!({"time_zone": "+01:00"}), "/time_zone", "not an offset"),
        (json!({"catch_up": "all"}), "/catch_up", "neither `skip` nor `one`"),
        (json!({"paused": "no"}), "/paused", "true or false"),
        (json!({"name": "a;b"}), "/name", "a name is"),
        (json!({"name": ScheduleId::new()}), "/name", "form of an id"),
        (json!({"every": "5m"}), "/every", "unknown field"),
        (json!({"job": null}), "/job", "say what"),
        (json!({"job": "noop"}), "/job", "must be a JSON object"),
        (json!({"job": {"kind": "nope"}}), "/job", "there is no kind"),
        (json!({"job": {"payload": {}}}), "/job/kind", "say which kind"),
        (json!({"job": {"kind": "noop", "payload": {"sleep_ms": "x"}}}), "/job/payload/sleep_ms", "integer"),
        (json!({"job": {"kind": "noop", "delay": 5}}), "/job/delay", "the schedule says when"),
        (json!({"job": {"kind": "noop", "timeout": 9999}}), "/job/timeout", "3600"),
        (json!({"job": {"kind": "noop", "metadata": {"slot": "x"}}}), "/job/metadata/slot", "the schedule says this"),
    ] {
        let answer = golden.post("/v1/schedules", with(change.clone())).await;
        assert_eq!(answer.problem(), (422, "validation-failed"), "{change}");
        let error = &answer.body["errors"][0];
        assert!(text(&error["pointer"]).starts_with(pointer), "{change}: {}", answer.text);
        assert!(text(&error["detail"]).contains(detail), "{change}: {}", answer.text);
        if change.get("name").is_none()
            && change.get("paused").is_none()
            && change.as_object().unwrap().values().all(|v| !v.is_null())
        {
            let again = patch(&golden, "/v1/schedules/nightly", change.clone()).await;
            assert_eq!(again.problem(), (422, "validation-failed"), "{change}");
        }
    }
    let all_at_once = golden.post("/v1/schedules", json!({"cron": "x", "job": {"kind": "noop", "priority": 10}})).await;
    let places: Vec<_> = all_at_once.body["errors"].as_array().unwrap().iter().map(|e| text(&e["pointer"])).collect();
    assert_eq!(places, ["/name", "/cron", "/job/priority"]);
    assert_eq!(golden.get("/v1/schedules").await.ids().len(), 1);
    assert_eq!(golden.get("/v1/schedules/nightly?slots=101").await.problem(), (400, "malformed-request"));

    let no_sandbox = Golden::with(|api| api.sandbox_missing = Some("there is no Docker".into())).await;
    let sandbox = with(json!({"job": {"kind": "sandbox.run", "payload": {"language": "python", "source": "1"}}}));
    let answer = no_sandbox.post("/v1/schedules", sandbox).await;
    assert_eq!(answer.problem(), (503, "sandbox-unavailable"));
}

#[tokio::test]
async fn a_change_touches_what_it_names() {
    let golden = Golden::start().await;
    let made = create(&golden, nightly()).await;

    let changed = patch(&golden, "/v1/schedules/nightly", json!({"catch_up": "skip"})).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    for field in ["name", "cron", "time_zone", "job", "next_slot", "id"] {
        assert_eq!(changed.body[field], made[field], "{field}");
    }
    assert_eq!(changed.body["catch_up"], "skip");

    let retimed = patch(&golden, "/v1/schedules/nightly", json!({"cron": "* * * * *", "name": "minutely"})).await.body;
    let next = time(&retimed["next_slot"]);
    assert!(next - golden.store.time().await.unwrap() <= TimeDelta::minutes(1), "{retimed}");
    assert_eq!(golden.get("/v1/schedules/nightly").await.problem(), (404, "not-found"));
    let job = json!({"job": {"kind": "noop", "payload": {"output": 1}}});
    assert_eq!(patch(&golden, "/v1/schedules/minutely", job).await.body["job"]["payload"]["output"], 1);

    create(&golden, nightly()).await;
    let taken = patch(&golden, "/v1/schedules/minutely", json!({"name": "nightly"})).await;
    assert_eq!(taken.problem(), (409, "name-taken"));
    assert_eq!(golden.post("/v1/schedules", nightly()).await.problem(), (409, "name-taken"));
    assert_eq!(patch(&golden, "/v1/schedules/none", json!({})).await.problem(), (404, "not-found"));
    // Of two that look the same, the name is one.
    create(&golden, json!({"name": "Zo\u{eb}", "cron": "@daily", "job": {"kind": "noop"}})).await;
    assert_eq!(golden.get("/v1/schedules/Zoe%CC%88").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_paused_schedule_has_no_next_slot_until_it_is_resumed() {
    let golden = Golden::start().await;
    create(&golden, nightly()).await;
    for _ in 0..2 {
        let paused = golden.post("/v1/schedules/nightly/pause", json!({})).await;
        assert_eq!(
            (&paused.body["paused"], &paused.body["next_slot"]),
            (&true.into(), &Value::Null),
            "{}",
            paused.text
        );
    }
    assert_eq!(golden.get("/v1/schedules/nightly").await.body["next_slots"], json!([]));
    let changed = patch(&golden, "/v1/schedules/nightly", json!({"cron": "@hourly"})).await;
    assert_eq!(changed.body["paused"], true, "a change does not resume it");
    let first = golden.post("/v1/schedules/nightly/resume", json!({})).await.body;
    assert!(time(&first["next_slot"]) - golden.store.time().await.unwrap() <= TimeDelta::hours(1));
    let second = golden.post("/v1/schedules/nightly/resume", json!({})).await.body;
    assert_eq!((&second["paused"], &second["next_slot"]), (&false.into(), &first["next_slot"]));

    let mut body = nightly();
    body["name"] = "later".into();
    body["paused"] = true.into();
    assert_eq!(create(&golden, body).await["paused"], true);
    for verb in ["pause", "resume", "run"] {
        let answer = golden.post(&format!("/v1/schedules/none/{verb}"), json!({})).await;
        assert_eq!(answer.problem(), (404, "not-found"));
    }
}

#[tokio::test]
async fn a_schedule_runs_now_when_somebody_asks_and_once_for_a_key() {
    let golden = Golden::start().await;
    let made = create(&golden, nightly()).await;
    golden.post("/v1/schedules/nightly/pause", json!({})).await;
    let run = |key: &'static str, name: &'static str| {
        let path = format!("/v1/schedules/{name}/run");
        let sent = request(Method::POST, &path).header("idempotency-key", key).empty();
        golden.send(sent)
    };
    let answer = run("k", "nightly").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    let expected = json!({"schedule": "nightly", "schedule_id": made["id"], "run_by": "tester"});
    assert_eq!((&answer.body["state"], &answer.body["metadata"]), (&"queued".into(), &expected));
    assert_eq!(golden.get(answer.header("location")).await.body["id"], answer.body["id"]);

    let again = run("k", "nightly").await;
    assert_eq!((again.header("idempotent-replayed"), &again.body["id"]), ("true", &answer.body["id"]));
    create(&golden, json!({"name": "b", "cron": "@hourly", "job": {"kind": "noop"}})).await;
    assert_eq!(run("k", "b").await.problem(), (422, "idempotency-key-reused"));
    assert_eq!(golden.get("/v1/jobs").await.ids().len(), 1);
}

/// Kinds change, and what was stored before them stays.
#[tokio::test]
async fn a_job_that_no_longer_validates_does_not_run_now_either() {
    let golden = Golden::start().await;
    stored(&golden, "old", r#"{"kind": "gone", "payload": {}, "priority": 5, "max_attempts": 1, "timeout": 1}"#).await;
    let answer = golden.post("/v1/schedules/old/run", json!({})).await;
    assert_eq!(answer.problem(), (409, "conflict"));
    assert!(text(&answer.body["detail"]).contains("no kind \"gone\""), "{}", answer.text);
    assert_eq!(golden.get("/v1/schedules/old").await.body["job"]["kind"], "gone");
}

#[tokio::test]
async fn another_tenants_schedule_is_not_there() {
    let golden = Golden::start().await;
    let id = text(&create(&golden, nightly()).await["id"]);
    for name in [id.as_str(), "nightly"] {
        for (method, path) in [
            (Method::GET, format!("/v1/schedules/{name}")),
            (Method::PATCH, format!("/v1/schedules/{name}")),
            (Method::DELETE, format!("/v1/schedules/{name}")),
            (Method::POST, format!("/v1/schedules/{name}/pause")),
            (Method::POST, format!("/v1/schedules/{name}/resume")),
            (Method::POST, format!("/v1/schedules/{name}/run")),
        ] {
            let other = request(method.clone(), &path).token(Some(token("globex", CallerRole::Admin)));
            assert_eq!(golden.send(other.json(&json!({}))).await.problem(), (404, "not-found"), "{method} {path}");
        }
    }
    let other = request(Method::POST, "/v1/schedules").token(Some(token("globex", CallerRole::Developer)));
    assert_eq!(golden.send(other.json(&nightly())).await.status, StatusCode::CREATED);
    assert_eq!(golden.get("/v1/schedules").await.ids(), [id]);
}

/// A schedule as an earlier build may have left it.
pub(crate) async fn stored(golden: &Golden, name: &str, submission: &str) {
    let schedule = NewSchedule {
        id: ScheduleId::new(),
        tenant_id: "acme".into(),
        name: name.into(),
        cron: "@daily".into(),
        time_zone: "UTC".into(),
        catch_up: CatchUp::Skip,
        submission: serde_json::from_str(submission).unwrap(),
        next_slot: None,
    };
    assert!(matches!(
        golden.store.create_schedule(&schedule, u32::MAX, &golden_jobs::audit::Actor::golden()).await.unwrap(),
        Created::New(_)
    ));
}
