//! The documentation of `/v1/webhooks`.

use crate::openapi::{Doc, Tag};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Webhooks",
    about: "How jobs call back: signed as the Standard Webhooks specification says, at least once, with retries.",
};

pub(in crate::routes) fn secret() -> Doc {
    Doc::new(
        "Read the secret of callbacks",
        "What signs the webhooks that your jobs send to their `callback_url`: give it to a library of the Standard \
         Webhooks specification.",
    )
}

pub(in crate::routes) fn events() -> Doc {
    Doc::new(
        "List the types of events",
        "What the `events` of an endpoint may name, besides groups as `job.*`, and `*`. A `callback_url` is told of \
         its job's end.",
    )
}
