//! What the tests of this module tell about.

use chrono::{DateTime, Utc};
use serde_json::{Value, value::RawValue};

use crate::{
    id::{EndpointId, JobId, MessageId},
    record::{JobRecord, State},
    role::Role,
    store::{
        endpoints::{Endpoint, EndpointSettings, Format},
        events::Event,
    },
};

pub(super) fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

fn then() -> DateTime<Utc> {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

pub(super) fn event(id: MessageId, job_id: JobId) -> Event {
    Event {
        tenant_id: "acme".to_owned(),
        seq: 7,
        id,
        job_id: Some(job_id),
        event: "job.succeeded".to_owned(),
        data: None,
        at: then(),
    }
}

pub(super) fn finished_job() -> JobRecord {
    JobRecord {
        id: JobId::new(),
        tenant_id: "acme".to_owned(),
        kind: "noop".to_owned(),
        role: Role::Orchestrator,
        state: State::Succeeded,
        priority: 5,
        attempt: 2,
        max_attempts: 5,
        timeout_ms: 1000,
        payload: raw(&Value::Null),
        result: None,
        progress: None,
        metadata: None,
        callback_url: Some("https://example.com/hook".to_owned()),
        parent_id: None,
        error: None,
        worker_id: None,
        cancel_requested: false,
        run_at: then(),
        created_at: then(),
        started_at: Some(then()),
        finished_at: Some(then()),
        cost_micros: 0,
        max_cost: None,
    }
}

/// One that takes every event.
pub(super) fn endpoint() -> Endpoint {
    Endpoint {
        id: EndpointId::new(),
        tenant_id: "acme".to_owned(),
        settings: EndpointSettings {
            url: "https://example.com/events".to_owned(),
            description: String::new(),
            events: vec!["*".to_owned()],
            kinds: Vec::new(),
            format: Format::Standard,
            thin: false,
        },
        disabled: None,
        failing_since: None,
        old_secret_until: None,
        created_at: then(),
        updated_at: then(),
    }
}
