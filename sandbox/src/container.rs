//! One container: the calls it takes, and nothing else.

use std::{collections::HashMap, pin::Pin, time::Duration};

use bollard::{
    Docker,
    container::{AttachContainerResults, LogOutput},
    errors::Error as BollardError,
    models::ContainerCreateBody,
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptions, EventsOptionsBuilder, InspectContainerOptions,
        StartContainerOptions, WaitContainerOptions,
    },
};
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWrite;

use crate::docker::{self, DockerError, LONG, SHORT, ask, explain};

#[derive(Clone)]
pub(crate) struct Container {
    docker: Docker,
    id: String,
}

/// The first process's standard streams. Dropping it closes them.
pub(crate) struct Attached {
    pub(crate) input: Pin<Box<dyn AsyncWrite + Send>>,
    pub(crate) output: Pin<Box<dyn Stream<Item = Result<LogOutput, BollardError>> + Send>>,
}

/// How Docker says a container ended.
pub(crate) struct Ended {
    /// The first process's exit status, or 128 + n where signal n ended it.
    pub(crate) status: i64,
    pub(crate) oom_killed: bool,
}

impl Container {
    pub(crate) async fn create(docker: Docker, body: ContainerCreateBody) -> Result<Self, DockerError> {
        let created = docker.create_container(None::<CreateContainerOptions>, body);
        let id = ask("create a container", SHORT, created).await?.id;
        Ok(Self { docker, id })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// To be called before the start, or the first output is lost.
    pub(crate) async fn attach(&self) -> Result<Attached, DockerError> {
        let options = AttachContainerOptionsBuilder::new().stream(true).stdin(true).stdout(true).stderr(true).build();
        let AttachContainerResults { output, input } =
            ask("attach to a container", SHORT, self.docker.attach_container(&self.id, Some(options))).await?;
        Ok(Attached { input, output })
    }

    pub(crate) async fn start(&self) -> Result<(), DockerError> {
        ask("start a container", LONG, self.docker.start_container(&self.id, None::<StartContainerOptions>)).await
    }

    /// Resolves when the container is no longer running; has no deadline of its own.
    pub(crate) async fn wait(&self) -> Result<(), DockerError> {
        const CALL: &str = "wait for a container";
        let mut answer = Box::pin(self.docker.wait_container(&self.id, None::<WaitContainerOptions>));
        match answer.next().await {
            // An exit status other than 0 is an error to bollard.
            Some(Ok(_) | Err(BollardError::DockerContainerWaitError { .. })) => Ok(()),
            Some(Err(error)) => Err(explain(CALL, error)),
            None => Err(DockerError::Unreachable { call: CALL, reason: "the answer broke off".to_owned() }),
        }
    }

    pub(crate) async fn ended(&self) -> Result<Ended, DockerError> {
        let answer = self.docker.inspect_container(&self.id, None::<InspectContainerOptions>);
        let state = ask("inspect a container", SHORT, answer).await?.state.unwrap_or_default();
        Ok(Ended { status: state.exit_code.unwrap_or_default(), oom_killed: state.oom_killed.unwrap_or_default() })
    }

    /// Whether Docker told of an out-of-memory kill in this container, or does so within `patience`.
    pub(crate) async fn oom_told(&self, patience: Duration) -> bool {
        let filters = HashMap::from([("container", vec![self.id.as_str()]), ("event", vec!["oom"])]);
        // Any time in the past brings the events that Docker still remembers before those to come.
        let options = EventsOptionsBuilder::new().since("1").filters(&filters).build();
        let mut events = Box::pin(self.docker.events(Some(options)));
        matches!(tokio::time::timeout(patience, events.next()).await, Ok(Some(Ok(_))))
    }

    /// Tells what its Docker keeps silent about from what has not happened.
    pub(crate) async fn docker_answers(&self) -> Result<(), DockerError> {
        docker::answers(&self.docker).await
    }

    pub(crate) async fn remove(&self) -> Result<(), DockerError> {
        docker::remove(&self.docker, &self.id).await
    }
}
