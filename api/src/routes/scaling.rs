//! `/v1/scaling`: what decides how many workers there are.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{app::App, problem::Problem, scaling::Scaling};

pub(super) mod doc;

pub(super) async fn show(State(app): State<Arc<App>>) -> Result<Json<Scaling>, Problem> {
    Ok(Json(Scaling::from(&app.vitals.depths().last().await?)))
}
