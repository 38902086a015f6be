//! The documentation of `/v1/jobs/batch`.

use serde_json::json;

use super::{Accepted, Outcomes};
use crate::{
    openapi::{Answer, Doc},
    problem::Code,
};

pub(in crate::routes) use crate::routes::jobs::doc::TAG;

pub(in crate::routes) fn submit() -> Doc {
    Doc::new(
        "Submit many jobs",
        "Records up to 1,000 jobs in one request, as a JSON array or as NDJSON (`application/x-ndjson`), of 8 MiB \
         together. All of them are recorded or none: whatever is wrong with any of them is told at once, with \
         pointers that begin with its place, such as `/17/payload/url`.\n\n\
         With `partial=true`, what can be recorded is, and the answer says of each job what became of it. Then a \
         job may have an `idempotency_key` of its own; those that have none are kept apart by their place, if the \
         request has a key.\n\n\
         With an `Idempotency-Key` the request can be sent again without harm: within 24 hours the same key and the \
         same request are the same jobs.",
    )
    .idempotent("import-2026-01-02")
    .example(
        "Two jobs",
        json!([{"kind": "noop", "payload": {"output": 1}}, {"kind": "noop", "payload": {"output": 2}, "delay": 60}]),
    )
    .answer(Answer::new(202, "The jobs are recorded and will run.").json::<Accepted>().header(
        "Idempotent-Replayed",
        "`true` where the key was used for the same request before, and these are its jobs.",
        "true",
    ))
    .answer(Answer::new(200, "With `partial=true`: each job is recorded, or refused.").json::<Outcomes>())
    .problems(&[
        Code::BadIdempotencyKey,
        Code::UnknownKind,
        Code::KeyReused,
        Code::BudgetExhausted,
        Code::QueueFull,
        Code::SandboxUnavailable,
    ])
}
