//! The documentation of `/v1/dlq`.

use serde_json::json;

use crate::{
    openapi::{Doc, Tag},
    problem::Code,
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Dead letters",
    about: "What is left of jobs that failed for good, until they are put back to work or given up.",
};

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List dead letters",
        "The tenant's dead letters, the newest first; unresolved ones unless asked for all. For one page, 10,000 are \
         looked at and no more: where few match, a page may be short or empty and still have a `next_cursor`.",
    )
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read a dead letter", "What the job was, and what it died of.")
}

pub(in crate::routes) fn replay() -> Doc {
    Doc::new(
        "Replay dead letters",
        "Puts jobs back to work with a fresh budget of attempts: those of `ids`, those that match a filter, or `all`. \
         One request takes at most 1000; ask again while `remaining` is not 0.\n\n\
         Jobs that are replayed may die again and then have a new dead letter that matches as well: who replays \
         until nothing remains sets `until` to when they began.",
    )
    .example("Everything that died of a full disk", json!({"error": "no space left", "until": "2026-01-02T03:04:05Z"}))
    .example("How many there are", json!({"all": true, "dry_run": true}))
    .example(
        "One job, with another payload",
        json!({
            "ids": ["dlq_01981d2b-0f4e-7c1d-8b6a-5e9d3c7f1a20"],
            "payload": {"method": "GET", "url": "https://example.com/v2/prices"},
        }),
    )
    .problems(&[Code::NotFound, Code::UnknownKind])
}

pub(in crate::routes) fn purge() -> Doc {
    Doc::new(
        "Purge dead letters",
        "Gives dead letters up. Their jobs stay dead and on record, and can still be retried one by one.",
    )
    .example("All of one kind", json!({"kind": "http.call"}))
}

pub(in crate::routes) fn replay_one() -> Doc {
    Doc::new(
        "Replay one dead letter",
        "Puts its job back to work, once however often it is asked for: the answer is the dead letter with who \
         replayed it.",
    )
    .problems(&[Code::Conflict])
}
