//! `/v1/breakers`: what is left alone because it does not answer, and what operators say of it.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use chrono::{DateTime, TimeDelta, Utc};
use golden_jobs::{
    breakers::{Dependency, Standing, State as Breaker, WORD_LIMIT, Word},
    store::breakers::{Said, SharedBreaker, SharedBreakers},
    text,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    app::App,
    auth::Grant,
    body::JsonObject,
    clock,
    cursor::List,
    guard::Caller,
    problem::{FieldError, Problem},
    query::{Id, Params, Text},
};

pub(super) mod doc;

/// In characters.
const REASON_LIMIT: usize = 500;
/// In seconds.
const MOST: u32 = WORD_LIMIT.as_secs() as u32;
const DEFAULT: u32 = 600;

/// A circuit breaker.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Breaker", example = example())]
pub(super) struct BreakerResource {
    /// What it stands in front of: `docker`, `nats`, `redis`, `http:HOST` or `webhook:HOST`.
    name: String,
    /// What it does in all worker processes together. NATS and Redis: in any of them, since each goes by a connection of
    /// its own.
    #[schemars(with = "BreakerState")]
    state: &'static str,
    /// Until when, where that is known.
    until: Option<DateTime<Utc>>,
    /// Worker processes that find it open, each for itself.
    votes: u64,
    /// How many it takes to open it in all of them.
    needed: u64,
    /// Why it is forced open or disabled, and by whom.
    reason: Option<String>,
    set_by: Option<String>,
}

/// `closed` lets everything through, `open` nothing, `half_open` a few that try. `forced_open` and `disabled` (everything
/// goes through, whatever comes of it) are what an operator said.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "the names are `State::as_str`; this is their schema")]
enum BreakerState {
    Closed,
    HalfOpen,
    Open,
    ForcedOpen,
    Disabled,
}

/// What an operator says of a breaker.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WordRequest {
    /// Why, for those who see it: 1 to 500 characters.
    #[schemars(length(min = 1, max = REASON_LIMIT), example = &"the vendor has announced maintenance")]
    reason: String,
    /// For how many seconds, an hour at most; ten minutes where absent.
    #[schemars(range(min = 1, max = MOST))]
    seconds: Option<u32>,
}

/// Which breakers to reset.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// One, by its name; all where absent.
    name: Option<Text>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
) -> Result<Json<List<BreakerResource>>, Problem> {
    all(&app, &caller).await
}

pub(super) async fn reset(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(dependency): Id<Dependency>,
) -> Result<Json<BreakerResource>, Problem> {
    close(&app, &caller, Some(&dependency)).await?;
    one(&app, &dependency).await
}

/// One or all of them, by the path that operators of this system know.
pub(super) async fn reset_any(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(Which { name }): Params<Which>,
) -> Result<Json<List<BreakerResource>>, Problem> {
    let dependency = name.map(|Text(name)| name.parse()).transpose();
    let dependency: Option<Dependency> = dependency.map_err(|_| Problem::not_found("breaker"))?;
    close(&app, &caller, dependency.as_ref()).await?;
    all(&app, &caller).await
}

pub(super) async fn force_open(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(dependency): Id<Dependency>,
    body: JsonObject<WordRequest>,
) -> Result<Json<BreakerResource>, Problem> {
    say(&app, &caller, &dependency, Word::ForcedOpen, body).await
}

pub(super) async fn disable(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(dependency): Id<Dependency>,
    body: JsonObject<WordRequest>,
) -> Result<Json<BreakerResource>, Problem> {
    say(&app, &caller, &dependency, Word::Disabled, body).await
}

async fn close(app: &App, caller: &Grant, dependency: Option<&Dependency>) -> Result<(), Problem> {
    app.store.reset_breakers(dependency, &caller.actor()).await?;
    app.breakers.reset(dependency);
    let name = dependency.map_or_else(|| "all".to_owned(), ToString::to_string);
    tracing::info!(breaker = name, by = caller.subject, "circuit breakers were reset");
    Ok(())
}

async fn say(
    app: &App,
    caller: &Grant,
    dependency: &Dependency,
    word: Word,
    body: JsonObject<WordRequest>,
) -> Result<Json<BreakerResource>, Problem> {
    let WordRequest { reason, seconds } = body.parse()?;
    let (reason, seconds) = (text::free_text(&reason), seconds.unwrap_or(DEFAULT));
    let mut faults = Vec::new();
    if reason.trim().is_empty() || reason.chars().count() > REASON_LIMIT {
        faults.push(FieldError::new("/reason", format!("say why, in 1 to {REASON_LIMIT} characters")));
    }
    if !(1..=MOST).contains(&seconds) {
        faults.push(FieldError::new("/seconds", format!("an integer from 1 to {MOST}")));
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let left = Duration::from_secs(seconds.into());
    app.store.say(dependency, &Said { word, left, reason, by: caller.subject.clone() }, &caller.actor()).await?;
    tracing::info!(breaker = %dependency, ?word, seconds, by = caller.subject, "an operator set a circuit breaker");
    one(app, dependency).await
}

/// Those that every installation has, then whatever is not simply closed. Hosts are named by tenants: only those who
/// run the installation are told of them.
async fn all(app: &App, caller: &Grant) -> Result<Json<List<BreakerResource>>, Problem> {
    let shared = app.store.breakers(None).await?;
    let fixed = Dependency::FIXED.iter().map(|dependency| BreakerResource::find(app, dependency, &shared));
    let hosts = shared.breakers.iter().filter(|breaker| breaker.dependency.host().is_some() && caller.runs_all());
    let mut hosts: Vec<_> = hosts.map(|breaker| BreakerResource::of(breaker, &shared)).collect();
    hosts.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Json(List::whole(fixed.chain(hosts).collect())))
}

async fn one(app: &App, dependency: &Dependency) -> Result<Json<BreakerResource>, Problem> {
    Ok(Json(BreakerResource::find(app, dependency, &app.store.breakers(None).await?)))
}

impl BreakerResource {
    fn find(app: &App, dependency: &Dependency, shared: &SharedBreakers) -> Self {
        let found = shared.breakers.iter().find(|breaker| breaker.dependency == *dependency);
        let mut resource = found.map_or_else(
            || Self::standing(dependency, Standing::unknown(dependency, shared), None),
            |breaker| Self::of(breaker, shared),
        );
        let own = app.breakers.own().find(|(known, _)| known == dependency);
        // This process does not vote: it is no worker.
        if let Some((_, own @ (Breaker::HalfOpen | Breaker::Open))) = own
            && resource.state == Breaker::Closed.as_str()
        {
            resource.state = own.as_str();
        }
        resource
    }

    fn of(breaker: &SharedBreaker, shared: &SharedBreakers) -> Self {
        Self::standing(&breaker.dependency, Standing::of(breaker, shared), breaker.said.as_ref())
    }

    fn standing(dependency: &Dependency, standing: Standing, said: Option<&Said>) -> Self {
        let ends = |left| clock::now() + TimeDelta::from_std(left).unwrap_or_default();
        Self {
            name: dependency.to_string(),
            state: standing.state.as_str(),
            until: standing.left.map(ends),
            votes: standing.votes,
            needed: standing.needed,
            reason: said.map(|said| said.reason.clone()),
            set_by: said.map(|said| said.by.clone()),
        }
    }
}

/// What the documentation shows.
fn example() -> Value {
    json!({
        "name": "http:api.example.com",
        "state": Breaker::Open.as_str(),
        "until": "2026-01-02T03:04:35Z",
        "votes": 2,
        "needed": 2,
        "reason": null,
        "set_by": null,
    })
}
