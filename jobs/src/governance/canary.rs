//! Who is asked under a version on trial, and what becomes of it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{ChangeId, JobId};

/// Jobs of a hundred that are on trial.
pub const SHARE: u16 = 10;
/// Samples of either side without which nothing is compared.
pub const LEAST_SAMPLES: u64 = 20;
/// Points of a hundred by which failures, or invalid answers, may not be more.
const POINTS: u128 = 5;
/// Failures in a row that end a trial.
const IN_A_ROW: u64 = 3;

/// Whether a job is among those asked under the version on trial: the same for every run of it, and another tenth of
/// all jobs for every change.
pub fn takes_part(change: ChangeId, job: JobId) -> bool {
    let digest: [u8; 32] = Sha256::new().chain_update(change.0).chain_update(job.0).finalize().into();
    let [first, second, ..] = digest;
    u16::from_be_bytes([first, second]) % 100 < SHARE
}

/// The two sides of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arm {
    /// Under the version that is active.
    Base,
    /// Under the one on trial.
    Trial,
}

impl Arm {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Trial => "trial",
        }
    }
}

/// How one job's question ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// There was no answer.
    pub failed: bool,
    /// There was one that could not be used.
    pub invalid: bool,
    /// The answer had what none is to have.
    pub leaked: bool,
    /// What its calls cost, in micro-USD.
    pub cost: u64,
}

/// How the questions of one side ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    pub samples: u64,
    pub failures: u64,
    pub invalid: u64,
    pub leaks: u64,
    /// Failures since the last that was none.
    pub in_a_row: u64,
    /// Of all samples together, in millionths of a US dollar.
    pub cost_micros: u64,
}

/// A trial as far as it has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tallies {
    pub base: Tally,
    pub trial: Tally,
}

impl Tallies {
    /// The side of that name.
    pub(crate) fn of(&mut self, arm: &str) -> &mut Tally {
        if arm == Arm::Trial.as_str() { &mut self.trial } else { &mut self.base }
    }
}

/// What becomes of a version on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Open,
    /// It is as good as the other, as far as can be told.
    Proven,
    /// It is not, for this reason.
    Worse(&'static str),
}

/// Judges a trial that began at `since` and lasts for `lasts` at least.
pub fn judge(tallies: &Tallies, since: DateTime<Utc>, lasts: Duration, now: DateTime<Utc>) -> Verdict {
    let Tallies { base, trial } = tallies;
    if trial.leaks > 0 {
        return Verdict::Worse("an answer had what none is to have (canary leak)");
    }
    if trial.in_a_row >= IN_A_ROW {
        return Verdict::Worse("three failures in a row");
    }
    if trial.samples < LEAST_SAMPLES || base.samples < LEAST_SAMPLES {
        return Verdict::Open;
    }
    if is_more(trial.failures, trial.samples, base.failures, base.samples) {
        return Verdict::Worse("5 points more failures");
    }
    if is_more(trial.invalid, trial.samples, base.invalid, base.samples) {
        return Verdict::Worse("5 points more answers that cannot be used");
    }
    let [of_trial, of_base] =
        [(trial, base), (base, trial)].map(|(this, other)| u128::from(this.cost_micros) * u128::from(other.samples));
    if of_trial > 0 && of_trial * 10 >= of_base * 12 {
        return Verdict::Worse("20 % more cost per job");
    }
    if now - since >= lasts_in(lasts) { Verdict::Proven } else { Verdict::Open }
}

/// Whether the share of the first is five points of a hundred more than that of the second.
fn is_more(trial: u64, of_trial: u64, base: u64, of_base: u64) -> bool {
    let [trial, of_trial, base, of_base] = [trial, of_trial, base, of_base].map(u128::from);
    trial * of_base * 100 >= base * of_trial * 100 + POINTS * of_trial * of_base
}

fn lasts_in(duration: Duration) -> chrono::Duration {
    chrono::Duration::from_std(duration).unwrap_or(chrono::Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(7200);

    fn judged(base: Tally, trial: Tally, hours: i64) -> Verdict {
        let since = DateTime::UNIX_EPOCH;
        judge(&Tallies { base, trial }, since, LASTS, since + chrono::Duration::hours(hours))
    }

    fn tally(samples: u64) -> Tally {
        Tally { samples, ..Tally::default() }
    }

    #[test]
    fn a_tenth_of_the_jobs_take_part_and_each_for_good() {
        let change = ChangeId::new();
        let jobs: Vec<JobId> = (0..4000).map(|_| JobId::new()).collect();
        let taking = jobs.iter().filter(|job| takes_part(change, **job)).count();
        assert!((300..500).contains(&taking), "{taking} of 4000");
        assert_eq!(jobs.iter().filter(|job| takes_part(change, **job)).count(), taking);
    }

    #[test]
    fn a_trial_takes_its_time_and_enough_samples() {
        assert_eq!(judged(tally(200), tally(20), 1), Verdict::Open);
        assert_eq!(judged(tally(200), tally(19), 2), Verdict::Open);
        assert_eq!(judged(tally(19), tally(20), 2), Verdict::Open);
        assert_eq!(judged(tally(20), tally(20), 2), Verdict::Proven);
    }

    #[test]
    fn a_version_that_is_worse_is_found_out() {
        let worse =
            |trial: Tally| matches!(judged(Tally { cost_micros: 1000, ..tally(100) }, trial, 1), Verdict::Worse(_));
        let fine = Tally { cost_micros: 230, ..tally(20) };
        assert!(!worse(fine));
        assert!(worse(Tally { failures: 1, ..fine }) && worse(Tally { invalid: 1, ..fine }));
        assert!(worse(Tally { cost_micros: 240, ..fine }) && !worse(Tally { cost_micros: 239, ..fine }));
        let unlucky = Tally { samples: 100, failures: 4, cost_micros: 0, ..fine };
        assert!(!worse(unlucky) && worse(Tally { failures: 5, ..unlucky }));
        // These at once, however few there are.
        assert!(worse(Tally { leaks: 1, ..tally(1) }) && worse(Tally { in_a_row: 3, ..tally(3) }));
        assert!(!worse(Tally { in_a_row: 2, ..tally(3) }));
    }
}
