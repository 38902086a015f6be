//! `/v1/guards`: what looks after the installation itself.

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use golden_jobs::{
    guards::{Guard, Keeper},
    store::guards::GuardRecord,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{app::App, clock, cursor::List, problem::Problem};

pub(super) mod doc;

/// A guard.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Guard", example = example())]
pub(super) struct GuardResource {
    name: &'static str,
    /// What it sees to.
    about: &'static str,
    /// Who does: worker processes, as a chore of theirs whose figures are in their metrics; or one with the role
    /// `supervisor`.
    #[schemars(with = "GuardKeeper")]
    looked_after_by: &'static str,
    /// When a supervisor last looked; null where none ever did, and for chores.
    looked_at: Option<DateTime<Utc>>,
    /// How often it did something within the last hour, and how often it may; null for chores. 0 of 0 only tells.
    remedies: Option<u32>,
    remedies_limit: Option<u32>,
    /// Looks in a row that found what it could not mend.
    failures: Option<u32>,
    /// Whether a human was asked, and all was not well since.
    escalated: Option<bool>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "the names are `Keeper::as_str`; this is their schema")]
enum GuardKeeper {
    Workers,
    Supervisor,
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<List<GuardResource>>, Problem> {
    let (known, now) = (app.store.guards().await?, clock::now());
    let guards = Guard::ALL.iter().map(|guard| {
        let record = known.iter().find(|record| record.guard == *guard);
        GuardResource::of(*guard, record, now)
    });
    Ok(Json(List::whole(guards.collect())))
}

impl GuardResource {
    fn of(guard: Guard, record: Option<&GuardRecord>, now: DateTime<Utc>) -> Self {
        let supervised = guard.keeper() == Keeper::Supervisor;
        let standing = record.map(|record| record.standing.clone()).unwrap_or_default();
        Self {
            name: guard.as_str(),
            about: guard.about(),
            looked_after_by: guard.keeper().as_str(),
            looked_at: record.map(|record| record.looked_at),
            remedies: supervised.then(|| standing.remedies(now)),
            remedies_limit: supervised.then(|| guard.limit()),
            failures: supervised.then_some(standing.failures),
            escalated: supervised.then_some(standing.escalated),
        }
    }
}

/// What the documentation shows.
fn example() -> Value {
    json!({
        "name": Guard::DeadLetters.as_str(),
        "about": Guard::DeadLetters.about(),
        "looked_after_by": Keeper::Supervisor.as_str(),
        "looked_at": "2026-01-02T03:04:05Z",
        "remedies": 1,
        "remedies_limit": Guard::DeadLetters.limit(),
        "failures": 0,
        "escalated": false,
    })
}
