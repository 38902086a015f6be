//! Guards beside real pools: what dies fast, and clocks that do not agree.

use std::{sync::Arc, time::Duration};

use golden_jobs::{
    JobId, Role, State, breakers,
    escalations::{Severity, Subject},
    metrics::Metrics,
    outcome::{JobError, Verdict},
    store::{
        NewJob, Page, RunEnd, SharedStore, StoreClock,
        audit::{AuditFilter, AuditPage, ChainName},
        clock::HeldClock,
        escalations::EscalationFilter,
    },
};

use crate::{Nobody, Pools, job};

/// Runs of a tenant end as they are told to, in whichever role.
async fn end(store: &SharedStore, role: Role, [tenant, kind]: [&str; 2], count: usize, verdict: impl Fn() -> Verdict) {
    let jobs = (0..count).map(|_| NewJob { role, tenant_id: tenant.to_owned(), ..job(kind, "{}") });
    store.insert(jobs.collect()).await.unwrap();
    let worker = golden_jobs::WorkerId::new();
    let runs = store.claim(role, 100, worker).await.unwrap();
    assert_eq!(runs.len(), count);
    let ends = runs.iter().map(|claimed| RunEnd { run: claimed.run, role, verdict: verdict() });
    assert_eq!(store.finish(ends.collect()).await.unwrap(), []);
}

fn dead() -> Verdict {
    Verdict::Dead { error: JobError::new("broken", "it is broken") }
}

/// Pools of supervisors, on a store in which the same came to pass two minutes ago and a moment ago.
async fn supervised(metrics: Metrics, twice: impl AsyncFn(&SharedStore)) -> Pools {
    let clock = HeldClock::at("2026-01-02T03:04:05Z".parse().unwrap());
    let (held, usual) = (StoreClock::Held(clock.clone()), breakers::Options::default());
    Pools::begin(held, (Role::Supervisor, 4), metrics, Arc::new(Nobody), usual, async |store| {
        twice(store).await;
        clock.advance(Duration::from_secs(120));
        twice(store).await;
    })
    .await
}

async fn paused(store: &SharedStore, tenant: &str) -> Vec<Role> {
    let queues = store.queues(tenant).await.unwrap();
    queues.iter().filter(|queue| queue.pause.is_some()).map(|queue| queue.role).collect()
}

/// What a tenant's people are asked.
async fn asked(store: &SharedStore, tenant: &str) -> Vec<golden_jobs::escalations::Escalation> {
    let filter = EscalationFilter { tenant_id: tenant.to_owned(), ..EscalationFilter::default() };
    let page = store.escalations(&filter, Page { before: None, limit: 10 }).await.unwrap();
    page.escalations.into_iter().map(|escalation| escalation.what).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_in_which_one_tenants_jobs_die_is_paused_and_somebody_is_asked() {
    let metrics = Metrics::new();
    let pools = supervised(metrics.clone(), async |store| {
        end(store, Role::PeerHub, ["acme", "noop"], 20, || Verdict::Succeeded { result: None }).await;
        end(store, Role::Sandbox, ["acme", "noop"], 11, dead).await;
        end(store, Role::PeerHub, ["corp", "other"], 10, dead).await;
    })
    .await;

    pools.until("somebody is asked", async |store| !asked(store, "acme").await.is_empty()).await;
    // First somebody is asked, then the queue is paused, then that is put on record.
    let filter = AuditFilter {
        chain: ChainName::INSTALLATION,
        action: Some("guard.acted".parse().unwrap()),
        actor: None,
        since: None,
        until: None,
    };
    let page = AuditPage { before: None, limit: 10 };
    let acted = async |store: &SharedStore| store.audit_log(&filter, page).await.unwrap().entries;
    pools.until("it is audited", async |store| acted(store).await.len() == 1).await;

    assert_eq!(paused(&pools.store, "acme").await, [Role::Sandbox]);
    assert_eq!(paused(&pools.store, "corp").await, [], "ten are not more than ten");
    let [question] = asked(&pools.store, "acme").await.try_into().unwrap();
    assert_eq!(
        (question.about, &*question.subject, question.severity),
        (Subject::Guard, "dead_letters noop", Severity::High)
    );
    assert!(question.reason.contains("golden queues resume sandbox"), "{question:?}");
    let shown = metrics.render();
    assert!(shown.contains(r#"guard_remediations_total{guard="dead_letters",outcome="done"} 1"#), "{shown}");
    pools.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_queue_is_paused_for_a_kind_that_dies_everywhere() {
    let pools = supervised(Metrics::new(), async |store| {
        end(store, Role::Sandbox, ["acme", "noop"], 8, dead).await;
        end(store, Role::Sandbox, ["corp", "noop"], 8, dead).await;
    })
    .await;

    pools.until("somebody is asked", async |store| !asked(store, "golden").await.is_empty()).await;

    let [question] = asked(&pools.store, "golden").await.try_into().unwrap();
    assert!(question.reason.starts_with("16 jobs of noop died within the last minute"), "{question:?}");
    for tenant in ["acme", "corp"] {
        assert_eq!((paused(&pools.store, tenant).await, asked(&pools.store, tenant).await), (vec![], vec![]));
    }
    pools.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_clock_is_far_off_claims_nothing_until_it_is_right() {
    let clock = HeldClock::at("2026-01-02T03:04:05Z".parse().unwrap());
    let metrics = Metrics::new();
    let (store_clock, worker_clock) = (HeldClock::at(clock.now()), clock.clone());
    store_clock.advance(Duration::from_secs(11));
    let waits = job("noop", "{}");
    let id: JobId = waits.id;
    let pools = Pools::begin_by(
        [StoreClock::Held(store_clock), StoreClock::Held(worker_clock)],
        (Role::Orchestrator, 4),
        metrics.clone(),
        Arc::new(Nobody),
        breakers::Options::default(),
        async |store| {
            store.insert(vec![waits]).await.unwrap();
        },
    )
    .await;
    let compared =
        async |secs: f64| pools.until("the clocks are compared", async |_| metrics.clock_skew.get() == secs).await;
    compared(11.0).await;
    clock.advance(Duration::from_millis(500));
    // By then its pool would have claimed long ago.
    compared(10.5).await;
    assert_eq!(pools.store.job("acme", id).await.unwrap().unwrap().state, State::Queued);

    clock.advance(Duration::from_millis(1500));

    assert_eq!(pools.ended(id).await.state, State::Succeeded);
    assert_eq!(metrics.clock_skew.get(), 9.0, "it is off still, by less");
    assert!(metrics.render().contains(r#"guard_remediations_total{guard="clocks",outcome="done"} 1"#));
    pools.stop().await;
}
