//! Deliveries of webhooks: their attempts, lists, and replays.

use std::time::Duration;

use golden_jobs::{
    EndpointId, JobId, MessageId, Role, State,
    store::{
        LOOK, NewJob, Page,
        deliveries::{Delivery, DeliveryAttempt, DeliveryFilter, DeliveryStatus, NewAttempt, NewDelivery},
        endpoints::EndpointChange,
    },
};

use sqlx::{AssertSqlSafe, Row};

use crate::{
    bed::{ALL, Bed, Sql, on_postgres},
    both_stores,
    given::{
        MINUTE, SECOND, TENANT, any_letter, by, dead, delivery, delivery_to, everything, job, retry_in, settings,
        succeeded,
    },
};

both_stores! {
    attempts_are_on_record_oldest_first
    a_replayed_delivery_keeps_the_attempts_before_it
    an_answer_of_any_bytes_is_kept
    a_delivery_is_as_far_as_its_job
    deliveries_are_filtered_and_paged_newest_first
    a_page_looks_at_so_many_deliveries_and_no_more
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
    store.add_endpoint(TENANT, &settings(), [1; 32], &by("ops")).await.unwrap().unwrap().id
}

/// All deliveries of the tenant.
fn of_tenant() -> DeliveryFilter {
    DeliveryFilter { tenant_id: TENANT.into(), ..Default::default() }
}

async fn found(store: &Bed, id: MessageId) -> Delivery {
    store.delivery(TENANT, id).await.unwrap().expect("the delivery is recorded")
}

async fn listed(store: &Bed, filter: &DeliveryFilter, page: Page<MessageId>) -> Vec<MessageId> {
    store.deliveries(filter, page).await.unwrap().deliveries.iter().map(|delivery| delivery.id).collect()
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
    let to_be_sent = NewJob { role: Role::Webhook, ..job() };
    let ready = added(&store, NewDelivery { about: Some(about), ..delivery(to_be_sent) }).await;
    let cancelled = added(&store, delivery(job())).await;
    store.cancel(TENANT, cancelled.into(), &by("ops")).await.unwrap();

    let all = of_tenant();
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
        (DeliveryFilter { ids: vec![failed, MessageId::new(), taken], ..all.clone() }, vec![taken, failed]),
        (DeliveryFilter { ids: vec![failed, taken], ..with(DeliveryStatus::Failed) }, vec![failed]),
        (DeliveryFilter { since: Some(later), ..all.clone() }, vec![cancelled, ready, taken, running, waiting]),
        (DeliveryFilter { until: Some(later), ..all.clone() }, vec![failed]),
    ] {
        assert_eq!(listed(&store, &filter, everything()).await, expected, "{filter:?}");
    }
    let page = Page { before: Some(ready), limit: 2 };
    assert_eq!(listed(&store, &all, page).await, [taken, running]);
    // What is due again is in another table.
    store.later(MINUTE).await;
    assert_eq!(listed(&store, &with(DeliveryStatus::Pending), everything()).await, [ready, running, waiting]);
}

/// Whoever goes on from where looking ended finds all there is.
async fn a_page_looks_at_so_many_deliveries_and_no_more(store: Bed) {
    let rare = || NewDelivery { event: "job.dead".into(), ..delivery(job()) };
    let first = added(&store, rare()).await;
    for _ in 0..10 {
        store.add_deliveries((0..LOOK / 10).map(|_| delivery(job())).collect()).await.unwrap();
    }
    let last = added(&store, rare()).await;
    let filter = DeliveryFilter { event: Some("job.dead".into()), ..of_tenant() };
    let page = async |before, limit| {
        let page = store.deliveries(&filter, Page { before, limit }).await.unwrap();
        (page.deliveries.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), page.looked_to)
    };

    let (found, looked_to) = page(None, 10).await;
    assert_eq!((found, looked_to.is_some()), (vec![last], true));
    assert_eq!(page(looked_to, 10).await, (vec![first], None));
    // A full page needs no such mark.
    assert_eq!(page(None, 1).await, (vec![last], None));
}

/// A tenant that has few deliveries among everybody's many must not wait for the walk past those.
#[tokio::test]
async fn postgres_reads_a_tenants_deliveries_from_its_own() {
    on_postgres(async |store: Bed| {
        store.add_deliveries((0..2000).map(|_| delivery(job())).collect()).await.unwrap();
        let Sql::Postgres(pool) = &store.sql else { unreachable!("a bed on PostgreSQL") };
        for (place, index) in [
            (include_str!("../../src/sql/postgres/deliveries/any.sql"), "webhook_deliveries_by_tenant"),
            (include_str!("../../src/sql/postgres/deliveries/endpoint.sql"), "webhook_deliveries_by_endpoint"),
            (include_str!("../../src/sql/postgres/deliveries/pending.sql"), "ready_webhooks"),
        ] {
            let mut connection = pool.acquire().await.unwrap();
            let types = "text, uuid, uuid, text, text, timestamptz, timestamptz, uuid, uuid, bigint, bigint, uuid[]";
            let page = include_str!("../../src/sql/postgres/deliveries.sql");
            let prepared = format!(
                "ANALYZE webhook_deliveries; ANALYZE jobs; ANALYZE ready; SET plan_cache_mode = force_generic_plan; \
                 PREPARE list ({types}) AS {place}{page}"
            );
            sqlx::raw_sql(AssertSqlSafe(prepared)).execute(&mut *connection).await.unwrap();
            let explain = "EXPLAIN EXECUTE list('small', NULL, NULL, NULL, NULL, NULL, NULL, \
                 '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 21, 10000, NULL)";
            let plan = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
            assert!(plan.iter().any(|line| line.contains(index)), "{index}: {plan:#?}");
            // All that is looked at is looked up, and nothing is read whole but what is small.
            let whole: Vec<_> = plan.iter().filter(|line| line.contains("Seq Scan on")).collect();
            assert!(whole.iter().all(|line| line.contains("on running")), "{index}: {plan:#?}");
            connection.close().await.unwrap();
        }
    })
    .await;
}

async fn recording_a_delivery_twice_is_harmless(store: Bed) {
    let once = delivery(job());
    let id = added(&store, once.clone()).await;
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, succeeded()).await;

    store.add_deliveries(vec![once]).await.unwrap();

    assert_eq!(found(&store, id).await.status, DeliveryStatus::Delivered);
    let all = of_tenant();
    assert_eq!(listed(&store, &all, everything()).await, [id]);
}

async fn what_has_ended_is_sent_again_once_and_under_the_same_id(store: Bed) {
    let mut ended = Vec::new();
    for verdict in [succeeded(), dead()] {
        ended.push(added(&store, NewDelivery { job: NewJob { max_attempts: 1, ..job() }, ..delivery(job()) }).await);
        let run = store.claim_one(Role::Orchestrator).await;
        store.end(&run, verdict).await;
    }
    let cancelled = added(&store, delivery(job())).await;
    store.cancel(TENANT, cancelled.into(), &by("ops")).await.unwrap();
    ended.push(cancelled);
    let pending = added(&store, NewDelivery { job: NewJob { role: Role::Sandbox, ..job() }, ..delivery(job()) }).await;
    let other = store.through(job(), dead()).await;

    let asked: Vec<_> = ended.iter().copied().chain([pending, other.into(), MessageId::new()]).collect();
    let ops = by("ops");
    let (a, b) = tokio::join!(store.redeliver(TENANT, &asked, &ops), store.redeliver(TENANT, &asked, &ops));

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
    store.change_endpoint(TENANT, disabled, &change(false), &by("ops")).await.unwrap();
    store.remove_endpoint(TENANT, deleted, &by("ops")).await.unwrap();
    assert_eq!(store.redeliver(TENANT, &ids, &by("ops")).await.unwrap(), []);
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 2);

    store.change_endpoint(TENANT, disabled, &change(true), &by("ops")).await.unwrap();
    assert_eq!(store.redeliver(TENANT, &ids, &by("ops")).await.unwrap(), ids[..1]);
}

async fn deliveries_of_other_tenants_are_not_there(store: Bed) {
    let to = endpoint(&store).await;
    let id = added(&store, NewDelivery { about: Some(JobId::new()), ..delivery_to(to) }).await;
    let run = store.claim_one(Role::Webhook).await;
    store.end(&run, dead()).await;
    assert_eq!(store.delivery("globex", id).await.unwrap(), None);
    assert_eq!(store.redeliver("globex", &[id], &by("ops")).await.unwrap(), []);
    let job_id = found(&store, id).await.job_id;
    let all = DeliveryFilter { tenant_id: "globex".into(), ..Default::default() };
    for filter in [
        DeliveryFilter { endpoint_id: Some(to), ..all.clone() },
        DeliveryFilter { job_id, ..all.clone() },
        DeliveryFilter { ids: vec![id], ..all.clone() },
        DeliveryFilter { status: Some(DeliveryStatus::Failed), ..all.clone() },
        all,
    ] {
        assert_eq!(listed(&store, &filter, everything()).await, [], "{filter:?}");
    }
}
