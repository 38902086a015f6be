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

pub(in crate::routes) fn deliveries() -> Doc {
    Doc::new("List a job's deliveries", "Every attempt to call back about a job, the oldest first.")
        .problems(&[Code::NotFound])
}
