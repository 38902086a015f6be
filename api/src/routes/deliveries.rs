//! `/v1/webhooks/deliveries`: what became of messages to receivers.

use std::sync::Arc;

use axum::{Json, extract::State};
use golden_jobs::{
    EndpointId, JobId, MessageId,
    store::{
        Page,
        deliveries::{Delivery, DeliveryFilter, DeliveryPage, DeliveryStatus},
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{endpoints, jobs};
use crate::{
    app::App,
    body::JsonObject,
    clock::Time,
    cursor::{self, Cursor, Limit, List},
    guard::Caller,
    problem::{Code, FieldError, Problem},
    query::{Id, Params},
    resource::webhooks::{DeliveryResource, DeliveryWithAttempts},
};

pub(super) mod doc;

/// Deliveries that one request replays, at most. More take more requests.
const CHUNK: u32 = 1000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Only those to this endpoint.
    endpoint: Option<EndpointId>,
    /// Only those about this job.
    job: Option<JobId>,
    /// Only those that have come this far.
    status: Option<DeliveryStatus>,
    /// Only those of events of this type.
    event: Option<String>,
    /// Only those of events that happened at this time or later.
    since: Option<Time>,
    /// Only those of events that happened before this time.
    until: Option<Time>,
    /// Entries on a page, 20 where absent.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    cursor: Option<Cursor>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<List<DeliveryResource>>, Problem> {
    let page = cursor::page(filter.limit, filter.cursor, MessageId);
    // What does not exist has no deliveries, but saying so helps to find a wrong id.
    if let Some(job) = filter.job {
        jobs::find(&app, &caller.tenant, job).await?;
    }
    if let Some(endpoint) = filter.endpoint {
        endpoints::find(&app, &caller.tenant, endpoint).await?;
    }
    let filter = DeliveryFilter {
        tenant_id: caller.tenant,
        ids: Vec::new(),
        endpoint_id: filter.endpoint,
        job_id: filter.job,
        status: filter.status,
        event: filter.event,
        since: filter.since.map(|time| time.0),
        until: filter.until.map(|time| time.0),
    };
    let DeliveryPage { deliveries, looked_to } = app.store.deliveries(&filter, page).await?;
    Ok(Json(List::as_far_as(looked_to.map(|id| id.0), deliveries, page, |delivery| delivery.id.0)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<MessageId>,
) -> Result<Json<DeliveryWithAttempts>, Problem> {
    let delivery = find(&app, &caller.tenant, id).await?;
    let attempts = app.store.delivery_attempts(id).await?;
    Ok(Json(DeliveryWithAttempts::new(delivery, attempts)))
}

/// Sends one message again, under the same id and with fresh attempts.
pub(super) async fn replay_one(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<MessageId>,
) -> Result<Json<DeliveryResource>, Problem> {
    let delivery = find(&app, &caller.tenant, id).await?;
    let conflict = |detail: &str| Err(Problem::new(Code::Conflict, detail));
    if delivery.status == DeliveryStatus::Pending {
        return conflict("the delivery is pending: it is sent already, or will be");
    }
    if app.store.redeliver(&caller.tenant, &[id], &caller.actor()).await?.is_empty() {
        return match delivery.endpoint_id {
            Some(endpoint) => match app.store.endpoint(&caller.tenant, endpoint).await? {
                None => conflict("the delivery's endpoint was deleted"),
                Some(endpoint) if endpoint.disabled.is_some() => {
                    conflict("the delivery's endpoint is disabled: enable it first")
                }
                Some(_) => conflict("the delivery is pending: somebody replayed it just now"),
            },
            None => conflict("the delivery is pending: somebody replayed it just now"),
        };
    }
    Ok(Json(find(&app, &caller.tenant, id).await?.into()))
}

/// Which deliveries to send again: `ids`, a filter, or `all`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DeliverySelection")]
pub(super) struct Selection {
    /// Just these.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    ids: Vec<MessageId>,
    /// Every one, instead of `ids` or a filter.
    #[serde(default)]
    all: bool,
    /// Only those to this endpoint.
    endpoint: Option<EndpointId>,
    /// Only those about this job.
    job: Option<JobId>,
    /// `failed` where absent. Those that are `pending` are under way and cannot be replayed.
    status: Option<DeliveryStatus>,
    /// Only those of events of this type.
    event: Option<String>,
    /// Only those of events that happened at this time or later.
    since: Option<Time>,
    /// Only those of events that happened before this time.
    until: Option<Time>,
    /// At most this many, 1000 where absent.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// The `next_cursor` of the answer before.
    cursor: Option<Cursor>,
    /// Only say which match.
    #[serde(default)]
    dry_run: bool,
}

impl Selection {
    /// Refuses a request that would touch everything without saying so.
    fn check(&self) -> Result<u32, Problem> {
        let mut errors = Vec::new();
        let narrowed = self.endpoint.is_some()
            || self.job.is_some()
            || self.status.is_some()
            || self.event.is_some()
            || self.since.is_some()
            || self.until.is_some();
        if self.ids.is_empty() && !narrowed && !self.all {
            errors.push(FieldError::new("", "name `ids`, a filter, or `all`: true"));
        }
        if !self.ids.is_empty() && (self.all || narrowed) {
            errors.push(FieldError::new("/ids", "give `ids`, or what to choose by, not both"));
        }
        if self.ids.len() > CHUNK as usize {
            errors.push(FieldError::new("/ids", format!("at most {CHUNK}")));
        }
        if self.status == Some(DeliveryStatus::Pending) {
            errors.push(FieldError::new("/status", "what is pending is under way, and cannot be replayed"));
        }
        let limit = self.limit.unwrap_or(CHUNK);
        if !(1..=CHUNK).contains(&limit) {
            errors.push(FieldError::new("/limit", format!("1 to {CHUNK}")));
        }
        if errors.is_empty() { Ok(limit) } else { Err(Problem::invalid(errors)) }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeliveriesReplayed")]
pub(super) struct Replayed {
    /// Those that matched, in this step. There may be none and more to come: so much is looked at in a step, and no
    /// more.
    matched: Vec<MessageId>,
    /// Those of them that are sent again: not what somebody else replayed just now, nor what goes to an endpoint
    /// that is disabled or deleted.
    replayed: Vec<MessageId>,
    /// Where the next step begins; null after the last one.
    next_cursor: Option<String>,
}

pub(super) async fn replay(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    body: JsonObject<Selection>,
) -> Result<Json<Replayed>, Problem> {
    let selection = body.parse()?;
    let limit = selection.check()?;
    let (matched, next_cursor) = select(&app, &caller.tenant, &selection, limit).await?;
    let replayed = match selection.dry_run {
        true => Vec::new(),
        false => app.store.redeliver(&caller.tenant, &matched, &caller.actor()).await?,
    };
    Ok(Json(Replayed { matched, replayed, next_cursor }))
}

/// One step through what matches, newest first. What is replayed may soon match again, so the
/// steps go by the cursor.
async fn select(
    app: &App,
    tenant: &str,
    selection: &Selection,
    limit: u32,
) -> Result<(Vec<MessageId>, Option<String>), Problem> {
    let before = selection.cursor.map(|cursor| cursor.after(MessageId));
    // Whoever names some means those, whatever came of them.
    let failed = selection.ids.is_empty().then_some(DeliveryStatus::Failed);
    let filter = DeliveryFilter {
        tenant_id: tenant.to_owned(),
        ids: selection.ids.clone(),
        endpoint_id: selection.endpoint,
        job_id: selection.job,
        status: selection.status.or(failed),
        event: selection.event.clone(),
        since: selection.since.map(|time| time.0),
        until: selection.until.map(|time| time.0),
    };
    let DeliveryPage { deliveries, looked_to } =
        app.store.deliveries(&filter, Page { before, limit: limit + 1 }).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = deliveries.len() > shown;
    let ids: Vec<MessageId> = deliveries.into_iter().take(shown).map(|delivery| delivery.id).collect();
    let last = if more { ids.last().copied() } else { looked_to };
    Ok((ids, last.map(|last| cursor::encode(last.0))))
}

async fn find(app: &App, tenant: &str, id: MessageId) -> Result<Delivery, Problem> {
    app.store.delivery(tenant, id).await?.ok_or_else(|| Problem::not_found("delivery"))
}
