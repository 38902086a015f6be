//! Removes the containers of workers that died.
//!
//! Every container says by when it is of no use. One that is still there after that has
//! nobody left to remove it, so any worker may. And one that has ended long before has nobody
//! either: its worker would have removed it at once.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bollard::{
    Docker,
    models::{ContainerSummary, ContainerSummaryStateEnum},
};
use golden_jobs::WorkerId;
use tokio::time::Instant;

use crate::docker::{self, DockerError};

const WORKER: &str = "golden.worker";
const JOB: &str = "golden.job";
/// In seconds of Unix time.
const DEADLINE: &str = "golden.deadline";
/// A worker that lives asks Docker how a container ended, and has it removed, within this time.
const ENDED: Duration = Duration::from_secs(30);

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

/// What one worker has seen of the containers of all.
#[derive(Default)]
pub(crate) struct Leftovers {
    /// Those that have ended, and since when that is known.
    ended: HashMap<String, Instant>,
}

impl Leftovers {
    /// Removes every container past its deadline, and every one that ended a while ago, whichever
    /// worker it was of.
    pub(crate) async fn sweep(&mut self, docker: &Docker) -> Result<(), DockerError> {
        let (now, unix_now) = (Instant::now(), now());
        let mut seen = std::mem::take(&mut self.ended);
        for container in docker::labelled(docker, DEADLINE).await? {
            let ContainerSummary { id: Some(id), labels: Some(labels), state, .. } = container else {
                continue;
            };
            let ended = matches!(state, Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD));
            let since = ended.then(|| seen.remove(&id).unwrap_or(now));
            let deadline = labels.get(DEADLINE).and_then(|secs| secs.parse().ok()).map(Duration::from_secs);
            if deadline.is_some_and(|deadline| deadline < unix_now) || since.is_some_and(|since| now - since >= ENDED) {
                remove(docker, &id, &labels).await;
            } else if let Some(since) = since {
                self.ended.insert(id, since);
            }
        }
        Ok(())
    }
}

async fn remove(docker: &Docker, id: &str, labels: &HashMap<String, String>) {
    let label = |name| labels.get(name).map(String::as_str).unwrap_or_default();
    match docker::remove(docker, id).await {
        Ok(()) => {
            tracing::warn!(container = id, job.id = label(JOB), worker = label(WORKER), "removed a leftover sandbox");
        }
        // Another worker may be at it; if not, the next sweep is.
        Err(error) => tracing::warn!(container = id, job.id = label(JOB), %error, "a leftover sandbox stays for now"),
    }
}
