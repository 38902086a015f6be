//! Tenants share a role, each by its weight, whatever they have queued.

use std::collections::BTreeMap;

use golden_jobs::{
    Role,
    outcome::Verdict,
    store::{Claimed, NewJob},
};

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{MINUTE, SECOND, TENANT, any_letter, dead, job, job_of, replay, retry_in, succeeded},
};

both_stores! {
    a_newcomer_is_not_behind_a_backlog
    ten_tenants_share_alike_whatever_each_has_queued
    shares_are_as_the_weights
    who_had_the_role_alone_owes_nothing_for_it
    a_mixed_batch_is_shared_as_well
    urgency_goes_before_fairness
    urgent_jobs_do_not_cost_a_tenant_its_share_of_the_others
    a_job_that_comes_back_is_not_behind_its_tenants_backlog
    jobs_that_come_back_take_no_more_than_their_share
    retries_and_replays_are_charged_too
}

pub(super) const ROLE: Role = Role::Orchestrator;

pub(super) fn jobs_of(tenant: &str, count: usize) -> Vec<NewJob> {
    (0..count).map(|_| job_of(tenant)).collect()
}

pub(super) async fn claim(store: &Bed, limit: u32) -> Vec<Claimed> {
    store.claim(ROLE, limit, store.worker).await.unwrap()
}

/// How many jobs of each tenant the next `limit` are.
pub(super) async fn shares(store: &Bed, limit: u32) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for claimed in claim(store, limit).await {
        *shares.entry(claimed.tenant_id).or_default() += 1;
    }
    shares
}

pub(super) fn share(shares: &BTreeMap<String, usize>, tenant: &str) -> usize {
    shares.get(tenant).copied().unwrap_or(0)
}

async fn a_newcomer_is_not_behind_a_backlog(store: Bed) {
    store.insert(jobs_of("big", 2_000)).await.unwrap();
    assert_eq!(claim(&store, 50).await.len(), 50);
    store.insert(jobs_of("small", 10)).await.unwrap();

    assert_eq!(share(&shares(&store, 22).await, "small"), 10);
}

async fn ten_tenants_share_alike_whatever_each_has_queued(store: Bed) {
    store.insert(jobs_of("t0", 5_000)).await.unwrap();
    for n in 1..10 {
        store.insert(jobs_of(&format!("t{n}"), 10 * n)).await.unwrap();
    }

    let first = shares(&store, 105).await;
    for n in 0..10 {
        let share = share(&first, &format!("t{n}"));
        assert!((10..=11).contains(&share), "t{n} has {share} of {first:?}");
    }
}

async fn shares_are_as_the_weights(store: Bed) {
    store.submit(job_of("heavy")).await;
    store.sql.execute("UPDATE tenants SET weight = 3 WHERE id = 'heavy'").await.unwrap();
    store.insert(jobs_of("heavy", 100)).await.unwrap();
    store.insert(jobs_of("light", 100)).await.unwrap();

    let first = shares(&store, 40).await;
    assert!((29..=31).contains(&share(&first, "heavy")), "{first:?}");
}

async fn who_had_the_role_alone_owes_nothing_for_it(store: Bed) {
    store.insert(jobs_of("early", 300)).await.unwrap();
    assert_eq!(claim(&store, 300).await.len(), 300);

    store.insert(jobs_of("late", 50)).await.unwrap();
    store.insert(jobs_of("early", 50)).await.unwrap();

    let first = shares(&store, 20).await;
    assert!((9..=11).contains(&share(&first, "early")), "{first:?}");
}

async fn a_mixed_batch_is_shared_as_well(store: Bed) {
    let mut batch = jobs_of("big", 90);
    batch.extend(jobs_of("small", 10));
    store.insert(batch).await.unwrap();

    assert_eq!(share(&shares(&store, 20).await, "small"), 10);
}

async fn urgency_goes_before_fairness(store: Bed) {
    store.insert(jobs_of("other", 5)).await.unwrap();
    store.insert((0..10).map(|_| NewJob { priority: 0, ..job() }).collect()).await.unwrap();

    assert_eq!(share(&shares(&store, 10).await, TENANT), 10);
}

async fn urgent_jobs_do_not_cost_a_tenant_its_share_of_the_others(store: Bed) {
    store.insert(jobs_of("big", 1_000)).await.unwrap();
    store.submit(NewJob { priority: 0, ..job_of("big") }).await;
    assert_eq!(claim(&store, 1).await.len(), 1);
    store.insert((0..20).map(|_| NewJob { priority: 0, ..job_of("small") }).collect()).await.unwrap();
    assert_eq!(claim(&store, 20).await.len(), 20);

    store.insert(jobs_of("small", 10)).await.unwrap();
    assert_eq!(share(&shares(&store, 21).await, "small"), 10);
}

async fn a_job_that_comes_back_is_not_behind_its_tenants_backlog(store: Bed) {
    let run = store.start(job()).await;
    store.insert(jobs_of(TENANT, 1_000)).await.unwrap();
    store.submit(NewJob { priority: 0, ..job() }).await;
    assert_eq!(claim(&store, 1).await.len(), 1);

    store.end(&run, Verdict::Release).await;
    let next: Vec<_> = claim(&store, 3).await.iter().map(|claimed| claimed.run.id).collect();
    assert!(next.contains(&run.run.id));
}

async fn jobs_that_come_back_take_no_more_than_their_share(store: Bed) {
    store.insert(jobs_of("steps", 20)).await.unwrap();
    let mut runs = claim(&store, 20).await;
    store.insert(jobs_of("other", 50)).await.unwrap();

    let mut others = 0;
    for _ in 0..5 {
        for run in &runs {
            store.end(run, if run.tenant_id == "steps" { Verdict::Release } else { succeeded() }).await;
        }
        runs = claim(&store, 20).await;
        others += runs.iter().filter(|run| run.tenant_id == "other").count();
    }
    assert!(others >= 45, "{others} of 100 runs were the other tenant's, which has 50 jobs");
}

async fn retries_and_replays_are_charged_too(store: Bed) {
    store.insert(jobs_of(TENANT, 60)).await.unwrap();
    for (place, claimed) in claim(&store, 60).await.iter().enumerate() {
        store.end(claimed, if place % 2 == 0 { retry_in(SECOND) } else { dead() }).await;
    }
    store.later(MINUTE).await;
    store.promote(ALL).await.unwrap();
    assert_eq!(store.replay(&replay(any_letter()), ALL).await.unwrap().len(), 30);
    store.insert(jobs_of("small", 10)).await.unwrap();

    assert_eq!(share(&shares(&store, 21).await, "small"), 10);
}
