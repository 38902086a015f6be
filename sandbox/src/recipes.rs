//! Makes images where no registry is reached, from Debian packages.
//!
//! What goes into them is said by one script, `docker/sandbox/recipe`, which is a part of golden and can
//! be run without it. It makes an archive that is the same wherever it is made; here it is given to Docker.

use std::{process::Stdio, time::Duration};

use bollard::{
    Docker,
    query_parameters::{ImportImageOptions, RemoveImageOptions},
};
use futures_util::StreamExt;
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};
use tokio_util::io::ReaderStream;

use crate::{
    docker::{self, DockerError, LONG, StoredImage, ask, explain},
    executor::reach,
    images::Image,
    missing::Missing,
};

const RECIPE: &str = include_str!("../../docker/sandbox/recipe");
/// What an image is made of, on its label.
const CONTENT: &str = "golden.sandbox.content";
/// How long one image may take, most of it for downloads.
const PATIENCE: Duration = Duration::from_secs(1800);

/// An image that there is a recipe for, as it is in Docker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltImage {
    /// `sha256:…`: the same packages make the same.
    pub id: String,
    /// Whether it was built now. Else it was there, and of the newest packages that apt knows of.
    pub anew: bool,
}

/// Why an image was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No Docker answers that could take it.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// What there is not for it, and how to get that, or what went wrong on the way.
    #[error("{0}")]
    Recipe(String),
    /// Docker would not take it.
    #[error("{0}")]
    Docker(String),
}

impl From<DockerError> for BuildError {
    fn from(error: DockerError) -> Self {
        Self::Docker(error.to_string())
    }
}

/// Builds images and gives them to a Docker.
pub struct ImageBuilder {
    docker: Docker,
}

impl ImageBuilder {
    /// `docker_host` is as in [`SandboxOptions`](crate::SandboxOptions). gVisor is not needed yet.
    pub async fn connect(docker_host: Option<String>) -> Result<Self, Missing> {
        let (docker, _) = reach(docker_host).await?;
        Ok(Self { docker })
    }

    /// Builds one of [`Image::defaults`], unless it is there already and its packages are the same.
    pub async fn build(&self, image: &Image) -> Result<BuiltImage, BuildError> {
        let fingerprint = said(recipe("fingerprint", &image.name)?).await?;
        let before = docker::image(&self.docker, &image.reference).await?;
        if let Some(StoredImage { id, labels, .. }) = &before
            && labels.get(CONTENT).map(String::as_str) == Some(fingerprint.trim())
        {
            return Ok(BuiltImage { id: id.clone(), anew: false });
        }
        match tokio::time::timeout(PATIENCE, self.bring(&image.name)).await {
            Ok(brought) => brought?,
            Err(_) => return Err(BuildError::Recipe(format!("it took longer than {PATIENCE:?}"))),
        }
        let Some(built) = docker::image(&self.docker, &image.reference).await? else {
            return Err(BuildError::Docker(format!("Docker took {} and does not have it", image.reference)));
        };
        if let Some(before) = before.filter(|before| before.id != built.id) {
            // One that something still runs on stays.
            let removal = self.docker.remove_image(&before.id, None::<RemoveImageOptions>, None);
            let _ = ask("remove an image", LONG, removal).await;
        }
        Ok(BuiltImage { id: built.id, anew: true })
    }

    /// What comes out of the recipe goes to Docker as it comes.
    async fn bring(&self, name: &str) -> Result<(), BuildError> {
        let mut recipe = recipe("archive", name)?;
        let (Some(archive), Some(words)) = (recipe.stdout.take(), recipe.stderr.take()) else {
            return Err(BuildError::Recipe("its output is closed".to_owned()));
        };
        let load = async {
            let archive = ReaderStream::with_capacity(archive, 1 << 20);
            let mut news = Box::pin(self.docker.import_image_stream(ImportImageOptions::default(), archive, None));
            while let Some(news) = news.next().await {
                news.map_err(|error| explain("load an image", error))?;
            }
            Ok::<_, DockerError>(())
        };
        let (loaded, ended) = tokio::join!(load, ended(recipe, words));
        // An archive that breaks off is refused by Docker as well, and why it broke off is said by the recipe.
        ended?;
        Ok(loaded?)
    }
}

/// Starts the recipe. Dropped, it ends.
fn recipe(step: &str, name: &str) -> Result<Child, BuildError> {
    let started = Command::new("bash")
        .args(["-c", RECIPE.trim_end(), "recipe", step, name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    started
        .map_err(|error| BuildError::Recipe(format!("images are made by a script, and bash does not start: {error}")))
}

/// What a step prints.
async fn said(mut recipe: Child) -> Result<String, BuildError> {
    let (Some(mut out), Some(words)) = (recipe.stdout.take(), recipe.stderr.take()) else {
        return Err(BuildError::Recipe("its output is closed".to_owned()));
    };
    let mut text = String::new();
    let (read, ended) = tokio::join!(out.read_to_string(&mut text), ended(recipe, words));
    ended?;
    read.map_err(|error| BuildError::Recipe(error.to_string()))?;
    Ok(text)
}

/// Waits for its end. Of one that failed, the last words say why.
async fn ended(mut recipe: Child, mut words: impl AsyncReadExt + Unpin) -> Result<(), BuildError> {
    let mut said = Vec::new();
    let (read, status) = tokio::join!(words.read_to_end(&mut said), recipe.wait());
    let status = read.and(status).map_err(|error| BuildError::Recipe(error.to_string()))?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    Err(BuildError::Recipe(last.map_or_else(|| format!("it ended with {status}"), str::to_owned)))
}
