//! Removes the containers of workers that died.
//!
//! Every container says by when it is of no use. One that is still there after that has
//! nobody left to remove it, so any worker may. And one that has ended long before, or was never
//! started, has nobody either: its worker would have removed it at once, or does not know of it,
//! since Docker died before it said that it had made one.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bollard::{
    Docker,
    models::{ContainerSummary, ContainerSummaryStateEnum},
};
use golden_jobs::{WorkerId, guards::Guard, metrics::Metrics};
use tokio::time::Instant;

use crate::docker::{self, DockerError, LONG, SHORT};

const WORKER: &str = "golden.worker";
const JOB: &str = "golden.job";
/// In seconds of Unix time.
const DEADLINE: &str = "golden.deadline";
/// A worker that lives asks Docker how a container ended, and has it removed, within this time.
const ENDED: Duration = Duration::from_secs(30);
/// A worker that lives has Docker's answer that there is a container, attaches to it and starts it within this time.
const UNSTARTED: Duration = SHORT.saturating_add(SHORT).saturating_add(LONG);

/// The labels of a container that nobody needs after `until` (Unix time). One that is made
/// before there is a job for it cannot say which it will be: the worker's log does.
pub(crate) fn labels(worker: WorkerId, job: Option<&str>, until: Duration) -> HashMap<String, String> {
    let mut labels = deadline(until);
    labels.insert(WORKER.to_owned(), worker.to_string());
    labels.extend(job.map(|job| (JOB.to_owned(), job.to_owned())));
    labels
}

/// The label of a container that nobody needs after `until` (Unix time).
pub(crate) fn deadline(until: Duration) -> HashMap<String, String> {
    HashMap::from([(DEADLINE.to_owned(), until.as_secs().to_string())])
}

/// The Unix time by this machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "Docker is reached by a local socket, so all who read and write its labels share this clock"
)]
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

type Labels = HashMap<String, String>;

/// What one worker has seen of the containers of all.
#[derive(Default)]
pub(crate) struct Leftovers {
    /// Those that do not run, and since when that is known.
    idle: HashMap<String, (ContainerSummaryStateEnum, Instant)>,
}

impl Leftovers {
    /// Removes every container past its deadline, and every one that has not run for a while, whichever
    /// worker it was of.
    pub(crate) async fn sweep(&mut self, docker: &Docker, metrics: &Metrics) -> Result<(), DockerError> {
        let all = docker::labelled(docker, DEADLINE).await?;
        for (id, labels) in self.left(all, Instant::now(), now()) {
            metrics.guarded(Guard::Sandboxes, remove(docker, &id, &labels).await);
        }
        Ok(())
    }

    /// Those of `all` that nobody is going to remove, with their labels.
    fn left(&mut self, all: Vec<ContainerSummary>, now: Instant, unix_now: Duration) -> Vec<(String, Labels)> {
        let mut seen = std::mem::take(&mut self.idle);
        let mut left = Vec::new();
        for container in all {
            let ContainerSummary { id: Some(id), labels: Some(labels), state, .. } = container else {
                continue;
            };
            let patience = match state {
                Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD) => Some(ENDED),
                // Those of no worker are never started: an image is made of them.
                Some(ContainerSummaryStateEnum::CREATED) if labels.contains_key(WORKER) => Some(UNSTARTED),
                _ => None,
            };
            let idle = state.zip(patience).map(|(state, patience)| {
                let (_, since) = seen.remove(&id).filter(|(before, _)| *before == state).unwrap_or((state, now));
                (state, since, now - since >= patience)
            });
            let deadline = labels.get(DEADLINE).and_then(|secs| secs.parse().ok()).map(Duration::from_secs);
            if deadline.is_some_and(|deadline| deadline < unix_now) || idle.is_some_and(|(.., long)| long) {
                left.push((id, labels));
            } else if let Some((state, since, _)) = idle {
                self.idle.insert(id, (state, since));
            }
        }
        left
    }
}

/// Answers whether it is gone.
async fn remove(docker: &Docker, id: &str, labels: &Labels) -> bool {
    let label = |name| labels.get(name).map(String::as_str).unwrap_or_default();
    match docker::remove(docker, id).await {
        Ok(()) => {
            tracing::warn!(container = id, job.id = label(JOB), worker = label(WORKER), "removed a leftover sandbox");
            true
        }
        // Another worker may be at it; if not, the next sweep is.
        Err(error) => {
            tracing::warn!(container = id, job.id = label(JOB), %error, "a leftover sandbox stays for now");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ContainerSummaryStateEnum as State, *};

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn container(state: State, deadline: u64) -> ContainerSummary {
        let labels = Some(labels(WorkerId::new(), None, Duration::from_secs(deadline)));
        ContainerSummary { id: Some("c".to_owned()), labels, state: Some(state), ..Default::default() }
    }

    /// After how many seconds it is left, if it is looked at every ten.
    fn left_after(states: impl Fn(u64) -> State) -> Option<u64> {
        let (mut leftovers, begun) = (Leftovers::default(), Instant::now());
        (0..=300).step_by(10).find(|at| {
            let all = vec![container(states(*at), 2_000_000)];
            !leftovers.left(all, begun + Duration::from_secs(*at), NOW).is_empty()
        })
    }

    #[test]
    fn what_is_past_its_deadline_is_left_whatever_it_does() {
        for state in [State::RUNNING, State::PAUSED, State::CREATED, State::EXITED] {
            let left = |deadline| Leftovers::default().left(vec![container(state, deadline)], Instant::now(), NOW);
            assert_eq!((left(999_999).len(), left(1_000_001).len()), (1, 0), "{state}");
        }
    }

    #[test]
    fn what_does_not_run_is_left_once_its_worker_would_have_removed_or_started_it() {
        assert_eq!(left_after(|_| State::RUNNING), None);
        assert_eq!(left_after(|_| State::EXITED), Some(30));
        assert_eq!(left_after(|_| State::DEAD), Some(30));
        // Docker died while it made it, and its worker never learned that it is there.
        assert_eq!(left_after(|_| State::CREATED), Some(50));
        assert_eq!(left_after(|at| if at < 40 { State::CREATED } else { State::EXITED }), Some(70));
    }
}
