//! `/v1/webhooks`: how jobs call back, and what there is to be told.

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use golden_jobs::{
    audit::{Act, Action},
    store::{
        audit::ChainName,
        callbacks::{CallbackRotated, CallbackSecrets},
    },
    webhooks::{self, EVENT_TYPES, new_secret},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::endpoints::{Rotation, still_rotating};
use crate::{app::App, cursor::List, guard::Caller, problem::Problem, query::Params};

pub(super) mod doc;

#[derive(Serialize, JsonSchema)]
pub(super) struct Secret {
    /// As libraries of the Standard Webhooks spec take it.
    #[schemars(example = &"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
    /// Until when the secret that was replaced signs as well.
    old_secret_until: Option<DateTime<Utc>>,
}

impl From<CallbackSecrets> for Secret {
    fn from(secrets: CallbackSecrets) -> Self {
        Self { old_secret_until: secrets.old_until(), secret: webhooks::Secret::from(secrets.newest).reveal() }
    }
}

/// The secret that signs what the tenant's jobs send to their `callback_url`.
pub(super) async fn secret(State(app): State<Arc<App>>, Caller(caller): Caller) -> Result<Json<Secret>, Problem> {
    // First, so that nobody sees it unseen.
    let shown = (caller.actor(), Act::of(Action::CallbackSecretShown));
    app.store.record_acts(&ChainName::of(&caller.tenant), &[shown]).await?;
    Ok(Json(app.store.callback_secrets(&caller.tenant).await?.into()))
}

/// Gives the tenant a new one.
pub(super) async fn rotate_secret(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(rotation): Params<Rotation>,
) -> Result<Json<Secret>, Problem> {
    let (overlap, by) = (rotation.overlap()?, caller.actor());
    match app.store.rotate_callback_secret(&caller.tenant, new_secret(), overlap, &by).await? {
        CallbackRotated::Done(secrets) => Ok(Json(secrets.into())),
        CallbackRotated::StillRotating(until) => Err(still_rotating(until)),
    }
}

/// Ends the overlap of a rotation now.
pub(super) async fn revoke_old_secret(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
) -> Result<Json<Secret>, Problem> {
    Ok(Json(app.store.revoke_old_callback_secret(&caller.tenant, &caller.actor()).await?.into()))
}

/// A type of events.
#[derive(Serialize, JsonSchema)]
pub(super) struct EventType {
    /// What `events` of an endpoint name it by.
    #[schemars(example = &"job.succeeded")]
    event: &'static str,
    /// What it tells.
    #[schemars(example = &"A job ended with its result.")]
    about: &'static str,
}

/// The types of events that an endpoint may choose.
pub(super) async fn events() -> Json<List<EventType>> {
    Json(List::whole(EVENT_TYPES.map(|(event, about)| EventType { event, about }).into()))
}
