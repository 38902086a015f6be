//! Deliveries of webhooks: their attempts, lists, and replays.

use std::time::Duration;

use golden_jobs::{
    EndpointId, JobId, MessageId, Role, State,
    store::{
        NewJob, Page,
        deliveries::{Delivery, DeliveryAttempt, DeliveryFilter, DeliveryStatus, NewAttempt, NewDelivery},
        endpoints::EndpointChange,
    },
};

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{
        MINUTE, SECOND, TENANT, any_letter, dead, delivery, delivery_to, everything, job, retry_in, settings, succeeded,
    },
};

both_stores! {
    attempts_are_on_record_oldest_first
    a_replayed_delivery_keeps_the_attempts_before_it
    an_answer_of_any_bytes_is_kept
    a_delivery_is_as_far_as_its_job
    deliveries_are_filtered_and_paged_newest_first
    recording_a_delivery_twice_is_harmless
    what_has_ended_is_sent_again_once_and_under_the_same_id
    what_goes_to_a_disabled_or_deleted_endpoint_is_not_sent_again
    deliveries_of_other_tenants_are_not_there
}

pub(crate) fn attempt(message_id: MessageId, number: u32) -> NewAttempt {
    NewAttempt {
        message_id,
        endpoint_id: None,
        delivered: false,
        gone: false,
        attempt: DeliveryAttempt {
            // Runs number leases, and attempts until a replay.
            run_lease: i64::from(number),
            attempt: number,
            url: "https://example.com/hook".into(),
            status: Some(503),
            latency_ms: 12,
            answer: Some("busy".into()),
            error: None,
            at: Default::default(),
        },
    }
}

/// Records a delivery, and gives its id.
async fn added(store: &Bed, delivery: NewDelivery) -> MessageId {
    let id = delivery.job.id;
    store.add_deliveries(vec![delivery]).await.unwrap();
    id.into()
}

async fn endpoint(store: &Bed) -> EndpointId {
    store.add_endpoint(TENANT, &settings(), [1; 32]).await.unwrap().unwrap().id
}

async fn found(store: &Bed, id: MessageId) -> Delivery {
    store.delivery(TENANT, id).await.unwrap().expect("the delivery is recorded")
}

async fn attempts_are_on_record_oldest_first(store: Bed) {
    let id = MessageId::new();
    let first = attempt(id, 1);
    let mut second = attempt(id, 2);
    second.attempt = DeliveryAttempt { status: None, answer: None, error: Some("refused".into()), ..second.attempt };
    store.record_attempt(&first).await.unwrap();
    let at = store.clock.now();
    store.clock.advance(SECOND);
    store.record_attempt(&second).await.unwrap();
    // The run that recorded it may have been lost right after: it is recorded again.
    store.record_attempt(&second).await.unwrap();
    store.record_attempt(&attempt(MessageId::new(), 1)).await.unwrap();

    let expected =
        [DeliveryAttempt { at, ..first.attempt }, DeliveryAttempt { at: store.clock.now(), ..second.attempt }];
    assert_eq!(store.delivery_attempts(id).await.unwrap(), expected);
}

/// Attempts are numbered from 1 again then.
async fn a_replayed_delivery_keeps_the_attempts_before_it(store: Bed) {
    let id = MessageId::new();
    let mut after = attempt(id, 1);
    after.attempt = DeliveryAttempt { run_lease: 7, status: Some(200), ..after.attempt };
    store.record_attempt(&attempt(id, 1)).await.unwrap();
    store.record_attempt(&after).await.unwrap();

    let kept = store.delivery_attempts(id).await.unwrap();

    let told: Vec<_> = kept.iter().map(|attempt| (attempt.attempt, attempt.status)).collect();
    assert_eq!(told, [(1, Some(503)), (1, Some(200))]);
}

async fn an_answer_of_any_bytes_is_kept(store: Bed) {
    let id = MessageId::new();
    let odd = Some("a\u{0}b".to_owned());
    let mut given = attempt(id, 1);
    given.attempt = DeliveryAttempt { answer: odd.clone(), error: odd, ..given.attempt };

    store.record_attempt(&given).await.unwrap();

    let kept = store.delivery_attempts(id).await.unwrap().remove(0);
    for text in [kept.answer.unwrap(), kept.error.unwrap()] {
        assert!(text.starts_with('a') && text.ends_with('b'), "{text:?}");
    }
}

async fn a_delivery_is_as_far_as_its_job(store: Bed) {
    let about = JobId::new();
    let id = added(&store, NewDelivery { about: Some(about), ..delivery(job()) }).await;
    let fresh = found(&store, id).await;
    assert_eq!((fresh.status, fresh.attempt, fresh.job_id), (DeliveryStatus::Pending, 0, Some(about)));
    assert_eq!((fresh.next_attempt_at, fresh.finished_at), (Some(store.clock.now()), None));
    assert_eq!((fresh.event.as_str(), fresh.url.as_str()), ("job.succeeded", "https://example.com/hook"));

    let run = store.claim_one(Role::Orchestrator).await;
    assert_eq!(found(&store, id).await.attempt, 1);
    store.end(&run, retry_in(MINUTE)).await;
    let waiting = found(&store, id).await;
    assert_eq!(waiting.next_attempt_at, Some(store.clock.now() + MINUTE));
    assert_eq!(waiting.error.unwrap().code, "noop_failed");

    store.later(MINUTE).await;
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, succeeded()).await;
    let taken = found(&store, id).await;
    assert_eq!((taken.status, taken.finished_at), (DeliveryStatus::Delivered, Some(store.clock.now())));
    assert_eq!((taken.next_attempt_at, taken.error), (None, None));
}

async fn deliveries_are_filtered_and_paged_newest_first(store: Bed) {
    let (to, about) = (endpoint(&store).await, JobId::new());
    let failed = added(&store, delivery_to(to)).await;
    let run = store.claim_one(Role::Webhook).await;
    store.end(&run, dead()).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let waiting = NewDelivery { event: "job.dead".into(), ..delivery_to(to) };
    let later = waiting.at;
    let waiting = added(&store, waiting).await;
    let run = store.claim_one(Role::Webhook).await;
    store.end(&run, retry_in(MINUTE)).await;
    let running = added(&store, delivery_to(to)).await;
    store.claim_one(Role::Webhook).await;
    let taken = added(&store, NewDelivery { about: Some(about), ..delivery(job()) }).await;
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, succeeded()).await;
    let ready = added(&store, NewDelivery { about: Some(about), ..delivery(job()) }).await;
    let cancelled = added(&store, delivery(job())).await;
    store.cancel(TENANT, cancelled.into()).await.unwrap();

    let all = DeliveryFilter { tenant_id: TENANT.into(), ..Default::default() };
    let of_endpoint = DeliveryFilter { endpoint_id: Some(to), ..all.clone() };
    let of_job = DeliveryFilter { job_id: Some(about), ..all.clone() };
    let with = |status| DeliveryFilter { status: Some(status), ..all.clone() };
    for (filter, expected) in [
        (all.clone(), vec![cancelled, ready, taken, running, waiting, failed]),
        (of_endpoint.clone(), vec![running, waiting, failed]),
        (DeliveryFilter { event: Some("job.dead".into()), ..of_endpoint.clone() }, vec![waiting]),
        (DeliveryFilter { status: Some(DeliveryStatus::Delivered), ..of_endpoint.clone() }, vec![]),
        (DeliveryFilter { status: Some(DeliveryStatus::Pending), ..of_endpoint }, vec![running, waiting]),
        (of_job.clone(), vec![ready, taken]),
        (DeliveryFilter { status: Some(DeliveryStatus::Pending), ..of_job }, vec![ready]),
        (with(DeliveryStatus::Pending), vec![ready, running, waiting]),
        (with(DeliveryStatus::Delivered), vec![taken]),
        (with(DeliveryStatus::Failed), vec![failed]),
        (with(DeliveryStatus::Cancelled), vec![cancelled]),
        (DeliveryFilter { since: Some(later), ..all.clone() }, vec![cancelled, ready, taken, running, waiting]),
        (DeliveryFilter { until: Some(later), ..all.clone() }, vec![failed]),
    ] {
        let listed = store.deliveries(&filter, everything()).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|delivery| delivery.id).collect();
        assert_eq!(listed, expected, "{filter:?}");
    }
    let page = Page { before: Some(ready), limit: 2 };
    let listed: Vec<_> = store.deliveries(&all, page).await.unwrap().iter().map(|delivery| delivery.id).collect();
    assert_eq!(listed, [taken, running]);
}

async fn recording_a_delivery_twice_is_harmless(store: Bed) {
    let once = delivery(job());
    let id = added(&store, once.clone()).await;
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, succeeded()).await;

    store.add_deliveries(vec![once]).await.unwrap();

    assert_eq!(found(&store, id).await.status, DeliveryStatus::Delivered);
    let all = DeliveryFilter { tenant_id: TENANT.into(), ..Default::default() };
    assert_eq!(store.deliveries(&all, everything()).await.unwrap().len(), 1);
}

async fn what_has_ended_is_sent_again_once_and_under_the_same_id(store: Bed) {
    let mut ended = Vec::new();
    for verdict in [succeeded(), dead()] {
        ended.push(added(&store, NewDelivery { job: NewJob { max_attempts: 1, ..job() }, ..delivery(job()) }).await);
        let run = store.claim_one(Role::Orchestrator).await;
        store.end(&run, verdict).await;
    }
    let cancelled = added(&store, delivery(job())).await;
    store.cancel(TENANT, cancelled.into()).await.unwrap();
    ended.push(cancelled);
    let pending = added(&store, NewDelivery { job: NewJob { role: Role::Sandbox, ..job() }, ..delivery(job()) }).await;
    let other = store.through(job(), dead()).await;

    let asked: Vec<_> = ended.iter().copied().chain([pending, other.into(), MessageId::new()]).collect();
    let (a, b) = tokio::join!(store.redeliver(TENANT, &asked, "ops"), store.redeliver(TENANT, &asked, "ops"));

    let mut again = [a.unwrap(), b.unwrap()].concat();
    again.sort();
    assert_eq!(again, ended);
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 1, "that of the job that delivers nothing");
    for claimed in store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap() {
        assert!(again.contains(&claimed.run.id.into()));
        assert_eq!(claimed.attempt, 1, "with fresh attempts");
        store.end(&claimed, succeeded()).await;
    }
    for id in ended {
        assert_eq!(found(&store, id).await.status, DeliveryStatus::Delivered);
    }
    assert_eq!(store.state(other).await, State::Dead);
}

async fn what_goes_to_a_disabled_or_deleted_endpoint_is_not_sent_again(store: Bed) {
    let (disabled, deleted) = (endpoint(&store).await, endpoint(&store).await);
    let mut ids = Vec::new();
    for to in [disabled, deleted] {
        ids.push(added(&store, delivery_to(to)).await);
        let run = store.claim_one(Role::Webhook).await;
        store.end(&run, dead()).await;
    }
    let change = |enabled| EndpointChange { enabled: Some(enabled), ..Default::default() };
    store.change_endpoint(TENANT, disabled, &change(false)).await.unwrap();
    store.remove_endpoint(TENANT, deleted).await.unwrap();
    assert_eq!(store.redeliver(TENANT, &ids, "ops").await.unwrap(), []);
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 2);

    store.change_endpoint(TENANT, disabled, &change(true)).await.unwrap();
    assert_eq!(store.redeliver(TENANT, &ids, "ops").await.unwrap(), ids[..1]);
}

async fn deliveries_of_other_tenants_are_not_there(store: Bed) {
    let to = endpoint(&store).await;
    let id = added(&store, NewDelivery { about: Some(JobId::new()), ..delivery_to(to) }).await;
    let run = store.claim_one(Role::Webhook).await;
    store.end(&run, dead()).await;
    assert_eq!(store.delivery("globex", id).await.unwrap(), None);
    assert_eq!(store.redeliver("globex", &[id], "ops").await.unwrap(), []);
    let job_id = found(&store, id).await.job_id;
    let all = DeliveryFilter { tenant_id: "globex".into(), ..Default::default() };
    for filter in [
        DeliveryFilter { endpoint_id: Some(to), ..all.clone() },
        DeliveryFilter { job_id, ..all.clone() },
        DeliveryFilter { status: Some(DeliveryStatus::Failed), ..all.clone() },
        all,
    ] {
        assert_eq!(store.deliveries(&filter, everything()).await.unwrap(), [], "{filter:?}");
    }
}
