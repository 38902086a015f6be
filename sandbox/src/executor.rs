//! The executor: how it starts, runs programs and stops.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bollard::Docker;
use golden_jobs::{
    WorkerId,
    sandbox::{Executor, ExecutorError, Program, RunReport},
};
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::Instrument;

use crate::{
    docker,
    images::{Image, Images},
    leftovers,
    missing::Missing,
    profile,
    run::{self, Run},
};

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
const HOUSEKEEPING: Duration = Duration::from_secs(30);

/// Which Docker runs programs, for whom, and in which languages.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Docker's address as in `DOCKER_HOST`, a Unix socket; Docker's own default where absent.
    pub docker_host: Option<String>,
    /// Written on every container, so that a leftover can be traced.
    pub worker: WorkerId,
    /// One for each language.
    pub images: Vec<Image>,
}

impl SandboxOptions {
    /// Docker and the images where they are by default.
    pub fn new(worker: WorkerId) -> Self {
        Self { docker_host: None, worker, images: Image::defaults() }
    }
}

/// Runs each program in a new gVisor container, removed when the program ends.
pub struct GvisorExecutor {
    docker: Docker,
    worker: WorkerId,
    images: Arc<Images>,
    runs: TaskTracker,
    _housekeeping: AbortOnDropHandle<()>,
}

impl GvisorExecutor {
    /// Makes sure of everything a program needs: Docker, the runtime, and an image for one language at least.
    /// Images for the others may come later.
    pub async fn connect(options: SandboxOptions) -> Result<Self, Missing> {
        let host = options.docker_host.unwrap_or_else(|| DEFAULT_HOST.to_owned());
        let silent = |error: docker::DockerError| {
            let reason = match error {
                // The sentence round it says already that nothing answers.
                docker::DockerError::Unreachable { reason, .. } => reason,
                other => other.to_string(),
            };
            Missing::Docker { host: host.clone(), reason }
        };

        let (docker, version) = docker::connect(&host).await.map_err(silent)?;
        if (version.major_version, version.minor_version) < profile::API {
            let (major, minor) = profile::API;
            return Err(Missing::Version { host, found: version.to_string(), needed: format!("{major}.{minor}") });
        }
        if !docker::has_runtime(&docker, profile::RUNTIME).await.map_err(silent)? {
            return Err(Missing::Runtime { host });
        }
        let images = Arc::new(Images::new(options.images));
        images.look(&docker).await.map_err(silent)?;
        if images.present().is_empty() {
            return Err(Missing::Images { host, images: images.configured().to_vec() });
        }

        let housekeeping = AbortOnDropHandle::new(tokio::spawn(keep_house(docker.clone(), images.clone())));
        Ok(Self { docker, worker: options.worker, images, runs: TaskTracker::new(), _housekeeping: housekeeping })
    }

    /// Waits until no run has a container left. To be called last: a process that ends before leaves
    /// the containers of its last runs to the next sweep.
    pub async fn close(&self) {
        self.runs.close();
        self.runs.wait().await;
    }
}

#[async_trait]
impl Executor for GvisorExecutor {
    async fn run(&self, program: Program) -> Result<RunReport, ExecutorError> {
        let asked = Instant::now();
        let image = self.images.find(&self.docker, &program.language).await?;
        let deadline = leftovers::now() + program.wall + run::OVERHEAD;
        let body = profile::container(&image, &program, self.worker, deadline);
        let run = Run { asked, image_id: image.id, stdin: program.stdin, wall: program.wall };

        // The container outlives this future by its removal, so it belongs to a task of its own.
        let (reply, report) = oneshot::channel();
        self.runs.spawn(run.carry_out(self.docker.clone(), body, reply).in_current_span());
        report.await.unwrap_or_else(|_| Err(ExecutorError::Platform("the run was cut short".to_owned())))
    }

    fn languages(&self) -> Vec<String> {
        self.images.present()
    }
}

async fn keep_house(docker: Docker, images: Arc<Images>) {
    let mut every = interval(HOUSEKEEPING);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let swept = leftovers::sweep(&docker).await;
        if let Err(error) = swept.and(images.look(&docker).await) {
            tracing::warn!(%error, "cannot look after the sandboxes");
        }
    }
}
