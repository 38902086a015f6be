//! Schedules: kept for their owners, and fired once a slot.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use golden_jobs::{
    JobId, Role, ScheduleId,
    store::{
        ConnectOptions, NewJob, Page, Quota, SharedStore, StoreClock, StoreError, Terms, connect,
        schedules::{CatchUp, Changed, Created, Firing, LastSlot, NewSchedule, Schedule, SlotOutcome, WhichSchedule},
    },
};
use tokio::time::timeout;

use crate::{
    bed::{ALL, Bed},
    behind_pgbouncer, both_stores,
    given::{MINUTE, TENANT, any_job, by, everything, job, job_of, json},
};

both_stores! {
    a_schedule_is_found_by_its_id_and_by_its_name
    a_name_is_used_once_in_a_tenant
    a_tenant_has_so_many_schedules_and_no_more
    schedules_are_listed_newest_first
    a_schedule_is_its_tenants_alone
    a_change_by_who_has_not_read_the_last_one_is_not_written
    those_that_are_due_come_longest_overdue_first
    those_of_a_suspended_tenant_wait
    a_slot_becomes_a_job_and_the_next_one_is_waited_for
    a_slot_becomes_one_job_however_many_see_it_come
    a_slot_and_its_job_are_written_together_or_not_at_all
    a_schedule_that_was_changed_meanwhile_is_not_fired
    what_failed_or_was_skipped_is_told_until_it_works_again
    a_full_queue_fails_the_slot_and_not_its_neighbours
    without_a_next_slot_a_schedule_is_paused
    slots_only_ever_grow
    the_stores_clock_is_told
}

behind_pgbouncer! {
    a_slot_becomes_one_job_however_many_see_it_come
}

pub(crate) fn new(name: &str) -> NewSchedule {
    NewSchedule {
        id: ScheduleId::new(),
        tenant_id: TENANT.into(),
        name: name.into(),
        cron: "0 * * * *".into(),
        time_zone: "Europe/Berlin".into(),
        catch_up: CatchUp::One,
        submission: json(r#"{"kind": "noop", "n": 1.0}"#),
        next_slot: Some("2026-01-02T04:00:00Z".parse().unwrap()),
    }
}

pub(crate) async fn create(store: &Bed, schedule: NewSchedule) -> Schedule {
    match store.create_schedule(&schedule, ALL, &by("ops")).await.unwrap() {
        Created::New(schedule) => *schedule,
        other => panic!("{other:?}"),
    }
}

async fn change(store: &Bed, changed: &Schedule) -> Schedule {
    match store.change_schedule(changed, &by("ops")).await.unwrap() {
        Changed::Done(schedule) => *schedule,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn find(store: &Bed, id: ScheduleId) -> Schedule {
    store.schedule(TENANT, &WhichSchedule::Id(id)).await.unwrap().expect("the schedule is there")
}

fn slot(schedule: &Schedule) -> DateTime<Utc> {
    schedule.next_slot.expect("it is not paused")
}

/// What a process writes that sees the next slot of an hourly schedule come.
pub(crate) fn firing(schedule: &Schedule, outcome: SlotOutcome) -> Firing {
    let (slot, hour) = (slot(schedule), Duration::from_secs(3600));
    Firing { id: schedule.id, revision: schedule.revision, slot, next_slot: Some(slot + hour), outcome }
}

pub(crate) fn fired(job: NewJob) -> SlotOutcome {
    SlotOutcome::Fired(Box::new(job))
}

async fn a_schedule_is_found_by_its_id_and_by_its_name(store: Bed) {
    let given = new("nightly é");
    let created = create(&store, given.clone()).await;

    for which in [WhichSchedule::Id(given.id), WhichSchedule::Name("nightly é".into())] {
        let found = store.schedule(TENANT, &which).await.unwrap().unwrap();
        assert_eq!((found.id, found.name.as_str(), found.cron.as_str()), (given.id, "nightly é", "0 * * * *"));
        assert_eq!((found.time_zone.as_str(), found.catch_up), ("Europe/Berlin", CatchUp::One));
        assert_eq!(found.submission.get(), given.submission.get(), "as it was typed");
        assert_eq!((found.next_slot, found.last, found.last_job_id), (given.next_slot, None, None));
        assert_eq!((found.created_at, found.updated_at), (store.clock.now(), store.clock.now()));
        assert_eq!(found.revision, created.revision);
    }
    for which in [WhichSchedule::Id(ScheduleId::new()), WhichSchedule::Name("nightly".into())] {
        assert!(store.schedule(TENANT, &which).await.unwrap().is_none());
    }
    assert!(store.delete_schedule(TENANT, given.id, &by("ops")).await.unwrap());
    assert!(!store.delete_schedule(TENANT, given.id, &by("ops")).await.unwrap());
    assert!(store.schedule(TENANT, &WhichSchedule::Id(given.id)).await.unwrap().is_none());
}

async fn a_name_is_used_once_in_a_tenant(store: Bed) {
    create(&store, new("a")).await;
    let b = create(&store, new("b")).await;
    create(&store, NewSchedule { tenant_id: "globex".into(), ..new("a") }).await;

    assert!(matches!(store.create_schedule(&new("a"), ALL, &by("ops")).await.unwrap(), Created::NameTaken));
    let renamed = Schedule { name: "a".into(), ..b.clone() };
    assert!(matches!(store.change_schedule(&renamed, &by("ops")).await.unwrap(), Changed::NameTaken));

    assert_eq!(find(&store, b.id).await.name, "b");
    assert_eq!(change(&store, &Schedule { name: "c".into(), ..b }).await.name, "c");
}

async fn a_tenant_has_so_many_schedules_and_no_more(store: Bed) {
    for name in ["a", "b"] {
        create(&store, new(name)).await;
    }
    assert!(matches!(store.create_schedule(&new("c"), 2, &by("ops")).await.unwrap(), Created::TooMany));
    let others = NewSchedule { tenant_id: "globex".into(), ..new("c") };
    assert!(matches!(store.create_schedule(&others, 2, &by("ops")).await.unwrap(), Created::New(_)));
    assert!(matches!(store.create_schedule(&new("c"), 3, &by("ops")).await.unwrap(), Created::New(_)));
}

async fn schedules_are_listed_newest_first(store: Bed) {
    for name in ["a", "b", "c"] {
        create(&store, new(name)).await;
    }
    let names = async |page| {
        let listed = store.schedules(TENANT, page).await.unwrap();
        listed.into_iter().map(|schedule| schedule.name).collect::<Vec<_>>()
    };
    assert_eq!(names(everything()).await, ["c", "b", "a"]);
    assert_eq!(names(Page { before: None, limit: 2 }).await, ["c", "b"]);
    let b = store.schedule(TENANT, &WhichSchedule::Name("b".into())).await.unwrap().unwrap();
    assert_eq!(names(Page { before: Some(b.id), limit: 2 }).await, ["a"]);
}

async fn a_schedule_is_its_tenants_alone(store: Bed) {
    let schedule = create(&store, new("a")).await;
    for which in [WhichSchedule::Id(schedule.id), WhichSchedule::Name("a".into())] {
        assert!(store.schedule("globex", &which).await.unwrap().is_none());
    }
    assert!(store.schedules("globex", everything()).await.unwrap().is_empty());
    let stolen = Schedule { tenant_id: "globex".into(), cron: "* * * * *".into(), ..schedule.clone() };
    assert!(matches!(store.change_schedule(&stolen, &by("ops")).await.unwrap(), Changed::Stale));
    assert!(!store.delete_schedule("globex", schedule.id, &by("ops")).await.unwrap());
    assert_eq!(find(&store, schedule.id).await.cron, "0 * * * *");
}

async fn a_change_by_who_has_not_read_the_last_one_is_not_written(store: Bed) {
    let read = create(&store, new("a")).await;
    store.clock.advance(MINUTE);
    let first = Schedule {
        cron: "*/5 * * * *".into(),
        time_zone: "UTC".into(),
        catch_up: CatchUp::Skip,
        submission: json(r#"{"kind":"other"}"#),
        next_slot: None,
        ..read.clone()
    };
    let second = Schedule { cron: "1 1 1 1 *".into(), ..read };

    let written = change(&store, &first).await;
    assert!(matches!(store.change_schedule(&second, &by("ops")).await.unwrap(), Changed::Stale));

    let found = find(&store, written.id).await;
    assert_eq!((found.cron.as_str(), found.time_zone.as_str(), found.catch_up), ("*/5 * * * *", "UTC", CatchUp::Skip));
    assert_eq!((found.submission.get(), found.next_slot), (r#"{"kind":"other"}"#, None));
    assert_eq!(found.updated_at, found.created_at + MINUTE);
    store.delete_schedule(TENANT, found.id, &by("ops")).await.unwrap();
    assert!(matches!(store.change_schedule(&found, &by("ops")).await.unwrap(), Changed::Stale));
}

async fn those_that_are_due_come_longest_overdue_first(store: Bed) {
    let at = |minute: u64| Some(store.clock.now() + MINUTE * u32::try_from(minute).unwrap());
    for (name, next_slot) in [("late", at(3)), ("early", at(1)), ("never", None), ("middle", at(2))] {
        let tenant_id = name.to_owned();
        create(&store, NewSchedule { next_slot, tenant_id, ..new(name) }).await;
    }
    let due = async |minute: u64, limit| {
        let due = store.due_schedules(at(minute).unwrap(), limit).await.unwrap();
        due.into_iter().map(|schedule| schedule.name).collect::<Vec<_>>()
    };
    assert!(due(0, ALL).await.is_empty());
    assert_eq!(due(1, ALL).await, ["early"], "to the moment");
    assert_eq!(due(9, ALL).await, ["early", "middle", "late"]);
    assert_eq!(due(9, 2).await, ["early", "middle"]);
}

async fn those_of_a_suspended_tenant_wait(store: Bed) {
    let schedule = create(&store, new("a")).await;
    let due = async || store.due_schedules(slot(&schedule), ALL).await.unwrap().len();
    let terms = |suspended| Terms { suspended, ..Terms::default() };
    store.create_tenant(TENANT, &terms(true), &by("ops")).await.unwrap();
    assert_eq!(due().await, 0);
    store.set_terms(TENANT, &terms(false).into(), &by("ops")).await.unwrap();
    assert_eq!(due().await, 1);
}

async fn a_slot_becomes_a_job_and_the_next_one_is_waited_for(store: Bed) {
    let schedule = create(&store, new("a")).await;
    // A tenant that was never heard of before.
    let stranger = create(&store, NewSchedule { tenant_id: "globex".into(), ..new("b") }).await;
    let (first, second) = (job(), NewJob { role: Role::Sandbox, ..job_of("globex") });

    let firings = [firing(&schedule, fired(first.clone())), firing(&stranger, fired(second.clone()))];
    let written: HashSet<_> = store.fire(&firings).await.unwrap().into_iter().map(|written| written.id).collect();
    assert_eq!(written, HashSet::from([schedule.id, stranger.id]));

    for role in [Role::Orchestrator, Role::Sandbox] {
        timeout(Duration::from_secs(10), store.wakes().woken(role)).await.expect("the role is woken");
    }
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, first.id);
    assert_eq!(store.claim_one(Role::Sandbox).await.run.id, second.id);
    let found = find(&store, schedule.id).await;
    assert_eq!(found.next_slot, Some(slot(&schedule) + Duration::from_secs(3600)));
    assert_eq!(found.last, Some(LastSlot { slot: slot(&schedule), outcome: "fired".into(), error: None }));
    assert_eq!((found.last_job_id, found.updated_at), (Some(first.id), schedule.updated_at));
    assert!(store.fire(&[]).await.unwrap().is_empty());
}

async fn a_slot_becomes_one_job_however_many_see_it_come(store: Bed) {
    const PROCESSES: usize = 4;
    let names = (0..20).map(|n| format!("schedule {n}"));
    for name in names.clone() {
        create(&store, new(&name)).await;
    }
    let mut processes: Vec<SharedStore> = Vec::new();
    for _ in 0..PROCESSES {
        let clock = StoreClock::Held(store.clock.clone());
        processes.push(connect(ConnectOptions { clock, ..ConnectOptions::new(store.url.clone()) }).await.unwrap());
    }
    store.clock.advance(Duration::from_secs(3600));

    let now = store.clock.now();
    let racing: Vec<_> = processes
        .into_iter()
        .map(|process| {
            tokio::spawn(async move {
                let due = process.due_schedules(now, ALL).await.unwrap();
                let firings: Vec<_> = due.iter().map(|schedule| firing(schedule, fired(job()))).collect();
                process.fire(&firings).await.unwrap()
            })
        })
        .collect();
    let mut written = Vec::new();
    for process in racing {
        written.extend(process.await.unwrap());
    }

    assert_eq!(written.len(), 20, "each schedule was written by one process");
    assert_eq!(written.iter().map(|written| written.id).collect::<HashSet<_>>().len(), 20);
    let jobs: HashSet<JobId> =
        store.jobs(&any_job(), everything()).await.unwrap().jobs.into_iter().map(|j| j.id).collect();
    let told: HashSet<JobId> =
        store.schedules(TENANT, everything()).await.unwrap().into_iter().filter_map(|s| s.last_job_id).collect();
    assert_eq!((jobs.len(), jobs), (20, told));
}

async fn a_slot_and_its_job_are_written_together_or_not_at_all(store: Bed) {
    let schedule = create(&store, new("a")).await;
    let refused = NewJob { priority: 77, ..job() };

    let error = store.fire(&[firing(&schedule, fired(refused))]).await.unwrap_err();

    assert!(matches!(error, StoreError::Rejected(_)), "{error}");
    let found = find(&store, schedule.id).await;
    assert_eq!((found.next_slot, found.last, found.revision), (schedule.next_slot, None, schedule.revision));
}

async fn a_schedule_that_was_changed_meanwhile_is_not_fired(store: Bed) {
    let (changed, deleted) = (create(&store, new("changed")).await, create(&store, new("deleted")).await);
    let paused = create(&store, new("paused")).await;
    let firings: Vec<_> = [&changed, &deleted, &paused].map(|schedule| firing(schedule, fired(job()))).into();
    change(&store, &Schedule { cron: "5 * * * *".into(), ..changed }).await;
    change(&store, &Schedule { next_slot: None, ..paused }).await;
    store.delete_schedule(TENANT, deleted.id, &by("ops")).await.unwrap();

    assert!(store.fire(&firings).await.unwrap().is_empty());
    assert!(store.jobs(&any_job(), everything()).await.unwrap().jobs.is_empty());
}

async fn what_failed_or_was_skipped_is_told_until_it_works_again(store: Bed) {
    let schedule = create(&store, new("a")).await;
    let first = job();
    let outcomes = [
        (fired(first.clone()), "fired", None, first.id),
        (SlotOutcome::Failed("no such kind".into()), "failed", Some("no such kind"), first.id),
        (SlotOutcome::Skipped, "skipped", None, first.id),
    ];
    for (outcome, name, error, last_job) in outcomes {
        let read = find(&store, schedule.id).await;
        store.fire(&[firing(&read, outcome)]).await.unwrap();
        let found = find(&store, schedule.id).await;
        let last = LastSlot { slot: slot(&read), outcome: name.into(), error: error.map(str::to_owned) };
        assert_eq!((found.last, found.last_job_id), (Some(last), Some(last_job)));
    }
}

async fn a_full_queue_fails_the_slot_and_not_its_neighbours(store: Bed) {
    let (full, too_full) = (create(&store, new("a")).await, create(&store, new("b")).await);
    let stranger = create(&store, NewSchedule { tenant_id: "globex".into(), ..new("c") }).await;
    let quota = Quota { max_queued: Some(1), max_running: None };
    store.limit(Role::Orchestrator, TENANT, quota, &by("ops")).await.unwrap();

    let firings = [&full, &too_full].map(|schedule| firing(schedule, fired(job())));
    let firings = [firings.to_vec(), vec![firing(&stranger, fired(job_of("globex")))]].concat();
    let written = store.fire(&firings).await.unwrap();

    let failed: Vec<_> = written.iter().filter(|written| written.error.is_some()).collect();
    assert_eq!((written.len(), failed.len()), (3, 1), "{written:?}");
    let found = find(&store, failed[0].id).await;
    let last = found.last.unwrap();
    assert_eq!((last.outcome.as_str(), found.last_job_id, &last.error), ("failed", None, &failed[0].error));
    assert!(last.error.unwrap().starts_with("1 jobs of role orchestrator are queued"));
    assert_eq!(store.jobs(&any_job(), everything()).await.unwrap().jobs.len(), 1);
    assert_eq!(store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap().len(), 2);
    assert!(find(&store, full.id).await.next_slot > full.next_slot);
}

async fn without_a_next_slot_a_schedule_is_paused(store: Bed) {
    let schedule = create(&store, new("a")).await;
    let lost = Firing { next_slot: None, ..firing(&schedule, SlotOutcome::Failed("no such zone".into())) };

    store.fire(&[lost]).await.unwrap();

    let found = find(&store, schedule.id).await;
    assert_eq!((found.next_slot, found.last.map(|last| last.slot)), (None, schedule.next_slot));
    assert!(store.due_schedules(DateTime::<Utc>::MAX_UTC, ALL).await.unwrap().is_empty());
}

/// A clock that was set back must not bring a slot a second time.
async fn slots_only_ever_grow(store: Bed) {
    let schedule = create(&store, new("a")).await;
    store.fire(&[firing(&schedule, fired(job()))]).await.unwrap();
    let fired = find(&store, schedule.id).await;

    let again = Schedule { next_slot: schedule.next_slot, ..fired.clone() };
    assert!(matches!(store.change_schedule(&again, &by("ops")).await, Err(StoreError::Rejected(_))));
    let later = Schedule { next_slot: Some(slot(&schedule) + MINUTE), ..fired };
    change(&store, &later).await;
}

async fn the_stores_clock_is_told(store: Bed) {
    assert_eq!(store.time().await.unwrap(), store.clock.now());
    store.clock.advance(MINUTE);
    assert_eq!(store.time().await.unwrap(), store.clock.now());
}
