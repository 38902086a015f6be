//! What the documentation shows of jobs and dead letters.

use serde_json::{Value, json};

/// A job that has just been accepted.
pub(crate) fn job() -> Value {
    json!({
        "id": "job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
        "kind": "http.call",
        "role": "orchestrator",
        "tenant": "acme",
        "state": "queued",
        "priority": 5,
        "attempt": 0,
        "max_attempts": 5,
        "payload": {"method": "GET", "url": "https://example.com/prices"},
        "result": null,
        "error": null,
        "progress": null,
        "metadata": {"order": "4711"},
        "parent_id": null,
        "run_at": "2026-01-02T03:04:05Z",
        "created_at": "2026-01-02T03:04:05Z",
        "started_at": null,
        "finished_at": null,
        "timeout": 60,
        "callback_url": null,
        "cost_micros": 0,
        "links": {
            "self": "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
            "attempts": "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41/attempts",
            "logs": "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41/logs",
            "events": "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41/events",
            "cancel": "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41/cancel",
            "retry": "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41/retry",
            "deliveries": "/v1/webhooks/deliveries?job=job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
        },
    })
}

/// The same, once it has ended well.
pub(crate) fn finished_job() -> Value {
    let mut job = job();
    job["state"] = "succeeded".into();
    job["attempt"] = 1.into();
    job["result"] = json!({"status": 200, "body": {"gold": 4211.5}});
    job["started_at"] = "2026-01-02T03:04:05.012Z".into();
    job["finished_at"] = "2026-01-02T03:04:05.348Z".into();
    job
}

pub(super) fn dead_letter() -> Value {
    json!({
        "id": "dlq_01981d2b-0f4e-7c1d-8b6a-5e9d3c7f1a20",
        "job_id": "job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
        "tenant": "acme",
        "original_subject": "jobs.orchestrator.http.call",
        "kind": "http.call",
        "role": "orchestrator",
        "payload": {"method": "GET", "url": "https://example.com/prices"},
        "error": {
            "code": "http_status",
            "message": "the server answered 500",
            "at": "2026-01-02T03:09:11Z",
        },
        "attempts": 5,
        "created_at": "2026-01-02T03:09:11Z",
        "resolved": false,
        "resolution": null,
        "resolved_by": null,
        "resolved_at": null,
        "links": {
            "self": "/v1/dlq/dlq_01981d2b-0f4e-7c1d-8b6a-5e9d3c7f1a20",
            "replay": "/v1/dlq/dlq_01981d2b-0f4e-7c1d-8b6a-5e9d3c7f1a20/replay",
            "job": "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
        },
    })
}
