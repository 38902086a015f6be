//! The kinds Golden brings. A new kind is one file beside these, and one line below.

use crate::registry::Registry;

mod escalation;
mod function_call;
mod http_call;
mod learning_update;
mod llm_complete;
mod noop;
mod review;
mod review_ballot;
mod sandbox_run;
mod task;
mod webhook_deliver;

pub use crate::escalations::Escalation;
pub use function_call::{FunctionCall, Returned};
pub use http_call::{Answer, HttpCall, Method};
pub use learning_update::{LearningUpdate, Settled};
pub use llm_complete::{Completion, LlmComplete, Party, Said};
pub use noop::Noop;
pub use review::{Review, Reviewed};
pub use review_ballot::{Balloted, ReviewBallot};
pub use sandbox_run::{Network, SandboxRun};
pub use task::{ReviewTerms, Task, TaskDone};
pub use webhook_deliver::{Delivered, WebhookDeliver};

/// Every kind of this build.
pub fn registry() -> Registry {
    Registry::default()
        .with::<Escalation>()
        .with::<FunctionCall>()
        .with::<HttpCall>()
        .with::<LearningUpdate>()
        .with::<LlmComplete>()
        .with::<Noop>()
        .with::<Review>()
        .with::<ReviewBallot>()
        .with::<SandboxRun>()
        .with::<Task>()
        .with::<WebhookDeliver>()
}
