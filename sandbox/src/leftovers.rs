//! Removes the containers of workers that died.
//!
//! Every container says by when its run is over. One that is still there after that has
//! nobody left to remove it, so any worker may.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bollard::{Docker, models::ContainerSummary};
use golden_jobs::WorkerId;

use crate::docker::{self, DockerError};

const WORKER: &str = "golden.worker";
const JOB: &str = "golden.job";
/// In seconds of Unix time.
const DEADLINE: &str = "golden.deadline";

/// The labels of a container whose run is over, one way or the other, at `until` (Unix time).
pub(crate) fn labels(worker: WorkerId, job: &str, until: Duration) -> HashMap<String, String> {
    let mut labels = deadline(until);
    labels.extend([(WORKER, worker.to_string()), (JOB, job.to_owned())].map(|(name, value)| (name.to_owned(), value)));
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

/// Removes every container past its deadline, whichever worker it was of.
pub(crate) async fn sweep(docker: &Docker) -> Result<(), DockerError> {
    let now = now();
    for container in docker::labelled(docker, DEADLINE).await? {
        let ContainerSummary { id: Some(id), labels: Some(labels), .. } = container else {
            continue;
        };
        let deadline = labels.get(DEADLINE).and_then(|secs| secs.parse().ok()).map(Duration::from_secs);
        if deadline.is_none_or(|deadline| deadline >= now) {
            continue;
        }
        let label = |name| labels.get(name).map(String::as_str).unwrap_or_default();
        match docker::remove(docker, &id).await {
            Ok(()) => tracing::warn!(
                container = id,
                job.id = label(JOB),
                worker = label(WORKER),
                "removed a leftover sandbox"
            ),
            // Another worker may be at it; if not, the next sweep is.
            Err(error) => {
                tracing::warn!(container = id, job.id = label(JOB), %error, "a leftover sandbox stays for now")
            }
        }
    }
    Ok(())
}
