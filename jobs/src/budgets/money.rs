//! Money: whole millionths of a US dollar, since sums of fractions drift.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Millionths of a US dollar, from nothing to a billion dollars.
///
/// The bound keeps every sum of two within an `i64`, and a slip of the keyboard out of the books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Micros(i64);

const DOLLAR: i64 = 1_000_000;

impl Micros {
    pub const ZERO: Self = Self(0);
    pub const MAX: Self = Self::dollars(1_000_000_000);

    /// `None` where it is negative or more than a billion dollars.
    pub const fn new(micros: i64) -> Option<Self> {
        if 0 <= micros && micros <= Self::MAX.0 { Some(Self(micros)) } else { None }
    }

    /// Whole dollars.
    pub const fn dollars(dollars: u32) -> Self {
        assert!(dollars <= 1_000_000_000, "more than a billion dollars");
        Self(dollars as i64 * DOLLAR)
    }

    pub const fn get(self) -> i64 {
        self.0
    }
}

impl JsonSchema for Micros {
    fn schema_name() -> Cow<'static, str> {
        "Micros".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": Self::MAX.0 })
    }
}

/// In dollars, with as many decimals as it has.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, rest) = (self.0 / DOLLAR, self.0 % DOLLAR);
        if rest == 0 {
            return write!(f, "{dollars}");
        }
        let decimals = format!("{rest:06}");
        write!(f, "{dollars}.{}", decimals.trim_end_matches('0'))
    }
}

/// Not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an amount: dollars with up to six decimals, from 0 to 1000000000")]
pub struct MalformedMicros(String);

/// Reads dollars.
impl FromStr for Micros {
    type Err = MalformedMicros;

    fn from_str(text: &str) -> Result<Self, MalformedMicros> {
        let malformed = || MalformedMicros(text.to_owned());
        let (dollars, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if dollars.is_empty() || !digits(dollars) || !digits(decimals) || decimals.len() > 6 || text.ends_with('.') {
            return Err(malformed());
        }
        let dollars: i64 = dollars.parse().map_err(|_| malformed())?;
        let rest: i64 = format!("{decimals:0<6}").parse().map_err(|_| malformed())?;
        let micros = dollars.checked_mul(DOLLAR).and_then(|micros| micros.checked_add(rest));
        micros.and_then(Self::new).ok_or_else(malformed)
    }
}

impl TryFrom<i64> for Micros {
    type Error = MalformedMicros;

    fn try_from(micros: i64) -> Result<Self, MalformedMicros> {
        Self::new(micros).ok_or_else(|| MalformedMicros(micros.to_string()))
    }
}

impl From<Micros> for i64 {
    fn from(micros: Micros) -> Self {
        micros.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(micros in 0..=Micros::MAX.get()) {
            let micros = Micros::new(micros).unwrap();
            prop_assert_eq!(micros.to_string().parse(), Ok(micros));
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for wrong in ["", ".", "1.", ".5", "+1", "-1", "1_0", "0.0000001", "1000000000.000001", "99999999999999999999"]
        {
            assert!(wrong.parse::<Micros>().is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<Micros>("-1").is_err());
    }
}
