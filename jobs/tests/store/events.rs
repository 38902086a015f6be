//! What becomes an event, and the log of events.

use std::{collections::HashSet, sync::Arc, time::Duration};

use golden_jobs::{
    JobId, Role,
    outcome::Verdict,
    store::{
        NewJob, RunEnd, StoreError,
        events::{EVENT_WINDOW, Event, LISTEN_LEASE, Telling, Told},
    },
};

use crate::{
    bed::{ALL, Bed},
    behind_pgbouncer, both_stores,
    given::{
        SECOND, TENANT, await_all, by, child_of, dead, delivery, job, job_of, job_with_callback, retry_in, succeeded,
    },
};

both_stores! {
    every_end_is_told_once_and_only_to_those_who_listen
    every_end_of_a_tenant_that_is_listened_to_is_told
    the_end_of_a_task_is_told_as_such
    what_is_not_an_end_is_not_told
    what_delivers_events_is_none_itself
    who_listens_is_heard_of_until_the_longest_lease_is_over
    every_end_of_a_job_is_an_event_of_its_own
    events_are_numbered_for_each_tenant_and_come_in_order
    events_and_what_tells_of_them_are_recorded_together_or_not_at_all
    many_relays_pass_an_event_on_once_and_readers_miss_none
    old_events_are_forgotten_and_their_numbers_are_not_given_out_again
}

behind_pgbouncer! {
    many_relays_pass_an_event_on_once_and_readers_miss_none
}

/// Tells nobody.
pub(crate) fn nobody() -> Telling {
    Arc::new(|_| Told::default())
}

/// One job for each event, of the event's own id.
fn one_each() -> Telling {
    Arc::new(|outgoing| {
        let tell =
            |event: &Event| delivery(NewJob { id: event.id.into(), role: Role::Webhook, ..job_of(&event.tenant_id) });
        outgoing.events.iter().map(tell).collect::<Vec<_>>().into()
    })
}

/// The log of a tenant as numbers with jobs.
async fn log(store: &Bed, tenant: &str, after: u64) -> Vec<(u64, JobId)> {
    let events = store.events_after(tenant, after, ALL).await.unwrap();
    events.iter().map(|event| (event.seq, event.job_id.unwrap())).collect()
}

/// The number of a tenant's newest event.
async fn newest(store: &Bed, tenant: &str) -> u64 {
    let newest = store.newest_events(&[tenant, "nobody"]).await.unwrap();
    newest.first().map_or(0, |(of, number)| {
        assert_eq!((of.as_str(), newest.len()), (tenant, 1));
        *number
    })
}

async fn every_end_is_told_once_and_only_to_those_who_listen(store: Bed) {
    let verdicts =
        || [succeeded(), dead(), Verdict::Cancelled, Verdict::Lost { dead: true }, Verdict::Lost { dead: false }];
    let jobs: Vec<_> = verdicts().iter().flat_map(|_| [job_with_callback(), job()]).collect();
    store.insert(jobs.clone()).await.unwrap();
    let runs = store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();
    let ends = runs
        .iter()
        .zip(verdicts().into_iter().zip(verdicts()).flat_map(|(a, b)| [a, b]))
        .map(|(run, verdict)| RunEnd { run: run.run, role: run.role, verdict });

    assert_eq!(store.finish(ends.collect()).await.unwrap(), []);

    let told: HashSet<_> = store.events().await.into_iter().collect();
    let expected = ["job.succeeded", "job.dead", "job.cancelled", "job.dead"];
    let expected: HashSet<_> =
        jobs.iter().step_by(2).zip(expected).map(|(job, event)| (job.id, event.to_owned())).collect();
    assert_eq!(told, expected);
    assert_eq!(store.events().await.len(), 4);
}

async fn every_end_of_a_tenant_that_is_listened_to_is_told(store: Bed) {
    store.listen(TENANT, LISTEN_LEASE).await.unwrap();
    let mut expected = Vec::new();
    let verdicts = [(succeeded(), "succeeded"), (dead(), "dead"), (Verdict::Lost { dead: true }, "dead")];
    for (verdict, state) in verdicts {
        expected.push((store.through(job(), verdict).await, format!("job.{state}")));
    }
    let parent = store.start(job()).await;
    store.end(&parent, await_all(vec![child_of(&parent)])).await;
    store.cancel(TENANT, parent.run.id, &by("ops")).await.unwrap();
    assert_eq!(store.events_of(parent.run.id).await, ["job.cancelled"]);
    assert_eq!(store.events().await.len(), expected.len() + 2, "its child is cancelled as well");
    assert_eq!(store.events().await[..expected.len()], expected);

    store.through(job_of("globex"), succeeded()).await;
    assert_eq!(store.events().await.len(), expected.len() + 2, "nobody listens to globex");
}

/// Beside the end of its job, and to no other's.
async fn the_end_of_a_task_is_told_as_such(store: Bed) {
    let task = || NewJob { kind: "task".to_owned(), ..job() };
    store.through(task(), succeeded()).await;
    assert_eq!(store.events().await, [], "nobody listens");
    store.listen(TENANT, LISTEN_LEASE).await.unwrap();
    for (verdict, told) in [(succeeded(), ["job.succeeded", "task.completed"]), (dead(), ["job.dead", "task.failed"])] {
        let id = store.through(task(), verdict).await;
        let mut events = store.events_of(id).await;
        events.sort();
        assert_eq!(events, told);
    }
    let id = store.submit(task()).await;
    store.cancel(TENANT, id, &by("ops")).await.unwrap();
    assert_eq!(store.events_of(id).await, ["job.cancelled"]);
}

async fn what_is_not_an_end_is_not_told(store: Bed) {
    store.listen(TENANT, LISTEN_LEASE).await.unwrap();
    for verdict in [retry_in(SECOND), Verdict::Snooze { delay: SECOND }, Verdict::Release, await_all(vec![])] {
        let run = store.start(job_with_callback()).await;
        assert_eq!(store.events().await, []);
        store.end(&run, verdict).await;
        assert_eq!(store.events().await, []);
        store.cancel(TENANT, run.run.id, &by("ops")).await.unwrap();
        store.pass_on(ALL, &nobody()).await.unwrap();
    }
}

/// Else each would be an event to deliver, without end.
async fn what_delivers_events_is_none_itself(store: Bed) {
    store.listen(TENANT, LISTEN_LEASE).await.unwrap();
    let delivery = || NewJob { kind: "webhook.deliver".into(), role: Role::Webhook, ..job() };
    for verdict in [succeeded(), dead()] {
        store.through(delivery(), verdict).await;
    }
    let id = store.submit(delivery()).await;
    store.cancel(TENANT, id, &by("ops")).await.unwrap();

    assert_eq!(store.events().await, []);
}

async fn who_listens_is_heard_of_until_the_longest_lease_is_over(store: Bed) {
    assert!(!store.listen(TENANT, SECOND * 10).await.unwrap(), "nobody listened until now");
    assert!(store.listen(TENANT, SECOND).await.unwrap());
    store.clock.advance(SECOND * 9);
    store.through(job(), succeeded()).await;
    assert_eq!(store.events().await.len(), 1, "the shorter one does not end the longer");

    assert!(store.listen(TENANT, SECOND * 10).await.unwrap());
    store.clock.advance(SECOND * 9);
    store.through(job(), succeeded()).await;
    assert_eq!(store.events().await.len(), 2, "it was renewed");

    store.clock.advance(SECOND);
    store.through(job(), succeeded()).await;
    assert_eq!(store.events().await.len(), 2, "it is over");

    assert_eq!(store.sql.number("SELECT count(*) FROM listeners").await, 1);
    store.forget_events(ALL).await.unwrap();
    assert_eq!(store.sql.number("SELECT count(*) FROM listeners").await, 0);
    assert!(!store.listen(TENANT, SECOND).await.unwrap(), "there was a pause");
}

async fn every_end_of_a_job_is_an_event_of_its_own(store: Bed) {
    let id = store.through(job_with_callback(), Verdict::Cancelled).await;
    store.retry(TENANT, id, &by("ops")).await.unwrap();
    let run = store.claim_one(Role::Orchestrator).await;
    store.end(&run, succeeded()).await;

    assert_eq!(store.events_of(id).await, ["job.cancelled", "job.succeeded"]);
}

async fn events_are_numbered_for_each_tenant_and_come_in_order(store: Bed) {
    assert_eq!(newest(&store, TENANT).await, 0);
    let mut ours = Vec::new();
    for _ in 0..5 {
        ours.push(store.through(job_with_callback(), succeeded()).await);
        store.through(NewJob { tenant_id: "globex".into(), ..job_with_callback() }, dead()).await;
        store.clock.advance(SECOND);
    }
    let first = store.clock.now() - SECOND * 5;

    assert_eq!(store.pass_on(4, &nobody()).await.unwrap(), 4);
    let expected: Vec<_> = (1..).zip(ours).collect();
    assert_eq!(log(&store, TENANT, 0).await, expected[..2], "the oldest go first");
    assert_eq!(store.pass_on(ALL, &nobody()).await.unwrap(), 6);
    assert_eq!(store.pass_on(ALL, &nobody()).await.unwrap(), 0);

    assert_eq!(log(&store, TENANT, 0).await, expected);
    assert_eq!(log(&store, TENANT, 3).await, expected[3..]);
    assert_eq!(log(&store, TENANT, 5).await, []);
    assert_eq!(store.events_after(TENANT, 1, 2).await.unwrap().len(), 2);
    assert_eq!((newest(&store, TENANT).await, log(&store, "globex", 0).await.len()), (5, 5));
    let event = store.events_after(TENANT, 0, 1).await.unwrap().remove(0);
    assert_eq!((event.event.as_str(), event.at, event.tenant_id.as_str()), ("job.succeeded", first, TENANT));
    assert!(event.data.is_none());
    assert_eq!(store.events().await, [], "the outbox is empty");
}

async fn events_and_what_tells_of_them_are_recorded_together_or_not_at_all(store: Bed) {
    let about = store.through(job_with_callback(), succeeded()).await;
    let refused: Telling = Arc::new(|outgoing| {
        assert_eq!(outgoing.jobs[&outgoing.events[0].job_id.unwrap()].job.kind, "noop");
        vec![delivery(NewJob { priority: 99, ..job() })].into()
    });
    let answer = store.pass_on(ALL, &refused).await;
    assert!(matches!(answer, Err(StoreError::Rejected(_))), "{answer:?}");
    assert_eq!((store.events_of(about).await.len(), newest(&store, TENANT).await), (1, 0));

    // On PostgreSQL the refused one may have the turn for a moment more.
    let mut passed_on = 0;
    while passed_on == 0 {
        passed_on = store.pass_on(ALL, &one_each()).await.unwrap();
    }
    assert_eq!(passed_on, 1);

    let event = store.events_after(TENANT, 0, ALL).await.unwrap().remove(0);
    assert_eq!((event.seq, event.job_id), (1, Some(about)));
    assert_eq!(store.claim_one(Role::Webhook).await.run.id, event.id.into());
}

async fn many_relays_pass_an_event_on_once_and_readers_miss_none(store: Bed) {
    const JOBS: u64 = 60;
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            let mut seen = 0;
            while seen < JOBS {
                for event in store.events_after(TENANT, seen, ALL).await.unwrap() {
                    assert_eq!(event.seq, seen + 1, "a number came late");
                    seen = event.seq;
                }
            }
        }
    });
    let relays: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                while newest(&store, TENANT).await < JOBS {
                    store.pass_on(3, &one_each()).await.unwrap();
                }
            })
        })
        .collect();
    let jobs: Vec<_> = (0..JOBS).map(|_| job_with_callback()).collect();
    store.insert(jobs).await.unwrap();
    for run in store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap() {
        store.end(&run, succeeded()).await;
    }
    for relay in relays {
        relay.await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(20), reader).await.expect("the reader sees all").unwrap();

    assert_eq!(store.claim(Role::Webhook, ALL, store.worker).await.unwrap().len() as u64, JOBS);
    let about: HashSet<_> = log(&store, TENANT, 0).await.into_iter().map(|(_, job)| job).collect();
    assert_eq!(about.len() as u64, JOBS);
}

async fn old_events_are_forgotten_and_their_numbers_are_not_given_out_again(store: Bed) {
    for _ in 0..3 {
        store.through(job_with_callback(), succeeded()).await;
    }
    store.clock.advance(SECOND);
    store.through(job_with_callback(), succeeded()).await;
    store.pass_on(ALL, &nobody()).await.unwrap();
    store.clock.advance(EVENT_WINDOW);
    assert_eq!(store.forget_events(2).await.unwrap(), 2);
    assert_eq!(store.forget_events(2).await.unwrap(), 1, "the last is as old as they may be");

    assert_eq!(log(&store, TENANT, 0).await.len(), 1);
    store.clock.advance(SECOND);
    assert_eq!(store.forget_events(2).await.unwrap(), 1);
    assert_eq!(newest(&store, TENANT).await, 4);
    store.through(job_with_callback(), succeeded()).await;
    store.pass_on(ALL, &nobody()).await.unwrap();
    assert_eq!(log(&store, TENANT, 0).await[0].0, 5);
}
