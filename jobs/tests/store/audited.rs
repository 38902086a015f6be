//! What people change is in the audit log, with the change; what changes nothing is not.

use std::time::Duration;

use golden_jobs::{
    DeadLetterId, EndpointId, JobId, Role, WorkerId,
    breakers::{Dependency, Word},
    budgets::Micros,
    functions::Version,
    store::{
        DeadLetterFilter, QueueName, Quota, Terms, TermsChange,
        audit::ChainName,
        breakers::Said,
        budgets::BudgetTerms,
        deliveries::{DeliveryAttempt, NewAttempt},
        endpoints::EndpointChange,
        functions::{Most, NewVersion},
        messages::MessageLetter,
        schedules::{CatchUp, Created, NewSchedule},
    },
};
use serde_json::{Value, json};

use crate::{
    audit::{checked, payload},
    bed::{ALL, Bed},
    both_stores,
    given::{
        MINUTE, SECOND, TENANT, any_letter, by, dead, delivery_to, job, json as raw, replay, settings, succeeded,
        worker,
    },
};

both_stores! {
    what_is_done_to_jobs_is_recorded
    what_is_done_to_dead_letters_is_recorded_once_for_all_of_them
    what_is_done_to_queues_is_recorded_with_whose_they_are
    what_is_done_to_workers_and_breakers_is_recorded_with_the_installation
    what_is_done_to_a_tenant_is_recorded_and_outlives_it
    what_is_done_to_endpoints_and_secrets_is_recorded_without_them
    an_endpoint_that_golden_disables_is_recorded_as_its_own_act
    what_is_done_to_functions_is_recorded
    what_is_done_to_schedules_is_recorded
    what_cannot_be_recorded_is_not_done
    the_way_of_a_job_leaves_nothing_in_the_audit_log
}

/// What was recorded since the last look, as payloads.
struct Look {
    chain: ChainName,
    seen: usize,
}

impl Look {
    fn at(tenant: Option<&str>) -> Self {
        Self { chain: ChainName { tenant_id: tenant.map(str::to_owned) }, seen: 0 }
    }

    async fn since(&mut self, store: &Bed) -> Vec<Value> {
        let all = checked(store, &self.chain).await;
        let new = all[self.seen..].iter().map(payload).collect();
        self.seen = all.len();
        new
    }

    /// The one thing that was recorded.
    async fn one(&mut self, store: &Bed, action: &str) -> Value {
        let mut new = self.since(store).await;
        assert_eq!(new.len(), 1, "{action}: {new:?}");
        assert_eq!(new[0]["action"], action);
        new.remove(0)
    }

    async fn nothing(&mut self, store: &Bed) {
        assert_eq!(self.since(store).await, Vec::<Value>::new());
    }
}

async fn what_is_done_to_jobs_is_recorded(store: Bed) {
    let mut log = Look::at(Some(TENANT));
    let queued = store.submit(job()).await;
    store.cancel(TENANT, queued, &by("kim")).await.unwrap();
    let cancelled = log.one(&store, "job.cancelled").await;
    assert_eq!((&cancelled["actor"], &cancelled["target"]), (&json!("user:kim"), &json!(queued)));
    assert_eq!(cancelled["details"], json!({"ended": 1, "stopping": 0}));

    let run = store.start(job()).await;
    store.cancel(TENANT, run.run.id, &by("kim")).await.unwrap();
    assert_eq!(log.one(&store, "job.cancelled").await["details"], json!({"ended": 0, "stopping": 1}));
    for id in [run.run.id, queued, JobId::new()] {
        store.cancel(TENANT, id, &by("kim")).await.unwrap();
    }
    store.cancel("globex", run.run.id, &by("mallory")).await.unwrap();
    log.nothing(&store).await;

    store.retry(TENANT, queued, &by("kim")).await.unwrap();
    assert_eq!(log.one(&store, "job.retried").await["target"], json!(queued));
    store.retry(TENANT, queued, &by("kim")).await.unwrap();
    store.retry("globex", queued, &by("mallory")).await.unwrap();
    log.nothing(&store).await;
}

async fn what_is_done_to_dead_letters_is_recorded_once_for_all_of_them(store: Bed) {
    let mut log = Look::at(Some(TENANT));
    for _ in 0..3 {
        store.through(job(), dead()).await;
    }
    let kind = DeadLetterFilter { kind: Some("noop".into()), ..any_letter() };
    assert_eq!(store.replay(&replay(kind.clone()), 2).await.unwrap().len(), 2);
    let replayed = log.one(&store, "dead_letters.replayed").await;
    let details = &replayed["details"];
    assert_eq!((&details["count"], &details["jobs"]), (&json!(2), &json!(2)));
    assert_eq!((details["ids"].as_array().unwrap().len(), &details["chosen_by"]), (2, &json!({"kind": "noop"})));

    assert_eq!(store.purge(&any_letter(), &by("kim"), ALL).await.unwrap(), 1);
    let purged = log.one(&store, "dead_letters.purged").await;
    assert_eq!((&purged["actor"], &purged["details"]["count"]), (&json!("user:kim"), &json!(1)));

    store.replay(&replay(any_letter()), ALL).await.unwrap();
    store.purge(&any_letter(), &by("kim"), ALL).await.unwrap();
    log.nothing(&store).await;

    let letter = MessageLetter {
        id: DeadLetterId::new(),
        tenant_id: TENANT.into(),
        original_subject: "golden.submit".into(),
        kind: "noop".into(),
        payload: raw("{}"),
        error_code: "invalid".into(),
        error: "no job".into(),
        attempts: 1,
    };
    store.bury_message(&letter).await.unwrap();
    for _ in 0..2 {
        store.resubmitted(TENANT, letter.id, JobId::new(), &by("kim")).await.unwrap();
    }
    assert_eq!(log.one(&store, "dead_letters.replayed").await["details"]["ids"], json!([letter.id]));

    // Of many, the ends and a hash over all.
    for _ in 0..101 {
        store.bury_message(&MessageLetter { id: DeadLetterId::new(), ..letter.clone() }).await.unwrap();
    }
    store.purge(&any_letter(), &by("kim"), ALL).await.unwrap();
    let details = log.one(&store, "dead_letters.purged").await["details"].take();
    assert_eq!((&details["count"], details.get("ids")), (&json!(101), None));
    assert!(details["first"].as_str() < details["last"].as_str());
    assert_eq!(details["ids_sha256"].as_str().unwrap().len(), 64);
}

async fn what_is_done_to_queues_is_recorded_with_whose_they_are(store: Bed) {
    let (mut log, mut common) = (Look::at(Some(TENANT)), Look::at(None));
    let queue = |tenant: Option<&str>| QueueName { role: Role::Sandbox, tenant_id: tenant.map(str::to_owned) };
    for (tenant, log) in [(Some(TENANT), &mut log), (None, &mut common)] {
        store.resume(&queue(tenant), &by("kim")).await.unwrap();
        log.nothing(&store).await;
        store.pause(&queue(tenant), &by("kim")).await.unwrap();
        assert_eq!(log.one(&store, "queue.paused").await["target"], "sandbox");
        store.clock.advance(SECOND);
        store.pause(&queue(tenant), &by("kim")).await.unwrap();
        log.nothing(&store).await;
        store.resume(&queue(tenant), &by("kim")).await.unwrap();
        log.one(&store, "queue.resumed").await;
        store.pause(&queue(tenant), &by("kim")).await.unwrap();
        log.one(&store, "queue.paused").await;
    }
    let quota = Quota { max_queued: Some(7), max_running: None };
    store.limit(Role::Sandbox, TENANT, quota, &by("kim")).await.unwrap();
    let limited = log.one(&store, "queue.limited").await;
    assert_eq!(limited["details"], json!({"max_queued": 7, "max_running": null}));
    common.nothing(&store).await;
}

async fn what_is_done_to_workers_and_breakers_is_recorded_with_the_installation(store: Bed) {
    let mut log = Look::at(None);
    let worker = worker();
    store.heartbeat(&worker).await.unwrap();
    store.drain(worker.id, &by("kim")).await.unwrap();
    let drained = log.one(&store, "worker.drained").await;
    assert_eq!((&drained["target"], &drained["actor_tenant"]), (&json!(worker.id), &json!(TENANT)));
    store.clock.advance(SECOND);
    store.drain(worker.id, &by("kim")).await.unwrap();
    store.drain(WorkerId::new(), &by("kim")).await.unwrap();
    log.nothing(&store).await;

    let said = Said { word: Word::Disabled, left: MINUTE, reason: "it \0 lies".into(), by: "kim".into() };
    store.say(&Dependency::Docker, &said, &by("kim")).await.unwrap();
    let set = log.one(&store, "breaker.set").await;
    assert_eq!(set["details"], json!({"state": "disabled", "seconds": 60, "reason": "it \0 lies"}));
    store.reset_breakers(Some(&Dependency::Docker), &by("kim")).await.unwrap();
    assert_eq!(log.one(&store, "breaker.reset").await["target"], "docker");
    // Though nothing was said: a process may have found one open.
    store.reset_breakers(None, &by("kim")).await.unwrap();
    assert_eq!(log.one(&store, "breaker.reset").await["target"], Value::Null);
}

async fn what_is_done_to_a_tenant_is_recorded_and_outlives_it(store: Bed) {
    let mut log = Look::at(Some(TENANT));
    store.create_tenant(TENANT, &Terms { weight: 3, ..Terms::default() }, &by("kim")).await.unwrap();
    assert_eq!(log.one(&store, "tenant.created").await["details"]["weight"], 3);
    store.create_tenant(TENANT, &Terms::default(), &by("kim")).await.unwrap();
    let suspend = TermsChange { suspended: Some(true), ..TermsChange::default() };
    store.set_terms(TENANT, &suspend, &by("kim")).await.unwrap();
    assert_eq!(log.one(&store, "tenant.changed").await["details"], json!({"suspended": true}));
    store.clock.advance(SECOND);
    store.set_terms(TENANT, &suspend, &by("kim")).await.unwrap();
    store.set_terms("nobody", &suspend, &by("kim")).await.unwrap();

    let terms = BudgetTerms { limit: Micros::new(5), period: None };
    store.set_budget(TENANT, &terms, &by("kim")).await.unwrap();
    let expected = json!({"limit_micros": 5, "period": "month", "default_limit": false, "default_period": true});
    assert_eq!(log.one(&store, "budget.set").await["details"], expected);
    store.set_budget(TENANT, &terms, &by("kim")).await.unwrap();
    log.nothing(&store).await;

    let id = store.submit(job()).await;
    store.delete_tenant(TENANT, &by("kim")).await.unwrap();
    log.nothing(&store).await;
    store.cancel(TENANT, id, &by("kim")).await.unwrap();
    log.one(&store, "job.cancelled").await;
    store.delete_tenant(TENANT, &by("kim")).await.unwrap();
    log.one(&store, "tenant.deleted").await;
    store.delete_tenant(TENANT, &by("kim")).await.unwrap();
    log.nothing(&store).await;

    store.create_tenant(TENANT, &Terms::default(), &by("kim")).await.unwrap();
    log.one(&store, "tenant.created").await;
    assert_eq!(store.budget(TENANT).await.unwrap().terms, BudgetTerms::default(), "another's terms are not its own");
}

async fn what_is_done_to_endpoints_and_secrets_is_recorded_without_them(store: Bed) {
    let mut log = Look::at(Some(TENANT));
    let kim = by("kim");
    let id = store.add_endpoint(TENANT, &settings(), [1; 32], &kim).await.unwrap().unwrap().id;
    let created = log.one(&store, "endpoint.created").await;
    assert_eq!((&created["target"], &created["details"]["host"]), (&json!(id), &json!("example.com")));
    assert!(!created.to_string().contains("/events"), "an address may be as good as a password: {created}");

    let change = EndpointChange { enabled: Some(false), ..EndpointChange::default() };
    store.change_endpoint(TENANT, id, &change, &kim).await.unwrap();
    assert_eq!(log.one(&store, "endpoint.changed").await["details"], json!({"enabled": false}));

    store.rotate_secret(TENANT, id, [2; 32], MINUTE, &kim).await.unwrap();
    log.one(&store, "endpoint.secret_rotated").await;
    store.rotate_secret(TENANT, id, [3; 32], MINUTE, &kim).await.unwrap();
    log.nothing(&store).await;
    for _ in 0..2 {
        assert!(store.revoke_old_secret(TENANT, id, &kim).await.unwrap().is_some());
    }
    log.one(&store, "endpoint.secret_revoked").await;

    for _ in 0..2 {
        store.rotate_callback_secret(TENANT, [2; 32], MINUTE, &kim).await.unwrap();
    }
    log.one(&store, "callback_secret.rotated").await;
    for _ in 0..2 {
        store.revoke_old_callback_secret(TENANT, &kim).await.unwrap();
    }
    log.one(&store, "callback_secret.revoked").await;

    for _ in 0..2 {
        store.remove_endpoint(TENANT, id, &kim).await.unwrap();
    }
    log.one(&store, "endpoint.deleted").await;
    let nobodys = EndpointId::new();
    assert_eq!(store.change_endpoint(TENANT, nobodys, &change, &kim).await.unwrap(), None);
    assert_eq!(store.revoke_old_secret(TENANT, nobodys, &kim).await.unwrap(), None);
    store.rotate_secret(TENANT, nobodys, [2; 32], MINUTE, &kim).await.unwrap();
    log.nothing(&store).await;
}

async fn an_endpoint_that_golden_disables_is_recorded_as_its_own_act(store: Bed) {
    let endpoint = store.add_endpoint(TENANT, &settings(), [1; 32], &by("kim")).await.unwrap().unwrap().id;
    let mut log = Look::at(Some(TENANT));
    log.one(&store, "endpoint.created").await;
    let delivery = delivery_to(endpoint);
    let message = delivery.job.id.into();
    store.add_deliveries(vec![delivery]).await.unwrap();
    let attempt = DeliveryAttempt {
        run_lease: 1,
        attempt: 1,
        url: "https://example.com/events".into(),
        status: Some(410),
        latency_ms: 1,
        answer: None,
        error: Some("410 Gone".into()),
        at: Default::default(),
    };
    let gone = NewAttempt { message_id: message, endpoint_id: Some(endpoint), delivered: false, gone: true, attempt };
    store.record_attempt(&gone).await.unwrap();
    let disabled = log.one(&store, "endpoint.disabled").await;
    assert_eq!((&disabled["actor"], &disabled["details"]), (&json!("system:golden"), &json!({"reason": "gone"})));

    let replayed = store.redeliver(TENANT, &[message], &by("kim")).await.unwrap();
    assert_eq!(replayed, []);
    log.nothing(&store).await;
}

async fn what_is_done_to_functions_is_recorded(store: Bed) {
    let mut log = Look::at(Some(TENANT));
    let (name, kim) = ("area".parse().unwrap(), by("kim"));
    let version = |n: u8, live| NewVersion {
        tenant_id: TENANT.into(),
        name: "area".parse().unwrap(),
        definition: raw(format!("{n}")),
        digest: [n; 32],
        language: "python".into(),
        size: 1,
        created_by: "kim".into(),
        live,
    };
    let v = |n| Version::new(n).unwrap();
    let register = async |n, live| store.register_function(&version(n, live), Most::default(), &kim).await.unwrap();
    register(1, true).await;
    let registered = log.one(&store, "function.registered").await;
    assert_eq!((&registered["target"], &registered["details"]["version"]), (&json!("area"), &json!(1)));
    register(1, true).await;
    log.nothing(&store).await;
    register(2, false).await;
    assert_eq!(log.one(&store, "function.registered").await["details"]["live"], false);
    register(2, true).await;
    assert_eq!(log.one(&store, "function.live").await["details"], json!({"version": 2}));

    store.set_live(TENANT, &name, v(1), &kim).await.unwrap();
    assert_eq!(log.one(&store, "function.live").await["details"], json!({"version": 1}));
    store.set_live(TENANT, &name, v(9), &kim).await.unwrap();
    store.delete_function(TENANT, &name, Some(v(1)), &kim).await.unwrap();
    log.nothing(&store).await;
    store.delete_function(TENANT, &name, Some(v(2)), &kim).await.unwrap();
    assert_eq!(log.one(&store, "function.deleted").await["details"], json!({"version": 2}));
    store.delete_function(TENANT, &name, None, &kim).await.unwrap();
    assert_eq!(log.one(&store, "function.deleted").await.get("details"), None);
    store.delete_function(TENANT, &name, None, &kim).await.unwrap();
    log.nothing(&store).await;
}

async fn what_is_done_to_schedules_is_recorded(store: Bed) {
    let mut log = Look::at(Some(TENANT));
    let kim = by("kim");
    let new = NewSchedule {
        id: golden_jobs::ScheduleId::new(),
        tenant_id: TENANT.into(),
        name: "nightly".into(),
        cron: "0 3 * * *".into(),
        time_zone: "UTC".into(),
        catch_up: CatchUp::One,
        submission: raw(r#"{"payload":"secret"}"#),
        next_slot: None,
    };
    let Created::New(schedule) = store.create_schedule(&new, ALL, &kim).await.unwrap() else {
        panic!("it was not created");
    };
    let created = log.one(&store, "schedule.created").await;
    assert_eq!((&created["details"]["cron"], &created["details"]["paused"]), (&json!("0 3 * * *"), &json!(true)));
    assert!(!created.to_string().contains("secret"), "{created}");
    store.create_schedule(&NewSchedule { id: golden_jobs::ScheduleId::new(), ..new }, ALL, &kim).await.unwrap();
    log.nothing(&store).await;

    let changed = golden_jobs::store::schedules::Schedule { cron: "@daily".into(), ..*schedule.clone() };
    for _ in 0..2 {
        store.change_schedule(&changed, &kim).await.unwrap();
    }
    assert_eq!(log.one(&store, "schedule.changed").await["details"]["cron"], "@daily");
    for _ in 0..2 {
        store.delete_schedule(TENANT, schedule.id, &kim).await.unwrap();
    }
    assert_eq!(log.one(&store, "schedule.deleted").await["target"], json!(schedule.id));
}

/// The end of the chain says something else than the log: the next entry's number is taken.
async fn what_cannot_be_recorded_is_not_done(store: Bed) {
    let mut log = Look::at(Some(TENANT));
    let (first, second) = (store.submit(job()).await, store.submit(job()).await);
    store.cancel(TENANT, first, &by("kim")).await.unwrap();
    log.one(&store, "job.cancelled").await;
    store.sql.execute("UPDATE audit_chains SET seq = 0").await.unwrap();
    assert!(store.cancel(TENANT, second, &by("kim")).await.is_err());
    assert_eq!(store.state(second).await, golden_jobs::State::Queued);
}

async fn the_way_of_a_job_leaves_nothing_in_the_audit_log(store: Bed) {
    store.through(job(), succeeded()).await;
    store.through(job(), dead()).await;
    store.later(Duration::from_secs(3600)).await;
    assert_eq!(store.sql.number("SELECT count(*) FROM audit_log").await, 0);
    assert_eq!(store.sql.number("SELECT count(*) FROM audit_chains").await, 0);
}
