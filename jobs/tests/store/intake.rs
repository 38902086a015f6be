//! How jobs come in and become due.

use std::time::Duration;

use golden_jobs::{
    Job as _, Role, State, broker,
    kinds::WebhookDeliver,
    outcome::Verdict,
    store::{Due, Inserted, NewJob, Promoted, Report, StoreError},
    webhooks::relay_once,
};

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{MINUTE, SECOND, any_job, everything, job, job_with_callback, json, retry_in, succeeded, trace},
};

both_stores! {
    a_job_reads_back_as_it_was_given
    a_batch_is_answered_in_order
    inserting_the_same_id_twice_is_harmless
    one_id_twice_in_a_batch_is_one_job
    an_ended_job_is_not_run_again_by_inserting_it_again
    a_delayed_job_is_due_by_the_stores_clock
    a_job_of_the_past_is_ready_at_once
    promote_says_who_has_work_and_when_to_look_again
    promote_moves_no_more_than_it_is_asked_to
    an_empty_set_does_nothing
    json_text_is_kept_as_typed
    a_json_null_is_a_value
    text_of_256_kib_survives
    metadata_may_hold_any_json
    a_job_that_breaks_a_check_is_rejected
    a_trace_stays_with_its_job_and_with_what_is_told_of_it
}

async fn a_trace_stays_with_its_job_and_with_what_is_told_of_it(store: Bed) {
    broker::listen(&*store.store).await.unwrap();
    let first = store.start(NewJob { trace: Some(trace()), ..job_with_callback() }).await;
    assert_eq!(first.trace, Some(trace()));
    store.end(&first, retry_in(SECOND)).await;
    store.clock.advance(SECOND);
    store.promote(ALL).await.unwrap();
    let second = store.claim_one(Role::Orchestrator).await;
    assert_eq!((second.attempt, second.trace.clone()), (2, Some(trace())));
    store.end(&second, succeeded()).await;

    assert_eq!(store.summaries(&[second.run.id]).await.unwrap()[0].trace, Some(trace()));
    relay_once(&*store.store, WebhookDeliver::POLICY, ALL).await.unwrap();
    assert_eq!(store.claim_one(Role::Webhook).await.trace, Some(trace()));
    assert_eq!(store.unpublished(ALL).await.unwrap()[0].trace, Some(trace()));
    assert_eq!(store.start(job()).await.trace, None);
}

async fn a_job_reads_back_as_it_was_given(store: Bed) {
    let parent = store.submit(job()).await;
    let given = NewJob {
        kind: "review".into(),
        role: Role::PeerHub,
        priority: 9,
        payload: json(r#"{"n":1}"#),
        max_attempts: 7,
        timeout: Duration::from_millis(1500),
        metadata: Some(json(r#"{"team":"red"}"#)),
        callback_url: Some("https://example.com/hook".into()),
        parent_id: Some(parent),
        max_cost: None,
        ..job()
    };

    let inserted = store.insert(vec![given.clone()]).await.unwrap();

    let now = store.clock.now();
    assert_eq!(inserted, [Inserted::New { id: given.id, run_at: now, created_at: now }]);
    let read = store.record(given.id).await;
    assert_eq!((read.id, read.kind.as_str(), read.role), (given.id, "review", Role::PeerHub));
    assert_eq!((read.state, read.priority, read.attempt), (State::Queued, 9, 0));
    assert_eq!((read.max_attempts, read.timeout_ms), (7, 1500));
    assert_eq!(read.payload.get(), r#"{"n":1}"#);
    let metadata: serde_json::Value = serde_json::from_str(read.metadata.unwrap().get()).unwrap();
    assert_eq!(metadata, serde_json::json!({"team": "red"}));
    assert_eq!(read.callback_url, given.callback_url);
    assert_eq!(read.parent_id, Some(parent));
    assert_eq!((read.run_at, read.created_at), (now, now));
    assert_eq!((read.started_at, read.finished_at, read.worker_id), (None, None, None));
    assert!(read.result.is_none() && read.progress.is_none() && read.error.is_none());
    assert!(!read.cancel_requested);
}

async fn a_batch_is_answered_in_order(store: Bed) {
    let batch: Vec<_> = (0..50).map(|n| NewJob { priority: 9 - n % 10, ..job() }).collect();
    let ids: Vec<_> = batch.iter().map(|job| job.id).collect();

    let inserted = store.insert(batch).await.unwrap();

    let answered: Vec<_> = inserted
        .into_iter()
        .map(|answer| match answer {
            Inserted::New { id, .. } => id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answered, ids);
}

async fn inserting_the_same_id_twice_is_harmless(store: Bed) {
    let first = job();
    let answer = store.insert(vec![first.clone()]).await.unwrap();
    store.clock.advance(SECOND);

    let again = NewJob { payload: json(r#"{"other":true}"#), ..first.clone() };
    assert_eq!(store.insert(vec![again]).await.unwrap(), answer);

    assert_eq!(store.record(first.id).await.payload.get(), "{}");
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, first.id);
}

async fn one_id_twice_in_a_batch_is_one_job(store: Bed) {
    let first = job();

    let inserted = store.insert(vec![first.clone(), job(), first.clone()]).await.unwrap();

    assert_eq!(inserted.len(), 3);
    assert_eq!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().len(), 2);
}

async fn an_ended_job_is_not_run_again_by_inserting_it_again(store: Bed) {
    let given = job();
    store.through(given.clone(), succeeded()).await;

    store.insert(vec![given.clone()]).await.unwrap();

    assert_eq!(store.state(given.id).await, State::Succeeded);
    assert!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().is_empty());
}

async fn a_delayed_job_is_due_by_the_stores_clock(store: Bed) {
    let at = store.clock.now() + MINUTE;
    let by_time = store.submit(NewJob { due: Due::At(at), ..job() }).await;
    let by_delay = store.submit(NewJob { due: Due::In(MINUTE), ..job() }).await;
    for id in [by_time, by_delay] {
        let read = store.record(id).await;
        assert_eq!((read.state, read.run_at), (State::Scheduled, at));
    }

    store.later(MINUTE - SECOND).await;
    assert!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().is_empty());

    store.later(SECOND).await;
    assert_eq!(store.state(by_time).await, State::Queued);
    assert_eq!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().len(), 2);
}

async fn a_job_of_the_past_is_ready_at_once(store: Bed) {
    let past = store.clock.now() - MINUTE;
    for due in [Due::At(past), Due::In(Duration::ZERO)] {
        let run = store.start(NewJob { due, ..job() }).await;
        store.end(&run, succeeded()).await;
    }
}

async fn promote_says_who_has_work_and_when_to_look_again(store: Bed) {
    assert_eq!(store.promote(ALL).await.unwrap(), Promoted::default());

    store.submit(job()).await;
    store.submit(NewJob { role: Role::Sandbox, due: Due::In(MINUTE), ..job() }).await;
    store.submit(NewJob { role: Role::Webhook, due: Due::In(MINUTE * 3), ..job() }).await;

    let found = store.promote(ALL).await.unwrap();
    assert_eq!(found, Promoted { moved: 0, ready: vec![Role::Orchestrator], next_due: Some(MINUTE) });

    store.clock.advance(MINUTE);
    let mut found = store.promote(ALL).await.unwrap();
    found.ready.sort();
    let ready = vec![Role::Orchestrator, Role::Sandbox];
    assert_eq!(found, Promoted { moved: 1, ready, next_due: Some(MINUTE * 2) });
}

async fn promote_moves_no_more_than_it_is_asked_to(store: Bed) {
    store.insert((0..5).map(|_| NewJob { due: Due::In(SECOND), ..job() }).collect()).await.unwrap();
    store.clock.advance(SECOND);

    // A full batch means that more may be due already: whoever asks must not wait.
    let found = store.promote(3).await.unwrap();
    assert_eq!((found.moved, found.next_due), (3, Some(Duration::ZERO)));
    let found = store.promote(3).await.unwrap();
    assert_eq!((found.moved, found.next_due), (2, None));
}

async fn an_empty_set_does_nothing(store: Bed) {
    assert!(store.insert(vec![]).await.unwrap().is_empty());
    assert!(store.claim(Role::Orchestrator, 0, store.worker).await.unwrap().is_empty());
    assert!(store.finish(vec![]).await.unwrap().is_empty());
    assert!(store.report(vec![]).await.unwrap().is_empty());
    assert!(store.ended(&[]).await.unwrap().is_empty());
    store.ping().await.unwrap();
    assert!(store.jobs(&any_job(), everything()).await.unwrap().jobs.is_empty());
}

/// Whitespace, key order, duplicate keys and numbers that no float holds are the sender's.
const TYPED: &str = r#"{ "b" : 1,  "a":1.0, "a":[ 1e400, 123456789012345678901234567890, -0.0 ],
    "nul":"\u0000", "escaped":"\u00e9\ud83d\ude00", "plain":"é😀 '\"; DROP TABLE jobs; --" }"#;

async fn json_text_is_kept_as_typed(store: Bed) {
    let run = store.start(NewJob { payload: json(TYPED), ..job() }).await;
    assert_eq!(run.payload.get(), TYPED);

    let report = Report { run: run.run, progress: Some(json(TYPED)), checkpoint: Some(json(TYPED)) };
    assert_eq!(store.report(vec![report]).await.unwrap(), []);
    store.end(&run, Verdict::Release).await;
    let run = store.claim_one(Role::Orchestrator).await;
    assert_eq!(run.checkpoint.as_deref().unwrap().get(), TYPED);
    store.end(&run, Verdict::Succeeded { result: Some(json(TYPED)) }).await;

    let read = store.record(run.run.id).await;
    assert_eq!(read.payload.get(), TYPED);
    assert_eq!(read.progress.unwrap().get(), TYPED);
    assert_eq!(read.result.unwrap().get(), TYPED);
}

async fn a_json_null_is_a_value(store: Bed) {
    let run = store.start(NewJob { payload: json("null"), ..job() }).await;
    assert_eq!(run.payload.get(), "null");
    store.end(&run, Verdict::Succeeded { result: Some(json("null")) }).await;

    let read = store.record(run.run.id).await;
    assert_eq!(read.payload.get(), "null");
    assert_eq!(read.result.map(|result| result.get().to_owned()), Some("null".to_owned()));
}

async fn text_of_256_kib_survives(store: Bed) {
    let text = format!("\"{}\"", "é\\u0000😀x".repeat(256 * 1024 / 13));
    let run = store.start(NewJob { payload: json(text.clone()), ..job() }).await;
    assert_eq!(run.payload.get(), text);

    store.end(&run, Verdict::Succeeded { result: Some(json(text.clone())) }).await;

    let read = store.record(run.run.id).await;
    assert!(read.payload.get() == text && read.result.unwrap().get() == text);
}

/// Whoever else is in the batch must not pay for one job's odd metadata.
async fn metadata_may_hold_any_json(store: Bed) {
    for text in [r#"{"nul":"\u0000"}"#, r#"{"half":"\ud83d"}"#, r#"{"big":1e400}"#, r#"{"a":1,"a":2}"#] {
        let odd = NewJob { metadata: Some(json(text)), ..job() };
        let inserted = store.insert(vec![job(), odd]).await;
        assert!(inserted.is_ok(), "{text}: {inserted:?}");
    }
}

async fn a_job_that_breaks_a_check_is_rejected(store: Bed) {
    let inserted = store.insert(vec![job(), NewJob { priority: 10, ..job() }]).await;

    assert!(matches!(inserted, Err(StoreError::Rejected(_))), "{inserted:?}");
    assert!(store.jobs(&any_job(), everything()).await.unwrap().jobs.is_empty(), "all or nothing");
}
