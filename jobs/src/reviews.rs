//! Peer review: a panel of agents says what it thinks of an agent's work, and a rule makes one word of that.
//!
//! All of it is pure: what was said, by whom and when goes in, and what follows comes out. The
//! [store](crate::store::Reviews) keeps it, in one transaction with what it follows from.
//!
//! | module | holds |
//! |---|---|
//! | `state` | where a review is, and what leads where |
//! | `panel` | who sits, and with what weight |
//! | `ballot` | what a seat says, and its findings |
//! | `found` | what a panel found, each thing once |
//! | `decision` | what follows from the ballots |
//! | `review` | a review with its rounds, and what may be done to it |

mod ballot;
mod decision;
mod found;
mod panel;
mod review;
mod state;

/// The title of the schema that a model's ballot fits.
pub const BALLOT_SCHEMA: &str = "Ballot";

pub use ballot::{Ballot, Finding, Severity, Vote, abstention};
pub use decision::{Label, Stage, Voice, certain, decide};
pub use found::Found;
pub use panel::{Panel, PanelError, Risk, Seat};
pub use review::{
    BALLOTS_DUE, Cast, LAST_ROUND, NoFurtherRound, NotDecided, Opening, REPLACEMENTS_DUE, Review, Round, Ruling,
    Standing, TIMEOUT,
};
pub use state::{ReviewState, Turn, UnknownReviewState};
