//! `/v1/webhooks`: how jobs call back, and what there is to be told.

use std::sync::Arc;

use axum::{Json, extract::State};
use golden_jobs::webhooks::{self, EVENT_TYPES};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{app::App, cursor::List, guard::Caller, problem::Problem};

pub(super) mod doc;

#[derive(Serialize, JsonSchema)]
pub(super) struct Secret {
    /// As libraries of the Standard Webhooks spec take it.
    #[schemars(example = &"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
}

/// The secret that signs what the tenant's jobs send to their `callback_url`.
pub(super) async fn secret(State(app): State<Arc<App>>, Caller(caller): Caller) -> Result<Json<Secret>, Problem> {
    let secret = app.store.callback_secret(&caller.tenant).await?;
    Ok(Json(Secret { secret: webhooks::Secret::from(secret).reveal() }))
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
