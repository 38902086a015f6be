//! A sandbox from its creation to the moment it waits for a program.

use std::pin::Pin;

use bollard::{Docker, container::LogOutput, errors::Error as BollardError, models::ContainerCreateBody};
use futures_util::{FutureExt, Stream, StreamExt};
use golden_sandbox_protocol::{Malformed, Outcome, Progress, Transcript};
use tokio::{
    io::AsyncWrite,
    time::{Instant, timeout_at},
};

use crate::{
    container::{Attached, Container},
    docker::{DockerError, LONG},
};

/// A container whose supervisor waits for what to run. It has run nothing of anyone, and runs one
/// program at most. Until then its open input keeps it alive.
pub(crate) struct Booted {
    pub(crate) container: Container,
    pub(crate) input: Pin<Box<dyn AsyncWrite + Send>>,
    pub(crate) output: Output,
}

/// What comes out of a sandbox.
pub(crate) struct Output {
    chunks: Pin<Box<dyn Stream<Item = Result<LogOutput, BollardError>> + Send>>,
    transcript: Transcript,
}

impl Booted {
    /// Whether it still waits, as far as is known. A supervisor that waits has nothing to say.
    pub(crate) fn is_waiting(&mut self) -> bool {
        self.output.chunks.next().now_or_never().is_none()
    }
}

/// Why a container is none to run a program in.
pub(crate) enum NotBooted {
    /// It was made, and does not do as it should.
    Failed(Container, String),
    /// Docker failed. Where there is a container, it is to be removed.
    Docker(Option<Container>, DockerError),
}

/// Makes a container and waits until its supervisor is there.
///
/// Not to be given up half-way, or there would be a container whose id nobody knows.
pub(crate) async fn boot(docker: Docker, body: ContainerCreateBody) -> Result<Booted, NotBooted> {
    let container = match Container::create(docker, body).await {
        Ok(container) => container,
        Err(error) => return Err(NotBooted::Docker(None, error)),
    };
    let Attached { input, output: chunks } = match container.attach().await {
        Ok(attached) => attached,
        Err(error) => return Err(NotBooted::Docker(Some(container), error)),
    };
    let mut output = Output { chunks, transcript: Transcript::default() };
    match container.start().await {
        Ok(()) => {}
        Err(error @ DockerError::Unreachable { .. }) => return Err(NotBooted::Docker(Some(container), error)),
        Err(error) => return Err(NotBooted::Failed(container, error.to_string())),
    }
    let reason = match timeout_at(Instant::now() + LONG, output.ready()).await {
        Ok(true) => return Ok(Booted { container, input, output }),
        Ok(false) => "its supervisor does not speak".to_owned(),
        Err(_) => format!("its supervisor says nothing within {LONG:?}"),
    };
    // Nobody reads any more, which is no reason for Docker to wait.
    drop((input, output));
    match container.docker_answers().await {
        Ok(()) => Err(NotBooted::Failed(container, reason)),
        Err(error) => Err(NotBooted::Docker(Some(container), error)),
    }
}

impl Output {
    /// What a sandbox says that says this, and then breaks off.
    #[cfg(test)]
    pub(crate) fn saying(chunks: Vec<Vec<u8>>) -> Self {
        let chunks = chunks.into_iter().map(|chunk| Ok(LogOutput::StdOut { message: chunk.into() }));
        Self { chunks: Box::pin(futures_util::stream::iter(chunks)), transcript: Transcript::default() }
    }

    /// Waits for something and hands it on. `false` at the end.
    pub(crate) async fn next(&mut self, heed: impl FnMut(Progress<'_>)) -> Result<bool, Malformed> {
        match self.chunks.next().await {
            Some(Ok(LogOutput::StdOut { message })) => self.transcript.take(&message, heed).map(|()| true),
            // The supervisor's own words, should it have any beside its frames. Docker sends the
            // rest only for terminals and echoes, of which there are none.
            Some(Ok(other)) => {
                tracing::debug!(said = %other, "a supervisor says");
                Ok(true)
            }
            Some(Err(_)) | None => Ok(false),
        }
    }

    pub(crate) fn into_outcome(self) -> Outcome {
        self.transcript.into_outcome()
    }

    async fn ready(&mut self) -> bool {
        let mut ready = false;
        while !ready {
            match self.next(|progress| ready |= progress == Progress::Ready).await {
                Ok(true) => {}
                Ok(false) | Err(_) => return false,
            }
        }
        true
    }
}
