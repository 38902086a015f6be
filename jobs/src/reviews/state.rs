//! Where a review is, and what leads where.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a review is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReviewState {
    /// Its job has not begun: nobody was asked yet.
    Pending,
    /// Ballots are awaited.
    Collecting,
    Approved,
    Rejected,
    /// Better work may come once more, as the second round.
    ChangesRequested,
    /// The panel came to nothing that may stand: a human decides.
    Escalated,
    /// Its job was cancelled before anything was decided.
    Cancelled,
}

/// What happens to a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Its panel is asked.
    Open,
    Approve,
    Reject,
    RequestChanges,
    /// The panel leaves it to a human.
    Escalate,
    /// Other work came, and the panel is asked again.
    Again,
    /// A human decides.
    Uphold,
    Overrule,
    Cancel,
}

impl Turn {
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Approve,
        Self::Reject,
        Self::RequestChanges,
        Self::Escalate,
        Self::Again,
        Self::Uphold,
        Self::Overrule,
        Self::Cancel,
    ];
}

impl ReviewState {
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Collecting,
        Self::Approved,
        Self::Rejected,
        Self::ChangesRequested,
        Self::Escalated,
        Self::Cancelled,
    ];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Collecting => "COLLECTING",
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
            Self::ChangesRequested => "CHANGES_REQUESTED",
            Self::Escalated => "ESCALATED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether somebody is still to decide.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Collecting | Self::Escalated)
    }

    /// Where a turn leads; `None` where it leads nowhere from here. Time is no turn: nothing is approved by it.
    pub const fn after(self, turn: Turn) -> Option<Self> {
        match (self, turn) {
            (Self::Pending, Turn::Open) | (Self::ChangesRequested, Turn::Again) => Some(Self::Collecting),
            (Self::Collecting, Turn::Approve) | (Self::Escalated, Turn::Uphold) => Some(Self::Approved),
            (Self::Collecting, Turn::Reject) | (Self::Escalated, Turn::Overrule) => Some(Self::Rejected),
            (Self::Collecting, Turn::RequestChanges) => Some(Self::ChangesRequested),
            (Self::Collecting, Turn::Escalate) => Some(Self::Escalated),
            (from, Turn::Cancel) if from.is_open() => Some(Self::Cancelled),
            _ => None,
        }
    }
}

impl fmt::Display for ReviewState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not a state of a review.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the state of a review")]
pub struct UnknownReviewState(String);

impl FromStr for ReviewState {
    type Err = UnknownReviewState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let state = Self::ALL.into_iter().find(|state| state.as_str() == text);
        state.ok_or_else(|| UnknownReviewState(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_leads_where_the_design_draws_it_and_nowhere_else() {
        use ReviewState::*;
        let drawn = [
            (Pending, Turn::Open, Collecting),
            (Pending, Turn::Cancel, Cancelled),
            (Collecting, Turn::Approve, Approved),
            (Collecting, Turn::Reject, Rejected),
            (Collecting, Turn::RequestChanges, ChangesRequested),
            (Collecting, Turn::Escalate, Escalated),
            (Collecting, Turn::Cancel, Cancelled),
            (ChangesRequested, Turn::Again, Collecting),
            (Escalated, Turn::Uphold, Approved),
            (Escalated, Turn::Overrule, Rejected),
            (Escalated, Turn::Cancel, Cancelled),
        ];
        for from in ReviewState::ALL {
            for turn in Turn::ALL {
                let expected = drawn.iter().find(|(at, by, _)| (*at, *by) == (from, turn)).map(|(_, _, to)| *to);
                assert_eq!(from.after(turn), expected, "{from} {turn:?}");
            }
        }
    }

    #[test]
    fn a_state_has_one_spelling() {
        for state in ReviewState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
