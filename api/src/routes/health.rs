//! `/health`, `/livez`, `/readyz`, `/metrics`: for those who look after the process.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use golden_jobs::{
    Role, State as JobState,
    breakers::{self, Dependency, Standing, show},
    budgets,
    metrics::Metrics,
    models::exchange::AgentRole,
    store::{Depths, breakers::SharedBreakers},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{guard::Visitor, part::Part, vitals::Vitals};

pub(super) mod doc;

/// The text format of Prometheus.
pub(crate) const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Serialize, JsonSchema)]
pub(crate) struct Live {
    /// `ok`.
    #[schemars(example = &"ok")]
    status: &'static str,
}

/// Checks nothing: a process that answers is alive, and starting it again mends no database.
pub(crate) async fn live() -> Json<Live> {
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
    /// `false` where the process is ready without it, if worse.
    #[serde(skip_serializing_if = "Clone::clone")]
    needed: bool,
}

impl PartStatus {
    pub(crate) async fn ask(part: &Part) -> Self {
        let answer = part.ready().await;
        Self { name: part.name(), ready: answer.is_ok(), reason: answer.err(), needed: part.is_needed() }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Ready {
    /// `ready`, `degraded` where only parts are away that are not needed, or `not ready`.
    #[schemars(example = &"ready")]
    status: &'static str,
    parts: Vec<PartStatus>,
}

/// Names each part and why it is not ready; 503 where one is needed.
pub(crate) async fn ready(State(vitals): State<Vitals>) -> (StatusCode, Json<Ready>) {
    let mut parts = vitals.parts().await;
    if vitals.is_closing() {
        let reason = Some("stopping: nothing new is taken".to_owned());
        parts.push(PartStatus { name: "process", ready: false, reason, needed: true });
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
pub(crate) struct Overview {
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
pub(crate) async fn overview(State(vitals): State<Vitals>) -> Json<Overview> {
    let parts = vitals.parts().await;
    let status = if parts.iter().all(|part| part.ready) { "ok" } else { "degraded" };
    let off = vitals.sandbox_missing().map(|reason| RoleOff { role: Role::Sandbox, reason: reason.to_owned() });
    Json(Overview { status, version: env!("CARGO_PKG_VERSION"), parts, off: off.into_iter().collect() })
}

/// Hosts that tenants named are for those who run the installation: on this machine, or with an admin's token.
pub(super) async fn metrics(State(vitals): State<Vitals>, Visitor(caller): Visitor) -> Response {
    scraped(&vitals, caller.is_none_or(|caller| caller.runs_all())).await
}

/// Whoever reaches a worker's address may scrape it, and is told of no tenant's hosts.
pub(crate) async fn metrics_for_anybody(State(vitals): State<Vitals>) -> Response {
    scraped(&vitals, false).await
}

async fn scraped(vitals: &Vitals, with_hosts: bool) -> Response {
    let metrics = vitals.metrics();
    match vitals.depths().last().await {
        Ok(depths) => set(metrics, &depths),
        // A scrape of what this process knows itself is better than none. What the store said last is left out: who
        // scales by it must see that nobody knows, and not that nothing changes.
        Err(error) => {
            tracing::warn!(%error, "the depth of queues is not known");
            for gauge in [&metrics.queue_depth, &metrics.active_jobs, &metrics.oldest_job_age] {
                gauge.reset();
            }
        }
    }
    match vitals.breakers().last().await {
        Ok(shared) => show(metrics, states(&shared).chain(vitals.board().own())),
        Err(error) => tracing::warn!(%error, "the state of circuit breakers is not known"),
    }
    match vitals.budgets().last().await {
        Ok(figures) => budgets::show(metrics, &figures),
        Err(error) => tracing::warn!(%error, "the state of budgets is not known"),
    }
    match vitals.budgets().imbalance().await {
        Ok(imbalance) => budgets::show_imbalance(metrics, &imbalance),
        Err(error) => tracing::warn!(%error, "whether budgets balance is not known"),
    }
    match vitals.frozen().last().await {
        Ok(frozen) => {
            for role in AgentRole::ALL {
                let tenants = frozen.iter().find(|(of, _)| *of == role).map_or(0, |(_, tenants)| *tenants);
                let gauge = metrics.governance_frozen.with_label_values(&[role.as_str()]);
                gauge.set(i64::try_from(tenants).unwrap_or(i64::MAX));
            }
        }
        Err(error) => tracing::warn!(%error, "whether policies are frozen is not known"),
    }
    let text = if with_hosts { metrics.render() } else { metrics.render_without_hosts() };
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
    metrics.escalations_open.set(gauge(depths.escalations));
    metrics.outbox_lag.set(gauge(depths.outbox));
    metrics.unpublished.set(gauge(depths.unpublished));
}
