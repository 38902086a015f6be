//! Tenants are created, changed, suspended and deleted.

use golden_jobs::{
    Role,
    sandbox::AskedLimits,
    store::{Deleted, Due, NewJob, QueueName, Terms, TermsChange},
};

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{MINUTE, TENANT, await_all, by, child_of, job, job_of, retry_in, succeeded},
};

both_stores! {
    a_tenant_is_created_once
    a_tenant_appears_with_its_first_job
    a_change_of_terms_leaves_the_others
    suspended_again_keeps_the_time_of_the_first
    tenants_are_listed_by_name
    a_tenant_with_open_jobs_is_not_deleted
    a_tenants_open_jobs_are_found_wherever_they_are
    a_deleted_tenant_may_come_again
    a_weight_out_of_range_is_refused
}

fn terms() -> Terms {
    Terms {
        weight: 7,
        max_payload: Some(1_000_000),
        max_result: Some(2_000_000),
        sandbox_limits: AskedLimits { wall_ms: Some(5_000), ..AskedLimits::default() },
        suspended: false,
    }
}

async fn a_tenant_is_created_once(store: Bed) {
    assert!(store.create_tenant(TENANT, &terms(), &by("ops")).await.unwrap());
    assert!(!store.create_tenant(TENANT, &Terms::default(), &by("ops")).await.unwrap());

    let tenant = store.tenant(TENANT).await.unwrap().unwrap();
    assert_eq!((tenant.terms, tenant.suspended_at), (terms(), None));
    store.submit(job()).await;
    assert_eq!(store.tenant(TENANT).await.unwrap().unwrap().terms, terms(), "a job does not make it anew");
}

async fn a_tenant_appears_with_its_first_job(store: Bed) {
    assert_eq!(store.tenant(TENANT).await.unwrap(), None);
    store.submit(job()).await;
    assert_eq!(store.tenant(TENANT).await.unwrap().unwrap().terms, Terms::default());
}

async fn a_change_of_terms_leaves_the_others(store: Bed) {
    assert_eq!(store.set_terms(TENANT, &terms().into(), &by("ops")).await.unwrap(), None);
    store.create_tenant(TENANT, &terms(), &by("ops")).await.unwrap();
    let set = async |change| store.set_terms(TENANT, &change, &by("ops")).await.unwrap().unwrap().terms;

    assert_eq!(set(TermsChange::default()).await, terms());
    assert_eq!(set(TermsChange { weight: Some(9), ..TermsChange::default() }).await, Terms { weight: 9, ..terms() });
    let changed =
        set(TermsChange { max_payload: Some(None), max_result: Some(Some(5)), ..TermsChange::default() }).await;
    let now = Terms { weight: 9, max_payload: None, max_result: Some(5), ..terms() };
    assert_eq!(changed, now);
    let limits = AskedLimits { wall_ms: None, cpu_ms: Some(9_000), memory_mib: Some(64) };
    let changed = set(TermsChange { sandbox_limits: Some(limits), ..TermsChange::default() }).await;
    assert_eq!(changed, Terms { sandbox_limits: limits, ..now });
    assert!(set(TermsChange { suspended: Some(true), ..TermsChange::default() }).await.suspended);
    assert_eq!(set(Terms::default().into()).await, Terms::default());
    assert_eq!(store.tenant(TENANT).await.unwrap().unwrap().terms, Terms::default());
}

async fn suspended_again_keeps_the_time_of_the_first(store: Bed) {
    let suspended = Terms { suspended: true, ..terms() };
    store.create_tenant(TENANT, &suspended, &by("ops")).await.unwrap();
    let since = store.tenant(TENANT).await.unwrap().unwrap().suspended_at;
    assert!(since.is_some());

    store.later(MINUTE).await;
    store.set_terms(TENANT, &suspended.clone().into(), &by("ops")).await.unwrap();
    assert_eq!(store.tenant(TENANT).await.unwrap().unwrap().suspended_at, since);
    store.set_terms(TENANT, &terms().into(), &by("ops")).await.unwrap();
    assert_eq!(store.tenant(TENANT).await.unwrap().unwrap().suspended_at, None);
}

async fn tenants_are_listed_by_name(store: Bed) {
    for name in ["b", "a", "c"] {
        store.create_tenant(name, &terms(), &by("ops")).await.unwrap();
    }
    let names = |tenants: Vec<golden_jobs::store::Tenant>| tenants.into_iter().map(|t| t.id).collect::<Vec<_>>();
    assert_eq!(names(store.tenants(None, 2).await.unwrap()), ["a", "b"]);
    assert_eq!(names(store.tenants(Some("b"), 2).await.unwrap()), ["c"]);
}

async fn a_tenant_with_open_jobs_is_not_deleted(store: Bed) {
    assert_eq!(store.delete_tenant(TENANT, &by("ops")).await.unwrap(), Deleted::NoSuchTenant);
    let run = store.start(job()).await;
    assert_eq!(store.delete_tenant(TENANT, &by("ops")).await.unwrap(), Deleted::Busy);

    store.end(&run, succeeded()).await;
    assert_eq!(store.delete_tenant(TENANT, &by("ops")).await.unwrap(), Deleted::Gone);
    assert_eq!(store.tenant(TENANT).await.unwrap(), None);
    assert!(store.job(TENANT, run.run.id).await.unwrap().is_some(), "what has ended stays on record");
}

async fn a_tenants_open_jobs_are_found_wherever_they_are(store: Bed) {
    let deleted = async || store.delete_tenant(TENANT, &by("ops")).await.unwrap();
    store.submit(job_of("other")).await;
    let id = store.submit(NewJob { due: Due::In(MINUTE), ..job() }).await;
    assert_eq!(deleted().await, Deleted::Busy, "due later");
    store.later(MINUTE).await;
    assert_eq!(deleted().await, Deleted::Busy, "ready");
    let queue = QueueName { role: Role::Orchestrator, tenant_id: Some(TENANT.into()) };
    store.pause(&queue, &by("ops")).await.unwrap();
    assert_eq!(deleted().await, Deleted::Busy, "held back");
    store.resume(&queue, &by("ops")).await.unwrap();

    let runs = store.claim(Role::Orchestrator, ALL, store.worker).await.unwrap();
    let run = runs.iter().find(|run| run.run.id == id).unwrap();
    assert_eq!(deleted().await, Deleted::Busy, "running");
    store.end(run, await_all(vec![child_of(run)])).await;
    assert_eq!(deleted().await, Deleted::Busy, "waiting for a child");
    let child = store.claim_one(Role::Orchestrator).await;
    store.end(&child, succeeded()).await;
    let parent = store.claim_one(Role::Orchestrator).await;
    store.end(&parent, retry_in(MINUTE)).await;
    assert_eq!(deleted().await, Deleted::Busy, "to be tried again");
    store.cancel(TENANT, id, &by("ops")).await.unwrap();
    assert_eq!(deleted().await, Deleted::Gone);
}

async fn a_deleted_tenant_may_come_again(store: Bed) {
    store.create_tenant(TENANT, &terms(), &by("ops")).await.unwrap();
    let before = store.callback_secrets(TENANT).await.unwrap();
    store.delete_tenant(TENANT, &by("ops")).await.unwrap();

    let run = store.start(job()).await;
    store.end(&run, succeeded()).await;
    assert_eq!(store.tenant(TENANT).await.unwrap().unwrap().terms, Terms::default());
    assert_ne!(store.callback_secrets(TENANT).await.unwrap(), before);
}

async fn a_weight_out_of_range_is_refused(store: Bed) {
    for weight in [0, 1001] {
        assert!(store.create_tenant(TENANT, &Terms { weight, ..terms() }, &by("ops")).await.is_err());
    }
}
