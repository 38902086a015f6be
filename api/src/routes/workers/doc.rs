//! The documentation of `/v1/workers`.

use crate::openapi::{Doc, Tag};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Workers",
    about: "The processes that run jobs. Each has an id that is new at every start, and a pool for each of its roles.",
};

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List workers",
        "Every worker process with what it runs now, the oldest first. One that fell silent is listed until its jobs \
         were taken from it, about 20 seconds later; one that was asked to drain before for an hour.",
    )
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read a worker", "One worker process, as the list has it.")
}

pub(in crate::routes) fn drain() -> Doc {
    Doc::new(
        "Drain a worker",
        "Within five seconds it claims nothing more, in none of its pools. Its runs finish, however long they take, and \
         then the process ends with status 0; `golden dev` ends as a whole, its API with it. A worker that is cut off \
         drains when it comes back. Asking again is harmless, and nothing takes it back: start another worker instead. \
         What starts workers again when they end has to be told beforehand.",
    )
}
