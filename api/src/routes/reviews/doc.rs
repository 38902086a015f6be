//! The documentation of `/v1/reviews`.

use serde_json::json;

use crate::{
    openapi::{Answer, Doc, Tag},
    problem::Code,
    resource::JobResource,
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Reviews",
    about: "Panels of agents judge an agent's work. Each seat casts one ballot, about exactly this work, without \
        knowing those of the others; what follows from the ballots is decided by a rule. Work that is to be changed may \
        come once more; what the panel cannot decide, a human does who did not have it made. Nothing is approved by \
        time passing.",
};

pub(in crate::routes) fn submit() -> Doc {
    let work = json!({
        "title": "Adds two numbers",
        "goal": "A function `add(a, b)` that answers their sum.",
        "files": {"add.py": "def add(a, b):\n    return a + b\n"},
        "author": "developer",
        "evidence": "3 passed, 0 failed",
    });
    let second = json!({
        "title": "Adds two numbers",
        "goal": "A function `add(a, b)` that answers their sum.",
        "files": {"add.py": "def add(a: int, b: int) -> int:\n    return a + b\n"},
        "author": "developer",
        "round_of": "rev_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
    });
    Doc::new(
        "Have work reviewed",
        "The short form of a job of the kind `review`: the body is its payload, and the answer that of `POST /v1/jobs`. \
         The review has the job's number: of `job_X` it is `rev_X`. The job's result says what became of the round.\n\n\
         With `round_of`, work that was changed comes once more before the same panel; `conflict` where it did not ask for \
         changes, nothing of the work has changed, or it was the last round.",
    )
    .idempotent("review-4711")
    .header("Prefer", "`wait=N`: answer with the finished job if it ends within N seconds, 30 at most.", "wait=10")
    .example("Work and what shows that it does what it should", work)
    .example("The same, once it was changed", second)
    .answer(
        Answer::new(202, "The job is recorded and will run.")
            .json::<JobResource>()
            .header("Location", "Where the job is read.", "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41")
            .header("Idempotent-Replayed", "`true` where the key was used for the same request before.", "true")
            .header("Preference-Applied", "The wait that was granted.", "wait=10"),
    )
    .answer(
        Answer::new(200, "The job was waited for, and has ended.")
            .json::<JobResource>()
            .header("Location", "Where the job is read.", "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41")
            .header("Idempotent-Replayed", "`true` where the key was used for the same request before.", "true")
            .header("Preference-Applied", "The wait that was granted.", "wait=10"),
    )
    .problems(&[Code::BadIdempotencyKey, Code::KeyReused, Code::BudgetExhausted, Code::QueueFull, Code::Conflict])
}

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List reviews",
        "Newest first, without their ballots. A review whose job has not begun is found by its id alone.",
    )
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new(
        "Read a review",
        "With its rounds, their ballots and findings, and what was decided. One whose job has not begun is `PENDING`.",
    )
}

pub(in crate::routes) fn decide() -> Doc {
    Doc::new(
        "Decide an escalated review",
        "For good. Whoever had the work made may not (`self-approval`), whatever their role. The review's job ends with \
         what was decided, and it is in the audit log.",
    )
    .example("It may be used", json!({"decision": "approve", "reason": "I ran it against last month's orders."}))
    .problems(&[Code::Conflict, Code::SelfApproval])
}
