//! The documentation of `/v1/breakers`.

use serde_json::json;

use crate::{
    openapi::{Doc, Tag},
    problem::Code,
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Breakers",
    about: "What does not answer is left alone for a while, and jobs that need it wait without spending attempts. Each \
        dependency has a breaker: Docker, and every host that jobs and webhooks go to.",
};

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List breakers",
        "Those that every installation has, and for an admin the hosts whose breakers are not simply closed. A host that \
         is not listed is called as usual.",
    )
}

pub(in crate::routes) fn reset() -> Doc {
    Doc::new(
        "Reset a breaker",
        "Closes it, whatever was found or said of it: within five seconds every process calls the dependency again. It \
         opens again when calls fail. Asking again is harmless.",
    )
}

pub(in crate::routes) fn reset_any() -> Doc {
    Doc::new("Reset one or all breakers", "The same for the breaker that `name` says, or for all. Answers the list.")
        .problems(&[Code::NotFound])
}

pub(in crate::routes) fn force_open() -> Doc {
    Doc::new(
        "Force a breaker open",
        "Within five seconds no process calls the dependency; jobs that need it wait, with their attempts kept. It ends by \
         itself, after an hour at most.",
    )
    .example("Before a maintenance", json!({"reason": "maintenance until ten", "seconds": 1800}))
}

pub(in crate::routes) fn disable() -> Doc {
    Doc::new(
        "Disable a breaker",
        "Within five seconds every call goes through, whatever comes of it, and fails as it fails. It ends by itself, after \
         an hour at most.",
    )
    .example("For ten minutes", json!({"reason": "the health check of the host is wrong"}))
}
