//! The one table of routes: what answers, and what the caller must have.
//!
//! A handler is reached only through this table, and an entry cannot be written without
//! its permission, so no route is open by omission.

use std::sync::Arc;

use axum::{
    Router,
    handler::Handler,
    middleware,
    routing::{self, MethodRouter},
};

use crate::{
    app::App,
    guard::{Gate, guard},
    permission::Permission::{self, Anybody, Cancel, Purge, Read, Rerun, Scrape, Submit, Webhooks},
    problem::{Code, Problem},
};

mod dlq;
pub(crate) mod health;
mod jobs;
mod kinds;
mod problems;
mod webhooks;

struct Route {
    method: &'static str,
    path: &'static str,
    needs: Permission,
    handler: MethodRouter<Arc<App>>,
}

fn table() -> Vec<Route> {
    vec![
        post("/v1/jobs", Submit, jobs::submit),
        get("/v1/jobs", Read, jobs::list),
        get("/v1/jobs/{id}", Read, jobs::show),
        get("/v1/jobs/{id}/attempts", Read, jobs::attempts),
        post("/v1/jobs/{id}/cancel", Cancel, jobs::cancel),
        post("/v1/jobs/{id}/retry", Rerun, jobs::retry),
        get("/v1/kinds", Anybody, kinds::list),
        get("/v1/kinds/{kind}", Anybody, kinds::show),
        get("/v1/dlq", Read, dlq::list),
        get("/v1/dlq/{id}", Read, dlq::show),
        post("/v1/dlq/replay", Rerun, dlq::replay),
        post("/v1/dlq/purge", Purge, dlq::purge),
        post("/v1/dlq/{id}/replay", Rerun, dlq::replay_one),
        get("/v1/webhooks/secret", Webhooks, webhooks::secret),
        get("/v1/webhooks/deliveries", Read, webhooks::deliveries),
        get("/health", Anybody, health::overview),
        get("/livez", Anybody, health::live),
        get("/readyz", Anybody, health::ready),
        get("/metrics", Scrape, health::metrics),
        get("/docs/problems", Anybody, problems::list),
        get("/docs/problems/{code}", Anybody, problems::show),
    ]
}

/// Every route as method and path pattern.
pub fn routes() -> Vec<(&'static str, &'static str)> {
    table().into_iter().map(|route| (route.method, route.path)).collect()
}

pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let mut router = Router::new();
    for Route { method, path, needs, handler } in table() {
        let gate = Gate { app: Arc::clone(app), needs, route: format!("{method} {path}").into() };
        router = router.route(path, handler.route_layer(middleware::from_fn_with_state(gate, guard)));
    }
    router
        .method_not_allowed_fallback(|| async { Problem::new(Code::MethodNotAllowed, "see the Allow header") })
        .fallback(|| async { Problem::not_found("path") })
}

fn get<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, needs: Permission, handler: H) -> Route {
    Route { method: "GET", path, needs, handler: routing::get(handler) }
}

fn post<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, needs: Permission, handler: H) -> Route {
    Route { method: "POST", path, needs, handler: routing::post(handler) }
}
