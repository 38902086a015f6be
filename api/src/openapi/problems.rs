//! Problems in the document: what each looks like, and which an operation can answer.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::{
    ContentBuilder, Ref, RefOr, Response, ResponseBuilder,
    example::{Example, ExampleBuilder},
};

use super::schemas::{Schemas, verbatim};
use crate::problem::{self, Code, ProblemBody};

/// The schema that all problems have in common.
pub(super) fn describe(schemas: &mut Schemas) {
    schemas.answered::<ProblemBody<'_>>();
}

/// Every problem as an answer that operations refer to.
pub(super) fn components() -> Vec<(&'static str, Response)> {
    Code::ALL.iter().map(|code| (code.as_str(), response(&[*code]))).collect()
}

/// The answers of an operation that can meet these problems, by status.
pub(super) fn responses(codes: &[Code]) -> Vec<(String, RefOr<Response>)> {
    let mut by_status = BTreeMap::<u16, Vec<Code>>::new();
    for code in Code::ALL.iter().filter(|code| codes.contains(code)) {
        by_status.entry(code.status().as_u16()).or_default().push(*code);
    }
    let response = |(status, codes): (u16, Vec<Code>)| {
        let response = match codes.as_slice() {
            [one] => RefOr::Ref(Ref::from_response_name(one.as_str())),
            several => RefOr::T(response(several)),
        };
        (status.to_string(), response)
    };
    by_status.into_iter().map(response).collect()
}

fn response(codes: &[Code]) -> Response {
    let about: Vec<String> = codes.iter().map(|code| format!("`{}`: {}.", code.as_str(), code.title())).collect();
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let schema = json!({
        "$ref": "#/components/schemas/Problem",
        "properties": {"code": {"enum": names}},
    });
    let examples = codes.iter().map(|code| (code.as_str(), RefOr::T(example(*code))));
    let content = ContentBuilder::new().schema(Some(verbatim(schema))).examples_from_iter(examples).build();
    ResponseBuilder::new().description(about.join("\n\n")).content(problem::MEDIA_TYPE, content).build()
}

fn example(code: Code) -> Example {
    ExampleBuilder::new().summary(code.title()).value(Some(body(code))).build()
}

fn body(code: Code) -> Value {
    let mut body = json!({
        "type": code.page(),
        "title": code.title(),
        "status": code.status().as_u16(),
        "detail": code.remedy(),
        "code": code.as_str(),
        "request_id": "01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
    });
    match code {
        Code::Invalid => {
            body["detail"] = "/priority: an integer from 0 to 9".into();
            body["errors"] = json!([{"pointer": "/priority", "detail": "an integer from 0 to 9"}]);
        }
        Code::StoreUnavailable
        | Code::KeysUnavailable
        | Code::RateLimited
        | Code::QueueFull
        | Code::TooManyStreams
        | Code::StreamsFull => {
            body["retry_at"] = "2026-01-02T03:04:06Z".into();
        }
        _ => {}
    }
    body
}
