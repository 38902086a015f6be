//! The languages, each with the image that programs in it run in.

use std::{collections::BTreeSet, sync::Mutex};

use bollard::Docker;
use golden_jobs::sandbox::ExecutorError;

use crate::docker::{self, DockerError, StoredImage};

/// A language and where its programs run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What submissions call it, for example `python`.
    pub language: String,
    /// The image's name in Docker. It runs by the content this names when a program starts.
    pub reference: String,
    /// What the program's text is the next argument of, such as `["python3", "-c"]`.
    pub command: Vec<String>,
}

impl Image {
    /// The images that `docker/sandbox` builds.
    pub fn defaults() -> Vec<Self> {
        vec![Self {
            language: "python".to_owned(),
            reference: "golden-sandbox-python:local".to_owned(),
            command: vec!["python3".to_owned(), "-c".to_owned()],
        }]
    }

    /// How to get it into Docker.
    pub(crate) fn hint(&self) -> String {
        let Self { language, reference, .. } = self;
        if Self::defaults().contains(self) {
            format!(
                "build {reference} with `docker/sandbox/build-local` (from Debian packages) \
                 or `docker build -t {reference} docker/sandbox/{language}`"
            )
        } else {
            format!("bring {reference} into Docker with `docker build` or `docker pull`")
        }
    }
}

/// An image to run, by content.
pub(crate) struct Runnable {
    pub(crate) id: String,
    pub(crate) command: Vec<String>,
}

/// The configured images, and which of them Docker had when last asked.
pub(crate) struct Images {
    configured: Vec<Image>,
    present: Mutex<BTreeSet<String>>,
}

impl Images {
    pub(crate) fn new(configured: Vec<Image>) -> Self {
        Self { configured, present: Mutex::default() }
    }

    pub(crate) fn configured(&self) -> &[Image] {
        &self.configured
    }

    /// The languages whose image was there when last looked.
    pub(crate) fn present(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    /// Looks which images there are: they may be built, and removed, at any time.
    pub(crate) async fn look(&self, docker: &Docker) -> Result<(), DockerError> {
        let mut present = BTreeSet::new();
        for image in &self.configured {
            if docker::image(docker, &image.reference).await?.is_some_and(|stored| !stored.volumes) {
                present.insert(image.language.clone());
            }
        }
        *self.lock() = present;
        Ok(())
    }

    /// The image for a language, as Docker has it now.
    pub(crate) async fn find(&self, docker: &Docker, language: &str) -> Result<Runnable, ExecutorError> {
        let none = |hint| ExecutorError::NoImage { language: language.to_owned(), hint };
        let Some(image) = self.configured.iter().find(|image| image.language == language) else {
            let known: Vec<_> = self.configured.iter().map(|image| image.language.as_str()).collect();
            return Err(none(format!("known are {}", known.join(", "))));
        };
        match docker::image(docker, &image.reference).await? {
            Some(StoredImage { id, volumes: false }) => {
                self.lock().insert(image.language.clone());
                Ok(Runnable { id, command: image.command.clone() })
            }
            Some(_) => Err(none(format!("{} declares volumes, which are on the host's disk", image.reference))),
            None => Err(none(image.hint())),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.present.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
