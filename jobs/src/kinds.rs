//! The kinds Golden brings. A new kind is one file beside these, and one line below.

use crate::registry::Registry;

mod function_call;
mod http_call;
mod llm_complete;
mod noop;
mod sandbox_run;
mod webhook_deliver;

pub use function_call::{FunctionCall, Returned};
pub use http_call::{Answer, HttpCall, Method};
pub use llm_complete::{Completion, LlmComplete, Party, Said};
pub use noop::Noop;
pub use sandbox_run::SandboxRun;
pub use webhook_deliver::{Delivered, WebhookDeliver};

/// Every kind of this build.
pub fn registry() -> Registry {
    Registry::default()
        .with::<FunctionCall>()
        .with::<HttpCall>()
        .with::<LlmComplete>()
        .with::<Noop>()
        .with::<SandboxRun>()
        .with::<WebhookDeliver>()
}
