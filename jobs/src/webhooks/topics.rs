//! The types of events, and the patterns that endpoints choose them by.

/// An endpoint that failed for too long, or is gone.
pub const ENDPOINT_DISABLED: &str = "endpoint.disabled";
/// So much of a tenant's budget is spent.
pub const BUDGET_THRESHOLD: &str = "budget.threshold";
/// Sent to one endpoint because somebody asked for it, whatever that endpoint chooses.
pub const WEBHOOK_TEST: &str = "webhook.test";

/// The types that an endpoint may choose, with what each tells.
pub const EVENT_TYPES: [(&str, &str); 5] = [
    ("job.succeeded", "A job ended with its result."),
    ("job.dead", "A job failed for good and left a dead letter."),
    ("job.cancelled", "A job ended because somebody asked for it."),
    (ENDPOINT_DISABLED, "Another webhook endpoint of the tenant failed for five days, or answered 410 Gone."),
    (BUDGET_THRESHOLD, "80 % of the tenant's budget are spent, or it is gone: once for each period and limit."),
];

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
