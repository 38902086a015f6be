//! The documentation of the documentation.

use serde_json::json;

use super::{HTML, ProblemPage};
use crate::{
    cursor::List,
    openapi::{Answer, Doc, Tag},
};

pub(in crate::routes) const TAG: Tag = Tag { name: "Documentation", about: "These pages, for people and programs." };

pub(in crate::routes) fn openapi() -> Doc {
    Doc::new("Read this API as a document", "An OpenAPI 3.1 document with the kinds of this very server.").answer(
        Answer::new(200, "The document.")
            .json::<serde_json::Map<String, serde_json::Value>>()
            .example(json!({"openapi": "3.1.0", "info": {"title": "Golden", "version": "0.1.0"}, "paths": {}})),
    )
}

pub(in crate::routes) fn index() -> Doc {
    Doc::new("Read this API as a page", "This page, made of the document for programs.")
        .answer(Answer::new(200, "The page.").text(HTML, "<!doctype html>\n<title>Golden API</title>"))
}

pub(in crate::routes) fn problems() -> Doc {
    Doc::new("List problems", "Every code that a problem can have: as JSON, or as a page for those who accept HTML.")
        .answer(
            Answer::new(200, "All of them.")
                .json::<List<ProblemPage>>()
                .text(HTML, "<!doctype html>\n<title>There is no such thing – Golden API</title>"),
        )
}

pub(in crate::routes) fn problem() -> Doc {
    Doc::new(
        "Read about a problem",
        "What a problem's `type` leads to: what it means and what to do about it, as JSON, or as a page for those who \
         accept HTML.",
    )
    .answer(
        Answer::new(200, "The problem.")
            .json::<ProblemPage>()
            .text(HTML, "<!doctype html>\n<title>There is no such thing – Golden API</title>"),
    )
}
