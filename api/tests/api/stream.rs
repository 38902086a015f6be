//! Streams, read as they come.

use std::{pin::Pin, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Request, Response, StatusCode},
};
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tower::ServiceExt;

use crate::harness::Golden;

impl Golden {
    /// Opens a stream, which is read as it comes.
    pub(crate) async fn open(&self, request: Request<Body>) -> Events {
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Events::of(response)
    }
}

/// A stream of Server-Sent Events, or of lines.
pub(crate) struct Events {
    pub(crate) headers: HeaderMap,
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, axum::Error>> + Send>>,
    buffer: String,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

/// How long anything may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

impl Events {
    fn of(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        Self { headers: head.headers, chunks: Box::pin(body.into_data_stream()), buffer: String::new() }
    }

    /// The text up to `end`; `None` once the stream has ended.
    pub(crate) async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.find(end) {
                let rest = self.buffer.split_off(at + end.len());
                let mut piece = std::mem::replace(&mut self.buffer, rest);
                piece.truncate(at);
                return Some(piece);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.chunks.next()).await.expect("something comes");
            let Some(chunk) = chunk else {
                assert!(self.buffer.is_empty(), "cut off: {}", self.buffer);
                return None;
            };
            self.buffer.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
    }

    /// The next event; `None` once the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.until("\n\n").await?;
            let field = |name: &str| {
                let mut values = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                let value = values.next().map(str::to_owned);
                assert_eq!(values.next(), None, "{block}");
                value
            };
            let Some(name) = field("event") else { continue };
            let data = serde_json::from_str(&field("data").unwrap()).unwrap();
            return Some(Event { name, id: field("id").unwrap(), data });
        }
    }

    /// The next event, which must be of this type.
    pub(crate) async fn expect(&mut self, name: &str) -> Event {
        let event = self.next().await.expect("an event");
        assert_eq!(event.name, name, "{event:?}");
        event
    }

    /// All that is left, up to the end of the stream.
    pub(crate) async fn rest(mut self) -> Vec<Event> {
        let mut rest = Vec::new();
        while let Some(event) = self.next().await {
            rest.push(event);
        }
        rest
    }
}
