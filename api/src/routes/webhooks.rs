//! `/v1/webhooks`: how jobs call back.

use std::sync::Arc;

use axum::{Json, extract::State};
use base64::{Engine, engine::general_purpose::STANDARD};
use golden_jobs::{JobId, store::Delivery};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::jobs::find;
use crate::{app::App, cursor::List, guard::Caller, problem::Problem, query::Params};

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
    Ok(Json(Secret { secret: format!("whsec_{}", STANDARD.encode(secret)) }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfJob {
    /// The job that was to be called back about.
    job: JobId,
}

/// Every attempt to call back about a job, oldest first.
pub(super) async fn deliveries(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(OfJob { job }): Params<OfJob>,
) -> Result<Json<List<Delivery>>, Problem> {
    find(&app, &caller.tenant, job).await?;
    Ok(Json(List::whole(app.store.deliveries(&caller.tenant, job).await?)))
}
