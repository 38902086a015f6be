//! The documentation of `/v1/guards`.

use crate::openapi::{Doc, Tag};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Guards",
    about: "What looks after the installation itself: things that go wrong by themselves and are mended by themselves, \
        and who is told where they are not.",
};

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List guards",
        "All of them, those that workers keep as a chore and those that a supervisor looks after, with how each fares.",
    )
}
