//! How long to wait before the next attempt.

use std::time::Duration;

/// The waits between a job's attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Backoff {
    /// `base × factorⁿ` up to `cap`, where n is 0 after the first attempt; then a uniformly
    /// random share of it when `jitter` is 1 ("full jitter"), less spread when it is smaller,
    /// and none when it is 0. See "Exponential Backoff And Jitter", Marc Brooker, AWS
    /// Architecture Blog, 2015.
    Exponential { base: Duration, factor: f64, cap: Duration, jitter: f64 },
    /// The wait after the first, second, … attempt, each varied by ± `jitter` of itself. The
    /// last one repeats.
    Steps { steps: &'static [Duration], jitter: f64 },
}

impl Backoff {
    /// 1 s × 2ⁿ up to 1 h, with full jitter.
    pub const DEFAULT: Self =
        Self::Exponential { base: Duration::from_secs(1), factor: 2.0, cap: Duration::from_secs(3600), jitter: 1.0 };

    /// The wait after attempt number `attempt` (1 is the first) failed.
    ///
    /// `chance` is uniform in 0..1; it is an argument so that the result is a pure function.
    pub fn delay(&self, attempt: u32, chance: f64) -> Duration {
        let chance = chance.clamp(0.0, 1.0);
        match *self {
            Self::Exponential { base, factor, cap, jitter } => {
                let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
                // Infinity at large exponents is what the cap is for.
                let whole = (base.as_secs_f64() * factor.powi(exponent)).min(cap.as_secs_f64());
                Duration::from_secs_f64(whole * (1.0 - jitter * chance))
            }
            Self::Steps { steps, jitter } => {
                let index = (attempt.saturating_sub(1) as usize).min(steps.len().saturating_sub(1));
                let whole = steps.get(index).copied().unwrap_or_default().as_secs_f64();
                Duration::from_secs_f64(whole * (1.0 + jitter * (2.0 * chance - 1.0)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_up_to_the_cap() {
        let waits: Vec<u64> = (1..=14).map(|n| Backoff::DEFAULT.delay(n, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
    }

    #[test]
    fn the_last_step_repeats() {
        const STEPS: &[Duration] = &[Duration::from_secs(5), Duration::from_secs(300)];
        let backoff = Backoff::Steps { steps: STEPS, jitter: 0.2 };
        assert_eq!(backoff.delay(1, 0.5).as_secs(), 5);
        assert_eq!(backoff.delay(2, 0.5).as_secs(), 300);
        assert_eq!(backoff.delay(9, 1.0).as_secs(), 360);
    }

    proptest! {
        #[test]
        fn never_overflows_and_never_exceeds_the_cap(attempt: u32, chance in 0.0f64..1.0) {
            prop_assert!(Backoff::DEFAULT.delay(attempt, chance) <= Duration::from_secs(3600));
        }
    }
}
