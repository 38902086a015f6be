//! Tenants are created, changed, suspended and deleted.

use golden_jobs::store::{Deleted, Terms};

use crate::{
    bed::Bed,
    both_stores,
    given::{MINUTE, TENANT, job, succeeded},
};

both_stores! {
    a_tenant_is_created_once
    a_tenant_appears_with_its_first_job
    terms_are_replaced_as_a_whole
    suspended_again_keeps_the_time_of_the_first
    tenants_are_listed_by_name
    a_tenant_with_open_jobs_is_not_deleted
    a_deleted_tenant_may_come_again
    a_weight_out_of_range_is_refused
}

fn terms() -> Terms {
    Terms { weight: 7, max_payload: Some(1_000_000), max_result: Some(2_000_000), suspended: false }
}

async fn a_tenant_is_created_once(store: Bed) {
    assert!(store.create_tenant(TENANT, &terms()).await.unwrap());
    assert!(!store.create_tenant(TENANT, &Terms::default()).await.unwrap());

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

async fn terms_are_replaced_as_a_whole(store: Bed) {
    assert!(!store.set_terms(TENANT, &terms()).await.unwrap());
    store.create_tenant(TENANT, &terms()).await.unwrap();
    assert!(store.set_terms(TENANT, &Terms::default()).await.unwrap());
    assert_eq!(store.tenant(TENANT).await.unwrap().unwrap().terms, Terms::default());
}

async fn suspended_again_keeps_the_time_of_the_first(store: Bed) {
    let suspended = Terms { suspended: true, ..terms() };
    store.create_tenant(TENANT, &suspended).await.unwrap();
    let since = store.tenant(TENANT).await.unwrap().unwrap().suspended_at;
    assert!(since.is_some());

    store.later(MINUTE).await;
    store.set_terms(TENANT, &suspended).await.unwrap();
    assert_eq!(store.tenant(TENANT).await.unwrap().unwrap().suspended_at, since);
    store.set_terms(TENANT, &terms()).await.unwrap();
    assert_eq!(store.tenant(TENANT).await.unwrap().unwrap().suspended_at, None);
}

async fn tenants_are_listed_by_name(store: Bed) {
    for name in ["b", "a", "c"] {
        store.create_tenant(name, &terms()).await.unwrap();
    }
    let names = |tenants: Vec<golden_jobs::store::Tenant>| tenants.into_iter().map(|t| t.id).collect::<Vec<_>>();
    assert_eq!(names(store.tenants(None, 2).await.unwrap()), ["a", "b"]);
    assert_eq!(names(store.tenants(Some("b"), 2).await.unwrap()), ["c"]);
}

async fn a_tenant_with_open_jobs_is_not_deleted(store: Bed) {
    assert_eq!(store.delete_tenant(TENANT).await.unwrap(), Deleted::NoSuchTenant);
    let run = store.start(job()).await;
    assert_eq!(store.delete_tenant(TENANT).await.unwrap(), Deleted::Busy);

    store.end(&run, succeeded()).await;
    assert_eq!(store.delete_tenant(TENANT).await.unwrap(), Deleted::Gone);
    assert_eq!(store.tenant(TENANT).await.unwrap(), None);
    assert!(store.job(TENANT, run.run.id).await.unwrap().is_some(), "what has ended stays on record");
}

async fn a_deleted_tenant_may_come_again(store: Bed) {
    store.create_tenant(TENANT, &terms()).await.unwrap();
    let before = store.callback_secret(TENANT).await.unwrap();
    store.delete_tenant(TENANT).await.unwrap();

    let run = store.start(job()).await;
    store.end(&run, succeeded()).await;
    assert_eq!(store.tenant(TENANT).await.unwrap().unwrap().terms, Terms::default());
    assert_ne!(store.callback_secret(TENANT).await.unwrap(), before);
}

async fn a_weight_out_of_range_is_refused(store: Bed) {
    for weight in [0, 1001] {
        assert!(store.create_tenant(TENANT, &Terms { weight, ..terms() }).await.is_err());
    }
}
