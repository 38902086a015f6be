//! The documentation of `/v1/policies/{role}/changes`.

use serde_json::json;

pub(in crate::routes) use super::super::policies::doc::TAG;
use crate::{
    openapi::{Answer, Doc},
    problem::Code,
    resource::policies::ChangeResource,
};

pub(in crate::routes) fn propose() -> Doc {
    Doc::new(
        "Propose a change",
        "Records the document as a version and has it looked at: within a moment it is approved, or waits for an \
         approval, by the rule of its role. A change that nobody takes further for 72 hours expires, and one whose base \
         is not active any more is stale.",
    )
    .example(
        "Shorter functions, activated as soon as the rules allow",
        json!({
            "document": {"prompt": "Write short functions.", "parameters": {"temperature": 0.2}},
            "reason": "reviewers ask for it every time",
            "activate_at": "2026-01-02T03:04:05Z",
        }),
    )
    .answer(Answer::new(201, "The change is recorded.").json::<ChangeResource>().header(
        "Location",
        "Where the change is read.",
        "/v1/policies/developer/changes/chg_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13",
    ))
    .problems(&[Code::Conflict, Code::LimitReached, Code::Stale])
}

pub(in crate::routes) fn list() -> Doc {
    Doc::new("List changes", "The changes of a role's policy, the newest first.")
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read a change", "How far it came, what it changes, and who decided what.")
}

pub(in crate::routes) fn withdraw() -> Doc {
    Doc::new("Withdraw a change", "Takes it back. Once it is on trial or active, it is rolled back instead.")
        .example("Never mind", json!({"reason": "there is a better one"}))
        .problems(&[Code::Conflict])
}

pub(in crate::routes) fn activate() -> Doc {
    Doc::new(
        "Activate a change",
        "Begins its trial: a tenth of the role's jobs are asked under it, for one cooldown and at least 20 questions, \
         and then all of them, or none where it is worse. With `at`, that is done at a time, or as soon after as the \
         rules allow.",
    )
    .example("Now", json!({}))
    .example("Tonight", json!({"at": "2026-01-02T22:00:00Z"}))
    .problems(&[
        Code::GovernanceCooldown,
        Code::GovernanceQuota,
        Code::GovernanceFrozen,
        Code::Conflict,
        Code::Stale,
    ])
}

pub(in crate::routes) fn break_glass() -> Doc {
    Doc::new(
        "Activate against the rules",
        "Makes the version active at once, whatever quota, cooldown, approval, freeze and trial say. Somebody else has \
         to review that within 24 hours: after that nothing else of the role is activated until it is.",
    )
    .example("An outage", json!({"reason": "the active version makes every answer invalid"}))
    .problems(&[Code::Conflict, Code::Stale])
}

pub(in crate::routes) fn review() -> Doc {
    Doc::new("Review what was activated against the rules", "By somebody else than who activated it.")
        .example("Seen", json!({"reason": "it was right: the version before made every answer invalid"}))
        .problems(&[Code::Conflict, Code::SelfApproval])
}
