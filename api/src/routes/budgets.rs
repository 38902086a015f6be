//! `/v1/budgets`: what tenants may spend, and have spent.

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use golden_jobs::{
    budgets::{Micros, Period},
    store::budgets::{Budget, BudgetTerms},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    app::App,
    body::JsonObject,
    cursor::{Limit, List},
    guard::Caller,
    problem::Problem,
    query::{Id, Params, Text},
    reach::{TenantName, segment},
};

pub(super) mod doc;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    /// Entries on a page, 20 where absent.
    limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    cursor: Option<Text>,
}

/// What a tenant may spend in a period. What is absent or null is the installation's default.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetRequest {
    /// In millionths of a US dollar. Less than is spent already is allowed: then nothing more is.
    limit_micros: Option<Micros>,
    /// Of the calendar in UTC. What was spent stays so until the new period's end.
    period: Option<Period>,
}

/// What a tenant may spend, and has spent. Amounts are millionths of a US dollar.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Budget", example = example())]
pub(super) struct BudgetResource {
    tenant: String,
    limit_micros: i64,
    /// Whether that is the installation's default.
    limit_is_default: bool,
    period: Period,
    period_is_default: bool,
    /// In this period.
    spent_micros: i64,
    /// Kept back for calls under way, each at what it may cost at worst.
    reserved_micros: i64,
    /// What may still be kept back.
    left_micros: i64,
    /// Jobs that wait until there is more.
    waiting: u64,
    /// Whether new jobs that spend are refused with `budget-exhausted`.
    exhausted: bool,
    /// When the period began.
    since: DateTime<Utc>,
    /// When the next one begins, with nothing spent.
    turns_at: Option<DateTime<Utc>>,
    links: BudgetLinks,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BudgetLinks {
    #[serde(rename = "self")]
    itself: String,
}

impl From<Budget> for BudgetResource {
    fn from(budget: Budget) -> Self {
        Self {
            links: BudgetLinks { itself: format!("/v1/budgets/{}", segment(&budget.tenant_id)) },
            limit_micros: budget.limit,
            limit_is_default: budget.terms.limit.is_none(),
            period: budget.period,
            period_is_default: budget.terms.period.is_none(),
            spent_micros: budget.spent,
            reserved_micros: budget.reserved,
            left_micros: budget.left(),
            waiting: budget.waiting,
            exhausted: budget.is_exhausted(),
            since: budget.since,
            turns_at: budget.turns_at,
            tenant: budget.tenant_id,
        }
    }
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(_): Caller,
    Params(Pages { limit, cursor }): Params<Pages>,
) -> Result<Json<List<BudgetResource>>, Problem> {
    let limit = Limit::entries(limit);
    let after = cursor.map(|Text(name)| name);
    let budgets = app.store.budgets(after.as_deref(), limit + 1).await?;
    let budgets = budgets.into_iter().map(BudgetResource::from).collect();
    Ok(Json(List::numbered(budgets, limit, |budget: &BudgetResource| budget.tenant.clone())))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(tenant): Id<TenantName>,
) -> Result<Json<BudgetResource>, Problem> {
    let tenant = caller.reaches(tenant, &app).await?;
    Ok(Json(app.store.budget(&tenant).await?.into()))
}

/// Sets all of it: what the body does not name is the default again.
pub(super) async fn set(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(tenant): Id<TenantName>,
    body: JsonObject<BudgetRequest>,
) -> Result<Json<BudgetResource>, Problem> {
    let BudgetRequest { limit_micros: limit, period } = body.parse()?;
    let tenant = caller.reaches(tenant, &app).await?;
    let budget = app.store.set_budget(&tenant, &BudgetTerms { limit, period }, &caller.actor()).await?;
    tracing::info!(of = tenant, by = caller.subject, limit = budget.limit, period = %budget.period, "a budget was set");
    Ok(Json(budget.into()))
}

fn example() -> Value {
    json!({
        "tenant": "acme",
        "limit_micros": 25_000_000,
        "limit_is_default": false,
        "period": "month",
        "period_is_default": true,
        "spent_micros": 3_120_450,
        "reserved_micros": 84_000,
        "left_micros": 21_795_550,
        "waiting": 0,
        "exhausted": false,
        "since": "2026-01-01T00:00:00Z",
        "turns_at": "2026-02-01T00:00:00Z",
        "links": {"self": "/v1/budgets/acme"},
    })
}
