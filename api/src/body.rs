//! Reading a request's body: its type, its size, its encoding, its JSON.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use axum::{
    body::{Body, HttpBody},
    extract::{FromRequest, Request},
    http::header::CONTENT_TYPE,
};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};
use tokio::time::timeout;

use crate::{
    app::App,
    json,
    problem::{Code, FieldError, Problem},
};

/// The largest body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// How much of a larger body is read and thrown away, in bytes.
const DISCARD_LIMIT: usize = 16 * BODY_LIMIT;

/// A body that is one JSON object: as it was written, and what it says. `T` is what it is
/// meant to be, and documented as.
#[derive(Debug)]
pub(crate) struct JsonObject<T> {
    pub(crate) text: String,
    pub(crate) value: Map<String, Value>,
    meant: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> JsonObject<T> {
    /// The object as a typed request, where all that can be wrong is a field's name or type.
    pub(crate) fn parse(&self) -> Result<T, Problem> {
        serde_path_to_error::deserialize(&self.value).map_err(|error| {
            let place = pointer(error.path());
            Problem::invalid(vec![FieldError::new(place, error.into_inner().to_string())])
        })
    }
}

/// The JSON pointer (RFC 6901) to where serde was when it failed.
fn pointer(path: &Path) -> String {
    let tokens = path.iter().filter_map(|segment| match segment {
        Segment::Map { key } => Some(escaped(key)),
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    tokens.map(|token| format!("/{token}")).collect()
}

/// A member's name as a part of a JSON pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl<T> FromRequest<Arc<App>> for JsonObject<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        if !is_json(&request) {
            return Err(Problem::new(Code::UnsupportedMediaType, "the Content-Type must be application/json"));
        }
        let bytes = read(request.into_body(), app.options.body_timeout).await?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Problem::malformed(format!("the body is not UTF-8 at byte {at}"))
        })?;
        match json::strict(&text) {
            Ok(Value::Object(value)) => Ok(Self { text, value, meant: PhantomData }),
            Ok(_) => Err(Problem::malformed("the body must be a JSON object")),
            Err(error) => Err(Problem::malformed(format!("the body is not acceptable JSON: {error}"))),
        }
    }
}

/// `application/json` or a type built on it (`+json`, RFC 6839), in UTF-8.
fn is_json(request: &Request) -> bool {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("charset").then(|| value.trim_matches('"').to_ascii_lowercase())
    });
    (kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json"))
        && charset.is_none_or(|charset| charset == "utf-8")
}

/// The body, if it is there `within` that time: one that trickles in would hold its connection for ever.
async fn read(body: Body, within: Duration) -> Result<Vec<u8>, Problem> {
    timeout(within, collect(body)).await.unwrap_or_else(|_| {
        let detail = format!("the body was not complete within {within:?}");
        Err(Problem::new(Code::RequestTimeout, detail))
    })
}

/// What is too large is still taken off the wire, up to a point: a client that is cut off
/// while it sends sees a broken connection and never our answer.
async fn collect(body: Body) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(Code::TooLarge, format!("a body has at most {BODY_LIMIT} bytes"));
    let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if told > DISCARD_LIMIT {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(told.min(BODY_LIMIT));
    let mut seen: usize = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::malformed("the body ended before it was complete"))?;
        seen = seen.saturating_add(chunk.len());
        if seen <= BODY_LIMIT {
            bytes.extend_from_slice(&chunk);
        } else if seen > DISCARD_LIMIT {
            break;
        }
    }
    if seen > BODY_LIMIT { Err(too_large()) } else { Ok(bytes) }
}
