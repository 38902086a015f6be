//! The documentation of `/v1/escalations`.

use serde_json::json;

use crate::{
    openapi::{Doc, Tag},
    problem::Code,
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Escalations",
    about: "What needs a human: a review that a panel could not decide, a budget that is gone, or whatever a job asks. \
        The job waits without holding a worker until somebody has answered. To ask by hand, submit a job of kind \
        `escalation`; to withdraw what it asks, cancel it.",
};

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List escalations",
        "The tenant's escalations, the newest first, whatever their state unless `state` says otherwise. For one page, \
         10,000 are looked at and no more: where few match, a page may be short or empty and still have a `next_cursor`.",
    )
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read an escalation", "What is asked, who looks at it, and what was answered.")
}

pub(in crate::routes) fn acknowledge() -> Doc {
    Doc::new(
        "Acknowledge an escalation",
        "Says that the caller looks at it, so that others need not. Whoever was first stays on record; asking again is \
         harmless.",
    )
    .problems(&[Code::Conflict])
}

pub(in crate::routes) fn resolve() -> Doc {
    Doc::new(
        "Resolve an escalation",
        "Answers it, once and for all: of two who answer at the same time one is told that the other was faster. The job \
         that asked is done with the answer as its result, and what waits for that job goes on: `approved`, `fixed` and \
         `dismissed` let it, `rejected` stops it. One about a review is resolved by deciding the review.",
    )
    .example("Go on", json!({"resolution": "approved", "note": "There is a backup of ten minutes ago."}))
    .example("Stop", json!({"resolution": "rejected", "note": "Not before the release."}))
    .problems(&[Code::Conflict, Code::DecideReview])
}
