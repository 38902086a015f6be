//! The documentation of `/v1/tasks`.

use serde_json::json;

use crate::{
    openapi::{Answer, Doc, Tag},
    problem::Code,
    resource::{JobResource, example},
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Tasks",
    about: "Goals that agents reach: planned, written and tested by them, run in a sandbox, reviewed by a panel. A task \
        is a job of the kind `task`; its steps are jobs that it made.",
};

pub(in crate::routes) fn submit() -> Doc {
    let replayed = "`true` where the key was used for the same request before, and this is its job.";
    let at = "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41";
    Doc::new(
        "Submit a task",
        "The short form of `POST /v1/jobs` with the kind `task`, and the same answer: what the kind takes and what may \
         be said of any job stand side by side. `POST /tasks` and `POST /v1/tasks` are one.\n\n\
         With a `request_id`, or an `Idempotency-Key`, the request can be sent again without harm: within 24 hours the \
         same key and the same request are the same task.",
    )
    .idempotent("greeting-1")
    .header("Prefer", "`wait=N`: answer with the finished job if it ends within N seconds, 30 at most.", "wait=10")
    .example(
        "A small program",
        json!({"name": "greeting", "goal": "Print a friendly greeting", "language": "python", "request_id": "greeting-1"}),
    )
    .example(
        "With a bound on its cost, a panel for high risk, and called back",
        json!({
            "name": "invoice totals",
            "goal": "Read invoices as JSON on standard input and print the total of each",
            "language": "javascript",
            "context": "[{\"id\": 1, \"lines\": [{\"price\": 250, \"count\": 2}]}]",
            "max_rounds": 5,
            "max_cost": 500_000,
            "review": {"risk": "high"},
            "callback_url": "https://example.com/golden",
        }),
    )
    .answer(
        Answer::new(202, "The task is recorded and will run.")
            .json::<JobResource>()
            .example(example::new_task())
            .header("Location", "Where its job is read.", at)
            .header("Idempotent-Replayed", replayed, "true")
            .header("Preference-Applied", "The wait that was granted.", "wait=10"),
    )
    .answer(
        Answer::new(200, "The task was waited for, and has ended: succeeded, dead or cancelled.")
            .json::<JobResource>()
            .example(example::new_task())
            .header("Location", "Where its job is read.", at)
            .header("Idempotent-Replayed", replayed, "true")
            .header("Preference-Applied", "The wait that was granted.", "wait=10"),
    )
    .problems(&[
        Code::BadIdempotencyKey,
        Code::KeyReused,
        Code::BudgetExhausted,
        Code::QueueFull,
        Code::SandboxUnavailable,
    ])
}

pub(in crate::routes) fn submit_at_root() -> Doc {
    submit()
}

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List tasks",
        "The tenant's tasks, the newest first, as jobs. Filters narrow it, and all of them must match. A page is as \
         one of `GET /v1/jobs`.",
    )
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new(
        "Read a task",
        "The task's job, with its steps: each is a job of its own, which `/v1/jobs/{id}` has in full. Where it is said \
         by `progress`, what it came to by `result`. It is cancelled and run again as any job.",
    )
}
