//! What an answer says about when to come again.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::OutboundResponse;

/// The three forms of a date that HTTP has had (RFC 9110, section 5.6.7), newest first.
const DATES: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

impl OutboundResponse {
    /// How long the answer asks to wait, if it does: `Retry-After` in seconds or as a date
    /// (RFC 9110, section 10.2.3), `cap` at most.
    ///
    /// A date is measured from the answer's own `Date` where it has one, so that a receiver
    /// whose clock is off gets the wait it meant; else from `now`.
    pub fn retry_after(&self, now: DateTime<Utc>, cap: Duration) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than a u64 holds is a long wait, not none.
            Duration::from_secs(value.parse().unwrap_or(u64::MAX))
        } else {
            let from = self.header("date").and_then(date).unwrap_or(now);
            (date(value)? - from).to_std().unwrap_or_default()
        };
        Some(wait.min(cap))
    }
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    DATES.iter().find_map(|form| NaiveDateTime::parse_from_str(text.trim(), form).ok()).map(|date| date.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: Duration = Duration::from_secs(3600);

    fn wait(headers: &[(&str, &str)]) -> Option<u64> {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let response = OutboundResponse {
            status: 503,
            headers,
            body: Default::default(),
            truncated: false,
            latency: Duration::ZERO,
        };
        let now = date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        response.retry_after(now, CAP).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_all_three_forms_of_a_date_are_understood() {
        assert_eq!(wait(&[("retry-after", "120")]), Some(120));
        assert_eq!(wait(&[("retry-after", " 0 ")]), Some(0));
        for then in ["Sun, 06 Nov 1994 08:50:37 GMT", "Sunday, 06-Nov-94 08:50:37 GMT", "Sun Nov  6 08:50:37 1994"] {
            assert_eq!(wait(&[("retry-after", then)]), Some(60), "{then}");
        }
    }

    #[test]
    fn a_receivers_own_date_is_what_its_wait_counts_from() {
        let headers = [("date", "Tue, 15 Nov 1994 08:00:00 GMT"), ("retry-after", "Tue, 15 Nov 1994 08:00:07 GMT")];
        assert_eq!(wait(&headers), Some(7));
    }

    #[test]
    fn a_wait_is_capped_and_never_negative() {
        assert_eq!(wait(&[("retry-after", "86400")]), Some(3600));
        assert_eq!(wait(&[("retry-after", "99999999999999999999999")]), Some(3600));
        assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), Some(0));
    }

    #[test]
    fn what_is_neither_is_ignored() {
        for value in ["", "soon", "-5", "1.5", "06 Nov 1994"] {
            assert_eq!(wait(&[("retry-after", value)]), None, "{value}");
        }
        assert_eq!(wait(&[]), None);
    }
}
