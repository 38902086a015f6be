//! `/v1/reviews`: panels of agents judge work, and humans what they could not.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::HeaderMap, response::Response};
use golden_jobs::{
    Job, JobId, ReviewId, canonical,
    kinds::Review as Work,
    models::exchange::AgentRole,
    record::{JobRecord, State as JobState},
    reviews::{NotDecided, ReviewState, Risk},
    store::{
        Idempotency,
        reviews::{Decided, Decision, ReviewFilter, ReviewPage},
    },
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jobs;
use crate::{
    app::App,
    body::JsonObject,
    cursor,
    cursor::{Cursor, Limit, List},
    guard::Caller,
    problem::{Code, FieldError, Problem},
    query::{Id, Params},
    resource::reviews::{ReviewResource, ReviewSummary},
    submission::{self, Rules},
};

pub(super) mod doc;

/// The scope of idempotency keys, beside the tenant.
const SUBMIT: &str = "POST /v1/reviews";

/// Work to be judged.
// Only described: it is read as the payload of the kind `review`, which says what is wrong with it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only described, never made")]
pub(super) struct ReviewSubmission {
    /// What the work is called.
    #[schemars(length(min = 1, max = 200))]
    title: String,
    /// What it is for: what it is judged by.
    #[schemars(length(min = 1, max = 8192))]
    goal: String,
    /// The work: its files, by their paths.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 256, "propertyNames" = {"minLength": 1, "maxLength": 512}))]
    files: BTreeMap<String, String>,
    /// The role of the agent that made it, which has no seat on the panel.
    author: AgentRole,
    /// How much harm the work may do; `normal` where absent.
    risk: Option<Risk>,
    /// Who judges: 3 to 5 roles, 5 with security among them where the risk is high. A role may sit more than once.
    #[schemars(length(min = 3, max = 5))]
    panel: Option<Vec<AgentRole>>,
    /// What shows that it works, such as the output of its tests.
    #[schemars(length(max = 65_536))]
    evidence: Option<String>,
    /// The review whose panel asked for changes: this is its second round, and its last.
    round_of: Option<ReviewId>,
}

/// The short form of a job of the kind `review`: the body is its payload.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    headers: HeaderMap,
    body: JsonObject<ReviewSubmission>,
) -> Result<Response, Problem> {
    let key = submission::idempotency_key(&headers)?;
    let mut said = body.value;
    // A null is as good as absent.
    said.retain(|_, value| !value.is_null());
    let mut draft = {
        let submitted = [("kind", Work::KIND.into()), ("payload", Value::Object(said.clone()))];
        let long =
            JsonObject::of(submitted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>());
        let mut rules = Rules::of(&app, &caller.tenant, &[&long.value]).await?.by(&caller);
        rules.payload_at = "";
        submission::read(&long, &caller.tenant, &rules)?
    };
    let work: Work =
        serde_json::from_str(draft.job.payload.get()).map_err(|error| Problem::malformed(error.to_string()))?;
    if draft.refused.is_none() {
        draft.refused = no_further_round(&app, &caller.tenant, &work).await?;
    }
    draft.job.idempotency = key.map(|key| Idempotency {
        route: SUBMIT.to_owned(),
        key,
        fingerprint: canonical::fingerprint(&Value::Object(said)),
    });
    jobs::record(&app, &caller.tenant, &headers, draft).await
}

/// Why work has no further round, where it asks for one: said at once, and not by its job.
async fn no_further_round(app: &App, tenant: &str, work: &Work) -> Result<Option<Problem>, Problem> {
    let Some(id) = work.round_of else { return Ok(None) };
    let Some(review) = app.store.review(tenant, id).await? else {
        return Ok(Some(Problem::invalid(vec![FieldError::new("/round_of", "there is no such review")])));
    };
    let refused = review.admits(work.author, &work.digest()).err();
    Ok(refused.map(|why| Problem::new(Code::Conflict, format!("{id} has no further round: {why}"))))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Only reviews in this state. None that is listed is pending: its job has not begun.
    state: Option<ReviewState>,
    /// Only reviews of this risk.
    risk: Option<Risk>,
    limit: Option<Limit>,
    cursor: Option<Cursor>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(Filter { state, risk, limit, cursor }): Params<Filter>,
) -> Result<Json<List<ReviewSummary>>, Problem> {
    let page = cursor::page(limit, cursor, ReviewId);
    let filter = ReviewFilter { tenant_id: caller.tenant, state, risk };
    let ReviewPage { reviews, looked_to } = app.store.reviews(&filter, page).await?;
    Ok(Json(List::as_far_as(looked_to.map(|id| id.0), reviews, page, |review| review.id.0)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<ReviewId>,
) -> Result<Json<ReviewResource>, Problem> {
    find(&app, &caller.tenant, id).await.map(Json)
}

async fn find(app: &App, tenant: &str, id: ReviewId) -> Result<ReviewResource, Problem> {
    match app.store.review(tenant, id).await? {
        Some(review) => Ok(review.into()),
        None => {
            // It is not opened before its job begins, which has its number.
            let job = app.store.job(tenant, JobId::from(id)).await?;
            job.and_then(pending).ok_or_else(|| Problem::not_found("review"))
        }
    }
}

/// What a job will open that has not begun, or would have.
fn pending(job: JobRecord) -> Option<ReviewResource> {
    let work: Work = serde_json::from_str(job.payload.get()).ok().filter(|_| job.kind == Work::KIND)?;
    if work.round_of.is_some() {
        return None;
    }
    let state = if job.state == JobState::Cancelled { ReviewState::Cancelled } else { ReviewState::Pending };
    Some(ReviewResource::pending(&job, work, state))
}

/// What a human makes of work that the panel could not agree on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionRequest {
    decision: Word,
    /// Why, for whoever made the work: 1 to 4,096 characters.
    #[schemars(length(min = 1, max = REASON))]
    reason: String,
}

/// What becomes of the work.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ReviewDecision")]
enum Word {
    Approve,
    Reject,
}

/// Characters of a reason.
const REASON: usize = 4096;

pub(super) async fn decide(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<ReviewId>,
    body: JsonObject<DecisionRequest>,
) -> Result<Json<ReviewResource>, Problem> {
    // Whose it is comes first: what is wrong with the body would tell that there is such a review.
    find(&app, &caller.tenant, id).await?;
    let DecisionRequest { decision, reason } = body.parse()?;
    if !(1..=REASON).contains(&reason.trim().chars().count()) {
        let wrong = FieldError::new("/reason", format!("say why, in 1 to {REASON} characters"));
        return Err(Problem::invalid(vec![wrong]));
    }
    let approve = matches!(decision, Word::Approve);
    let decision = Decision { tenant_id: caller.tenant.clone(), id, approve, reason };
    match app.store.decide_review(&decision, &caller.actor()).await? {
        Decided::Done(review) => {
            tracing::info!(review = %id, by = caller.subject, state = %review.state, "a review was decided");
            Ok(Json((*review).into()))
        }
        Decided::NoSuchReview => Err(Problem::new(Code::Conflict, "the review's panel has not been asked yet")),
        Decided::Refused(refused @ NotDecided::NotEscalated(_)) => {
            Err(Problem::new(Code::Conflict, format!("the review cannot be decided: {refused}")))
        }
        Decided::Refused(NotDecided::Author) => {
            Err(Problem::new(Code::SelfApproval, format!("{} had this work made", caller.subject)))
        }
    }
}
