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
        "max_cost": null,
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

/// A task that has just been accepted.
pub(crate) fn new_task() -> Value {
    let mut job = job();
    job["kind"] = "task".into();
    job["payload"] = json!({"name": "greeting", "goal": "Print a friendly greeting", "language": "python"});
    job["metadata"] = Value::Null;
    job
}

/// One whose program and tests are being written.
pub(super) fn task() -> Value {
    let mut task = new_task();
    task["state"] = "waiting".into();
    task["progress"] = json!({"step": "write", "repairs": 0, "done": 1, "total": 4});
    task["started_at"] = "2026-01-02T03:04:06Z".into();
    task["steps"] = json!([{
        "step": "plan",
        "job_id": "job_01981d2a-6c1b-7c21-8f3e-9b2d4a6c8e10",
        "kind": "llm.complete",
        "state": "succeeded",
        "error": null,
        "cost_micros": 1840,
        "created_at": "2026-01-02T03:04:05Z",
        "started_at": "2026-01-02T03:04:05Z",
        "finished_at": "2026-01-02T03:04:06Z",
        "link": "/v1/jobs/job_01981d2a-6c1b-7c21-8f3e-9b2d4a6c8e10",
    }]);
    task["tree_cost_micros"] = 1840.into();
    task
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

pub(super) fn endpoint() -> Value {
    json!({
        "id": "hook_01981d2c-1a5b-7f3e-a9d4-6c2e8b0f5d13",
        "url": "https://example.com/golden",
        "description": "Orders",
        "events": ["job.succeeded", "job.dead"],
        "kinds": ["http.call"],
        "format": "standard",
        "thin": false,
        "enabled": true,
        "disabled": null,
        "failing_since": null,
        "old_secret_until": null,
        "created_at": "2026-01-02T03:04:05Z",
        "updated_at": "2026-01-02T03:04:05Z",
        "links": {
            "self": "/v1/webhooks/endpoints/hook_01981d2c-1a5b-7f3e-a9d4-6c2e8b0f5d13",
            "deliveries": "/v1/webhooks/deliveries?endpoint=hook_01981d2c-1a5b-7f3e-a9d4-6c2e8b0f5d13",
            "test": "/v1/webhooks/endpoints/hook_01981d2c-1a5b-7f3e-a9d4-6c2e8b0f5d13/test",
            "rotate": "/v1/webhooks/endpoints/hook_01981d2c-1a5b-7f3e-a9d4-6c2e8b0f5d13/rotate",
        },
    })
}

pub(super) fn endpoint_with_secret() -> Value {
    let mut endpoint = endpoint();
    endpoint["secret"] = json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    endpoint
}

pub(super) fn delivery() -> Value {
    json!({
        "id": "msg_01981d2a-8e3c-7a90-b1d7-4f6e2c9a5b38",
        "endpoint_id": "hook_01981d2c-1a5b-7f3e-a9d4-6c2e8b0f5d13",
        "job_id": "job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
        "event": "job.succeeded",
        "url": "https://example.com/golden",
        "status": "pending",
        "attempt": 1,
        "max_attempts": 10,
        "next_attempt_at": "2026-01-02T03:04:11Z",
        "error": {
            "code": "rejected",
            "message": "the receiver answered 503",
            "at": "2026-01-02T03:04:06Z",
        },
        "created_at": "2026-01-02T03:04:05Z",
        "finished_at": null,
        "links": {
            "self": "/v1/webhooks/deliveries/msg_01981d2a-8e3c-7a90-b1d7-4f6e2c9a5b38",
            "replay": "/v1/webhooks/deliveries/msg_01981d2a-8e3c-7a90-b1d7-4f6e2c9a5b38/replay",
            "endpoint": "/v1/webhooks/endpoints/hook_01981d2c-1a5b-7f3e-a9d4-6c2e8b0f5d13",
            "job": "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
        },
    })
}

pub(super) fn delivery_with_attempts() -> Value {
    let mut delivery = delivery();
    delivery["attempts"] = json!([{
        "attempt": 1,
        "url": "https://example.com/golden",
        "status": 503,
        "latency_ms": 84,
        "answer": "busy",
        "error": "rejected: the receiver answered 503",
        "at": "2026-01-02T03:04:06Z",
    }]);
    delivery
}

pub(super) fn function() -> Value {
    json!({
        "name": "area",
        "tenant": "acme",
        "kind": "fn.area",
        "live": 3,
        "newest": 3,
        "versions": [function_version()],
        "created_at": "2025-12-30T10:00:00Z",
        "updated_at": "2026-01-02T03:04:05Z",
        "links": {"self": "/v1/functions/area", "jobs": "/v1/jobs?kind=fn.area"},
    })
}

pub(super) fn function_version() -> Value {
    json!({
        "function": "area",
        "version": 3,
        "kind": "fn.area@3",
        "live": true,
        "language": "python",
        "size": 86,
        "digest": "1f0c2b3e5a4d69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "created_by": "alice",
        "created_at": "2026-01-02T03:04:05Z",
        "links": {"self": "/v1/functions/area/versions/3", "jobs": "/v1/jobs?kind=fn.area@3"},
    })
}

pub(super) fn function_version_with_definition() -> Value {
    let mut version = function_version();
    version["definition"] = json!({
        "language": "python",
        "files": {"main.py": "import json, sys\np = json.load(sys.stdin)\nprint(json.dumps({\"area\": p[\"w\"] * p[\"h\"]}))\n"},
        "entry": "main.py",
        "schema": {"type": "object", "required": ["w", "h"]},
        "limits": {"wall_ms": 5000},
    });
    version
}
