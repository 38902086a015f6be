//! Webhooks: signatures, and the relay that turns events into deliveries.
//!
//! An event becomes one `webhook.deliver` job whose id is the message's own; the retries,
//! the schedule and the dead letters are those of any job. What receivers see follows
//! Standard Webhooks (<https://www.standardwebhooks.com>), so its libraries verify it.

mod body;
mod relay;
#[cfg(test)]
mod samples;
mod signature;

pub use relay::{relay, relay_once};
pub use signature::{MalformedSecret, Secret, headers, sign};
