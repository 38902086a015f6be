//! The documentation of what looks after the process.

use serde_json::json;

use super::{METRICS_TEXT, Ready};
use crate::openapi::{Answer, Doc, Tag};

pub(in crate::routes) const TAG: Tag = Tag { name: "Health", about: "For those who look after the process." };

pub(in crate::routes) fn overview() -> Doc {
    Doc::new(
        "Read how the server is",
        "Every part and whether it works, and the roles that are off. For people: always 200.",
    )
}

pub(in crate::routes) fn live() -> Doc {
    Doc::new("Check that the process lives", "Checks nothing else: starting a process again mends no database.")
}

pub(in crate::routes) fn ready() -> Doc {
    Doc::new(
        "Check that it is ready for requests",
        "Names each part, and why it is not ready. Asked at most once a second.",
    )
    .answer(Answer::new(200, "Every part works."))
    .answer(Answer::new(503, "A part does not work, or the process is stopping.").json::<Ready>().example(json!({
        "status": "not ready",
        "parts": [{"name": "store", "ready": false, "reason": "did not answer within 2 s"}],
    })))
}

pub(in crate::routes) fn metrics() -> Doc {
    Doc::new("Read metrics", "In the text format of Prometheus. What only the store knows is asked for once a second.")
        .answer(Answer::new(200, "The metrics.").text(
            METRICS_TEXT,
            "# TYPE golden_queue_depth gauge\ngolden_queue_depth{role=\"sandbox\",state=\"queued\"} 3\n",
        ))
}
