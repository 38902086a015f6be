//! The documentation of `/v1/functions/{function}/versions`.

use crate::{
    openapi::{Answer, Doc, Tag},
    problem::Code,
};

pub(in crate::routes) const TAG: Tag = crate::routes::functions::doc::TAG;

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read a version of a function", "All that it was registered with, its files among it.")
}

pub(in crate::routes) fn delete() -> Doc {
    Doc::new(
        "Delete a version of a function",
        "Its number is not given out again. The live version, and one that open jobs were accepted for, cannot be \
         deleted.",
    )
    .answer(Answer::new(204, "The version is gone."))
    .problems(&[Code::Conflict])
}
