//! What cases start from: jobs, verdicts, JSON.

use std::time::Duration;

use chrono::DateTime;
use golden_jobs::{
    EndpointId, JobId, Role, WorkerId,
    audit::Actor,
    outcome::{JobError, Verdict},
    store::{
        Claimed, DeadLetterFilter, Due, Idempotency, JobFilter, NewJob, Page, Pool, Replay, WorkerInfo,
        deliveries::NewDelivery,
        endpoints::{EndpointSettings, Format},
    },
    trace::TraceContext,
};
use serde_json::value::RawValue;

use crate::bed::ALL;

/// Whose jobs these are, unless a case says otherwise.
pub(crate) const TENANT: &str = "acme";

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// A job with nothing special about it.
pub(crate) fn job() -> NewJob {
    NewJob {
        id: JobId::new(),
        tenant_id: TENANT.into(),
        kind: "noop".into(),
        role: Role::Orchestrator,
        priority: 5,
        payload: json("{}"),
        max_attempts: 5,
        timeout: MINUTE,
        due: Due::Now,
        metadata: None,
        callback_url: None,
        parent_id: None,
        max_cost: None,
        trace: None,
        idempotency: None,
    }
}

/// What a job goes on from that came in with headers.
pub(crate) fn trace() -> TraceContext {
    TraceContext::read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some("a=b,c=d e")).unwrap()
}

/// A job whose end somebody listens to.
pub(crate) fn job_with_callback() -> NewJob {
    NewJob { callback_url: Some("https://example.com/hook".into()), ..job() }
}

pub(crate) fn job_of(tenant: &str) -> NewJob {
    NewJob { tenant_id: tenant.into(), ..job() }
}

/// A submission that may be repeated under `key`; `fingerprint` stands for what it asks.
pub(crate) fn keyed(key: &str, fingerprint: u8) -> NewJob {
    let idempotency = Idempotency { route: "POST /v1/jobs".into(), key: key.into(), fingerprint: [fingerprint; 32] };
    NewJob { idempotency: Some(idempotency), ..job() }
}

/// JSON as it was typed.
pub(crate) fn json(text: impl Into<String>) -> Box<RawValue> {
    RawValue::from_string(text.into()).unwrap()
}

pub(crate) fn succeeded() -> Verdict {
    Verdict::Succeeded { result: None }
}

pub(crate) fn retry_in(delay: Duration) -> Verdict {
    Verdict::Retry { delay, error: JobError::new("noop_failed", "it failed as asked") }
}

pub(crate) fn dead() -> Verdict {
    dead_of("noop_failed", "it failed for good")
}

pub(crate) fn dead_of(code: &str, message: &str) -> Verdict {
    Verdict::Dead { error: JobError::new(code, message) }
}

/// Runs `children`, then the job again.
pub(crate) fn await_all(children: Vec<NewJob>) -> Verdict {
    Verdict::Await { children, checkpoint: None, until: None }
}

/// A job made by the run of another.
pub(crate) fn child_of(parent: &Claimed) -> NewJob {
    NewJob { parent_id: Some(parent.run.id), ..job() }
}

pub(crate) fn worker() -> WorkerInfo {
    WorkerInfo {
        id: WorkerId::new(),
        host: "host".into(),
        pid: 4711,
        pools: vec![Pool { role: Role::Orchestrator, capacity: 64 }, Pool { role: Role::PeerHub, capacity: 16 }],
        version: "1.2.3".into(),
        started_at: Default::default(),
        heartbeat_at: Default::default(),
        draining_since: None,
    }
}

/// Somebody who acts for the tenant.
pub(crate) fn by(subject: &str) -> Actor {
    Actor::caller(subject, TENANT, "operator")
}

/// All jobs of the tenant.
pub(crate) fn any_job() -> JobFilter {
    JobFilter { tenant_id: TENANT.into(), ..JobFilter::default() }
}

/// All unresolved dead letters of the tenant.
pub(crate) fn any_letter() -> DeadLetterFilter {
    DeadLetterFilter { tenant_id: TENANT.into(), ..DeadLetterFilter::default() }
}

pub(crate) fn replay(filter: DeadLetterFilter) -> Replay {
    Replay { filter, by: by("ops@acme"), payload: None }
}

pub(crate) fn everything<Id>() -> Page<Id> {
    Page { before: None, limit: ALL }
}

/// A message to a `callback_url`, delivered by this job.
pub(crate) fn delivery(job: NewJob) -> NewDelivery {
    // An event is as old as the id of the message about it.
    let millis = i64::try_from(job.id.0.as_u128() >> 80).unwrap();
    NewDelivery {
        at: DateTime::from_timestamp_millis(millis).unwrap(),
        job,
        endpoint_id: None,
        about: None,
        event: "job.succeeded".into(),
        url: "https://example.com/hook".into(),
    }
}

/// A message to an endpoint.
pub(crate) fn delivery_to(endpoint: EndpointId) -> NewDelivery {
    let job = NewJob { kind: "webhook.deliver".into(), role: Role::Webhook, ..job() };
    NewDelivery { endpoint_id: Some(endpoint), ..delivery(job) }
}

/// An endpoint that takes every event.
pub(crate) fn settings() -> EndpointSettings {
    EndpointSettings {
        url: "https://example.com/events".into(),
        description: String::new(),
        events: vec!["*".into()],
        kinds: vec![],
        format: Format::Standard,
        thin: false,
    }
}
