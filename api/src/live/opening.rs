//! What a request for a stream says, and how long the stream may last.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::places::Place;
use crate::{app::App, auth::Verified, problem::Problem};

/// No stream is older, however long its token is good for.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What the headers of a request for a stream say.
pub(crate) struct Opening {
    /// The id of the last event that the client saw.
    pub(crate) last_event_id: Option<String>,
    /// Whether it understands Server-Sent Events.
    pub(crate) events: bool,
    until: Instant,
}

impl FromRequestParts<Arc<App>> for Opening {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        // What is no text is no id either, and is refused as one.
        let seen = parts.headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
        let left = parts.extensions.get().map_or(LONGEST, |caller: &Verified| caller.left().min(LONGEST));
        Ok(Self {
            last_event_id: seen.filter(|id| !id.is_empty()),
            events: accepts_events(&parts.headers),
            until: Instant::now() + left,
        })
    }
}

impl Opening {
    /// Takes a place for a stream of this tenant.
    pub(crate) fn admit(&self, app: &App, tenant: &str) -> Result<Span, Problem> {
        let place = app.places.take(tenant)?;
        Ok(Span { until: self.until, closing: app.closing.clone(), _place: place })
    }
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|media| {
        let name = media.split(';').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

/// How long a stream may last: as long as its token, and as this process.
pub(crate) struct Span {
    until: Instant,
    closing: CancellationToken,
    _place: Place,
}

impl Span {
    pub(crate) fn is_over(&self) -> bool {
        self.closing.is_cancelled() || self.until <= Instant::now()
    }

    pub(crate) async fn over(&self) {
        tokio::select! {
            () = self.closing.cancelled() => {}
            () = sleep_until(self.until) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_events_says_so() {
        for (accept, expected) in [
            ("text/event-stream", true),
            ("application/json;q=0.5, Text/Event-Stream; q=1", true),
            ("*/*", false),
            ("application/x-ndjson", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(accepts_events(&headers), expected, "{accept}");
        }
    }
}
