//! `/v1/webhooks/endpoints`: where a tenant wants its events sent.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat, Utc};
use golden_jobs::{
    EndpointId, Job, JobId,
    kinds::WebhookDeliver,
    store::{
        deliveries::Delivery,
        endpoints::{ENDPOINTS_LIMIT, Endpoint, EndpointChange, Rotated},
    },
    webhooks::{new_secret, test_delivery},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    app::App,
    auth::Grant,
    body::JsonObject,
    clock,
    cursor::List,
    guard::Caller,
    problem::{Code, Problem},
    query::{Id, Params},
    resource::webhooks::{DeliveryWithAttempts, EndpointResource, EndpointWithSecret, endpoint_path},
};

pub(super) mod doc;
mod settings;

use settings::{EndpointPatch, EndpointRequest, Rules};

/// How long the secret that is replaced signs as well, where the request does not say.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);
const LONGEST_OVERLAP: u64 = 7 * 24 * 3600;

/// How long the answer to a test is waited for: somewhat longer than a receiver has.
const TEST_WAIT: Duration = Duration::from_secs(20);

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
) -> Result<Json<List<EndpointResource>>, Problem> {
    let endpoints = app.store.endpoints(&caller.tenant).await?;
    Ok(Json(List::whole(endpoints.into_iter().map(Into::into).collect())))
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    body: JsonObject<EndpointRequest>,
) -> Result<Response, Problem> {
    let settings = body.parse()?.check(&rules(&app))?;
    let secret = new_secret();
    let added = app.store.add_endpoint(&caller.tenant, &settings, secret, &caller.actor()).await?;
    let endpoint = added.ok_or_else(|| {
        Problem::new(Code::LimitReached, format!("a tenant has at most {ENDPOINTS_LIMIT} webhook endpoints"))
    })?;
    let location = HeaderValue::try_from(endpoint_path(endpoint.id));
    let mut response = (StatusCode::CREATED, Json(EndpointWithSecret::new(endpoint, secret))).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<EndpointId>,
) -> Result<Json<EndpointResource>, Problem> {
    Ok(Json(find(&app, &caller.tenant, id).await?.into()))
}

pub(super) async fn change(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<EndpointId>,
    body: JsonObject<EndpointPatch>,
) -> Result<Json<EndpointResource>, Problem> {
    let change = body.parse()?.check(&rules(&app))?;
    apply(&app, &caller, id, change).await
}

pub(super) async fn enable(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<EndpointId>,
) -> Result<Json<EndpointResource>, Problem> {
    apply(&app, &caller, id, EndpointChange { enabled: Some(true), ..Default::default() }).await
}

pub(super) async fn disable(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<EndpointId>,
) -> Result<Json<EndpointResource>, Problem> {
    apply(&app, &caller, id, EndpointChange { enabled: Some(false), ..Default::default() }).await
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<EndpointId>,
) -> Result<StatusCode, Problem> {
    match app.store.remove_endpoint(&caller.tenant, id, &caller.actor()).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_such_endpoint()),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// For how many more seconds the secret that is replaced signs as well, 86400 (a day) where absent.
    #[schemars(range(max = 604_800))]
    overlap: Option<u64>,
}

impl Rotation {
    pub(super) fn overlap(self) -> Result<Duration, Problem> {
        match self.overlap {
            Some(overlap) if overlap > LONGEST_OVERLAP => {
                Err(Problem::malformed(format!("`overlap` is 0 to {LONGEST_OVERLAP} seconds")))
            }
            overlap => Ok(overlap.map_or(OVERLAP, Duration::from_secs)),
        }
    }
}

/// A rotation before this one has not come to its end.
pub(super) fn still_rotating(until: DateTime<Utc>) -> Problem {
    let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
    Problem::new(
        Code::Conflict,
        format!(
            "the secret before this one signs until {until}: revoke it first, or give an `overlap` of 0 to end both"
        ),
    )
}

/// Gives an endpoint a new secret.
pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<EndpointId>,
    Params(rotation): Params<Rotation>,
) -> Result<Json<EndpointWithSecret>, Problem> {
    let secret = new_secret();
    match app.store.rotate_secret(&caller.tenant, id, secret, rotation.overlap()?, &caller.actor()).await? {
        Rotated::Done(endpoint) => Ok(Json(EndpointWithSecret::new(endpoint, secret))),
        Rotated::NoSuchEndpoint => Err(no_such_endpoint()),
        Rotated::StillRotating(until) => Err(still_rotating(until)),
    }
}

/// Ends the overlap of a rotation now.
pub(super) async fn revoke_old(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<EndpointId>,
) -> Result<Json<EndpointResource>, Problem> {
    let endpoint = app.store.revoke_old_secret(&caller.tenant, id, &caller.actor()).await?;
    Ok(Json(endpoint.ok_or_else(no_such_endpoint)?.into()))
}

/// Sends a test and answers with what came of it.
pub(super) async fn test(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<EndpointId>,
) -> Result<Json<DeliveryWithAttempts>, Problem> {
    let endpoint = find(&app, &caller.tenant, id).await?;
    let policy = app.registry.get(WebhookDeliver::KIND).map_or(WebhookDeliver::POLICY, |kind| kind.policy);
    let delivery = test_delivery(&endpoint, &policy, clock::now())
        .ok_or_else(|| Problem::new(Code::Internal, "the request was not completed"))?;
    let job: JobId = delivery.job.id;
    // Watched before it is recorded: it may end before this request goes on.
    let watch = app.waiting.watch(job);
    app.store.add_deliveries(vec![delivery]).await?;
    // Whoever waited in vain is told how far it is.
    let _ = app.waiting.finished(&caller.tenant, watch, TEST_WAIT).await;
    let delivery: Option<Delivery> = app.store.delivery(&caller.tenant, job.into()).await?;
    let delivery = delivery.ok_or_else(|| Problem::not_found("delivery"))?;
    let attempts = app.store.delivery_attempts(delivery.id).await?;
    Ok(Json(DeliveryWithAttempts::new(delivery, attempts)))
}

async fn apply(
    app: &App,
    caller: &Grant,
    id: EndpointId,
    change: EndpointChange,
) -> Result<Json<EndpointResource>, Problem> {
    let endpoint = app.store.change_endpoint(&caller.tenant, id, &change, &caller.actor()).await?;
    Ok(Json(endpoint.ok_or_else(no_such_endpoint)?.into()))
}

pub(super) async fn find(app: &App, tenant: &str, id: EndpointId) -> Result<Endpoint, Problem> {
    app.store.endpoint(tenant, id).await?.ok_or_else(no_such_endpoint)
}

fn no_such_endpoint() -> Problem {
    Problem::not_found("webhook endpoint")
}

fn rules(app: &App) -> Rules<'_> {
    Rules { registry: &app.registry, egress: &app.options.egress }
}
