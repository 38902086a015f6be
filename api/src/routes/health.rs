//! `/health`, `/livez`, `/readyz`, `/metrics`: for those who look after the process.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::future::join_all;
use golden_jobs::{
    Role, State as JobState,
    breakers::{self, Dependency, Standing, show},
    metrics::Metrics,
    store::{Depths, breakers::SharedBreakers},
};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::{sync::Mutex, time::Instant};

use crate::{app::App, guard::Visitor};

pub(super) mod doc;

/// The text format of Prometheus.
pub(crate) const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Serialize, JsonSchema)]
pub(super) struct Live {
    /// `ok`.
    #[schemars(example = &"ok")]
    status: &'static str,
}

/// Checks nothing: a process that answers is alive, and starting it again mends no database.
pub(super) async fn live() -> Json<Live> {
    Json(Live { status: "ok" })
}

#[derive(Clone, Serialize, JsonSchema)]
pub(crate) struct PartStatus {
    #[schemars(example = &"store")]
    name: &'static str,
    #[schemars(example = true)]
    ready: bool,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Whether the process is not ready without it.
    #[serde(skip)]
    needed: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Ready {
    /// `ready`, `degraded` where only parts are away that are not needed, or `not ready`.
    #[schemars(example = &"ready")]
    status: &'static str,
    parts: Vec<PartStatus>,
}

/// Names each part and why it is not ready; 503 where one is needed.
pub(super) async fn ready(State(app): State<Arc<App>>) -> (StatusCode, Json<Ready>) {
    let mut parts = parts(&app).await;
    if app.closing.is_cancelled() {
        let reason = Some("stopping: no new requests".to_owned());
        parts.push(PartStatus { name: "intake", ready: false, reason, needed: true });
    }
    let (code, status) = if parts.iter().all(|part| part.ready) {
        (StatusCode::OK, "ready")
    } else if parts.iter().all(|part| part.ready || !part.needed) {
        (StatusCode::OK, "degraded")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    (code, Json(Ready { status, parts }))
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Overview {
    /// `ok` or `degraded`.
    #[schemars(example = &"ok")]
    status: &'static str,
    /// Of Golden.
    #[schemars(example = &"0.1.0")]
    version: &'static str,
    parts: Vec<PartStatus>,
    /// Roles that are off, and how to get them.
    off: Vec<RoleOff>,
}

#[derive(Serialize, JsonSchema)]
struct RoleOff {
    #[schemars(example = Role::Sandbox)]
    role: Role,
    #[schemars(example = &"there is no Docker: install it, or set DOCKER_HOST")]
    reason: String,
}

/// The same for people, always 200.
pub(super) async fn overview(State(app): State<Arc<App>>) -> Json<Overview> {
    let parts = parts(&app).await;
    let status = if parts.iter().all(|part| part.ready) { "ok" } else { "degraded" };
    let off = app.sandbox_missing.clone().map(|reason| RoleOff { role: Role::Sandbox, reason });
    Json(Overview { status, version: env!("CARGO_PKG_VERSION"), parts, off: off.into_iter().collect() })
}

/// How old what the parts said may be.
const FRESH: Duration = Duration::from_secs(1);

/// What the parts said, asked at most once a second however many ask: probes are not limited,
/// and must not be a way to keep the database busy.
#[derive(Default)]
pub(crate) struct Checked(Mutex<Option<(Instant, Vec<PartStatus>)>>);

async fn parts(app: &App) -> Vec<PartStatus> {
    let mut checked = app.checked.0.lock().await;
    if let Some((at, parts)) = &*checked
        && at.elapsed() < FRESH
    {
        return parts.clone();
    }
    let asked = Instant::now();
    let parts = join_all(app.parts.iter().map(|part| async {
        let answer = part.ready().await;
        PartStatus { name: part.name(), ready: answer.is_ok(), reason: answer.err(), needed: part.is_needed() }
    }))
    .await;
    *checked = Some((asked, parts.clone()));
    parts
}

/// Hosts that tenants named are for those who run the installation: on this machine, or with an admin's token.
pub(super) async fn metrics(State(app): State<Arc<App>>, Visitor(caller): Visitor) -> Response {
    match app.depths.last().await {
        Ok(depths) => set(&app.metrics, &depths),
        // A scrape of what this process knows itself is better than none. What the store said last is left out: who
        // scales by it must see that nobody knows, and not that nothing changes.
        Err(error) => {
            tracing::warn!(%error, "the depth of queues is not known");
            for gauge in [&app.metrics.queue_depth, &app.metrics.active_jobs, &app.metrics.oldest_job_age] {
                gauge.reset();
            }
        }
    }
    match app.breakers.last().await {
        Ok(shared) => show(&app.metrics, states(&shared)),
        Err(error) => tracing::warn!(%error, "the state of circuit breakers is not known"),
    }
    let sees_hosts = caller.is_none_or(|caller| caller.runs_all());
    let text = if sees_hosts { app.metrics.render() } else { app.metrics.render_without_hosts() };
    ([(header::CONTENT_TYPE, METRICS_TEXT)], text).into_response()
}

fn states(shared: &SharedBreakers) -> impl Iterator<Item = (Dependency, breakers::State)> {
    shared.breakers.iter().map(|breaker| (breaker.dependency.clone(), Standing::of(breaker, shared).state))
}

fn set(metrics: &Metrics, depths: &Depths) {
    let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    for role in &depths.roles {
        let name = role.role.as_str();
        let states = [
            (JobState::Queued, role.queued()),
            (JobState::Scheduled, role.scheduled),
            (JobState::Running, role.running),
        ];
        for (state, count) in states {
            metrics.queue_depth.with_label_values(&[name, state.as_str()]).set(gauge(count));
        }
        metrics.active_jobs.with_label_values(&[name]).set(gauge(role.load()));
        metrics.oldest_job_age.with_label_values(&[name]).set(gauge(role.oldest_wait.as_secs()));
    }
    metrics.dlq_messages.set(gauge(depths.dead_letters));
    metrics.outbox_lag.set(gauge(depths.outbox));
    metrics.unpublished.set(gauge(depths.unpublished));
}
