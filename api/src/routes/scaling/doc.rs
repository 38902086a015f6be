//! The documentation of `/v1/scaling`.

use crate::openapi::{Doc, Tag};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Scaling",
    about: "What decides how many workers each role gets: for KEDA, or whatever else starts and stops them.",
};

pub(in crate::routes) fn show() -> Doc {
    Doc::new(
        "Read what to scale on",
        "The figures of every role over all tenants, from the store, so that every replica of the API says the same. \
         They are at most a second old and cost the same however much is queued. Asking does not count against the \
         caller's limit of requests.",
    )
}
