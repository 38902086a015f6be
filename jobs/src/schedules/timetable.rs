//! When a schedule's slots are: a cron expression in a time zone.
//!
//! What clocks that change do to them is croner's rule, which is Vixie cron's: a fixed time
//! that a change skips comes at the first moment after the gap, and one that comes twice comes
//! the first time only; what recurs through the hours (`*`, `*/15`) follows the clock on the
//! wall, through neither gap nor repetition made up for.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

/// The longest expression, in characters. Lists of everything fit.
pub const CRON_LIMIT: usize = 256;

const NICKNAMES: [&str; 6] = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually"];

/// The fields of an expression: each with what may stand there.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31, L for the last day, 15W for the weekday nearest to the 15th"),
    ("month", "1-12 or JAN-DEC"),
    ("day of the week", "0-7 or SUN-SAT with 0 and 7 for Sunday, 5L for the last Friday, 1#2 for the second Monday"),
];

/// Why a text is no cron expression of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongCron {
    #[error("at most {CRON_LIMIT} characters")]
    TooLong,
    #[error("unknown nickname: known are {}", NICKNAMES.join(", "))]
    Nickname,
    #[error(
        "six fields are an expression with seconds, and the shortest interval is a minute: leave the first field out"
    )]
    Seconds,
    #[error(
        "{found} fields, and there are five: minute, hour, day of the month, month, day of the week, as in `30 3 * * MON-FRI`; or one of {}",
        NICKNAMES.join(", ")
    )]
    Fields { found: usize },
    #[error(
        "`{text}` is no {field}: {allowed}; lists (1,2), ranges (1-5) and steps (*/2) of these, or * for every one"
    )]
    Field { text: String, field: &'static str, allowed: &'static str },
    #[error("the day of the month and the month together never come")]
    Never,
}

/// Not a time zone of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownZone(String);

/// Reads a cron expression: five fields, or a nickname such as `@daily`.
pub fn cron(text: &str) -> Result<Cron, WrongCron> {
    if text.chars().count() > CRON_LIMIT {
        return Err(WrongCron::TooLong);
    }
    let parse = |text: &str| {
        let rules = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        rules.parse(text)
    };
    let fields: Vec<&str> = text.split_whitespace().collect();
    if let [nickname] = fields[..]
        && nickname.starts_with('@')
    {
        let known = NICKNAMES.into_iter().any(|known| known.eq_ignore_ascii_case(nickname));
        return parse(nickname).ok().filter(|_| known).ok_or(WrongCron::Nickname);
    }
    match fields.len() {
        5 => {}
        6 => return Err(WrongCron::Seconds),
        found => return Err(WrongCron::Fields { found }),
    }
    // Each field by itself among stars, since croner does not say which one it could not read.
    for (at, (field, allowed)) in FIELDS.into_iter().enumerate() {
        let mut alone = ["*"; FIELDS.len()];
        alone[at] = fields[at];
        if parse(&alone.join(" ")).is_err() {
            return Err(WrongCron::Field { text: fields[at].to_owned(), field, allowed });
        }
    }
    parse(&fields.join(" ")).map_err(|_| WrongCron::Never)
}

/// Reads a time zone: a name of the IANA database, spelt as it is there.
pub fn zone(name: &str) -> Result<Tz, UnknownZone> {
    name.parse().map_err(|_| {
        let mut text = String::from("an IANA time zone such as Europe/Berlin, America/New_York or UTC");
        let asked = name.trim().replace(' ', "_");
        let meant = TZ_VARIANTS.iter().map(|zone| zone.name()).find(|known| {
            let city = known.rsplit('/').next().unwrap_or(known);
            known.eq_ignore_ascii_case(&asked) || city.eq_ignore_ascii_case(&asked)
        });
        if let Some(meant) = meant {
            // Writing to a String does not fail.
            let _ = write!(text, "; did you mean {meant}?");
        } else {
            text.push_str(", not an offset and not an abbreviation");
        }
        UnknownZone(text)
    })
}

/// All slots of a schedule.
#[derive(Debug, Clone)]
pub struct Timetable {
    cron: Cron,
    zone: Tz,
}

impl Timetable {
    pub fn new(cron: Cron, zone: Tz) -> Self {
        Self { cron, zone }
    }

    /// The first slot after `time`; `None` if there is none.
    pub fn next_after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.cron.find_next_occurrence(&time.with_timezone(&self.zone), false);
        next.ok().map(|slot| slot.to_utc())
    }

    /// The last slot that is not after `time`.
    pub fn last_until(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last = self.cron.find_previous_occurrence(&time.with_timezone(&self.zone), true);
        last.ok().map(|slot| slot.to_utc())
    }

    /// The slots after `time`, the next one first.
    pub fn upcoming(&self, time: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        std::iter::successors(self.next_after(time), |slot| self.next_after(*slot))
    }
}

#[cfg(test)]
mod tests;
