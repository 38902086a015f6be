//! A job and its place in claim order, as the name of a task.

use golden_jobs::{JobId, store::ReadyJob};

/// Names sort as the places do: Redis hands out by name.
pub(super) fn name(job: &ReadyJob) -> String {
    // Flipping the sign's bit sorts negative numbers before the others.
    let tag = job.fair_tag.cast_unsigned() ^ (1 << 63);
    format!("{}-{tag:016x}-{}", job.priority, job.id.0.simple())
}

/// The job that a name means; `None` where somebody else made it.
pub(super) fn job(name: &str) -> Option<JobId> {
    let (_, id) = name.rsplit_once('-')?;
    id.parse().ok().map(JobId)
}

#[cfg(test)]
mod tests {
    use apalis_core::task::task_id::TaskId;

    use super::*;

    #[test]
    fn names_sort_in_claim_order_and_name_their_job() {
        let mut jobs = Vec::new();
        for priority in [0, 5, 9] {
            for fair_tag in [i64::MIN, -1, 0, 1, 255, 256, i64::MAX] {
                jobs.extend([JobId::new(), JobId::new()].map(|id| ReadyJob { priority, fair_tag, id }));
            }
        }
        assert!(jobs.is_sorted());
        let names: Vec<_> = jobs.iter().map(name).collect();
        assert!(names.is_sorted(), "{names:#?}");
        for (named, job_of) in names.iter().zip(&jobs) {
            assert_eq!(job(named), Some(job_of.id));
            let read: TaskId = named.parse().unwrap();
            assert_eq!(read.to_string(), *named, "apalis takes it for no other form of id");
        }
        assert_eq!(job("01ARZ3NDEKTSV4RRFFQ69G5FAV"), None);
    }
}
