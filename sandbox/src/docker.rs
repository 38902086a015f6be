//! The Docker daemon, as far as sandboxes need it.

use std::{collections::HashMap, error::Error, time::Duration};

use bollard::{
    ClientVersion, Docker,
    errors::Error as BollardError,
    models::ContainerSummary,
    query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder},
};
use golden_jobs::sandbox::ExecutorError;

/// For calls that only read or write a record.
pub(crate) const SHORT: Duration = Duration::from_secs(10);
/// For calls that start or kill processes: with a hundred sandboxes starting on two cores, the last waits long.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// For the question whether there is a Docker at all, where somebody waits for what follows from it.
const ALIVE: Duration = Duration::from_secs(5);

/// Why a call to Docker came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DockerError {
    /// It does not know the thing named.
    #[error("Docker does not know what it was asked to {call}: {message}")]
    NotFound { call: &'static str, message: String },
    /// It understood and would not.
    #[error("Docker refused to {call}: {message}")]
    Refused { call: &'static str, message: String },
    /// It did not answer, or its answer broke off.
    #[error("no answer from Docker, asked to {call}: {reason}")]
    Unreachable { call: &'static str, reason: String },
}

impl From<DockerError> for ExecutorError {
    fn from(error: DockerError) -> Self {
        match error {
            DockerError::Unreachable { .. } => Self::Unavailable(error.to_string()),
            DockerError::NotFound { .. } | DockerError::Refused { .. } => Self::Platform(error.to_string()),
        }
    }
}

/// Awaits one call, no longer than `limit`.
pub(crate) async fn ask<T>(
    call: &'static str,
    limit: Duration,
    answer: impl Future<Output = Result<T, BollardError>>,
) -> Result<T, DockerError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(explain(call, error)),
        Err(_) => Err(DockerError::Unreachable { call, reason: format!("not within {limit:?}") }),
    }
}

pub(crate) fn explain(call: &'static str, error: BollardError) -> DockerError {
    match error {
        BollardError::DockerResponseServerError { status_code: 404, message } => {
            DockerError::NotFound { call, message }
        }
        BollardError::DockerResponseServerError { message, .. } => DockerError::Refused { call, message },
        error => {
            // The outermost message alone says «client error»; why is said by what it wraps.
            let mut reason = error.to_string();
            let mut source = error.source();
            while let Some(inner) = source {
                reason = format!("{reason}: {inner}");
                source = inner.source();
            }
            DockerError::Unreachable { call, reason }
        }
    }
}

/// Connects to the daemon at `host` (`unix://…`) and settles on an API version that both speak.
pub(crate) async fn connect(host: &str) -> Result<(Docker, ClientVersion), DockerError> {
    let docker = ask("connect", SHORT, async { Docker::connect_with_host(host)?.negotiate_version().await }).await?;
    let version = docker.client_version();
    Ok((docker, version))
}

/// Makes sure that there is a Docker which answers. One that hangs takes connections, and no more.
pub(crate) async fn answers(docker: &Docker) -> Result<(), DockerError> {
    ask("say that it is there", ALIVE, docker.ping()).await.map(drop)
}

/// Whether the daemon has a runtime of that name.
pub(crate) async fn has_runtime(docker: &Docker, name: &str) -> Result<bool, DockerError> {
    let info = ask("list its runtimes", SHORT, docker.info()).await?;
    Ok(info.runtimes.is_some_and(|runtimes| runtimes.contains_key(name)))
}

/// An image in Docker.
pub(crate) struct StoredImage {
    /// `sha256:…`, which names its content.
    pub(crate) id: String,
    /// Whether it declares volumes. Docker keeps those on the host's disk, writable, whatever the profile says.
    pub(crate) volumes: bool,
    /// Whether it has a name. One that was built anew under the same name has taken it.
    pub(crate) named: bool,
    pub(crate) labels: HashMap<String, String>,
}

/// The image that `reference` names now, if there is one.
pub(crate) async fn image(docker: &Docker, reference: &str) -> Result<Option<StoredImage>, DockerError> {
    match ask("find an image", SHORT, docker.inspect_image(reference)).await {
        Ok(image) => Ok(image.id.map(|id| {
            let config = image.config.unwrap_or_default();
            StoredImage {
                id,
                named: image.repo_tags.is_some_and(|names| !names.is_empty()),
                volumes: config.volumes.is_some_and(|volumes| !volumes.is_empty()),
                labels: config.labels.unwrap_or_default(),
            }
        })),
        Err(DockerError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All containers, running or not, that carry the label.
pub(crate) async fn labelled(docker: &Docker, label: &str) -> Result<Vec<ContainerSummary>, DockerError> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    ask("list containers", SHORT, docker.list_containers(Some(options))).await
}

/// Kills what runs in the container and removes it with its volumes. One that is gone already is no error.
pub(crate) async fn remove(docker: &Docker, container: &str) -> Result<(), DockerError> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match ask("remove a container", LONG, docker.remove_container(container, Some(options))).await {
        Err(DockerError::NotFound { .. }) => Ok(()),
        answer => answer,
    }
}
