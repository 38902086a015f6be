//! What tenants, and trees of jobs, may spend. Rules alone: [`Budgets`](crate::store::Budgets) keeps the accounts.
//!
//! A call that costs money is paid for in three steps. What it may cost at worst is *reserved*, off every account that
//! the job is on; that it is *dispatched* is on record before its first byte leaves; and what it did cost is *settled*.
//! An account is never over its limit, whatever is under way: spent and reserved together are held to it.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, Days, Months, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

mod accounts;
mod gauge;
mod money;

pub(crate) use accounts::{Accounts, TenantAccount, TreeAccount};
pub(crate) use gauge::REST;
pub use gauge::{SHOWN, show, show_imbalance};
pub use money::{MalformedMicros, Micros};

/// Per cent of a limit at which its tenant is told, once a period.
pub const THRESHOLDS: [u8; 2] = [80, GONE];
/// The one at which a human is asked.
pub(crate) const GONE: u8 = 100;

/// What a tenant may spend again and again. Periods are those of the calendar in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    Day,
    Month,
    /// What is spent stays spent.
    None,
}

impl Period {
    /// Every period once.
    pub const ALL: [Self; 3] = [Self::Day, Self::Month, Self::None];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::None => "none",
        }
    }

    /// When the period began that `at` is in; `None` where there is but one.
    pub fn begun(self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let day = match self {
            Self::Day => at.date_naive(),
            Self::Month => at.date_naive().with_day(1)?,
            Self::None => return None,
        };
        Some(day.and_time(NaiveTime::MIN).and_utc())
    }

    /// When the one after it begins.
    pub fn next(self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let begun = self.begun(at)?;
        match self {
            Self::Day => begun.checked_add_days(Days::new(1)),
            Self::Month => begun.checked_add_months(Months::new(1)),
            Self::None => None,
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not a period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown period `{0}`: expected day, month or none")]
pub struct UnknownPeriod(String);

impl FromStr for Period {
    type Err = UnknownPeriod;

    fn from_str(text: &str) -> Result<Self, UnknownPeriod> {
        Self::ALL.into_iter().find(|period| period.as_str() == text).ok_or_else(|| UnknownPeriod(text.to_owned()))
    }
}

/// So much in every period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub limit: Micros,
    pub period: Period,
}

impl Default for Allowance {
    /// Ten dollars a month: enough to try with, and no surprise on a bill.
    fn default() -> Self {
        Self { limit: Micros::dollars(10), period: Period::Month }
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.limit, self.period)
    }
}

/// Not an allowance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedAllowance {
    #[error("write it as dollars and period, for example 25/month or 0.50/day")]
    Form,
    #[error(transparent)]
    Micros(#[from] MalformedMicros),
    #[error(transparent)]
    Period(#[from] UnknownPeriod),
}

impl FromStr for Allowance {
    type Err = MalformedAllowance;

    fn from_str(text: &str) -> Result<Self, MalformedAllowance> {
        let (limit, period) = text.split_once('/').ok_or(MalformedAllowance::Form)?;
        Ok(Self { limit: limit.parse()?, period: period.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_those_of_the_calendar_in_utc() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let now = at("2028-02-29T23:59:59Z");
        for (period, begun, next) in [
            (Period::Day, Some("2028-02-29T00:00:00Z"), Some("2028-03-01T00:00:00Z")),
            (Period::Month, Some("2028-02-01T00:00:00Z"), Some("2028-03-01T00:00:00Z")),
            (Period::None, None, None),
        ] {
            assert_eq!((period.begun(now), period.next(now)), (begun.map(at), next.map(at)), "{period}");
        }
    }

    #[test]
    fn an_allowance_is_read_as_it_is_written() {
        for text in ["10/month", "0.5/day", "0/none", "1000000000/none"] {
            assert_eq!(text.parse::<Allowance>().unwrap().to_string(), text);
        }
        for wrong in ["10", "10/week", "-1/day", "/day", "1.0000001/day", "1000000001/none", "NaN/day", "1e3/day"] {
            assert!(wrong.parse::<Allowance>().is_err(), "{wrong}");
        }
    }
}
