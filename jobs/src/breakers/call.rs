//! A call that goes through, or does not.

use std::time::{Duration, Instant};

use super::{
    board::Board,
    calls::{SLOW, Seen},
    circuit::Permit,
    dependency::Dependency,
};
use crate::{
    outbound::{OutboundError, OutboundResponse},
    outcome::Failure,
};

/// A call that goes through. Dropped before it is said how it [`ended`](Self::ended), it counts as cancelled.
#[must_use = "a call that is dropped counts as cancelled"]
pub struct Call {
    pub(super) board: Board,
    pub(super) dependency: Dependency,
    pub(super) permit: Permit,
    pub(super) since: Instant,
    pub(super) told: bool,
}

impl Call {
    /// Says how it ended: `failed` where it did not connect, was not answered in time, or was told that the
    /// other side cannot.
    pub fn ended(mut self, failed: bool) {
        let slow = self.dependency.answers_at_once() && self.board.now() - self.since > SLOW;
        self.told = true;
        self.board.end(&self, Some(Seen { failed, slow }));
    }

    /// Says how an HTTP request ended. A request that Golden itself refused says nothing of the host.
    pub fn answered(self, answer: &Result<OutboundResponse, OutboundError>, is_fault: impl FnOnce(u16) -> bool) {
        match answer {
            Ok(answer) => self.ended(is_fault(answer.status)),
            Err(OutboundError::Timeout(_) | OutboundError::Connection(_)) => self.ended(true),
            Err(OutboundError::Refused(_)) => {}
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.told {
            self.board.end(self, None);
        }
    }
}

/// A call that does not go through now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{dependency} is left alone for {wait:?}")]
pub struct Refused {
    pub dependency: Dependency,
    /// When it is to come again.
    pub wait: Duration,
    /// Whether it may go as a trial once this process has [leave](Board::may_try) to try on behalf of all.
    pub would_be_trial: bool,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Later(refused.wait)
    }
}
