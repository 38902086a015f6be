//! The real binary, as a user meets it.

#[expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]
mod support;

#[expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]
mod audit;
#[expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]
mod breakers;
mod client;
mod completions;
mod docs;
mod doctor;
mod escalations;
mod functions;
mod guards;
#[expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]
mod keys;
mod live;
mod offline;
mod openapi;
mod serving;
#[expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]
mod walk;
#[expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]
mod webhooks;
