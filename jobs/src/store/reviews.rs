//! Peer reviews: what panels are asked, what they said, what became of it.

use async_trait::async_trait;

use super::{Page, StoreError};
use crate::{
    audit::Actor,
    id::ReviewId,
    reviews::{Ballot, Cast, NoFurtherRound, NotDecided, Opening, Review, ReviewState, Risk},
};

/// Reviews, with their rounds and ballots.
///
/// Each verb that changes one reads it with its ballots, has [`Review`] decide, and writes what came of that, in one
/// transaction that holds it: of two ballots at once each sees the other or is seen by it, and a decision is made once.
/// A review is cancelled while the job is that sees to it, whatever is on record.
#[async_trait]
pub trait Reviews: Send + Sync {
    /// Begins a round. A job begins one and no more: asked again, it is answered the review as it is by now.
    async fn open_review(&self, opening: &Opening) -> Result<Opened, StoreError>;

    /// Takes what a seat says, and answers the review as it is then; `None` where the tenant has no such review.
    async fn cast(&self, tenant: &str, id: ReviewId, ballot: &Ballot) -> Result<Option<(Cast, Review)>, StoreError>;

    /// Goes on with a round as its ballots and the time allow: to replacements of those who are silent, or to its end.
    /// `None` where the tenant has no such review.
    async fn advance_review(&self, tenant: &str, id: ReviewId) -> Result<Option<Review>, StoreError>;

    /// Decides an escalated review by a human's word, which answers whatever asked for it, and lets the jobs that wait
    /// for it go on.
    async fn decide_review(&self, decision: &Decision, by: &Actor) -> Result<Decided, StoreError>;

    /// One review; `None` where the tenant has no such.
    async fn review(&self, tenant: &str, id: ReviewId) -> Result<Option<Review>, StoreError>;

    /// Reviews newest first, without their ballots. A page takes no longer where few match or none: at most
    /// [`LOOK`](super::LOOK) are looked at for it.
    async fn reviews(&self, filter: &ReviewFilter, page: Page<ReviewId>) -> Result<ReviewPage, StoreError>;
}

/// What became of an [`Opening`].
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// The round is under way, as of now or from before.
    Open(Box<Review>),
    /// The tenant has no review to have a further round.
    NoSuchReview,
    Refused(NoFurtherRound),
}

/// What a human says of an escalated review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub tenant_id: String,
    pub id: ReviewId,
    pub approve: bool,
    pub reason: String,
}

/// What became of a [`Decision`].
#[derive(Debug, Clone, PartialEq)]
pub enum Decided {
    Done(Box<Review>),
    NoSuchReview,
    Refused(NotDecided),
}

/// Which reviews of a tenant to list. Absent means any.
#[derive(Debug, Clone, Default)]
pub struct ReviewFilter {
    pub tenant_id: String,
    /// None is pending: a review that is has not been opened yet.
    pub state: Option<ReviewState>,
    pub risk: Option<Risk>,
}

impl ReviewFilter {
    /// Whether what is asked for is among the few that nobody has decided.
    pub(super) fn is_of_open(&self) -> bool {
        // One that was cancelled is still open on record.
        self.state.is_some_and(|state| state.is_open() || state == ReviewState::Cancelled)
    }
}

/// What was found for a page of a list of reviews.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReviewPage {
    pub reviews: Vec<Review>,
    /// Where looking ended before the page was full: there may be more below this one.
    pub looked_to: Option<ReviewId>,
}
