//! Durations as people write them: `90s`, `5m`, `2h`, `7d`.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// Not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration like 500ms, 90s, 5m, 2h, 7d or 1h30m (a bare number is seconds)")]
pub(crate) struct MalformedDuration(String);

/// Longest first where one is the start of another.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads whole numbers with units, one or several: `90s`, `1h30m`. A bare number is seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, MalformedDuration> {
    let malformed = || MalformedDuration(text.to_owned());
    if let Ok(secs) = text.parse::<u32>() {
        return Ok(Duration::from_secs(secs.into()));
    }
    let mut rest = text;
    let mut total_ms: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| malformed())?;
        let (unit, ms) = UNITS.into_iter().find(|(unit, _)| tail.starts_with(unit)).ok_or_else(malformed)?;
        total_ms = number.checked_mul(ms).and_then(|ms| total_ms.checked_add(ms)).ok_or_else(malformed)?;
        rest = &tail[unit.len()..];
    }
    if text.is_empty() { Err(malformed()) } else { Ok(Duration::from_millis(total_ms)) }
}

/// The time so long ago, so that it is fixed when the command begins.
#[expect(clippy::disallowed_methods, reason = "`--since 2h` counts from when it was typed")]
pub(crate) fn ago(text: &str) -> Result<DateTime<Utc>, MalformedDuration> {
    let span = parse(text)?;
    Ok(TimeDelta::from_std(span)
        .ok()
        .and_then(|span| Utc::now().checked_sub_signed(span))
        .unwrap_or(DateTime::UNIX_EPOCH))
}

/// A time as a query has it, no less exact than the store.
pub(crate) fn exact(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_and_sums_of_them() {
        let millis = |text| parse(text).map(|duration| duration.as_millis());
        for (text, expected) in [
            ("250ms", 250),
            ("0s", 0),
            ("90s", 90_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("30", 30_000),
        ] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "5x", "-5s", "1.5h", "5 m", "m5", "99999999999999999999d", "18446744073709551615d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
