//! The documentation of `/v1/queues`.

use serde_json::json;

use crate::openapi::{Doc, Tag};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Queues",
    about: "What waits and runs in each role, and for whom. A role's queue is shared by all tenants; each has its own \
        within it. While either is paused jobs still come in, what runs goes on, and nothing more is begun.",
};

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List queues",
        "Every role's queue, with what the caller's tenant has there; an admin also sees what all tenants have together.",
    )
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read a role's queue", "One role's queue, as the list has it.")
}

pub(in crate::routes) fn pause() -> Doc {
    Doc::new(
        "Pause a role",
        "For all tenants: no claim that begins after the answer takes a job of the role. Asking again is harmless, and \
         keeps who was first.",
    )
}

pub(in crate::routes) fn resume() -> Doc {
    Doc::new("Resume a role", "For all tenants but those whose own queue is paused. Asking again is harmless.")
}

pub(in crate::routes) fn show_tenants() -> Doc {
    Doc::new("Read a tenant's queue", "What one tenant has in a role. Other tenants' are only for an admin.")
}

pub(in crate::routes) fn pause_tenants() -> Doc {
    Doc::new(
        "Pause a tenant's queue",
        "No claim that begins after the answer takes a job of it; other tenants' go on. Other tenants' are only for an \
         admin. Asking again is harmless, and keeps who was first.",
    )
}

pub(in crate::routes) fn resume_tenants() -> Doc {
    Doc::new(
        "Resume a tenant's queue",
        "What was held back takes its turn among the others: a pause earns no tenant a lead. Other tenants' are only \
         for an admin. Asking again is harmless.",
    )
}

pub(in crate::routes) fn limit() -> Doc {
    Doc::new(
        "Set a tenant's quotas",
        "Replaces both quotas of a tenant in a role: what is left out is without bound. What runs or is queued beyond a \
         new quota stays; nothing is begun or accepted until there is room.",
    )
    .example("A thousand jobs, eight at a time", json!({"max_queued": 1000, "max_running": 8}))
    .example("No bound", json!({}))
}
