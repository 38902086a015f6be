//! Webhook endpoints: what they take, what signs it, when they are disabled.

use std::{collections::HashSet, time::Duration};

use golden_jobs::{
    EndpointId,
    store::{
        NewJob,
        callbacks::{CallbackRotated, CallbackSecrets},
        deliveries::{DeliveryAttempt, NewAttempt},
        endpoints::{
            Disabled, DisabledReason, ENDPOINTS_LIMIT, Endpoint, EndpointChange, EndpointSettings, FAILING_LIMIT,
            Format, Rotated, Target,
        },
        events::LISTEN_LEASE,
    },
};

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{MINUTE, SECOND, TENANT, by, delivery_to, job, job_with_callback, settings, succeeded},
};

both_stores! {
    a_secret_is_made_once_for_each_tenant
    a_secret_asked_for_by_many_at_once_is_one
    a_replaced_secret_of_callbacks_signs_until_its_overlap_is_over_or_revoked
    an_endpoint_is_recorded_changed_and_removed
    a_tenant_has_so_many_endpoints_and_no_more
    a_tenant_is_listened_to_while_an_endpoint_takes_events
    a_replaced_secret_signs_until_its_overlap_is_over_or_revoked
    a_second_rotation_waits_for_the_first
    endpoints_of_other_tenants_are_not_there
    an_endpoint_that_is_gone_is_disabled_and_the_others_are_told
    an_endpoint_that_fails_for_five_days_is_disabled
    a_success_in_between_begins_the_five_days_anew
    an_endpoint_that_is_enabled_again_or_moves_begins_anew
}

async fn secret_of(store: &Bed, tenant: &str) -> [u8; 32] {
    store.callback_secrets(tenant).await.unwrap().newest
}

async fn added(store: &Bed) -> Endpoint {
    store.add_endpoint(TENANT, &settings(), [1; 32], &by("ops")).await.unwrap().unwrap()
}

async fn target(store: &Bed, id: EndpointId) -> Target {
    store.target(TENANT, id).await.unwrap().unwrap()
}

/// Whether the end of a job of the tenant becomes an event now.
async fn listens(store: &Bed) -> bool {
    let before = store.events().await.len();
    store.through(job(), succeeded()).await;
    store.events().await.len() > before
}

async fn a_secret_is_made_once_for_each_tenant(store: Bed) {
    let first = secret_of(&store, TENANT).await;
    assert_ne!(first, [0; 32]);
    assert_eq!(secret_of(&store, TENANT).await, first);

    store.through(job_with_callback(), succeeded()).await;
    assert_eq!(secret_of(&store, TENANT).await, first, "jobs do not change it");
    assert_ne!(secret_of(&store, "globex").await, first);
}

async fn a_secret_asked_for_by_many_at_once_is_one(store: Bed) {
    let asked: Vec<_> = (0..10)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                if n % 2 == 0 {
                    store.submit(NewJob { tenant_id: "globex".into(), ..job() }).await;
                }
                secret_of(&store, "globex").await
            })
        })
        .collect();
    let mut secrets = HashSet::new();
    for secret in asked {
        secrets.insert(secret.await.unwrap());
    }
    assert_eq!(secrets.len(), 1);
}

async fn a_replaced_secret_of_callbacks_signs_until_its_overlap_is_over_or_revoked(store: Bed) {
    let signing = async || store.callback_secrets(TENANT).await.unwrap().all().collect::<Vec<_>>();
    let rotate =
        async |secret, overlap| store.rotate_callback_secret(TENANT, secret, overlap, &by("ops")).await.unwrap();
    let until = store.clock.now() + MINUTE;
    let first = secret_of(&store, TENANT).await;
    let expected = CallbackSecrets { newest: [2; 32], old: Some((first, until)) };
    assert_eq!(rotate([2; 32], MINUTE).await, CallbackRotated::Done(expected));
    assert_eq!(signing().await, [[2; 32], first], "the newest first");
    assert_eq!(rotate([3; 32], MINUTE).await, CallbackRotated::StillRotating(until));

    store.clock.advance(MINUTE);
    assert_eq!(signing().await, [[2; 32]]);
    rotate([4; 32], MINUTE).await;
    let revoked = store.revoke_old_callback_secret(TENANT, &by("ops")).await.unwrap();
    assert_eq!(revoked, CallbackSecrets { newest: [4; 32], old: None });
    assert_eq!(signing().await, [[4; 32]]);

    rotate([5; 32], MINUTE).await;
    rotate([6; 32], Duration::ZERO).await;
    assert_eq!(signing().await, [[6; 32]], "who wants none of the old ones says so");

    // Of tenants that nothing is known of yet.
    let rotated = store.rotate_callback_secret("globex", [7; 32], Duration::ZERO, &by("ops")).await.unwrap();
    assert_eq!(rotated, CallbackRotated::Done(CallbackSecrets { newest: [7; 32], old: None }));
    assert_eq!(store.revoke_old_callback_secret("initech", &by("ops")).await.unwrap().old, None);
}

async fn an_endpoint_is_recorded_changed_and_removed(store: Bed) {
    let chosen = EndpointSettings {
        description: "orders \u{1f4e6}".into(),
        events: vec!["job.dead".into(), "job.*".into()],
        kinds: vec!["noop".into()],
        format: Format::CloudEvents,
        thin: true,
        ..settings()
    };
    let endpoint = store.add_endpoint(TENANT, &chosen, [1; 32], &by("ops")).await.unwrap().unwrap();
    assert_eq!((&endpoint.settings, endpoint.disabled), (&chosen, None));
    assert_eq!((endpoint.created_at, endpoint.updated_at), (store.clock.now(), store.clock.now()));
    assert_eq!(store.endpoint(TENANT, endpoint.id).await.unwrap().unwrap(), endpoint);
    let second = added(&store).await;
    let ids: Vec<_> = store.endpoints(TENANT).await.unwrap().iter().map(|endpoint| endpoint.id).collect();
    assert_eq!(ids, [endpoint.id, second.id]);

    store.clock.advance(SECOND);
    let change =
        EndpointChange { url: Some("https://example.com/2".into()), kinds: Some(vec![]), ..Default::default() };
    let changed = store.change_endpoint(TENANT, endpoint.id, &change, &by("ops")).await.unwrap().unwrap();
    let expected = EndpointSettings { url: "https://example.com/2".into(), kinds: vec![], ..chosen };
    assert_eq!((&changed.settings, changed.updated_at), (&expected, store.clock.now()));
    assert_eq!(target(&store, endpoint.id).await.url, "https://example.com/2");

    assert!(store.remove_endpoint(TENANT, endpoint.id, &by("ops")).await.unwrap());
    assert!(!store.remove_endpoint(TENANT, endpoint.id, &by("ops")).await.unwrap());
    assert_eq!(store.endpoint(TENANT, endpoint.id).await.unwrap(), None);
    assert_eq!(store.change_endpoint(TENANT, endpoint.id, &change, &by("ops")).await.unwrap(), None);
    assert_eq!(store.target(TENANT, endpoint.id).await.unwrap(), None);
}

async fn a_tenant_has_so_many_endpoints_and_no_more(store: Bed) {
    let asked: Vec<_> = (0..ENDPOINTS_LIMIT + 5)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                store.add_endpoint(TENANT, &settings(), [1; 32], &by("ops")).await.unwrap().is_some()
            })
        })
        .collect();
    let mut recorded = 0;
    for added in asked {
        recorded += u32::from(added.await.unwrap());
    }
    assert_eq!(recorded, ENDPOINTS_LIMIT);
    assert_eq!(store.endpoints(TENANT).await.unwrap().len(), ENDPOINTS_LIMIT as usize);
    assert!(store.add_endpoint("globex", &settings(), [1; 32], &by("ops")).await.unwrap().is_some());
}

async fn a_tenant_is_listened_to_while_an_endpoint_takes_events(store: Bed) {
    assert!(!listens(&store).await);
    let first = added(&store).await;
    let second = added(&store).await;
    store.clock.advance(LISTEN_LEASE * 1000);
    store.forget_events(ALL).await.unwrap();
    assert!(listens(&store).await);

    store.remove_endpoint(TENANT, first.id, &by("ops")).await.unwrap();
    store.clock.advance(LISTEN_LEASE);
    assert!(listens(&store).await, "the other one listens");

    let disable = EndpointChange { enabled: Some(false), ..Default::default() };
    store.change_endpoint(TENANT, second.id, &disable, &by("ops")).await.unwrap();
    assert!(listens(&store).await, "a stream may be open, and has this long to say so");
    store.clock.advance(LISTEN_LEASE);
    assert!(!listens(&store).await);

    let enable = EndpointChange { enabled: Some(true), ..Default::default() };
    store.change_endpoint(TENANT, second.id, &enable, &by("ops")).await.unwrap();
    assert!(listens(&store).await);
}

async fn a_replaced_secret_signs_until_its_overlap_is_over_or_revoked(store: Bed) {
    let endpoint = added(&store).await;
    assert_eq!(target(&store, endpoint.id).await.secrets, [[1; 32]]);

    let rotated = store.rotate_secret(TENANT, endpoint.id, [2; 32], MINUTE, &by("ops")).await.unwrap();
    let until = store.clock.now() + MINUTE;
    assert!(matches!(&rotated, Rotated::Done(endpoint) if endpoint.old_secret_until == Some(until)), "{rotated:?}");
    assert_eq!(target(&store, endpoint.id).await.secrets, [[2; 32], [1; 32]], "the newest first");
    store.clock.advance(MINUTE);
    assert_eq!(target(&store, endpoint.id).await.secrets, [[2; 32]]);
    assert_eq!(store.endpoint(TENANT, endpoint.id).await.unwrap().unwrap().old_secret_until, None);

    store.rotate_secret(TENANT, endpoint.id, [3; 32], MINUTE, &by("ops")).await.unwrap();
    let revoked = store.revoke_old_secret(TENANT, endpoint.id, &by("ops")).await.unwrap().unwrap();
    assert_eq!(revoked.old_secret_until, None);
    assert_eq!(target(&store, endpoint.id).await.secrets, [[3; 32]]);

    store.rotate_secret(TENANT, endpoint.id, [4; 32], Duration::ZERO, &by("ops")).await.unwrap();
    assert_eq!(target(&store, endpoint.id).await.secrets, [[4; 32]]);
}

async fn a_second_rotation_waits_for_the_first(store: Bed) {
    let endpoint = added(&store).await;
    store.rotate_secret(TENANT, endpoint.id, [2; 32], MINUTE, &by("ops")).await.unwrap();
    let until = store.clock.now() + MINUTE;

    let again = store.rotate_secret(TENANT, endpoint.id, [3; 32], MINUTE, &by("ops")).await.unwrap();
    assert_eq!(again, Rotated::StillRotating(until));
    assert_eq!(target(&store, endpoint.id).await.secrets, [[2; 32], [1; 32]]);

    // Who wants none of the old ones says so.
    store.rotate_secret(TENANT, endpoint.id, [4; 32], Duration::ZERO, &by("ops")).await.unwrap();
    assert_eq!(target(&store, endpoint.id).await.secrets, [[4; 32]]);
    let nobody = store.rotate_secret(TENANT, EndpointId::new(), [5; 32], MINUTE, &by("ops")).await.unwrap();
    assert_eq!(nobody, Rotated::NoSuchEndpoint);
}

async fn endpoints_of_other_tenants_are_not_there(store: Bed) {
    let id = added(&store).await.id;
    let change = EndpointChange { enabled: Some(false), ..Default::default() };
    assert_eq!(store.endpoint("globex", id).await.unwrap(), None);
    assert_eq!(store.endpoints("globex").await.unwrap(), []);
    assert_eq!(store.change_endpoint("globex", id, &change, &by("ops")).await.unwrap(), None);
    assert!(!store.remove_endpoint("globex", id, &by("ops")).await.unwrap());
    assert_eq!(store.rotate_secret("globex", id, [2; 32], MINUTE, &by("ops")).await.unwrap(), Rotated::NoSuchEndpoint);
    assert_eq!(store.revoke_old_secret("globex", id, &by("ops")).await.unwrap(), None);
    assert_eq!(store.target("globex", id).await.unwrap(), None, "nor is anything signed with their secrets");
    assert_eq!(target(&store, id).await.secrets, [[1; 32]]);
}

/// Records an attempt to deliver to an endpoint.
async fn attempted(store: &Bed, endpoint: EndpointId, status: u16) {
    let attempt = DeliveryAttempt {
        run_lease: 1,
        attempt: 1,
        url: "https://example.com/events".into(),
        status: Some(status),
        latency_ms: 1,
        answer: None,
        error: None,
        at: Default::default(),
    };
    let delivered = status == 200;
    let message_id = delivery_to(endpoint).job.id.into();
    let gone = status == 410;
    let new = NewAttempt { message_id, endpoint_id: Some(endpoint), delivered, gone, attempt };
    store.record_attempt(&new).await.unwrap();
}

async fn disabled(store: &Bed, id: EndpointId) -> Option<Disabled> {
    store.endpoint(TENANT, id).await.unwrap().unwrap().disabled
}

async fn an_endpoint_that_is_gone_is_disabled_and_the_others_are_told(store: Bed) {
    let (gone, other) = (added(&store).await, added(&store).await);

    attempted(&store, gone.id, 410).await;
    attempted(&store, gone.id, 410).await;

    let expected = Disabled { reason: DisabledReason::Gone, at: store.clock.now() };
    assert_eq!((disabled(&store, gone.id).await, disabled(&store, other.id).await), (Some(expected), None));
    assert!(target(&store, gone.id).await.disabled);
    let told: golden_jobs::store::events::Telling = std::sync::Arc::new(move |outgoing| {
        let [endpoint] = &outgoing.endpoints[TENANT][..] else { panic!("{outgoing:?}") };
        assert_eq!(endpoint.id, other.id);
        golden_jobs::store::events::Told::default()
    });
    assert_eq!(store.pass_on(ALL, &told).await.unwrap(), 1, "it is told once");
    let event = store.events_after(TENANT, 0, ALL).await.unwrap().remove(0);
    assert_eq!((event.event.as_str(), event.job_id, event.at), ("endpoint.disabled", None, store.clock.now()));
    let data = event.data.unwrap();
    assert!(data.get().contains(&gone.id.to_string()) && data.get().contains(r#""reason":"gone""#), "{data}");

    // Nobody is left to be told of the last one.
    attempted(&store, other.id, 410).await;
    store.clock.advance(LISTEN_LEASE);
    assert!(!listens(&store).await);
}

async fn an_endpoint_that_fails_for_five_days_is_disabled(store: Bed) {
    let id = added(&store).await.id;
    attempted(&store, id, 500).await;
    let since = store.clock.now();
    store.clock.advance(FAILING_LIMIT - SECOND);
    attempted(&store, id, 404).await;
    let endpoint = store.endpoint(TENANT, id).await.unwrap().unwrap();
    assert_eq!((endpoint.disabled, endpoint.failing_since), (None, Some(since)));

    store.clock.advance(SECOND);
    attempted(&store, id, 500).await;

    let expected = Disabled { reason: DisabledReason::Failing, at: store.clock.now() };
    assert_eq!(disabled(&store, id).await, Some(expected));
}

async fn a_success_in_between_begins_the_five_days_anew(store: Bed) {
    let id = added(&store).await.id;
    attempted(&store, id, 500).await;
    store.clock.advance(FAILING_LIMIT - SECOND);
    attempted(&store, id, 200).await;
    assert_eq!(store.endpoint(TENANT, id).await.unwrap().unwrap().failing_since, None);

    store.clock.advance(SECOND);
    attempted(&store, id, 500).await;
    store.clock.advance(FAILING_LIMIT - SECOND);
    attempted(&store, id, 500).await;

    assert_eq!(disabled(&store, id).await, None);
}

async fn an_endpoint_that_is_enabled_again_or_moves_begins_anew(store: Bed) {
    let id = added(&store).await.id;
    attempted(&store, id, 500).await;
    let failing = async |change| {
        store.change_endpoint(TENANT, id, &change, &by("ops")).await.unwrap().unwrap().failing_since.is_some()
    };
    let same = EndpointChange { url: Some(settings().url), thin: Some(true), ..Default::default() };
    assert!(failing(same).await);
    assert!(!failing(EndpointChange { url: Some("https://example.com/2".into()), ..Default::default() }).await);
    attempted(&store, id, 410).await;
    let disable = EndpointChange { enabled: Some(false), ..Default::default() };
    store.change_endpoint(TENANT, id, &disable, &by("ops")).await.unwrap();
    assert_eq!(disabled(&store, id).await.unwrap().reason, DisabledReason::Gone, "the first reason stays");

    let enable = EndpointChange { enabled: Some(true), ..Default::default() };
    let enabled = store.change_endpoint(TENANT, id, &enable, &by("ops")).await.unwrap().unwrap();
    assert_eq!((enabled.disabled, enabled.failing_since), (None, None));
    store.change_endpoint(TENANT, id, &disable, &by("ops")).await.unwrap();
    assert_eq!(disabled(&store, id).await.unwrap().reason, DisabledReason::Asked);
}
