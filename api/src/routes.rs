//! The one table of routes: what answers, and what the caller must have.
//!
//! A handler is reached only through this table, and an entry cannot be written without
//! its permission, so no route is open by omission.
//!
//! # Documentation
//!
//! Nor can it be written without its documentation. The row `get("/v1/jobs", Read, jobs::list)`
//! means the handler `list` in `routes/jobs.rs`, and the function `list` in
//! `routes/jobs/doc.rs`, which answers a [`Doc`]: summary, description, and what only the
//! handler knows. `doc::TAG` says what the resource is. Everything else is read from where it is:
//!
//! - method, path, role, and the problems of tokens come from the row;
//! - path and query parameters come from the handler's `Id<T>`, `Within<A, B>` and `Params<T>`, the request's
//!   body from its `JsonObject<T>`, the answer from its `Json<T>`. The doc comments of `T` and
//!   its fields are their descriptions, `#[schemars(range(…), length(…), example = …)]` their
//!   rules and examples. A handler that answers a `Response` names the type in its doc function
//!   (`Answer::json::<T>()`). Another extractor or answer implements `Input` or `Output` in
//!   `openapi/signature.rs`;
//! - problems come with what can cause them; [`Doc::problems`] adds the codes that the handler
//!   itself makes.
//!
//! Tests hold every answer that the tests of this crate see against the document, every example
//! against its schema, and the whole document against `docs/openapi.json`; what they say when
//! they fail is how to go on.

use std::sync::Arc;

use axum::{
    Router,
    handler::Handler,
    middleware,
    routing::{self, MethodRouter},
};
use utoipa::openapi::path::HttpMethod;

use crate::{
    app::App,
    guard::{Gate, guard},
    openapi::{Doc, Entry, Signature, Sketch, Tag},
    permission::Permission::{
        self, Anybody, Audit, Cancel, Functions, Govern, Guards, Overrule, Pause, Platform, Probe, Propose, Purge,
        Read, Rerun, Reset, Resolve, Scale, Schedule, Scrape, Submit, Webhooks,
    },
    problem::{Code, Problem},
};

mod approvals;
mod audit;
mod batch;
mod breakers;
mod budgets;
mod changes;
mod deliveries;
mod dlq;
mod docs;
mod endpoints;
mod escalations;
mod functions;
mod guards;
pub(crate) mod health;
mod jobs;
mod kinds;
mod live;
mod policies;
mod queues;
mod reviews;
mod scaling;
mod schedules;
mod tasks;
mod tenants;
mod versions;
mod webhooks;
mod workers;

struct Route {
    method: HttpMethod,
    path: &'static str,
    needs: Permission,
    handler: MethodRouter<Arc<App>>,
    words: Words,
    signature: fn(&mut Sketch<'_>),
}

/// What is said of a route in words.
struct Words {
    id: &'static str,
    tag: Tag,
    doc: fn() -> Doc,
}

/// Finds the documentation of each row's handler.
macro_rules! table {
    ($($method:ident($path:literal, $needs:ident, $resource:ident::$handler:ident),)*) => {
        vec![$($method($path, $needs, $resource::$handler, Words {
            id: concat!(stringify!($resource), "_", stringify!($handler)),
            tag: $resource::doc::TAG,
            doc: $resource::doc::$handler,
        }),)*]
    };
}

fn table() -> Vec<Route> {
    table![
        post("/v1/jobs", Submit, jobs::submit),
        post("/v1/jobs/batch", Submit, batch::submit),
        get("/v1/jobs", Read, jobs::list),
        get("/v1/jobs/{id}", Read, jobs::show),
        get("/v1/jobs/{id}/attempts", Read, jobs::attempts),
        get("/v1/jobs/{id}/logs", Read, live::logs),
        get("/v1/jobs/{id}/events", Read, live::events),
        get("/v1/events", Read, live::tenant),
        post("/v1/jobs/{id}/cancel", Cancel, jobs::cancel),
        post("/v1/jobs/{id}/retry", Rerun, jobs::retry),
        post("/tasks", Submit, tasks::submit_at_root),
        post("/v1/tasks", Submit, tasks::submit),
        get("/v1/tasks", Read, tasks::list),
        get("/v1/tasks/{id}", Read, tasks::show),
        get("/v1/kinds", Anybody, kinds::list),
        get("/v1/kinds/{kind}", Anybody, kinds::show),
        post("/v1/functions", Functions, functions::create),
        get("/v1/functions", Read, functions::list),
        get("/v1/functions/{function}", Read, functions::show),
        patch("/v1/functions/{function}", Functions, functions::change),
        delete("/v1/functions/{function}", Functions, functions::delete),
        get("/v1/functions/{function}/versions/{version}", Read, versions::show),
        delete("/v1/functions/{function}/versions/{version}", Functions, versions::delete),
        get("/v1/dlq", Read, dlq::list),
        get("/v1/dlq/{id}", Read, dlq::show),
        post("/v1/dlq/replay", Rerun, dlq::replay),
        post("/v1/dlq/purge", Purge, dlq::purge),
        post("/v1/dlq/{id}/replay", Rerun, dlq::replay_one),
        get("/v1/escalations", Read, escalations::list),
        get("/v1/escalations/{id}", Read, escalations::show),
        post("/v1/escalations/{id}/acknowledge", Resolve, escalations::acknowledge),
        post("/v1/escalations/{id}/resolve", Resolve, escalations::resolve),
        post("/v1/schedules", Schedule, schedules::create),
        get("/v1/schedules", Read, schedules::list),
        get("/v1/schedules/{schedule}", Read, schedules::show),
        patch("/v1/schedules/{schedule}", Schedule, schedules::change),
        delete("/v1/schedules/{schedule}", Schedule, schedules::delete),
        post("/v1/schedules/{schedule}/pause", Schedule, schedules::pause),
        post("/v1/schedules/{schedule}/resume", Schedule, schedules::resume),
        post("/v1/schedules/{schedule}/run", Schedule, schedules::run),
        post("/v1/reviews", Submit, reviews::submit),
        get("/v1/reviews", Read, reviews::list),
        get("/v1/reviews/{id}", Read, reviews::show),
        post("/v1/reviews/{id}/decide", Resolve, reviews::decide),
        get("/v1/queues", Read, queues::list),
        get("/v1/queues/{role}", Read, queues::show),
        post("/v1/queues/{role}/pause", Platform, queues::pause),
        post("/v1/queues/{role}/resume", Platform, queues::resume),
        get("/v1/queues/{role}/tenants/{tenant}", Read, queues::show_tenants),
        post("/v1/queues/{role}/tenants/{tenant}/pause", Pause, queues::pause_tenants),
        post("/v1/queues/{role}/tenants/{tenant}/resume", Pause, queues::resume_tenants),
        put("/v1/queues/{role}/tenants/{tenant}/quota", Platform, queues::limit),
        get("/v1/scaling", Scale, scaling::show),
        get("/v1/workers", Read, workers::list),
        get("/v1/workers/{id}", Read, workers::show),
        post("/v1/workers/{id}/drain", Platform, workers::drain),
        get("/v1/breakers", Read, breakers::list),
        post("/v1/breakers/{breaker}/reset", Reset, breakers::reset),
        post("/v1/breakers/{breaker}/force-open", Platform, breakers::force_open),
        post("/v1/breakers/{breaker}/disable", Platform, breakers::disable),
        post("/admin/circuit-breaker/reset", Reset, breakers::reset_any),
        get("/v1/guards", Guards, guards::list),
        post("/v1/tenants", Platform, tenants::create),
        get("/v1/tenants", Platform, tenants::list),
        get("/v1/tenants/{tenant}", Platform, tenants::show),
        patch("/v1/tenants/{tenant}", Platform, tenants::change),
        delete("/v1/tenants/{tenant}", Platform, tenants::delete),
        post("/v1/tenants/{tenant}/suspend", Platform, tenants::suspend),
        post("/v1/tenants/{tenant}/resume", Platform, tenants::resume),
        post("/v1/tenants/{tenant}/tokens", Platform, tenants::token),
        get("/v1/budgets", Platform, budgets::list),
        get("/v1/budgets/{tenant}", Read, budgets::show),
        put("/v1/budgets/{tenant}", Platform, budgets::set),
        get("/v1/policies", Read, policies::list),
        get("/v1/policies/{role}", Read, policies::show),
        get("/v1/policies/{role}/versions", Read, policies::versions),
        get("/v1/policies/{role}/versions/{version}", Read, policies::version),
        post("/v1/policies/{role}/rollback", Govern, policies::rollback),
        post("/v1/policies/{role}/freeze", Govern, policies::freeze),
        post("/v1/policies/{role}/unfreeze", Overrule, policies::unfreeze),
        post("/v1/policies/{role}/changes", Propose, changes::propose),
        get("/v1/policies/{role}/changes", Read, changes::list),
        get("/v1/policies/{role}/changes/{change}", Read, changes::show),
        post("/v1/policies/{role}/changes/{change}/withdraw", Propose, changes::withdraw),
        post("/v1/policies/{role}/changes/{change}/activate", Govern, changes::activate),
        post("/v1/policies/{role}/changes/{change}/break-glass", Overrule, changes::break_glass),
        post("/v1/policies/{role}/changes/{change}/review", Govern, changes::review),
        get("/v1/approvals", Read, approvals::list),
        post("/v1/approvals/{change}/approve", Govern, approvals::approve),
        post("/v1/approvals/{change}/reject", Govern, approvals::reject),
        get("/v1/audit", Audit, audit::list),
        get("/v1/audit/head", Audit, audit::head),
        get("/v1/audit/export", Audit, audit::export),
        get("/v1/webhooks/secret", Webhooks, webhooks::secret),
        post("/v1/webhooks/secret/rotate", Webhooks, webhooks::rotate_secret),
        post("/v1/webhooks/secret/revoke-old", Webhooks, webhooks::revoke_old_secret),
        get("/v1/webhooks/events", Anybody, webhooks::events),
        get("/v1/webhooks/endpoints", Read, endpoints::list),
        post("/v1/webhooks/endpoints", Webhooks, endpoints::create),
        get("/v1/webhooks/endpoints/{id}", Read, endpoints::show),
        patch("/v1/webhooks/endpoints/{id}", Webhooks, endpoints::change),
        delete("/v1/webhooks/endpoints/{id}", Webhooks, endpoints::delete),
        post("/v1/webhooks/endpoints/{id}/enable", Webhooks, endpoints::enable),
        post("/v1/webhooks/endpoints/{id}/disable", Webhooks, endpoints::disable),
        post("/v1/webhooks/endpoints/{id}/rotate", Webhooks, endpoints::rotate),
        post("/v1/webhooks/endpoints/{id}/revoke-old", Webhooks, endpoints::revoke_old),
        post("/v1/webhooks/endpoints/{id}/test", Webhooks, endpoints::test),
        get("/v1/webhooks/deliveries", Read, deliveries::list),
        get("/v1/webhooks/deliveries/{id}", Read, deliveries::show),
        post("/v1/webhooks/deliveries/replay", Webhooks, deliveries::replay),
        post("/v1/webhooks/deliveries/{id}/replay", Webhooks, deliveries::replay_one),
        get("/health", Anybody, health::overview),
        get("/livez", Probe, health::live),
        get("/readyz", Probe, health::ready),
        get("/metrics", Scrape, health::metrics),
        get("/openapi.json", Anybody, docs::openapi),
        get("/docs", Anybody, docs::index),
        get("/docs/problems", Anybody, docs::problems),
        get("/docs/problems/{code}", Anybody, docs::problem),
    ]
}

/// Every route as method and path pattern.
pub fn routes() -> Vec<(&'static str, &'static str)> {
    table().into_iter().map(|route| (name(&route.method), route.path)).collect()
}

/// Every route as the OpenAPI document needs it.
pub(crate) fn entries() -> impl Iterator<Item = Entry> {
    table().into_iter().map(|Route { method, path, needs, words: Words { id, tag, doc }, signature, .. }| Entry {
        method,
        path,
        needs,
        id,
        tag,
        doc: doc(),
        signature,
    })
}

pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let mut router = Router::new();
    for Route { method, path, needs, handler, .. } in table() {
        let gate = Gate::new(Arc::clone(app), needs, format!("{} {path}", name(&method)).into());
        router = router.route(path, handler.route_layer(middleware::from_fn_with_state(gate, guard)));
    }
    router
        .method_not_allowed_fallback(|| async { Problem::new(Code::MethodNotAllowed, "see the Allow header") })
        .fallback(|| async { Problem::not_found("path") })
}

fn get<H, T>(path: &'static str, needs: Permission, handler: H, words: Words) -> Route
where
    H: Handler<T, Arc<App>> + Signature<T>,
    T: 'static,
{
    let signature = H::describe;
    Route { method: HttpMethod::Get, path, needs, handler: routing::get(handler), words, signature }
}

fn post<H, T>(path: &'static str, needs: Permission, handler: H, words: Words) -> Route
where
    H: Handler<T, Arc<App>> + Signature<T>,
    T: 'static,
{
    let signature = H::describe;
    Route { method: HttpMethod::Post, path, needs, handler: routing::post(handler), words, signature }
}

fn put<H, T>(path: &'static str, needs: Permission, handler: H, words: Words) -> Route
where
    H: Handler<T, Arc<App>> + Signature<T>,
    T: 'static,
{
    let signature = H::describe;
    Route { method: HttpMethod::Put, path, needs, handler: routing::put(handler), words, signature }
}

fn patch<H, T>(path: &'static str, needs: Permission, handler: H, words: Words) -> Route
where
    H: Handler<T, Arc<App>> + Signature<T>,
    T: 'static,
{
    let signature = H::describe;
    Route { method: HttpMethod::Patch, path, needs, handler: routing::patch(handler), words, signature }
}

fn delete<H, T>(path: &'static str, needs: Permission, handler: H, words: Words) -> Route
where
    H: Handler<T, Arc<App>> + Signature<T>,
    T: 'static,
{
    let signature = H::describe;
    Route { method: HttpMethod::Delete, path, needs, handler: routing::delete(handler), words, signature }
}

const fn name(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Options => "OPTIONS",
        HttpMethod::Head => "HEAD",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Trace => "TRACE",
    }
}
