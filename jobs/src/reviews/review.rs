//! A review with its rounds, and what may be done to it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ballot::{Ballot, abstention},
    decision::{Label, Stage, Voice, certain, decide},
    panel::{Panel, Risk, Seat},
    state::{ReviewState, Turn},
};
use crate::{
    escalations::{Answer, LONGEST, Resolution},
    id::{JobId, ReviewId},
    models::exchange::AgentRole,
};

/// How long a panel has for its ballots.
pub const BALLOTS_DUE: Duration = Duration::from_secs(90);
/// And those who are asked in the places of the silent, from then on: a round is decided or escalated by 150 s.
pub const REPLACEMENTS_DUE: Duration = Duration::from_secs(60);
/// Work is judged so often and no more.
pub const LAST_ROUND: u32 = 2;

/// The reason of a ballot that did not come in time.
pub const TIMEOUT: &str = "timeout";
/// The reason of one that is about something else.
const WRONG_DIGEST: &str = "wrong_digest";

/// What a panel thinks of a piece of work.
#[derive(Debug, Clone, PartialEq)]
pub struct Review {
    pub id: ReviewId,
    pub tenant_id: String,
    /// Which job sees to the round under way.
    pub job_id: JobId,
    pub title: String,
    pub risk: Risk,
    /// The role that made the work.
    pub author: AgentRole,
    /// The user on whose behalf the work of this round was made: not the one to decide it, nor are those of earlier ones.
    pub submitted_by: Option<String>,
    pub state: ReviewState,
    /// From 1 to [`LAST_ROUND`].
    pub round: u32,
    /// The SHA-256 of the work, as of this round.
    pub digest: String,
    pub panel: Panel,
    /// When this round began.
    pub opened_at: DateTime<Utc>,
    /// When the places of the silent were given to others.
    pub replaced_at: Option<DateTime<Utc>>,
    /// When the panel was done with this round.
    pub closed_at: Option<DateTime<Utc>>,
    /// What a human said, where it was left to one.
    pub ruling: Option<Ruling>,
    /// The round before this one.
    pub earlier: Vec<Round>,
    /// Of all rounds, in the order they were cast.
    pub ballots: Vec<Ballot>,
}

/// A round that another one followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    pub round: u32,
    pub job_id: JobId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<String>,
    pub digest: String,
    pub panel: Panel,
    pub state: ReviewState,
    pub opened_at: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
}

/// What a human says of a review that was left to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ruling {
    /// Who says so.
    pub by: String,
    pub approve: bool,
    pub reason: String,
    pub at: DateTime<Utc>,
}

impl Ruling {
    /// The same to whoever asked a human.
    pub fn answer(&self) -> Answer {
        let resolution = if self.approve { Resolution::Approved } else { Resolution::Rejected };
        // No longer than what is said of an escalation otherwise: its event has to fit a webhook.
        Answer { resolution, note: Some(self.reason.chars().take(LONGEST).collect()) }
    }
}

/// A round that is to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// That of the review it is a second round of, else a new one.
    pub id: ReviewId,
    pub again: bool,
    pub tenant_id: String,
    pub job_id: JobId,
    pub title: String,
    pub risk: Risk,
    pub author: AgentRole,
    pub submitted_by: Option<String>,
    pub digest: String,
    pub panel: Panel,
}

/// Why a review has no further round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoFurtherRound {
    #[error("it is {0}, and a second round follows where changes were requested")]
    NotAsked(ReviewState),
    #[error("it had its second round, which is the last")]
    Last,
    #[error("nothing of the work has changed since the first round")]
    SameWork,
    #[error("its work was made by the {0}, and so is that of its second round; other work is a review of its own")]
    OtherAuthor(AgentRole),
}

/// Why a human's word does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDecided {
    #[error("it is {0}, and only an escalated review is a human's to decide")]
    NotEscalated(ReviewState),
    #[error("whoever had the work made does not decide on it")]
    Author,
}

/// What became of a ballot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    /// It counts, if only as an abstention.
    Counted,
    /// The seat has said something before: that stands.
    Before,
    /// The round is over, or its time is, or the seat is another's: nothing changed.
    Late,
}

/// How a round stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Ballots are awaited until then.
    Waiting(DateTime<Utc>),
    /// What it comes to, whatever else is said.
    Certain(Label),
    /// There is nothing to wait for.
    Over,
}

impl Review {
    /// The first round of a review.
    pub fn opened(opening: Opening, now: DateTime<Utc>) -> Self {
        let Opening { id, again: _, tenant_id, job_id, title, risk, author, submitted_by, digest, panel } = opening;
        Self {
            id,
            tenant_id,
            job_id,
            title,
            risk,
            author,
            submitted_by,
            state: ReviewState::Collecting,
            round: 1,
            digest,
            panel,
            opened_at: now,
            replaced_at: None,
            closed_at: None,
            ruling: None,
            earlier: Vec::new(),
            ballots: Vec::new(),
        }
    }

    /// Whether work of this author and digest may come before the panel once more, and where that leads.
    pub fn admits(&self, author: AgentRole, digest: &str) -> Result<ReviewState, NoFurtherRound> {
        if self.round >= LAST_ROUND {
            return Err(NoFurtherRound::Last);
        }
        let Some(state) = self.state.after(Turn::Again) else { return Err(NoFurtherRound::NotAsked(self.state)) };
        // The panel was made so that its author has no seat.
        if self.author != author {
            return Err(NoFurtherRound::OtherAuthor(self.author));
        }
        if self.digest == digest { Err(NoFurtherRound::SameWork) } else { Ok(state) }
    }

    /// The second round: the same panel, as it began, judges other work. Who submitted either may not decide on it.
    pub fn again(&mut self, opening: &Opening, now: DateTime<Utc>) -> Result<(), NoFurtherRound> {
        let state = self.admits(opening.author, &opening.digest)?;
        self.earlier.push(Round {
            round: self.round,
            job_id: self.job_id,
            submitted_by: std::mem::replace(&mut self.submitted_by, opening.submitted_by.clone()),
            digest: std::mem::replace(&mut self.digest, opening.digest.clone()),
            panel: self.panel.clone(),
            state: self.state,
            opened_at: self.opened_at,
            closed_at: self.closed_at,
        });
        self.state = state;
        self.round += 1;
        self.job_id = opening.job_id;
        self.panel = self.panel.as_it_began();
        self.opened_at = now;
        self.replaced_at = None;
        self.closed_at = None;
        Ok(())
    }

    /// What was cast in the round under way.
    pub fn of_this_round(&self) -> impl Iterator<Item = &Ballot> {
        self.ballots.iter().filter(|ballot| ballot.round == self.round)
    }

    /// Those of the panel who have said nothing yet.
    pub fn missing(&self) -> impl Iterator<Item = &Seat> {
        self.panel.sitting().filter(|seat| self.said(seat).is_none())
    }

    fn said(&self, seat: &Seat) -> Option<&Ballot> {
        self.of_this_round().find(|ballot| ballot.seat == seat.seat)
    }

    /// Takes a ballot. One about other work counts as an abstention.
    pub fn cast(&mut self, ballot: Ballot, now: DateTime<Utc>) -> Cast {
        if self.of_this_round().any(|cast| (cast.round, cast.seat) == (ballot.round, ballot.seat)) {
            return Cast::Before;
        }
        let sits = self.panel.sitting().any(|seat| (seat.seat, seat.role) == (ballot.seat, ballot.role));
        if self.state != ReviewState::Collecting || ballot.round != self.round || !sits || now > self.due() {
            return Cast::Late;
        }
        let ballot = match ballot.digest == self.digest {
            true => ballot,
            false => ballot.as_abstention(WRONG_DIGEST),
        };
        self.ballots.push(Ballot { cast_at: now, ..ballot });
        Cast::Counted
    }

    /// Until when the ballots under way are awaited.
    pub fn due(&self) -> DateTime<Utc> {
        let after = |since: DateTime<Utc>, wait| since + TimeDelta::from_std(wait).unwrap_or_default();
        let first = after(self.opened_at, BALLOTS_DUE);
        // A wave that begins early takes nothing from those who were asked before.
        self.replaced_at.map_or(first, |at| first.max(after(at, REPLACEMENTS_DUE)))
    }

    /// How the round stands.
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        if self.state != ReviewState::Collecting {
            return Standing::Over;
        }
        let voice = |seat: &Seat| self.said(seat).map(|ballot| voice(seat, ballot));
        let voices: Vec<Voice> = self.panel.sitting().filter_map(voice).collect();
        let missing: Vec<_> = self.missing().map(|seat| (seat.weight, seat.has_veto())).collect();
        let total = self.panel.total();
        let stage = Stage { last_round: self.round >= LAST_ROUND, replaced: self.replaced_at.is_some() };
        if now >= self.due() {
            // Whoever is silent by now abstains, which the decision does not tell from not being there.
            let absent = |(weight, veto)| Voice { weight, veto, ..SILENT };
            let all: Vec<_> = voices.into_iter().chain(missing.into_iter().map(absent)).collect();
            return Standing::Certain(decide(&all, total, stage));
        }
        certain(&voices, &missing, total, stage).map_or_else(|| Standing::Waiting(self.due()), Standing::Certain)
    }

    /// Goes on where ballots or the time allow. Answers whether anything changed.
    pub fn advance(&mut self, now: DateTime<Utc>) -> bool {
        let Standing::Certain(label) = self.standing(now) else { return false };
        if now >= self.due() {
            let absent: Vec<_> = self.missing().copied().collect();
            let silence = |seat: &Seat| abstention(seat, self.round, &self.digest, TIMEOUT, now);
            let silence: Vec<_> = absent.iter().map(silence).collect();
            self.ballots.extend(silence);
        }
        let turn = match label {
            Label::Approved => Turn::Approve,
            Label::Rejected => Turn::Reject,
            Label::ChangesRequested => Turn::RequestChanges,
            Label::Escalated => Turn::Escalate,
            Label::Replace => {
                let abstained = |seat: &&Seat| self.said(seat).is_some_and(|ballot| voice(seat, ballot).is_silent());
                let silent: Vec<u32> = self.panel.sitting().filter(abstained).map(|seat| seat.seat).collect();
                self.panel.replace(&silent, self.author);
                self.replaced_at = Some(now);
                return true;
            }
        };
        if let Some(state) = self.state.after(turn) {
            self.state = state;
            self.closed_at = Some(now);
        }
        true
    }

    /// A human decides what the panel could not: anybody but the one who had the work made.
    pub fn rule(&mut self, ruling: Ruling) -> Result<(), NotDecided> {
        let turn = if ruling.approve { Turn::Uphold } else { Turn::Overrule };
        let Some(state) = self.state.after(turn) else { return Err(NotDecided::NotEscalated(self.state)) };
        let rounds = self.earlier.iter().map(|round| &round.submitted_by);
        if rounds.chain([&self.submitted_by]).any(|by| by.as_ref() == Some(&ruling.by)) {
            return Err(NotDecided::Author);
        }
        self.state = state;
        self.ruling = Some(ruling);
        Ok(())
    }

    /// How long the panel took for this round, once it was done.
    pub fn took(&self) -> Option<Duration> {
        self.closed_at.and_then(|at| (at - self.opened_at).to_std().ok())
    }

    /// What whoever listens is told of it.
    pub fn telling(&self) -> Value {
        json!({
            "review_id": self.id,
            "job_id": self.job_id,
            "title": self.title,
            "state": self.state,
            "round": self.round,
            "risk": self.risk,
            "digest": self.digest,
            "decided_by": self.ruling.as_ref().map(|ruling| &ruling.by),
        })
    }
}

/// Nobody's.
const SILENT: Voice = Voice { weight: 0, veto: false, vote: super::Vote::Abstain, critical: false, fatal: false };

impl Voice {
    fn is_silent(self) -> bool {
        self.vote == super::Vote::Abstain
    }
}

fn voice(seat: &Seat, ballot: &Ballot) -> Voice {
    let (critical, fatal) = (ballot.is_critical(), ballot.is_fatal());
    Voice { weight: seat.weight, veto: seat.has_veto(), vote: ballot.verdict, critical, fatal }
}

#[cfg(test)]
mod tests;
