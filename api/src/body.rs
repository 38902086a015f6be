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

/// The largest body, in bytes, of a route that does not say otherwise.
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

impl<T> JsonObject<T> {
    /// The object that says this.
    pub(crate) fn of(value: Map<String, Value>) -> Self {
        Self { text: Value::Object(value.clone()).to_string(), value, meant: PhantomData }
    }

    /// Reads an object, or says how the text is none.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        match json::strict(text) {
            Ok(Value::Object(value)) => Ok(Self { text: text.to_owned(), value, meant: PhantomData }),
            Ok(_) => Err("must be a JSON object".to_owned()),
            Err(error) => Err(format!("is not acceptable JSON: {error}")),
        }
    }
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
        if !media_type(&request).is_some_and(|kind| is_json(&kind)) {
            return Err(Problem::new(Code::UnsupportedMediaType, "the Content-Type must be application/json"));
        }
        let text = text(request.into_body(), BODY_LIMIT, app.options.body_timeout).await?;
        Self::read(&text).map_err(|reason| Problem::malformed(format!("the body {reason}")))
    }
}

/// `application/json` or a type built on it (`+json`, RFC 6839).
pub(crate) fn is_json(kind: &str) -> bool {
    kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json")
}

/// What the body is said to be, in lower case; `None` where that is nothing, or not in UTF-8.
pub(crate) fn media_type(request: &Request) -> Option<String> {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("charset").then(|| value.trim_matches('"').to_ascii_lowercase())
    });
    charset.is_none_or(|charset| charset == "utf-8").then_some(kind)
}

/// The whole body, which is UTF-8, has at most `limit` bytes and is there `within` that time.
pub(crate) async fn text(body: Body, limit: usize, within: Duration) -> Result<String, Problem> {
    String::from_utf8(read(body, limit, within).await?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::malformed(format!("the body is not UTF-8 at byte {at}"))
    })
}

/// The body, if it is there `within` that time: one that trickles in would hold its connection for ever.
async fn read(body: Body, limit: usize, within: Duration) -> Result<Vec<u8>, Problem> {
    timeout(within, collect(body, limit)).await.unwrap_or_else(|_| {
        let detail = format!("the body was not complete within {within:?}");
        Err(Problem::new(Code::RequestTimeout, detail))
    })
}

/// What is too large is still taken off the wire, up to a point: a client that is cut off
/// while it sends sees a broken connection and never our answer.
async fn collect(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(Code::TooLarge, format!("a body has at most {limit} bytes"));
    let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if told > DISCARD_LIMIT {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(told.min(limit));
    let mut seen: usize = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::malformed("the body ended before it was complete"))?;
        seen = seen.saturating_add(chunk.len());
        if seen <= limit {
            bytes.extend_from_slice(&chunk);
        } else if seen > DISCARD_LIMIT {
            break;
        }
    }
    if seen > limit { Err(too_large()) } else { Ok(bytes) }
}
