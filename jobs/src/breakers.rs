//! Circuit breakers: what does not answer is left alone for a while, and the jobs that need it wait without
//! spending attempts.
//!
//! | module | holds |
//! |---|---|
//! | `dependency` | what breakers stand in front of |
//! | `circuit` | one breaker's state, a pure function of events and the time |
//! | `calls` | when a closed one opens |
//! | `line` | how many calls there may be at a time, and when those who are turned away may come again |
//! | `board` | the breakers of a process |
//! | `entry` | one of them, and what of it is known from others |
//! | `call` | a call that goes through, or does not |
//! | `gauge` | their states in the metrics |
//! | `carry` | findings to the others, and theirs here |
//! | `sharing` | what follows from what the replicas say of a dependency |
//!
//! A process decides for itself. What it finds open it votes for in the store, and once enough others do so too
//! it is open for all, and tried by one: see [`Board::findings`] and [`Board::hear`], between which [`keep_sharing`]
//! carries. Without the store, each goes on by itself.

mod board;
mod call;
mod calls;
mod carry;
mod circuit;
mod dependency;
mod entry;
mod gauge;
mod line;
mod sharing;

pub use board::{Board, Options};
pub use call::{Call, Refused};
pub use calls::{SLOW, Seen};
pub use carry::keep_sharing;
pub use circuit::{Asked, Circuit, Permit, State, Word};
pub use dependency::{Dependency, UnknownDependency};
pub use gauge::show;
pub use sharing::{Standing, TRIAL_LEASE, VOTE_KEPT, WORD_LIMIT, quorum};
