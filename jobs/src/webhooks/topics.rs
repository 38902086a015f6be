//! The types of events, and the patterns that endpoints choose them by.

use crate::reviews::{Review, ReviewState};

/// An endpoint that failed for too long, or is gone.
pub const ENDPOINT_DISABLED: &str = "endpoint.disabled";
/// So much of a tenant's budget is spent.
pub const BUDGET_THRESHOLD: &str = "budget.threshold";
/// A panel is asked what it thinks of an agent's work.
const REVIEW_OPENED: &str = "review.opened";
/// It may be used as it is.
const REVIEW_APPROVED: &str = "review.approved";
/// It may not be used.
const REVIEW_REJECTED: &str = "review.rejected";
/// It may come once more.
const REVIEW_CHANGES_REQUESTED: &str = "review.changes_requested";
/// A human is to decide.
const REVIEW_ESCALATED: &str = "review.escalated";
/// A change of a policy was put on record.
pub const POLICY_PROPOSED: &str = "policy.proposed";
/// Somebody decided against one.
pub const POLICY_REJECTED: &str = "policy.rejected";
/// A tenth of a role's jobs are asked under another version.
pub const POLICY_CANARY: &str = "policy.canary";
/// All of them are.
pub const POLICY_ACTIVATED: &str = "policy.activated";
/// A version is not active, or on trial, any more.
pub const POLICY_ROLLED_BACK: &str = "policy.rolled_back";
/// No other version becomes active.
pub const POLICY_FROZEN: &str = "policy.frozen";
/// A human is asked.
pub const ESCALATION_OPENED: &str = "escalation.opened";
/// A human has answered, or nobody waits for the answer any more.
pub const ESCALATION_RESOLVED: &str = "escalation.resolved";
/// Sent to one endpoint because somebody asked for it, whatever that endpoint chooses.
pub const WEBHOOK_TEST: &str = "webhook.test";

/// The types that an endpoint may choose, with what each tells.
pub const EVENT_TYPES: [(&str, &str); 20] = [
    ("job.succeeded", "A job ended with its result."),
    ("job.dead", "A job failed for good and left a dead letter."),
    ("job.cancelled", "A job ended because somebody asked for it."),
    ("task.completed", "A task succeeded: its program is written, tested and approved."),
    ("task.failed", "A task died; its error says of what."),
    (ENDPOINT_DISABLED, "Another webhook endpoint of the tenant failed for five days, or answered 410 Gone."),
    (BUDGET_THRESHOLD, "80 % of the tenant's budget are spent, or it is gone: once for each period and limit."),
    (REVIEW_OPENED, "A panel of agents was asked about an agent's work, for the first time or the second."),
    (REVIEW_APPROVED, "A panel approved the work, or a human did."),
    (REVIEW_REJECTED, "A panel rejected the work, or a human did."),
    (REVIEW_CHANGES_REQUESTED, "A panel wants the work to come once more, changed."),
    (REVIEW_ESCALATED, "A panel came to nothing that may stand: a human is to decide."),
    (POLICY_PROPOSED, "A change of an agent role's policy was proposed."),
    (POLICY_REJECTED, "Somebody decided against a change of a policy."),
    (POLICY_CANARY, "A version of a policy is on trial: a tenth of the role's jobs are asked under it."),
    (POLICY_ACTIVATED, "A version of a policy is active: all jobs that start from now on are asked under it."),
    (POLICY_ROLLED_BACK, "A version of a policy that was on trial or active is so no more."),
    (POLICY_FROZEN, "An agent role's policy stays as it is until an admin says otherwise."),
    (ESCALATION_OPENED, "Something needs a human."),
    (ESCALATION_RESOLVED, "What needed a human was answered, or withdrawn."),
];

/// What tells that a round of a review began, or what it came to; `None` where neither did.
pub fn review_event(review: &Review, began: bool) -> Option<&'static str> {
    match review.state {
        ReviewState::Collecting => began.then_some(REVIEW_OPENED),
        ReviewState::Approved => Some(REVIEW_APPROVED),
        ReviewState::Rejected => Some(REVIEW_REJECTED),
        ReviewState::ChangesRequested => Some(REVIEW_CHANGES_REQUESTED),
        ReviewState::Escalated => Some(REVIEW_ESCALATED),
        ReviewState::Pending | ReviewState::Cancelled => None,
    }
}

/// Whether a pattern chooses a type: by its name, by its group (`job.*`), or all (`*`).
pub fn covers(pattern: &str, event: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(group) => group.ends_with('.') && event.starts_with(group),
        None => pattern == event,
    }
}

/// Whether a pattern chooses any type that there is.
pub fn is_known(pattern: &str) -> bool {
    EVENT_TYPES.iter().any(|(event, _)| covers(pattern, event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_type_a_group_or_all() {
        for (pattern, covered) in [
            ("job.succeeded", true),
            ("job.*", true),
            ("*", true),
            ("job.dead", false),
            ("job*", false),
            ("job.s*", false),
            ("job", false),
            ("endpoint.*", false),
            ("", false),
        ] {
            assert_eq!(covers(pattern, "job.succeeded"), covered, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_chooses_nothing_is_not_known() {
        for (pattern, known) in
            [("*", true), ("job.*", true), ("endpoint.disabled", true), ("webhook.test", false), ("jobs.*", false)]
        {
            assert_eq!(is_known(pattern), known, "{pattern}");
        }
    }
}
