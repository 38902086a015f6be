//! What every sandbox of a worker stands on, and how one is made there.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bollard::Docker;
use futures_util::future::join_all;
use golden_jobs::{WorkerId, metrics::Metrics};
use tokio::time::Instant;

use crate::{
    boot::{Booted, NotBooted, boot},
    container::Container,
    docker::DockerError,
    images::Images,
    leftovers, profile,
};

/// What a run may take at most beside the program's wall time: every call's deadline, and some air.
const OVERHEAD: Duration = Duration::from_secs(120);

/// Where sandboxes are made: in which Docker, of which images, by whom.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) docker: Docker,
    pub(crate) images: Arc<Images>,
    pub(crate) worker: WorkerId,
    pub(crate) metrics: Metrics,
    condemned: Arc<Mutex<Vec<Container>>>,
}

/// What of a sandbox is settled when it is made. All else is said with the program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Class {
    /// The id of the image, without the supervisor.
    pub(crate) base: String,
    /// In bytes.
    pub(crate) memory: u64,
}

impl Ground {
    pub(crate) fn new(docker: Docker, images: Arc<Images>, worker: WorkerId, metrics: Metrics) -> Self {
        Self { docker, images, worker, metrics, condemned: Arc::default() }
    }

    /// Makes a sandbox and waits until its supervisor does. For `job`, where there is one already, and
    /// of no use after `lifetime` and what a run takes beside.
    ///
    /// Not to be given up half-way, or there would be a container whose id nobody knows.
    pub(crate) async fn boot(&self, class: &Class, job: Option<&str>, lifetime: Duration) -> Result<Booted, NotBooted> {
        let begun = Instant::now();
        let booted = match self.try_boot(class, job, lifetime).await {
            // The image was there a moment ago.
            Err(NotBooted::Docker(None, DockerError::NotFound { .. })) => {
                self.images.gone(&class.base);
                self.try_boot(class, job, lifetime).await
            }
            booted => booted,
        };
        let outcome = if booted.is_ok() { "ready" } else { "failed" };
        self.metrics.sandbox_boots.with_label_values(&[outcome]).inc();
        if booted.is_ok() {
            self.metrics.sandbox_boot.observe(begun.elapsed().as_secs_f64());
        }
        booted
    }

    async fn try_boot(&self, class: &Class, job: Option<&str>, lifetime: Duration) -> Result<Booted, NotBooted> {
        let image = self.images.supervised(&self.docker, &class.base).await;
        let image = image.map_err(|error| NotBooted::Docker(None, error))?;
        let deadline = leftovers::now() + lifetime + OVERHEAD;
        let body = profile::container(&image, class.memory, self.worker, job, deadline);
        boot(self.docker.clone(), body).await
    }

    /// Removes containers, whatever runs in them; what Docker does not remove now is
    /// [condemned](Self::remove_condemned). Their streams are closed by now: one that nobody reads would hold
    /// the kill up.
    pub(crate) async fn remove_all(&self, containers: impl IntoIterator<Item = Container>) {
        let removed = containers.into_iter().map(|container| async move {
            if let Err(error) = container.remove().await {
                tracing::warn!(container = container.id(), %error, "a sandbox is to be removed once Docker can");
                self.condemned().push(container);
            }
        });
        join_all(removed).await;
    }

    /// Tries again what could not be removed. A worker that ends before leaves it to the others, who know it by
    /// its deadline.
    pub(crate) async fn remove_condemned(&self) {
        let condemned = std::mem::take(&mut *self.condemned());
        self.remove_all(condemned).await;
    }

    fn condemned(&self) -> MutexGuard<'_, Vec<Container>> {
        self.condemned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
