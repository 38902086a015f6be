//! Reviews as clients see them.

use chrono::{DateTime, Utc};
use golden_jobs::{
    JobId, ReviewId,
    kinds::Review as Work,
    models::exchange::AgentRole,
    record::JobRecord,
    reviews::{Ballot, Review, ReviewState, Risk, Round, Ruling, Seat},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// What a panel of agents makes of an agent's work.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReviewSummary", example = summary())]
pub(crate) struct ReviewSummary {
    id: ReviewId,
    tenant: String,
    state: ReviewState,
    /// What the work is called.
    title: String,
    risk: Risk,
    /// The role of the agent that made the work.
    author: AgentRole,
    /// The user on whose behalf it was made, who does not decide on it.
    submitted_by: Option<String>,
    /// 1, or 2 where the work came once more.
    round: u32,
    /// The SHA-256 of the work as of this round: of its files by their paths, as canonical JSON.
    digest: String,
    /// The job that sees to this round.
    job_id: JobId,
    /// When this round began.
    opened_at: Option<DateTime<Utc>>,
    /// Until when ballots are awaited, where any are.
    due_at: Option<DateTime<Utc>>,
    /// When the panel was done with this round.
    closed_at: Option<DateTime<Utc>>,
    /// What a human said, where it was left to one.
    decision: Option<Ruling>,
    links: Links,
}

/// A review with its rounds and their ballots.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Review", example = example())]
pub(crate) struct ReviewResource {
    #[serde(flatten)]
    summary: ReviewSummary,
    /// The first one first.
    rounds: Vec<RoundResource>,
}

/// What a panel was asked once, and what it said.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReviewRound")]
struct RoundResource {
    round: u32,
    state: ReviewState,
    job_id: JobId,
    digest: String,
    /// Replacements of seats that were silent are among them, and have their weights.
    panel: Vec<Seat>,
    opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    ballots: Vec<Ballot>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Links {
    #[serde(rename = "self")]
    itself: String,
    job: String,
    decide: String,
}

impl From<Review> for ReviewSummary {
    fn from(review: Review) -> Self {
        Self {
            due_at: (review.state == ReviewState::Collecting).then(|| review.due()),
            links: links(review.id, review.job_id),
            id: review.id,
            tenant: review.tenant_id,
            state: review.state,
            title: review.title,
            risk: review.risk,
            author: review.author,
            submitted_by: review.submitted_by,
            round: review.round,
            digest: review.digest,
            job_id: review.job_id,
            opened_at: Some(review.opened_at),
            closed_at: review.closed_at,
            decision: review.ruling,
        }
    }
}

impl From<Review> for ReviewResource {
    fn from(mut review: Review) -> Self {
        let this = Round {
            round: review.round,
            job_id: review.job_id,
            submitted_by: review.submitted_by.clone(),
            digest: review.digest.clone(),
            panel: review.panel.clone(),
            state: review.state,
            opened_at: review.opened_at,
            closed_at: review.closed_at,
        };
        let mut rounds = std::mem::take(&mut review.earlier);
        rounds.push(this);
        let ballots = std::mem::take(&mut review.ballots);
        let of_round = |round| ballots.iter().filter(|ballot: &&Ballot| ballot.round == round).cloned().collect();
        let rounds = rounds.into_iter().map(|round| RoundResource {
            ballots: of_round(round.round),
            round: round.round,
            state: round.state,
            job_id: round.job_id,
            digest: round.digest,
            panel: round.panel.0,
            opened_at: round.opened_at,
            closed_at: round.closed_at,
        });
        Self { rounds: rounds.collect(), summary: review.into() }
    }
}

impl ReviewResource {
    /// Of a review that its job has yet to open.
    pub(crate) fn pending(job: &JobRecord, work: Work, state: ReviewState) -> Self {
        let id = ReviewId::from(job.id);
        let summary = ReviewSummary {
            id,
            tenant: job.tenant_id.clone(),
            state,
            digest: work.digest(),
            title: work.title,
            risk: work.risk,
            author: work.author,
            submitted_by: work.submitted_by,
            round: 1,
            job_id: job.id,
            opened_at: None,
            due_at: None,
            closed_at: None,
            decision: None,
            links: links(id, job.id),
        };
        Self { summary, rounds: Vec::new() }
    }
}

fn links(id: ReviewId, job: JobId) -> Links {
    let itself = format!("/v1/reviews/{id}");
    Links { decide: format!("{itself}/decide"), itself, job: format!("/v1/jobs/{job}") }
}

fn summary() -> Value {
    json!({
        "id": "rev_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
        "tenant": "acme",
        "state": "APPROVED",
        "title": "Adds two numbers",
        "risk": "normal",
        "author": "developer",
        "submitted_by": "ada",
        "round": 1,
        "digest": "3b6f0f5c2c4b8a7d9e1f00112233445566778899aabbccddeeff001122334455",
        "job_id": "job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
        "opened_at": "2026-01-02T03:04:05Z",
        "due_at": null,
        "closed_at": "2026-01-02T03:04:17Z",
        "decision": null,
        "links": {
            "self": "/v1/reviews/rev_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
            "job": "/v1/jobs/job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41",
            "decide": "/v1/reviews/rev_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41/decide",
        },
    })
}

fn example() -> Value {
    let mut review = summary();
    let ballot = |seat: u32, role: &str, findings: Value| {
        json!({
            "round": 1,
            "seat": seat,
            "role": role,
            "digest": review["digest"],
            "verdict": "approve",
            "severity": "none",
            "findings": findings,
            "confidence": 0.9,
            "policy_version": 0,
            "model": "offline",
            "cast_at": "2026-01-02T03:04:16Z",
        })
    };
    let roles = ["reviewer", "tester", "security"];
    let seats: Vec<_> = (1..).zip(roles).map(|(seat, role)| json!({"seat": seat, "role": role, "weight": 1})).collect();
    let ballots: Vec<_> = (1..).zip(roles).map(|(seat, role)| ballot(seat, role, json!([]))).collect();
    review["rounds"] = json!([{
        "round": 1,
        "state": "APPROVED",
        "job_id": review["job_id"],
        "digest": review["digest"],
        "panel": seats,
        "opened_at": "2026-01-02T03:04:05Z",
        "closed_at": "2026-01-02T03:04:17Z",
        "ballots": ballots,
    }]);
    review
}
