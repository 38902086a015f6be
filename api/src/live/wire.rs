//! Events as text: Server-Sent Events (the HTML standard, section 9.2), or a JSON value a line.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};

/// After so much silence a stream says that it is alive.
const PING: Duration = Duration::from_secs(15);
/// When a client whose connection broke should try again.
const RETRY: Duration = Duration::from_secs(2);

/// The media type of a JSON value a line.
pub(crate) const NDJSON: &str = "application/x-ndjson";
/// That of Server-Sent Events.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// Buffering proxies are told not to hold events back.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// An event of this type with JSON data.
pub(crate) fn event(name: &str, id: &str, data: &str) -> Event {
    Event::default().event(name).id(id).data(one_line(data))
}

/// A stream of events, with a sign of life every 15 s.
pub(crate) fn events(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    // At once, so that the client knows that the stream is open.
    let first = Event::default().retry(RETRY).comment("the stream is open");
    let events = stream::once(async { first }).chain(events).map(Ok::<_, Infallible>);
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(PING).text("ping"));
    ([UNBUFFERED], sse).into_response()
}

/// A stream of lines.
pub(crate) fn lines(lines: impl Stream<Item = String> + Send + 'static) -> Response {
    let lines = lines.map(|line| Ok::<_, Infallible>(format!("{}\n", one_line(&line))));
    let media = (header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    ([UNBUFFERED, media], Body::from_stream(lines)).into_response()
}

/// JSON on one line. What a client sent is shown as it came, line breaks included; within JSON's
/// strings there are none.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_says_every_15_seconds_that_it_is_alive() {
        let begun = tokio::time::Instant::now();
        let silence = stream::once(async { event("state", "1-2-3", "{\n \"a\": 1\r\n}") }).chain(stream::pending());
        let mut chunks = events(silence).into_body().into_data_stream();
        let mut next = async || String::from_utf8(chunks.next().await.unwrap().unwrap().to_vec()).unwrap();

        assert_eq!(next().await, "retry: 2000\n: the stream is open\n\n");
        assert_eq!(next().await, "event: state\nid: 1-2-3\ndata: {  \"a\": 1  }\n\n");
        for pings in 1..4 {
            assert_eq!(next().await, ": ping\n\n");
            assert_eq!(begun.elapsed(), PING * pings);
        }
    }
}
