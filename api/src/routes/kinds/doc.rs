//! The documentation of `/v1/kinds`.

use crate::openapi::{Doc, Tag};

pub(in crate::routes) const TAG: Tag =
    Tag { name: "Kinds", about: "What may be submitted: each kind of job with its schema, role and policy." };

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List kinds",
        "Every kind that may be submitted here, by name. The last one stands for functions, which are each tenant's own.",
    )
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new(
        "Read a kind",
        "One kind, with the JSON Schema of its payload. With a token, `fn.NAME` is the tenant's function of that name, \
         and the answer names the version that is live.",
    )
}
