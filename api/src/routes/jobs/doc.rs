//! The documentation of `/v1/jobs`.

use serde_json::json;

use crate::{
    openapi::{Answer, Doc, Tag},
    problem::Code,
    resource::{JobResource, example},
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Jobs",
    about: "Work to be done: submitted, run by a worker of its kind's role, retried where it fails, and on record \
        with its result. Runs are at-least-once.",
};

pub(in crate::routes) fn submit() -> Doc {
    let replayed = "`true` where the key was used for the same request before, and this is its job.";
    Doc::new(
        "Submit a job",
        "Records a job and answers once it is safely stored. With `Prefer: wait=N` the answer is the finished job, \
         if it ends within N seconds (30 at most); otherwise read it at its `Location`, or have it call you back.\n\n\
         With an `Idempotency-Key` the request can be sent again without harm: within 24 hours the same key and the \
         same request are the same job.",
    )
    .idempotent("order-4711")
    .header("Prefer", "`wait=N`: answer with the finished job if it ends within N seconds, 30 at most.", "wait=10")
    .example("A job with nothing but its payload", json!({"kind": "noop", "payload": {"output": "hello"}}))
    .example(
        "An untrusted program, in a sandbox",
        json!({"kind": "sandbox.run", "payload": {"language": "python", "source": "print(6 * 7)"}}),
    )
    .example(
        "With a policy of its own, later, and called back",
        json!({
            "kind": "http.call",
            "payload": {"method": "GET", "url": "https://example.com/prices"},
            "priority": 2,
            "delay": 60,
            "max_attempts": 3,
            "timeout": 20,
            "callback_url": "https://example.com/golden",
            "metadata": {"order": "4711"},
        }),
    )
    .answer(
        Answer::new(202, "The job is recorded and will run.")
            .json::<JobResource>()
            .header("Location", "Where the job is read.", "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41")
            .header("Idempotent-Replayed", replayed, "true")
            .header("Preference-Applied", "The wait that was granted.", "wait=10"),
    )
    .answer(
        Answer::new(200, "The job was waited for, and has ended: succeeded, dead or cancelled.")
            .json::<JobResource>()
            .example(example::finished_job())
            .header("Location", "Where the job is read.", "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41")
            .header("Idempotent-Replayed", replayed, "true")
            .header("Preference-Applied", "The wait that was granted.", "wait=10"),
    )
    .problems(&[
        Code::BadIdempotencyKey,
        Code::UnknownKind,
        Code::KeyReused,
        Code::BudgetExhausted,
        Code::QueueFull,
        Code::SandboxUnavailable,
    ])
}

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List jobs",
        "The tenant's jobs, the newest first. Filters narrow it, and all of them must match. For one page, 10,000 \
         jobs are looked at and no more: where few match, a page may be short or empty and still have a \
         `next_cursor`.",
    )
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read a job", "The job as it stands, with its result once it has succeeded.")
        .answer(Answer::new(200, "The job.").example(example::finished_job()))
}

pub(in crate::routes) fn attempts() -> Doc {
    Doc::new(
        "List a job's attempts",
        "Every attempt so far, the first one first, with how it ended. Runs that were snoozed, given back or left to \
         wait for children spend no attempt and leave no record.",
    )
}

pub(in crate::routes) fn cancel() -> Doc {
    Doc::new(
        "Cancel a job",
        "Stops a job that has not ended, and its children. A run under way is told and stops within seconds. Asking \
         again is harmless.",
    )
    .answer(Answer::new(200, "The job is cancelled."))
    .answer(Answer::new(202, "The job's run has yet to stop."))
    .problems(&[Code::Conflict])
}

pub(in crate::routes) fn retry() -> Doc {
    Doc::new(
        "Run a job again",
        "Puts a dead or cancelled job back to work with a fresh budget of attempts, or has one that waits for its \
         time run now.",
    )
    .problems(&[Code::Conflict])
}
