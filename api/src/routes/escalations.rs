//! `/v1/escalations`: what needs a human, and what humans say of it.

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use golden_jobs::{
    EscalationId, JobId,
    escalations::{Answer, EscalationState, LONGEST, Resolution, Severity, Subject},
    store::escalations::{Acknowledged, Answered, EscalationFilter, EscalationPage, EscalationRecord, WhichState},
    text,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    app::App,
    body::JsonObject,
    cursor::{self, Cursor, Limit, List},
    guard::Caller,
    problem::{Code, FieldError, Problem},
    query::{Id, Params, Text},
};

pub(super) mod doc;

/// Something that needs a human, and what became of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Escalation", example = example())]
pub(super) struct EscalationResource {
    id: EscalationId,
    tenant: String,
    /// The job that waits for the answer, of kind `escalation`.
    job_id: JobId,
    about: Subject,
    /// Id or name of what it is about.
    subject: String,
    /// What is wrong and what is asked.
    reason: String,
    severity: Severity,
    state: EscalationState,
    opened_at: DateTime<Utc>,
    /// Who looks at it, and since when.
    acknowledged_by: Option<String>,
    acknowledged_at: Option<DateTime<Utc>>,
    /// What was answered; `withdrawn` where the job was cancelled.
    resolution: Option<Resolution>,
    note: Option<String>,
    resolved_by: Option<String>,
    resolved_at: Option<DateTime<Utc>>,
    links: Links,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EscalationLinks")]
struct Links {
    #[serde(rename = "self")]
    itself: String,
    job: String,
}

impl From<EscalationRecord> for EscalationResource {
    fn from(record: EscalationRecord) -> Self {
        let EscalationRecord { id, tenant_id, job_id, what, state, opened_at, acknowledged, end } = record;
        let (acknowledged_by, acknowledged_at) = acknowledged.unzip();
        let (answer, resolved_by, resolved_at) = match end {
            Some(end) => (Some(end.answer), Some(end.by), Some(end.at)),
            None => (None, None, None),
        };
        Self {
            id,
            tenant: tenant_id,
            job_id,
            about: what.about,
            subject: what.subject,
            reason: what.reason,
            severity: what.severity,
            state,
            opened_at,
            acknowledged_by,
            acknowledged_at,
            resolution: answer.as_ref().map(|answer| answer.resolution),
            note: answer.and_then(|answer| answer.note),
            resolved_by,
            resolved_at,
            links: Links { itself: format!("/v1/escalations/{id}"), job: format!("/v1/jobs/{job_id}") },
        }
    }
}

/// Which to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Only those in this state; `unresolved` is open or acknowledged.
    state: Option<Asked>,
    /// Only those about such a thing.
    about: Option<Subject>,
    /// Only those about the thing of this id or name.
    subject: Option<Text>,
    severity: Option<Severity>,
    limit: Option<Limit>,
    cursor: Option<Cursor>,
}

/// A state, or both of those that still need somebody.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Asked {
    Unresolved,
    Open,
    Acknowledged,
    Resolved,
}

impl From<Asked> for WhichState {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Unresolved => Self::Unresolved,
            Asked::Open => Self::One(EscalationState::Open),
            Asked::Acknowledged => Self::One(EscalationState::Acknowledged),
            Asked::Resolved => Self::One(EscalationState::Resolved),
        }
    }
}

/// An answer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveRequest {
    #[schemars(with = "Said")]
    resolution: Resolution,
    /// Why, for whoever reads it later.
    #[schemars(length(max = LONGEST), example = &"raised the limit to 200 $")]
    note: Option<String>,
}

/// What a human may say. `approved`, `fixed` and `dismissed` let what waits go on, `rejected` does not.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[expect(dead_code, reason = "the words are `Resolution`'s; this is the schema of those that are not Golden's own")]
enum Said {
    Approved,
    Rejected,
    Fixed,
    Dismissed,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<List<EscalationResource>>, Problem> {
    let page = cursor::page(filter.limit, filter.cursor, EscalationId);
    let filter = EscalationFilter {
        tenant_id: caller.tenant,
        state: filter.state.map(Into::into),
        about: filter.about,
        subject: filter.subject.map(|text| text.0),
        severity: filter.severity,
    };
    let EscalationPage { escalations, looked_to } = app.store.escalations(&filter, page).await?;
    Ok(Json(List::as_far_as(looked_to.map(|id| id.0), escalations, page, |escalation| escalation.id.0)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<EscalationId>,
) -> Result<Json<EscalationResource>, Problem> {
    let escalation = app.store.escalation(&caller.tenant, id).await?;
    Ok(Json(escalation.ok_or_else(nothing)?.into()))
}

pub(super) async fn acknowledge(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<EscalationId>,
) -> Result<Json<EscalationResource>, Problem> {
    match app.store.acknowledge_escalation(&caller.tenant, id, &caller.actor()).await? {
        Acknowledged::Done(escalation) => Ok(Json((*escalation).into())),
        Acknowledged::Resolved => Err(Problem::new(Code::Conflict, "it is resolved: there is nothing left to look at")),
        Acknowledged::NoSuchEscalation => Err(nothing()),
    }
}

pub(super) async fn resolve(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Id(id): Id<EscalationId>,
    body: JsonObject<ResolveRequest>,
) -> Result<Json<EscalationResource>, Problem> {
    let answer = answer(body.parse()?)?;
    match app.store.resolve_escalation(&caller.tenant, id, &answer, &caller.actor()).await? {
        Answered::Done(escalation) => {
            tracing::info!(escalation = %id, resolution = %answer.resolution, by = caller.subject, "an escalation was resolved");
            Ok(Json((*escalation).into()))
        }
        Answered::Before(escalation) => Err(Problem::new(Code::Conflict, before(&escalation))),
        Answered::DecideReview(escalation) => {
            let review = &escalation.what.subject;
            Err(Problem::new(
                Code::DecideReview,
                format!(
                    "it is about the review {review}, whose decision resolves it; if there is none to decide, cancel {}",
                    escalation.job_id
                ),
            ))
        }
        Answered::NoSuchEscalation => Err(nothing()),
    }
}

fn answer(ResolveRequest { resolution, note }: ResolveRequest) -> Result<Answer, Problem> {
    let mut faults = Vec::new();
    if resolution == Resolution::Withdrawn {
        faults.push(FieldError::new(
            "/resolution",
            "one of approved, rejected, fixed, dismissed; cancel its job to withdraw it",
        ));
    }
    if note.as_ref().is_some_and(|note| note.chars().count() > LONGEST) {
        faults.push(FieldError::new("/note", format!("at most {LONGEST} characters")));
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let note = note.map(|note| text::free_text(&note)).filter(|note| !note.trim().is_empty());
    Ok(Answer { resolution, note })
}

fn before(escalation: &EscalationRecord) -> String {
    match &escalation.end {
        Some(end) => format!("{} has answered it already: {}", end.by, end.answer.resolution),
        None => "it was answered already".to_owned(),
    }
}

fn nothing() -> Problem {
    Problem::not_found("escalation")
}

/// What the documentation shows.
fn example() -> Value {
    json!({
        "id": "esc_01981d2b-0f4e-7c1d-8b6a-5e9d3c7f1a20",
        "tenant": "acme",
        "job_id": "job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
        "about": "other",
        "subject": "production database",
        "reason": "The migration needs somebody's word before it drops a table.",
        "severity": "high",
        "state": "resolved",
        "opened_at": "2026-01-02T03:04:05Z",
        "acknowledged_by": "kim",
        "acknowledged_at": "2026-01-02T03:06:11Z",
        "resolution": "approved",
        "note": "There is a backup of ten minutes ago.",
        "resolved_by": "kim",
        "resolved_at": "2026-01-02T03:09:40Z",
        "links": {
            "self": "/v1/escalations/esc_01981d2b-0f4e-7c1d-8b6a-5e9d3c7f1a20",
            "job": "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
        },
    })
}
