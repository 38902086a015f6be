//! The documentation of `/docs/problems`.

use crate::openapi::{Answer, Doc, Tag};

pub(in crate::routes) const TAG: Tag = Tag { name: "Documentation", about: "These pages, for people and programs." };

pub(in crate::routes) fn list() -> Doc {
    Doc::new("List problems", "Every code that a problem can have.")
        .answer(Answer::new(200, "One a line.").text("text/plain; charset=utf-8"))
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read about a problem", "What a problem's `type` leads to: what it means, and what to do about it.")
        .answer(Answer::new(200, "The problem.").text("text/plain; charset=utf-8"))
}
