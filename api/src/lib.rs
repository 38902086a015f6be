//! The HTTP intake: it records and reads, and never runs a job.
//!
//! A request passes `observe` (id, span, metrics, problems), the panic guard, its
//! route's permission and the caller's limit (`guard`) and then its handler in `routes`. What a handler
//! refuses is a [`problem::Problem`]; the table of those is the only place where an error
//! becomes a status.
//!
//! | module | holds |
//! |---|---|
//! | `routes` | the one table of routes, and a file for each resource |
//! | `openapi`, `page` | the document that is made of that table, and the pages made of it |
//! | [`auth`], [`permission`], `limits`, `guard` | who calls, what they may, how often, and the check before every handler |
//! | `connections` | who is listened to, and for how long |
//! | `body`, `lines`, `submission` | from bytes to strict JSON to a job, or to many |
//! | `intake`, `wait` | many inserts as few; many waits as one |
//! | `messages` | jobs that come in as messages, by the same rules |
//! | `live` | what goes on, as it happens: streams of events |
//! | `scaling`, `scaler` | how many workers there should be, and KEDA's way of asking |
//! | `denials` | who tried what their role may not, for the audit log |
//! | `vitals` | whether a process lives and is ready, and its metrics |
//! | [`problem`] | every error a client can meet |

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware};
use golden_jobs::{Registry, breakers::Board, egress::Egress, metrics::Metrics, store::SharedStore};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::{catch_panic::CatchPanicLayer, sensitive_headers::SetSensitiveRequestHeadersLayer};

mod app;
pub mod auth;
mod body;
mod clock;
mod connections;
mod cursor;
mod denials;
mod depths;
mod governing;
mod guard;
mod intake;
mod json;
mod limits;
mod lines;
mod live;
mod messages;
mod observe;
mod openapi;
mod page;
mod part;
pub mod permission;
pub mod problem;
mod query;
mod reach;
mod resource;
mod routes;
mod scaler;
mod scaling;
mod submission;
mod vitals;
mod wait;

pub use auth::{Auth, Grant};
pub use limits::{MalformedLimits, Quotas, RateLimits, SharedWindows, Taken};
pub use live::places::StreamLimits;
pub use openapi::document as openapi;
pub use part::Part;
pub use permission::CallerRole;
pub use routes::routes;
pub use scaler::{ScalerTls, TlsError, TlsFiles, serve_scaler};
pub use vitals::{Vitals, serve_vitals};

use app::App;
use problem::Problem;

/// What the intake works with; one for a process.
pub struct Api {
    pub store: SharedStore,
    pub registry: Arc<Registry>,
    pub metrics: Metrics,
    pub auth: Auth,
    /// What this process itself found of its dependencies.
    pub breakers: Board,
    /// Where all processes count how often callers ask. `None` where each does so by itself.
    pub windows: Option<Arc<dyn SharedWindows>>,
    pub options: ApiOptions,
    /// What `/readyz` names beside the store.
    pub parts: Vec<Part>,
    /// Why this process's own workers cannot run sandbox jobs. `None` where they can, and
    /// where workers are separate processes that the intake knows nothing of.
    pub sandbox_missing: Option<String>,
}

/// How the intake behaves.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// How long requests under way may take to finish once the intake is told to stop.
    pub drain_timeout: Duration,
    /// Where jobs may call back to. The delivery asks again; asking here tells the user at once.
    pub egress: Egress,
    pub rate_limits: RateLimits,
    pub streams: StreamLimits,
    /// How many proxies of the operator requests pass on their way here; `X-Forwarded-For` is read only
    /// as far as they wrote it.
    pub trusted_proxies: usize,
    /// How long denials are gathered before they are put into the audit log, as one for each subject and route.
    pub denials_gathered: Duration,
    /// How long a client may take over a request's body.
    pub body_timeout: Duration,
    /// How long a connection may be silent, between requests or within a head.
    pub silence: Duration,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            drain_timeout: Duration::from_secs(10),
            egress: Egress::public(),
            rate_limits: RateLimits::default(),
            streams: StreamLimits::default(),
            trusted_proxies: 0,
            denials_gathered: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            // Longer than load balancers keep a connection (60 s): the one who ends it should be the one who
            // knows whether a request is on its way.
            silence: Duration::from_secs(75),
        }
    }
}

/// An API that is up. It takes messages as the port [`Intake`](golden_jobs::intake::Intake), whether it is served or not.
#[derive(Clone)]
pub struct Service(Arc<App>);

/// Needs a tokio runtime: inserts and waits have a task each.
impl From<Api> for Service {
    fn from(api: Api) -> Self {
        Self(App::new(api))
    }
}

/// Serves the API until `shutdown`, then takes no more connections and lets requests under
/// way finish within [`ApiOptions::drain_timeout`].
pub async fn serve(listener: TcpListener, api: impl Into<Service>, shutdown: CancellationToken) {
    let Service(app) = api.into();
    let ApiOptions { drain_timeout, silence, .. } = app.options;
    let told = CancellationToken::new();
    let (stop, closing) = (told.clone(), app.closing.clone());
    let late = async {
        shutdown.cancelled().await;
        // Those who wait for a job are answered with what is known, and streams end, so that they do not hold
        // up the end.
        closing.cancel();
        stop.cancel();
        tokio::time::sleep(drain_timeout).await;
    };
    tokio::select! {
        () = connections::serve(listener, layered(Arc::clone(&app)), silence, told) => {}
        () = late => {
            tracing::warn!("requests were still under way {drain_timeout:?} after the intake was told to stop");
        }
    }
    app.denials.record(&app.store).await;
}

/// The whole API as a router. Needs a tokio runtime, as [`Service`] does.
pub fn router(api: impl Into<Service>) -> Router {
    layered(api.into().0)
}

/// The HTTP stack, outermost layer first.
fn layered(app: Arc<App>) -> Router {
    let layers = ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new([axum::http::header::AUTHORIZATION]))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), observe::observe))
        .layer(CatchPanicLayer::custom(Problem::panicked));
    routes::router(&app).layer(layers).with_state(app)
}
