//! The documentation of `/v1/approvals`.

use serde_json::json;

pub(in crate::routes) use super::super::policies::doc::TAG;
use crate::{openapi::Doc, problem::Code};

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List what waits for a decision",
        "Changes of policies that need an approval, and those that were activated against the rules and that nobody \
         has reviewed, the newest first.",
    )
}

pub(in crate::routes) fn approve() -> Doc {
    Doc::new(
        "Approve a change",
        "Says yes to one document for one base: with another digest or base than the change has, it is refused with \
         `stale`. Nobody approves what they proposed; changes of `security` take an admin.",
    )
    .example(
        "Yes",
        json!({
            "content_sha256": "4a1f0e6c8b7d2593a6e4c1f8097b3d52e8a6f4c2107d9b5e3c8a1f60d4b29e77",
            "base_version": 2,
            "reason": "read it, and tried it on last week's questions",
        }),
    )
    .problems(&[Code::Conflict, Code::SelfApproval, Code::Stale])
}

pub(in crate::routes) fn reject() -> Doc {
    Doc::new("Reject a change", "Says no, which ends it. Changes of `security` take an admin.")
        .example("No", json!({"reason": "it tells agents to trust what they read"}))
        .problems(&[Code::Conflict])
}
