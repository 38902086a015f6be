//! Tasks: a goal that agents turn into a program with tests which pass, and which a panel approved.
//!
//! Nothing here asks, runs or waits. [`Course`] is a pure function of where a task is and of what came of its last step,
//! to what is to be done next; the kind `task` makes children of that and waits for them.
//!
//! | module | holds |
//! |---|---|
//! | [`course`] | the steps of a task, in their order, and its end |
//! | `step`, `delivered` | what a task does, and what it leaves |
//! | [`errand`] | what a step asks of others, and what comes of it |
//! | `answers` | what models are to answer, and what is held against it besides its schema |
//! | `prompts` | what they are told |
//! | [`workspace`] | the files of a task, and which there may be |
//! | [`language`] | what programs and tests are called, by language |
//! | [`report`] | what came of the tests |
//! | `guard` | ends a task that goes in a circle |

pub(crate) mod answers;
pub mod course;
mod delivered;
pub mod errand;
mod guard;
pub mod language;
mod prompts;
pub mod report;
mod step;
pub mod workspace;

pub use answers::Plan;
pub use course::{Course, Next};
pub use delivered::{Artifact, Delivered};
pub use errand::{Ended, Errand, Judged, Judgement, Part};
pub use language::Language;
pub use report::TestReport;
pub use step::Step;
pub use workspace::Files;
