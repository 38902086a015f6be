//! One program, from its container's creation to its removal.

use std::{
    pin::{Pin, pin},
    time::Duration,
};

use bollard::{Docker, models::ContainerCreateBody};
use futures_util::StreamExt;
use golden_jobs::sandbox::{Cause, ExecutorError, RunReport, Usage};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::{
    container::{Attached, Container},
    docker::DockerError,
    output::{Flooded, Output},
    profile,
};

/// What a run may take at most beside the program's wall time: every call's deadline, and some air.
pub(crate) const OVERHEAD: Duration = Duration::from_secs(120);
/// How long output may still arrive after the program's end.
const DRAIN: Duration = Duration::from_secs(2);
/// How long the news of an out-of-memory kill may take. Up to 0.2 s was seen, on a busy machine.
const OOM_NEWS: Duration = Duration::from_secs(1);

pub(crate) struct Run {
    /// When it was asked for.
    pub(crate) asked: Instant,
    pub(crate) image_id: String,
    pub(crate) stdin: Vec<u8>,
    /// What the program may take, from its start.
    pub(crate) wall: Duration,
}

/// Why a program ended.
#[derive(Clone, Copy)]
enum End {
    Exited(i64),
    Signal(i64),
    /// By something else than the program.
    Other(Cause),
}

impl Run {
    /// Runs the program, removes its container, then replies. When nobody waits for the reply any
    /// more, the program is killed.
    pub(crate) async fn carry_out(
        self,
        docker: Docker,
        body: ContainerCreateBody,
        mut reply: oneshot::Sender<Result<RunReport, ExecutorError>>,
    ) {
        // Not to be given up half-way: there would be a container whose id nobody knows.
        let container = match Container::create(docker, body).await {
            Ok(container) => container,
            Err(error) => return drop(reply.send(Err(error.into()))),
        };
        let report = tokio::select! {
            report = self.live(&container) => Some(report),
            () = reply.closed() => None,
        };
        // By now its streams are closed, however it ended: one that nobody reads would hold the kill up.
        if let Err(error) = container.remove().await {
            tracing::warn!(container = container.id(), %error, "a sandbox is left to the next sweep");
        }
        if let Some(report) = report {
            drop(reply.send(report.map_err(Into::into)));
        }
    }

    async fn live(&self, container: &Container) -> Result<RunReport, DockerError> {
        let streams = container.attach().await?;
        let mut output = Output::default();
        let start = container.start().await;
        let started = Instant::now();
        let stopped = match start {
            Ok(()) => self.follow(container, streams, &mut output).await?,
            Err(error @ DockerError::Unreachable { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!(container = container.id(), %error, "a sandbox did not start");
                Some(Cause::StartFailed)
            }
        };
        let wall = started.elapsed();
        let end = match stopped {
            Some(cause) => End::Other(cause),
            None => verdict(container).await?,
        };

        let (stdout, stdout_cut) = output.stdout.into_text();
        let (stderr, stderr_cut) = output.stderr.into_text();
        let (cause, exit_code, signal) = match end {
            End::Exited(status) => (Cause::Exited, Some(status), None),
            End::Signal(signal) => (Cause::Signal, None, Some(signal)),
            End::Other(cause) => (cause, None, None),
        };
        Ok(RunReport {
            cause,
            exit_code,
            signal,
            stdout,
            stderr,
            truncated: stdout_cut || stderr_cut,
            usage: Usage { wall_ms: millis(wall), boot_ms: millis(started - self.asked) },
            image_digest: self.image_id.clone(),
            runtime: profile::RUNTIME.to_owned(),
        })
    }

    /// Follows a started program until it ended by itself (`None`) or has to be stopped.
    async fn follow(
        &self,
        container: &Container,
        streams: Attached,
        output: &mut Output,
    ) -> Result<Option<Cause>, DockerError> {
        let Attached { input, output: mut printed } = streams;
        let mut feeding = pin!(feed(input, &self.stdin));
        let mut ending = pin!(container.wait());
        let mut patience = pin!(sleep(self.wall));
        let (mut fed, mut ended, mut closed) = (false, false, false);
        // A program may close its output and go on, and may end before all it printed has arrived.
        while !(ended && closed) {
            tokio::select! {
                next = printed.next(), if !closed => match next {
                    Some(Ok(chunk)) => if let Err(Flooded) = output.take(chunk) {
                        return Ok(Some(Cause::OutputLimit));
                    },
                    Some(Err(_)) | None => closed = true,
                },
                () = &mut feeding, if !fed => fed = true,
                answer = &mut ending, if !ended => {
                    answer?;
                    ended = true;
                    patience.as_mut().reset(Instant::now() + DRAIN);
                }
                () = &mut patience => return Ok((!ended).then_some(Cause::Timeout)),
            }
        }
        Ok(None)
    }
}

/// Gives a program its input. It need not read it.
async fn feed(mut input: Pin<Box<dyn AsyncWrite + Send>>, bytes: &[u8]) {
    if input.write_all(bytes).await.is_ok() {
        let _ = input.shutdown().await;
    }
}

/// Why a program that nobody stopped has ended, as far as Docker knows.
///
/// A status of 137 is SIGKILL, be it the program's own or the kernel's for want of memory. Docker's
/// record of the latter is made when the container ends, and misses news that come later: those
/// are in its events. News are lost when the kill comes in the first 0.1 s, which then is told as
/// a signal. A crash of gVisor itself looks like the program's exit (status 2, no output), so
/// only what Docker reports as an error counts as a crash.
async fn verdict(container: &Container) -> Result<End, DockerError> {
    const KILLED: i64 = 128 + 9;
    let ended = container.ended().await?;
    Ok(match ended.status {
        _ if ended.oom_killed => End::Other(Cause::Oom),
        _ if !ended.error.is_empty() => End::Other(Cause::SandboxCrashed),
        KILLED if container.oom_told(OOM_NEWS).await => End::Other(Cause::Oom),
        status @ 129..=192 => End::Signal(status - 128),
        status => End::Exited(status),
    })
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
