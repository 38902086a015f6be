//! The documentation of `/v1/schedules`.

use serde_json::json;

use super::resource::ScheduleResource;
use crate::{
    openapi::{Answer, Doc, Tag},
    problem::Code,
    resource::JobResource,
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Schedules",
    about: "Jobs that come back by the clock: a cron expression in a time zone, and what to submit at each of its \
        slots. A slot is one job, however many workers see it come. A path names a schedule by its id or its name.",
};

pub(in crate::routes) fn create() -> Doc {
    Doc::new(
        "Make a schedule",
        "The job is checked as `POST /v1/jobs` would check it, and again at each slot. The shortest interval is a \
         minute.\n\n\
         A slot that is noticed within a minute is on time. Of slots that came while nothing ran, only the last one \
         can still run: with `catch_up` `one` it does, however late it is; with `skip` it does not.\n\n\
         Where clocks change, a fixed time that is skipped comes right after the gap, and one that comes twice comes \
         the first time. What recurs through the hours (`*`, `*/15`) follows the clock on the wall.",
    )
    .example(
        "Every working day at half past three in Berlin",
        json!({
            "name": "nightly prices",
            "cron": "30 3 * * MON-FRI",
            "time_zone": "Europe/Berlin",
            "job": {"kind": "http.call", "payload": {"method": "GET", "url": "https://example.com/prices"}},
        }),
    )
    .example(
        "Every five minutes, and never late",
        json!({"name": "pulse", "cron": "*/5 * * * *", "catch_up": "skip", "job": {"kind": "noop"}}),
    )
    .answer(Answer::new(201, "The schedule is recorded.").json::<ScheduleResource>().header(
        "Location",
        "Where the schedule is read.",
        "/v1/schedules/sch_01981d2c-3f6a-7b1e-8c4d-2a9e5b7f0d13",
    ))
    .problems(&[Code::NameTaken, Code::LimitReached, Code::SandboxUnavailable])
}

pub(in crate::routes) fn list() -> Doc {
    Doc::new("List schedules", "The tenant's schedules, the newest first.")
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read a schedule", "The schedule with its next slots, and what its last one came to.")
}

pub(in crate::routes) fn change() -> Doc {
    Doc::new(
        "Change a schedule",
        "Changes what the body names, and nothing else. With another `cron` or `time_zone` it goes on with the next \
         slot from now on; slots that have come do not come again.",
    )
    .example("Another time", json!({"cron": "0 4 * * MON-FRI"}))
    .problems(&[Code::Conflict, Code::NameTaken, Code::SandboxUnavailable])
}

pub(in crate::routes) fn delete() -> Doc {
    Doc::new("Delete a schedule", "Its jobs stay as they are.").answer(Answer::new(204, "The schedule is gone."))
}

pub(in crate::routes) fn pause() -> Doc {
    Doc::new(
        "Pause a schedule",
        "No slot comes until it is resumed. Its jobs stay as they are. Asking again is harmless.",
    )
    .problems(&[Code::Conflict])
}

pub(in crate::routes) fn resume() -> Doc {
    Doc::new(
        "Resume a schedule",
        "It goes on with the next slot from now on: those that would have come while it was paused are not made up \
         for, whatever `catch_up` says. Asking again is harmless.",
    )
    .problems(&[Code::Conflict])
}

pub(in crate::routes) fn run() -> Doc {
    Doc::new(
        "Run a schedule now",
        "Submits its job at once, whether it is paused or not, and leaves its slots as they are. With an \
         `Idempotency-Key` the request can be sent again without harm.",
    )
    .idempotent("order-4711")
    .answer(
        Answer::new(202, "The job is recorded and will run.")
            .json::<JobResource>()
            .header("Location", "Where the job is read.", "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41")
            .header(
                "Idempotent-Replayed",
                "`true` where the key was used for the same request before, and this is its job.",
                "true",
            ),
    )
    .problems(&[
        Code::BadIdempotencyKey,
        Code::Conflict,
        Code::KeyReused,
        Code::QueueFull,
        Code::SandboxUnavailable,
        Code::StoreUnavailable,
    ])
}
