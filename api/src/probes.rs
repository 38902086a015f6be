//! What a process without an API says of itself: the `/livez`, `/readyz` and `/metrics` of a worker.
//!
//! On a port of its own that is off unless asked for, and without tokens: let nobody reach it but what starts and stops
//! processes, and what scrapes them.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use golden_jobs::{metrics::Metrics, store::SharedStore};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{connections, part::Part, routes::health::METRICS_TEXT};

/// How old the store's answer may be: probes must not be a way to keep the database busy.
const FRESH: Duration = Duration::from_secs(1);

/// A connection that is silent for so long is closed.
const SILENCE: Duration = Duration::from_secs(75);

struct Probed {
    metrics: Metrics,
    store: Part,
    stopping: CancellationToken,
    known: Mutex<Option<(Instant, Result<(), String>)>>,
}

/// Answers probes and scrapes until it is dropped: they are of interest while the process drains, too. It is ready
/// while its store answers, and until `stopping`.
pub async fn serve_probes(listener: TcpListener, store: SharedStore, metrics: Metrics, stopping: CancellationToken) {
    let probed = Probed { metrics, store: Part::store(store), stopping, known: Mutex::default() };
    let router = Router::new()
        .route("/livez", get(async || Json(json!({"status": "ok"}))))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .with_state(Arc::new(probed));
    connections::serve(listener, router, SILENCE, CancellationToken::new()).await;
}

async fn ready(State(probed): State<Arc<Probed>>) -> (StatusCode, Json<Value>) {
    let not = |reason: &str| (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "not ready", "reason": reason})));
    if probed.stopping.is_cancelled() {
        return not("stopping");
    }
    let mut known = probed.known.lock().await;
    let answer = match &*known {
        Some((at, answer)) if at.elapsed() < FRESH => answer.clone(),
        _ => {
            let asked = Instant::now();
            let answer = probed.store.ready().await;
            *known = Some((asked, answer.clone()));
            answer
        }
    };
    match answer {
        Ok(()) => (StatusCode::OK, Json(json!({"status": "ready"}))),
        Err(reason) => not(&format!("{}: {reason}", probed.store.name())),
    }
}

async fn metrics_text(State(probed): State<Arc<Probed>>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TEXT)], probed.metrics.render()).into_response()
}
