//! Functions in real pools: a call, and a slot of the clock.

use std::time::Duration;

use golden_jobs::{
    Role, State,
    functions::Version,
    metrics::Metrics,
    store::{
        NewJob, SharedStore, StoreClock,
        clock::HeldClock,
        functions::{Most, NewVersion, Registered},
        schedules::{Created, WhichSchedule},
    },
};
use serde_json::value::RawValue;

use crate::{Nobody, Pools, job, schedule};

/// The second version of `area`, of which it is the live one.
async fn registered(store: &SharedStore) {
    for (number, minimum) in [(1, 0), (2, 5)] {
        let definition = format!(
            r#"{{"language": "python", "files": {{"a.py": "1"}}, "entry": "a.py", "schema": {{"minimum": {minimum}}}}}"#
        );
        let version = NewVersion {
            tenant_id: "acme".to_owned(),
            name: "area".parse().unwrap(),
            definition: RawValue::from_string(definition).unwrap(),
            digest: [number; 32],
            language: "python".to_owned(),
            size: 1,
            created_by: "alice".to_owned(),
            live: true,
        };
        let answer =
            store.register_function(&version, Most::default(), &golden_jobs::audit::Actor::golden()).await.unwrap();
        assert_eq!(answer, Registered::New(Version::new(number.into()).unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_what_is_gone_dies_and_no_function_has_a_metric_of_its_own() {
    let metrics = Metrics::new();
    let pool = (Role::Sandbox, 1);
    let pools = Pools::begin(
        StoreClock::Own,
        pool,
        metrics.clone(),
        std::sync::Arc::new(Nobody),
        Default::default(),
        async |store| registered(store).await,
    )
    .await;
    let calls = ["fn.area@3", "fn.area@2"].map(|kind| NewJob { role: Role::Sandbox, ..job(kind, "1") });
    let ids = calls.each_ref().map(|call| call.id);
    pools.store.insert(calls.to_vec()).await.unwrap();

    let ends = [pools.ended(ids[0]).await, pools.ended(ids[1]).await];

    let codes = ends.each_ref().map(|record| record.error.as_ref().map(|error| error.code.as_str()));
    assert_eq!(codes, [Some("function_gone"), Some("sandbox_unavailable")]);
    assert_eq!(ends[0].state, State::Dead);
    let metrics = metrics.render();
    assert!(metrics.contains(r#"kind="fn","#) && !metrics.contains("area"), "{metrics}");
    pools.stop().await;
}

/// A schedule of a function runs what is live at its slot, by the schema of that version.
#[tokio::test(flavor = "multi_thread")]
async fn a_slot_calls_what_is_live_at_its_time() {
    let submission = |kind: &str, payload: u8| {
        format!(r#"{{"kind": "{kind}", "payload": {payload}, "priority": 5, "max_attempts": 1, "timeout": 60}}"#)
    };
    let clock = HeldClock::at("2026-01-02T11:59:59.9Z".parse().unwrap());
    let pools = Pools::start_by(StoreClock::Held(clock.clone()), 1, Metrics::new(), async |store| {
        registered(store).await;
        for (name, kind, payload) in [("live", "fn.area", 7), ("first", "fn.area@1", 3), ("unfit", "fn.area", 3)] {
            let created = store
                .create_schedule(&schedule(name, &submission(kind, payload)), 10, &golden_jobs::audit::Actor::golden())
                .await
                .unwrap();
            assert!(matches!(created, Created::New(_)));
        }
    })
    .await;
    clock.advance(Duration::from_millis(250));

    let last = async |store: &SharedStore, name: &str| {
        let schedule = store.schedule("acme", &WhichSchedule::Name(name.to_owned())).await.unwrap().unwrap();
        schedule.last.map(|last| (last.error, schedule.last_job_id))
    };
    for (name, kind) in [("live", Some("fn.area@2")), ("first", Some("fn.area@1")), ("unfit", None)] {
        pools.until("the slot is dealt with", async |store| last(store, name).await.is_some()).await;
        let (error, job) = last(&pools.store, name).await.unwrap();
        match kind {
            Some(kind) => {
                let job = pools.store.job("acme", job.unwrap()).await.unwrap().unwrap();
                assert_eq!((job.kind.as_str(), job.role), (kind, Role::Sandbox));
            }
            None => assert!(error.unwrap().contains("minimum"), "the live version takes no less than 5"),
        }
    }
    pools.stop().await;
}
