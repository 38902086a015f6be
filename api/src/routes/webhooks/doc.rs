//! The documentation of `/v1/webhooks`.

use crate::{
    openapi::{Doc, Tag},
    problem::Code,
};

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

pub(in crate::routes) fn rotate_secret() -> Doc {
    Doc::new(
        "Rotate the secret of callbacks",
        "Makes a new secret. For the time of `overlap` messages to a `callback_url` carry two signatures, of the new \
         secret and of the one it replaces, so that receivers can change over when they like. The answer is 409 while \
         an earlier rotation has not come to its end.",
    )
    .problems(&[Code::Conflict])
}

pub(in crate::routes) fn revoke_old_secret() -> Doc {
    Doc::new(
        "End a rotation of the secret of callbacks now",
        "The secret that was replaced signs no more. Asking again, or without a rotation, changes nothing.",
    )
}

pub(in crate::routes) fn events() -> Doc {
    Doc::new(
        "List the types of events",
        "What the `events` of an endpoint may name, besides groups as `job.*`, and `*`. A `callback_url` is told of \
         its job's end.",
    )
}
