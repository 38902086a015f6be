//! The executor: how it starts, runs programs and stops.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bollard::Docker;
use golden_jobs::{
    WorkerId,
    metrics::Metrics,
    sandbox::{Entry, Executor, ExecutorError, Limits, Printed, Program, RunReport},
};
use golden_sandbox_protocol::{Launch, Run};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::{AbortOnDropHandle, TaskTracker},
};
use tracing::Instrument;

use crate::{
    docker::{self, DockerError},
    errand::Errand,
    ground::{Class, Ground},
    housekeeping::keep_house,
    images::{Image, Images, Runnable},
    missing::Missing,
    profile, supervisor,
    warm::{KeepWarm, Warm},
};

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// How long a process that ends waits for its last containers to be gone. A Docker that hangs never lets them go.
const CLOSING: Duration = Duration::from_secs(20);

/// Which Docker runs programs, for whom, and in which images.
#[derive(Clone)]
pub struct SandboxOptions {
    /// Docker's address as in `DOCKER_HOST`, a Unix socket; Docker's own default where absent.
    pub docker_host: Option<String>,
    /// Written on every container, so that a leftover can be traced.
    pub worker: WorkerId,
    /// Each by a name of its own.
    pub images: Vec<Image>,
    /// The most that a program may use. One that asks for more gets this.
    pub most: Limits,
    /// How many sandboxes wait for programs.
    pub warm: KeepWarm,
    /// Where it is counted what was done.
    pub metrics: Metrics,
}

impl SandboxOptions {
    /// Docker, the images and the limits as they are by default, and no sandbox before its program.
    pub fn new(worker: WorkerId) -> Self {
        Self {
            docker_host: None,
            worker,
            images: Image::defaults(),
            most: Limits::MOST,
            warm: KeepWarm::OFF,
            metrics: Metrics::new(),
        }
    }
}

/// Runs each program in a gVisor container that has run nothing before, removed when the program ends.
pub struct GvisorExecutor {
    ground: Ground,
    warm: Arc<Warm>,
    most: Limits,
    /// And the keeper of those that wait.
    runs: TaskTracker,
    stop: CancellationToken,
    _stopped: DropGuard,
    _housekeeping: AbortOnDropHandle<()>,
}

impl GvisorExecutor {
    /// Makes sure of everything a program needs: Docker, the runtime, and one image at least.
    /// The others may come later.
    pub async fn connect(options: SandboxOptions) -> Result<Self, Missing> {
        let SandboxOptions { docker_host, worker, images, most, warm, metrics } = options;
        if supervisor::BINARY.is_empty() {
            return Err(Missing::System);
        }
        let (docker, host) = reach(docker_host).await?;
        let silent = |error| silent(&host, error);
        if !docker::has_runtime(&docker, profile::RUNTIME).await.map_err(silent)? {
            return Err(Missing::Runtime { host });
        }
        let images = Arc::new(Images::new(images));
        images.look(&docker).await.map_err(silent)?;
        if images.present().is_empty() {
            return Err(Missing::Images { host, images: images.configured().to_vec() });
        }

        for image in images.configured() {
            metrics.sandbox_warm_hits.with_label_values(&[&image.name]);
            metrics.sandbox_warm_misses.with_label_values(&[&image.name]);
        }
        let ground = Ground::new(docker, images, worker, metrics);
        let housekeeping = AbortOnDropHandle::new(tokio::spawn(keep_house(ground.clone())));
        let usual = Limits::USUAL.within(&most);
        let warm = Arc::new(Warm::new(ground.clone(), warm, usual.memory, most.wall));
        let (runs, stop) = (TaskTracker::new(), CancellationToken::new());
        let (keeper, stopping) = (Arc::clone(&warm), stop.clone());
        runs.spawn(async move { keeper.keep(stopping).await });
        let stopped = stop.clone().drop_guard();
        Ok(Self { ground, warm, most, runs, stop, _stopped: stopped, _housekeeping: housekeeping })
    }

    /// Removes the sandboxes that wait, and makes no more of them.
    pub fn stop_warming(&self) {
        self.stop.cancel();
    }

    /// Waits until no run has a container left, and none waits. To be called last: a process that
    /// ends before leaves the containers of its last runs to the next sweep. So does one whose Docker hangs, in
    /// the end.
    pub async fn close(&self) {
        self.stop_warming();
        self.runs.close();
        if timeout(CLOSING, self.runs.wait()).await.is_err() {
            tracing::warn!("Docker does not end the last sandboxes in time: they are left to the next sweep");
        }
    }
}

/// The Docker at this address, or else at its own default one, and the address.
pub(crate) async fn reach(docker_host: Option<String>) -> Result<(Docker, String), Missing> {
    let host = docker_host.unwrap_or_else(|| DEFAULT_HOST.to_owned());
    let (docker, version) = docker::connect(&host).await.map_err(|error| silent(&host, error))?;
    if (version.major_version, version.minor_version) < profile::API {
        let (major, minor) = profile::API;
        return Err(Missing::Version { host, found: version.to_string(), needed: format!("{major}.{minor}") });
    }
    Ok((docker, host))
}

fn silent(host: &str, error: DockerError) -> Missing {
    let reason = match error {
        // The sentence round it says already that nothing answers.
        DockerError::Unreachable { reason, .. } => reason,
        other => other.to_string(),
    };
    Missing::Docker { host: host.to_owned(), reason }
}

#[async_trait]
impl Executor for GvisorExecutor {
    async fn run(&self, program: Program, live: mpsc::Sender<Printed>) -> Result<RunReport, ExecutorError> {
        let asked = Instant::now();
        let limits = program.limits.within(&self.most);
        let class = |image: &Runnable| Class { base: image.base.clone(), memory: limits.memory };
        let Ground { docker, images, metrics, .. } = &self.ground;
        let name = program.image.clone();
        // One that waits is of the image as it was a few seconds ago, and takes no question to Docker.
        let claimed = images.known(&name).and_then(|image| {
            let sandbox = self.warm.claim(&class(&image), &name)?;
            Some((image, sandbox))
        });
        let (image, waiting) = match claimed {
            Some((image, sandbox)) => (image, Some(sandbox)),
            None => (images.find(docker, &name).await?, None),
        };
        let errand = Errand {
            ground: self.ground.clone(),
            job: program.label.clone(),
            class: class(&image),
            limits,
            asked,
            request: request(program, &image, &limits),
        };

        // The container outlives this future by its removal, so it belongs to a task of its own.
        let (reply, report) = oneshot::channel();
        let carried_out = errand.carry_out(waiting, live, reply).in_current_span();
        let ground = self.ground.clone();
        // The removal is none of the run's span, which would not end before.
        self.runs.spawn(async move { ground.remove_all(carried_out.await).await });
        let report =
            report.await.unwrap_or_else(|_| Err(ExecutorError::Platform("the run was cut short".to_owned())))?;
        metrics.sandbox_run.with_label_values(&[&name]).observe(asked.elapsed().as_secs_f64());
        Ok(report)
    }

    fn images(&self) -> Vec<String> {
        self.ground.images.present()
    }
}

/// What to ask of a supervisor for this program.
fn request(program: Program, image: &Runnable, limits: &Limits) -> Run {
    let mut files: Vec<_> = program.files.into_iter().collect();
    let entry = match program.entry {
        Entry::File(path) => path,
        Entry::Source(text) => {
            // Written last: the program is what was said to be the program.
            files.push((image.source_file.clone(), text.into_bytes()));
            image.source_file.clone()
        }
    };
    let argv = image.command.iter().cloned().chain([entry]).chain(program.args).collect();
    Run {
        files,
        launch: Launch { argv, env: program.env.into_iter().collect(), limits: profile::process(limits) },
        stdin: program.stdin,
        artifacts: program.artifacts,
    }
}
