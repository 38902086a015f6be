//! The documentation of `/v1/webhooks/deliveries`.

use serde_json::json;

use crate::{
    openapi::{Doc, Tag},
    problem::Code,
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Webhook deliveries",
    about: "Messages to receivers, with every attempt and what was answered: to endpoints, and to the `callback_url` \
        of jobs. They are on record as long as the jobs that deliver them.",
};

pub(in crate::routes) fn list() -> Doc {
    Doc::new("List deliveries", "The tenant's deliveries, the newest first. All filters that are given must match.")
        .problems(&[Code::NotFound])
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new(
        "Read a delivery",
        "How far it has come, with every attempt: the status, how long it took, and the first KiB of the answer.",
    )
}

pub(in crate::routes) fn replay_one() -> Doc {
    Doc::new(
        "Replay a delivery",
        "Sends the message again, delivered or not, with a fresh budget of attempts. Its `webhook-id` stays the same, \
         so that the receiver can tell. The answer is 409 while it is pending, or if its endpoint is disabled or \
         deleted.",
    )
    .problems(&[Code::Conflict])
}

pub(in crate::routes) fn replay() -> Doc {
    Doc::new(
        "Replay deliveries",
        "Sends messages again with a fresh budget of attempts: those of `ids`, those that match a filter, or `all` \
         that failed. One request takes at most 1000, the newest first; pass `next_cursor` as `cursor` to go on.",
    )
    .example(
        "What an endpoint missed",
        json!({"endpoint": "hook_01981d2c-1a5b-7f3e-a9d4-6c2e8b0f5d13", "since": "2026-01-02T00:00:00Z"}),
    )
    .example(
        "What was delivered while the receiver lost its data",
        json!({
            "status": "delivered",
            "since": "2026-01-02T03:00:00Z",
            "until": "2026-01-02T04:00:00Z",
        }),
    )
    .example("Which ones would be", json!({"all": true, "dry_run": true}))
}
