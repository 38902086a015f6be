//! A program's way through a sandbox: boot, run, report, and the container's removal.

use std::{sync::Arc, time::Duration};

use bollard::Docker;
use golden_jobs::{
    WorkerId,
    sandbox::{Cause, ExecutorError, Limits, Printed, RunReport, Usage},
};
use golden_sandbox_protocol::{End, Outcome, Run};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{
    boot::{Booted, NotBooted, boot},
    container::Container,
    docker::DockerError,
    images::{Images, Runnable},
    leftovers, profile,
    run::{Ended, run},
};

/// What a run may take at most beside the program's wall time: every call's deadline, and some air.
const OVERHEAD: Duration = Duration::from_secs(120);

pub(crate) struct Errand {
    pub(crate) docker: Docker,
    pub(crate) images: Arc<Images>,
    pub(crate) worker: WorkerId,
    pub(crate) job: String,
    pub(crate) image: Runnable,
    pub(crate) limits: Limits,
    /// When it was asked for.
    pub(crate) asked: Instant,
    pub(crate) request: Run,
}

type Report = Result<RunReport, ExecutorError>;

impl Errand {
    /// Runs the program, replies, and removes its container. When nobody waits for the reply any
    /// more, the program is killed.
    pub(crate) async fn carry_out(self, live: mpsc::Sender<Printed>, mut reply: oneshot::Sender<Report>) {
        // Not to be given up half-way; it ends within the deadlines of its calls.
        let sandbox = match self.boot().await {
            Ok(sandbox) => sandbox,
            Err(not) => {
                let (container, report) = self.not_booted(not);
                drop(reply.send(report));
                return remove(container).await;
            }
        };
        let began = Instant::now();
        let container = sandbox.container.clone();
        let ended = tokio::select! {
            ended = run(sandbox, &self.request, self.limits.wall, live) => Some(ended),
            () = reply.closed() => None,
        };
        // By now its streams are closed, however it ended: one that nobody reads would hold the kill up.
        if let Some(ended) = ended {
            let boot = began - self.asked;
            drop(reply.send(ended.map(|ended| self.report(ended, boot)).map_err(Into::into)));
        }
        remove(Some(container)).await;
    }

    async fn boot(&self) -> Result<Booted, NotBooted> {
        match self.try_boot(&self.image.supervised).await {
            // The image was there a moment ago.
            Err(NotBooted::Docker(None, DockerError::NotFound { .. })) => {
                self.images.gone(&self.image);
                let image = self.images.supervised(&self.docker, &self.image.base).await;
                self.try_boot(&image.map_err(|error| NotBooted::Docker(None, error))?).await
            }
            booted => booted,
        }
    }

    async fn try_boot(&self, image: &str) -> Result<Booted, NotBooted> {
        let deadline = leftovers::now() + self.limits.wall + OVERHEAD;
        let body = profile::container(image, &self.limits, self.worker, &self.job, deadline);
        boot(self.docker.clone(), body).await
    }

    fn not_booted(&self, not: NotBooted) -> (Option<Container>, Report) {
        match not {
            NotBooted::Docker(container, error) => (container, Err(error.into())),
            NotBooted::Failed(container, reason) => {
                tracing::warn!(container = container.id(), reason, "a sandbox did not start");
                let ended = Ended { cause: Cause::StartFailed, outcome: Outcome::default(), wall: Duration::ZERO };
                (Some(container), Ok(self.report(ended, self.asked.elapsed())))
            }
        }
    }

    fn report(&self, ended: Ended, boot: Duration) -> RunReport {
        let Ended { cause, outcome: Outcome { stdout, stderr, exit, artifacts, omitted }, wall } = ended;
        let (exit_code, signal) = match (cause, exit.map(|exit| exit.end)) {
            (Cause::Exited, Some(End::Status(status))) => (Some(status.into()), None),
            (Cause::Signal, Some(End::Signal(signal))) => (None, Some(signal.into())),
            _ => (None, None),
        };
        RunReport {
            cause,
            exit_code,
            signal,
            truncated: stdout.cut || stderr.cut,
            stdout: stdout.text,
            stderr: stderr.text,
            artifacts: artifacts.into_iter().map(|file| (file.path, file.content.into())).collect(),
            artifacts_omitted: omitted,
            usage: Usage {
                wall_ms: millis(wall),
                boot_ms: millis(boot),
                cpu_ms: exit.map(|exit| exit.cpu_ms),
                max_rss_kib: exit.map(|exit| exit.max_rss_kib),
            },
            image_digest: self.image.base.clone(),
            runtime: profile::RUNTIME.to_owned(),
        }
    }
}

async fn remove(container: Option<Container>) {
    if let Some(container) = container
        && let Err(error) = container.remove().await
    {
        tracing::warn!(container = container.id(), %error, "a sandbox is left to the next sweep");
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
