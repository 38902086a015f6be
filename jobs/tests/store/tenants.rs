//! Nobody sees or touches another's.

use golden_jobs::{
    JobId, State,
    store::{DeadLetterFilter, JobFilter, Retried},
};

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{any_letter, by, dead, everything, job, job_of, replay, succeeded},
};

both_stores! {
    a_job_is_there_for_its_tenant_only
    nobody_cancels_anothers_job
    nobody_retries_anothers_job
    dead_letters_are_there_for_their_tenant_only
    a_tenants_name_is_just_text
}

const OTHER: &str = "globex";

fn anothers_letters(ids: Vec<golden_jobs::DeadLetterId>) -> DeadLetterFilter {
    DeadLetterFilter { tenant_id: OTHER.into(), ids, ..DeadLetterFilter::default() }
}

async fn a_job_is_there_for_its_tenant_only(store: Bed) {
    let id = store.submit(job()).await;
    let others = store.submit(job_of(OTHER)).await;

    assert!(store.job(OTHER, id).await.unwrap().is_none());
    let filter = JobFilter { tenant_id: OTHER.into(), ..JobFilter::default() };
    let listed = store.jobs(&filter, everything()).await.unwrap().jobs;
    assert_eq!(listed.iter().map(|job| job.id).collect::<Vec<_>>(), [others]);
}

async fn nobody_cancels_anothers_job(store: Bed) {
    let queued = store.start(job_of(OTHER)).await.run.id;
    let running = store.start(job()).await.run.id;
    let over = store.through(job(), succeeded()).await;

    for id in [running, over] {
        assert_eq!(store.cancel(OTHER, id, &by("ops")).await.unwrap(), None);
    }

    assert!(!store.record(running).await.cancel_requested);
    assert_eq!(store.job(OTHER, queued).await.unwrap().unwrap().state, State::Running);
}

async fn nobody_retries_anothers_job(store: Bed) {
    let id = store.through(job(), dead()).await;

    assert_eq!(store.retry(OTHER, id, &by("mallory")).await.unwrap(), Retried::NoSuchJob);

    assert_eq!(store.state(id).await, State::Dead);
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 1);
}

async fn dead_letters_are_there_for_their_tenant_only(store: Bed) {
    let id = store.through(job(), dead()).await;
    let letter = store.dead_letters(&any_letter(), everything()).await.unwrap().letters[0].id;

    for filter in [anothers_letters(vec![]), anothers_letters(vec![letter])] {
        assert!(store.dead_letters(&filter, everything()).await.unwrap().letters.is_empty());
        assert_eq!(store.count_dead_letters(&filter).await.unwrap(), 0);
        assert!(store.replay(&replay(filter.clone()), ALL).await.unwrap().is_empty());
        assert_eq!(store.purge(&filter, &by("mallory"), ALL).await.unwrap(), 0);
    }

    assert_eq!(store.state(id).await, State::Dead);
    assert_eq!(store.count_dead_letters(&any_letter()).await.unwrap(), 1);
}

async fn a_tenants_name_is_just_text(store: Bed) {
    let name = "x'; DROP TABLE jobs; -- %_\\ é";
    let id = store.submit(job_of(name)).await;

    assert_eq!(store.job(name, id).await.unwrap().unwrap().tenant_id, name);
    let like = JobFilter { tenant_id: "%".into(), ..JobFilter::default() };
    assert!(store.jobs(&like, everything()).await.unwrap().jobs.is_empty());
    assert!(store.job(name, JobId::new()).await.unwrap().is_none());
}
