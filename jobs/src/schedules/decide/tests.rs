use chrono::TimeDelta;
use serde_json::{Value, json, value::to_raw_value};

use super::*;
use crate::{
    id::ScheduleId,
    kinds,
    store::{Due, NewJob},
};

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

/// Every hour, next at noon.
fn hourly(catch_up: CatchUp) -> Schedule {
    let submission = json!({
        "kind": "noop", "payload": {"sleep_ms": 1}, "priority": 3, "max_attempts": 2, "timeout": 1.5,
        "metadata": {"team": "blue"},
    });
    Schedule {
        id: ScheduleId::new(),
        tenant_id: "acme".to_owned(),
        name: "hourly".to_owned(),
        cron: "0 * * * *".to_owned(),
        time_zone: "UTC".to_owned(),
        catch_up,
        submission: to_raw_value(&submission).unwrap(),
        revision: 7,
        next_slot: Some(at("2026-01-02T12:00:00Z")),
        last: None,
        last_job_id: None,
        created_at: at("2026-01-01T00:00:00Z"),
        updated_at: at("2026-01-01T00:00:00Z"),
    }
}

fn submitting(change: impl FnOnce(&mut Value)) -> Schedule {
    let schedule = hourly(CatchUp::One);
    let mut submission = serde_json::from_str(schedule.submission.get()).unwrap();
    change(&mut submission);
    Schedule { submission: to_raw_value(&submission).unwrap(), ..schedule }
}

fn decided(schedule: &Schedule, now: &str) -> Firing {
    decide(schedule, &kinds::registry(), &Called::default(), at(now))
}

fn fired(firing: Firing) -> NewJob {
    match firing.outcome {
        SlotOutcome::Fired(job) => *job,
        other => panic!("{other:?}"),
    }
}

fn failure(schedule: &Schedule) -> String {
    let firing = decided(schedule, "2026-01-02T12:00:00Z");
    assert_eq!(firing.next_slot, Some(at("2026-01-02T13:00:00Z")), "the next slot has another try");
    match firing.outcome {
        SlotOutcome::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_slot_becomes_the_job_that_was_asked_for() {
    let schedule = hourly(CatchUp::Skip);
    let firing = decided(&schedule, "2026-01-02T12:00:00.3Z");
    assert_eq!((firing.id, firing.revision, firing.slot), (schedule.id, 7, at("2026-01-02T12:00:00Z")));
    assert_eq!(firing.next_slot, Some(at("2026-01-02T13:00:00Z")));

    let job = fired(firing);
    assert_eq!((job.tenant_id.as_str(), job.kind.as_str(), job.payload.get()), ("acme", "noop", r#"{"sleep_ms":1}"#));
    assert_eq!((job.priority, job.max_attempts, job.timeout), (3, 2, Duration::from_millis(1500)));
    assert_eq!((job.due, job.callback_url, job.parent_id), (Due::Now, None, None));
    let metadata: Value = serde_json::from_str(job.metadata.unwrap().get()).unwrap();
    let expected = json!({
        "team": "blue", "schedule": "hourly", "schedule_id": schedule.id, "slot": "2026-01-02T12:00:00Z",
    });
    assert_eq!(metadata, expected);
}

#[test]
fn of_missed_slots_the_last_one_runs_or_none() {
    let now = "2026-01-02T15:30:00Z";
    let (one, skip) = (decided(&hourly(CatchUp::One), now), decided(&hourly(CatchUp::Skip), now));
    for firing in [&one, &skip] {
        assert_eq!((firing.slot, firing.next_slot), (at("2026-01-02T15:00:00Z"), Some(at("2026-01-02T16:00:00Z"))));
    }
    assert!(matches!(skip.outcome, SlotOutcome::Skipped));
    fired(one);
}

#[test]
fn a_slot_noticed_within_a_minute_was_not_missed() {
    let noticed = |late| {
        decide(&hourly(CatchUp::Skip), &kinds::registry(), &Called::default(), at("2026-01-02T14:00:00Z") + late)
    };
    fired(noticed(TimeDelta::seconds(60)));
    assert!(matches!(noticed(TimeDelta::milliseconds(60_001)).outcome, SlotOutcome::Skipped));
}

#[test]
fn what_no_longer_validates_says_so_and_stays_on_time() {
    assert!(failure(&submitting(|s| s["kind"] = "nope".into())).contains("no kind \"nope\""));
    // Golden's own kinds are nobody's to submit.
    assert!(failure(&submitting(|s| s["kind"] = "webhook.deliver".into())).contains("no kind"));
    assert!(failure(&submitting(|s| s["payload"]["sleep_ms"] = "x".into())).contains("/sleep_ms"));
    assert!(failure(&submitting(|s| s["max_attempts"] = 101.into())).contains("allows 100"));
    assert!(failure(&submitting(|s| s["timeout"] = 3601.into())).contains("allows 3600s"));
    for unreadable in [json!(null), json!({"kind": 7}), json!({"kind": "noop"})] {
        assert!(failure(&submitting(|s| *s = unreadable)).contains("cannot be read"));
    }
}

#[test]
fn a_schedule_that_cannot_tell_its_slots_is_paused_and_says_why() {
    let lost = [
        Schedule { time_zone: "Mars/Olympus".to_owned(), ..hourly(CatchUp::One) },
        Schedule { cron: "0 99 * * *".to_owned(), ..hourly(CatchUp::One) },
    ];
    for schedule in lost {
        let firing = decided(&schedule, "2026-01-02T12:00:00Z");
        assert_eq!((firing.slot, firing.next_slot), (at("2026-01-02T12:00:00Z"), None));
        assert!(matches!(firing.outcome, SlotOutcome::Failed(error) if error.starts_with("the schedule is paused")));
    }
}

#[test]
fn the_job_of_somebodys_own_run_names_them_and_no_slot() {
    let job =
        Template::job(&hourly(CatchUp::One), Occasion::RunBy("eve"), &kinds::registry(), &Called::default()).unwrap();
    let metadata: Value = serde_json::from_str(job.metadata.unwrap().get()).unwrap();
    assert_eq!((&metadata["run_by"], &metadata["slot"]), (&"eve".into(), &Value::Null));
}

#[test]
fn a_template_is_kept_in_the_form_it_was_sent_in() {
    let schedule = hourly(CatchUp::One);
    let job = Template::job(&schedule, Occasion::RunBy("eve"), &kinds::registry(), &Called::default()).unwrap();
    let template = Template { metadata: None, ..Template::of(NewJob { timeout: Duration::from_secs(60), ..job }) };
    let expected = r#"{"kind":"noop","payload":{"sleep_ms":1},"priority":3,"max_attempts":2,"timeout":60}"#;
    assert_eq!(template.to_json().unwrap().get(), expected);
}
