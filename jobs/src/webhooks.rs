//! Webhooks: who is told of which event, in which words, signed how.
//!
//! A message to one receiver is a `webhook.deliver` job whose id is the message's own; the
//! retries, the schedule and the dead letters are those of any job. What receivers see follows
//! Standard Webhooks (<https://www.standardwebhooks.com>), so its libraries verify it.

mod body;
mod deliveries;
mod publications;
mod relay;
#[cfg(test)]
mod samples;
mod signature;
mod topics;

pub use deliveries::{endpoint_disabled, said, test_delivery};
pub use relay::{relay, relay_once};
pub use signature::{MalformedSecret, Secret, headers, new_secret, sign};
pub use topics::{
    BUDGET_THRESHOLD, ENDPOINT_DISABLED, ESCALATION_OPENED, ESCALATION_RESOLVED, EVENT_TYPES, POLICY_ACTIVATED,
    POLICY_CANARY, POLICY_FROZEN, POLICY_PROPOSED, POLICY_REJECTED, POLICY_ROLLED_BACK, WEBHOOK_TEST, covers, is_known,
    review_event,
};
