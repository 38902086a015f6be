//! A program's way through a sandbox: boot, run and report.

use std::time::Duration;

use golden_jobs::sandbox::{Cause, ExecutorError, Limits, Printed, RunReport, Usage};
use golden_sandbox_protocol::{End, Outcome, Run};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tracing::{Instrument, field};

use crate::{
    boot::{Booted, NotBooted},
    container::Container,
    ground::{Class, Ground},
    profile,
    run::{Ended, NotRun, run},
};

pub(crate) struct Errand {
    pub(crate) ground: Ground,
    pub(crate) job: String,
    pub(crate) class: Class,
    pub(crate) limits: Limits,
    /// When it was asked for.
    pub(crate) asked: Instant,
    pub(crate) request: Run,
}

type Report = Result<RunReport, ExecutorError>;

impl Errand {
    /// Runs the program, in the sandbox that waited for it if there is one, and replies. What comes of it are the
    /// containers that are to be removed, the program with them when nobody waits for the reply any more.
    pub(crate) async fn carry_out(
        self,
        mut waiting: Option<Booted>,
        live: mpsc::Sender<Printed>,
        mut reply: oneshot::Sender<Report>,
    ) -> Vec<Container> {
        let mut dead = None;
        let container = loop {
            let waited = waiting.is_some();
            let sandbox = match waiting.take() {
                Some(sandbox) => sandbox,
                // Not to be given up half-way; it ends within the deadlines of its calls.
                None => match self.boot().await {
                    Ok(sandbox) => sandbox,
                    Err(not) => {
                        drop(live);
                        let (container, report) = self.not_booted(not);
                        drop(reply.send(report));
                        return dead.into_iter().chain(container).collect();
                    }
                },
            };
            let container = sandbox.container.clone();
            if waited {
                // Its labels cannot say so any more.
                tracing::debug!(container = container.id(), job.id = self.job, "a sandbox that waited has its program");
            }
            let began = Instant::now();
            let span = tracing::info_span!(
                "sandbox_run",
                container.id = container.id(),
                image = self.class.base,
                cause = field::Empty,
            );
            let running = run(sandbox, waited, &self.request, self.limits.wall, live.clone());
            let ended = tokio::select! {
                ended = running.instrument(span.clone()) => Some(ended),
                () = reply.closed() => None,
            };
            if let Some(Ok(ended)) = &ended {
                span.record("cause", ended.cause.as_str());
            }
            // By now its streams are closed, however it ended.
            let report = match ended {
                Some(Err(NotRun::NotBegun)) => {
                    tracing::warn!(container = container.id(), "a sandbox that waited has died: starting another");
                    dead = Some(container);
                    continue;
                }
                Some(Ok(ended)) => Some(Ok(self.report(ended, began - self.asked))),
                Some(Err(NotRun::Docker(error))) => Some(Err(error.into())),
                None => None,
            };
            // Whoever reads along learns with the reply that there is no more to read.
            drop(live);
            if let Some(report) = report {
                drop(reply.send(report));
            }
            break container;
        };
        dead.into_iter().chain([container]).collect()
    }

    async fn boot(&self) -> Result<Booted, NotBooted> {
        let span = tracing::info_span!("sandbox_start", image = self.class.base);
        self.ground.boot(&self.class, Some(&self.job), self.limits.wall).instrument(span).await
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
            image_digest: self.class.base.clone(),
            runtime: profile::RUNTIME.to_owned(),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
