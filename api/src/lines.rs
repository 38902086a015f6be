//! A body of many objects: one JSON array, or NDJSON (one JSON text a line).

use std::{fmt, sync::Arc};

use axum::extract::{FromRequest, Request};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    app::App,
    body::{JsonObject, is_json, media_type, text},
    problem::{Code, FieldError, Problem},
};

/// The largest body, in bytes.
const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// Objects in it, at most.
pub(crate) const LINES_LIMIT: usize = 1000;

/// The media type of one JSON text a line. Two more that are in use are understood as well.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// The objects in their order, or why one cannot be read. There is at least one.
pub(crate) struct Lines<T>(pub(crate) Vec<Result<JsonObject<T>, Problem>>);

impl<T> FromRequest<Arc<App>> for Lines<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let kind = media_type(&request).unwrap_or_default();
        if !is_json(&kind) && !is_ndjson(&kind) {
            let detail = "the Content-Type must be application/json for an array, or application/x-ndjson";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let text = text(request.into_body(), BODY_LIMIT, app.options.body_timeout).await?;
        let lines: Vec<&str> = match is_ndjson(&kind) {
            true => text.lines().map(str::trim).filter(|line| !line.is_empty()).take(LINES_LIMIT + 1).collect(),
            false => {
                let elements = serde_json::from_str::<Elements<'_>>(&text);
                elements.map_err(|error| Problem::malformed(format!("the body is not acceptable JSON: {error}")))?.0
            }
        };
        if !(1..=LINES_LIMIT).contains(&lines.len()) {
            return Err(Problem::invalid(vec![FieldError::new("", format!("a batch is 1 to {LINES_LIMIT} jobs"))]));
        }
        let object = |line| JsonObject::read(line).map_err(|reason| Problem::malformed(format!("a job {reason}")));
        Ok(Self(lines.into_iter().map(object).collect()))
    }
}

fn is_ndjson(kind: &str) -> bool {
    matches!(kind, NDJSON | "application/ndjson" | "application/jsonl")
}

/// The elements of an array as they were written; one beyond the limit stands for all that are.
struct Elements<'a>(Vec<&'a str>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Elements<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of jobs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Elements<'de>, A::Error> {
        let mut elements = Vec::new();
        while elements.len() <= LINES_LIMIT
            && let Some(element) = array.next_element::<&RawValue>()?
        {
            elements.push(element.get());
        }
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Elements(elements))
    }
}
