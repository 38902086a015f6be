//! What a feeder gave a moment ago.

use std::{
    collections::HashSet,
    mem,
    time::{Duration, Instant},
};

use golden_jobs::store::ReadyJob;

/// How long at least to think that what was given is still there, or about to be claimed.
const KEPT: Duration = Duration::from_millis(500);

/// Hints that need not be given again yet. One that gets lost is given again once it is forgotten here.
#[derive(Default)]
pub(super) struct Recent {
    young: HashSet<ReadyJob>,
    old: HashSet<ReadyJob>,
    turned: Option<Instant>,
}

impl Recent {
    /// Of `jobs` those that were not given lately.
    pub(super) fn new_among(&mut self, mut jobs: Vec<ReadyJob>, now: Instant) -> Vec<ReadyJob> {
        if self.turned.is_none_or(|turned| now - turned >= KEPT) {
            self.old = mem::take(&mut self.young);
            self.turned = Some(now);
        }
        jobs.retain(|job| !self.young.contains(job) && !self.old.contains(job));
        jobs
    }

    pub(super) fn gave(&mut self, jobs: &[ReadyJob]) {
        self.young.extend(jobs);
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use golden_jobs::JobId;

    use super::*;

    #[test]
    fn what_was_given_is_given_again_after_a_while() {
        let jobs: Vec<_> = (0..3).map(|fair_tag| ReadyJob { priority: 5, fair_tag, id: JobId::new() }).collect();
        let (mut recent, begun) = (Recent::default(), Instant::now());
        let new_after = |recent: &mut Recent, time| recent.new_among(jobs.clone(), begun + time).len();

        assert_eq!(new_after(&mut recent, Duration::ZERO), 3);
        recent.gave(&jobs[..2]);
        assert_eq!(new_after(&mut recent, KEPT / 2), 1);
        assert_eq!(new_after(&mut recent, KEPT), 1);
        assert_eq!(new_after(&mut recent, 2 * KEPT), 3);

        recent.gave(&jobs);
        recent.forget();
        assert_eq!(new_after(&mut recent, 2 * KEPT), 3);
    }

    /// A job that comes back has another place, and is another hint.
    #[test]
    fn a_job_in_another_place_is_new() {
        let job = ReadyJob { priority: 5, fair_tag: 1, id: JobId::new() };
        let mut recent = Recent::default();
        recent.gave(&[job]);

        assert_eq!(recent.new_among(vec![job, ReadyJob { fair_tag: 2, ..job }], Instant::now()).len(), 1);
    }
}
