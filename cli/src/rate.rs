//! How fast to go: `50/s`, `300/m`.

use std::{num::NonZeroU32, str::FromStr, time::Duration};

/// So many things in a second, a minute or an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    count: NonZeroU32,
    per: Duration,
}

/// Not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rate like 50/s, 300/m or 1000/h")]
pub(crate) struct MalformedRate(String);

impl Rate {
    /// How long `n` things take at this rate.
    pub(crate) fn time_for(self, n: u64) -> Duration {
        let secs = self.per.as_secs_f64() * n as f64 / f64::from(self.count.get());
        Duration::from_secs_f64(secs)
    }

    /// How many things to do at once, so that each step takes about `step`; 1 to `most`.
    pub(crate) fn chunk(self, step: Duration, most: u32) -> u32 {
        let chunk = f64::from(self.count.get()) * step.as_secs_f64() / self.per.as_secs_f64();
        // The cast saturates, and what is left of a fraction below one is one.
        (chunk as u32).clamp(1, most)
    }
}

impl FromStr for Rate {
    type Err = MalformedRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || MalformedRate(text.to_owned());
        let (count, unit) = text.split_once('/').ok_or_else(malformed)?;
        let secs = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(malformed()),
        };
        let count = count.parse().map_err(|_| malformed())?;
        Ok(Self { count, per: Duration::from_secs(secs) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn takes_as_long_as_it_says() {
        assert_eq!(rate("50/s").time_for(100), Duration::from_secs(2));
        assert_eq!(rate("30/m").time_for(1), Duration::from_secs(2));
        assert_eq!(rate("1/h").time_for(2), Duration::from_secs(7200));
    }

    #[test]
    fn a_chunk_fits_its_step_and_is_never_nothing() {
        let step = Duration::from_secs(2);
        assert_eq!(rate("50/s").chunk(step, 1000), 100);
        assert_eq!(rate("1/h").chunk(step, 1000), 1);
        assert_eq!(rate("4000000000/s").chunk(step, 1000), 1000);
    }

    #[test]
    fn nonsense_and_standstill_are_refused() {
        for text in ["", "50", "/s", "0/s", "-1/s", "5/d", "5/ s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
