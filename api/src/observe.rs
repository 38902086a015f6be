//! The outermost layer: every request has an id, a span, its metrics and, if it failed, a
//! problem in its answer.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use golden_jobs::trace::{self, TraceContext};
use tokio::time::Instant;
use tracing::field;
use uuid::Uuid;

use crate::{app::App, limits::Standing, problem::Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A client's own request id is taken up to this length.
const REQUEST_ID_LIMIT: usize = 128;

pub(crate) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = request_id(&request);
    let method = method(request.method());
    // The pattern, not the path: ids would make a time series each.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "request",
        request_id,
        method,
        route,
        tenant = field::Empty,
        status = field::Empty,
        trace_id = field::Empty,
        span_id = field::Empty,
    );

    let from = trace_context(request.headers());
    let mut response = trace::within(span.clone(), from, next.run(request)).await;

    let standing = response.extensions_mut().remove::<Standing>();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.render(&request_id);
    }
    let status = response.status();
    span.record("status", status.as_u16());
    span.in_scope(|| tracing::debug!(took = ?started.elapsed(), "answered"));
    app.metrics.http_requests.with_label_values(&[&route, method, status.as_str()]).inc();
    app.metrics.http_duration.with_label_values(&[&route]).observe(started.elapsed().as_secs_f64());

    let headers = response.headers_mut();
    if let Some(standing) = standing {
        standing.write(headers);
    }
    if let Ok(id) = HeaderValue::try_from(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Answers are about one tenant's jobs and old the moment they are sent.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The client's id for the request if it can be logged as it is, else a new one.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    match given {
        Some(id) if (1..=REQUEST_ID_LIMIT).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()) => {
            id.to_owned()
        }
        _ => Uuid::now_v7().to_string(),
    }
}

/// What the request goes on from. A `tracestate` may come in several headers, which mean one list.
fn trace_context(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all("traceparent").into_iter();
    let parent = parents.next()?.to_str().ok()?;
    let states: Vec<&str> = headers.get_all("tracestate").into_iter().filter_map(|state| state.to_str().ok()).collect();
    // Of two origins neither can be believed.
    parents.next().is_none().then(|| TraceContext::read(parent, Some(&states.join(","))))?
}

/// The method by name. Clients may make up their own, and each would be a time series.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
