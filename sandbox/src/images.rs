//! The languages, each with the image that programs in it run in.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bollard::Docker;
use golden_jobs::sandbox::ExecutorError;

use crate::{
    docker::{self, DockerError, StoredImage},
    supervisor,
};

/// A language and where its programs run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What submissions call it, for example `python`.
    pub language: String,
    /// The image's name in Docker. It runs by the content this names when a program starts.
    pub reference: String,
    /// What the path of a program's file is the next argument of, such as `["python3"]`.
    pub command: Vec<String>,
    /// The file that a program's text is written to where it comes alone, such as `main.py`.
    pub source_file: String,
}

impl Image {
    /// The languages whose images golden has a recipe for.
    pub const WITH_RECIPE: [&str; 3] = ["python", "javascript", "bash"];

    /// What there is without any settings: the images that golden has recipes for.
    pub fn defaults() -> Vec<Self> {
        let image = |language: &str, command: &str, source_file: &str| Self {
            language: language.to_owned(),
            reference: format!("golden-sandbox-{language}:local"),
            command: vec![command.to_owned()],
            source_file: source_file.to_owned(),
        };
        vec![
            image("python", "python3", "main.py"),
            image("javascript", "node", "main.js"),
            image("bash", "bash", "main.sh"),
        ]
    }

    /// How to get it into Docker.
    pub fn hint(&self) -> String {
        let Self { language, reference, .. } = self;
        if Self::defaults().contains(self) {
            format!(
                "make {reference} with `golden sandbox build-images {language}` (from Debian packages) \
                 or `docker build -t {reference} docker/sandbox/{language}`"
            )
        } else {
            format!("bring {reference} into Docker with `docker build` or `docker pull`")
        }
    }
}

/// An image to run, by content.
#[derive(Clone)]
pub(crate) struct Runnable {
    /// The id of the one that is configured.
    pub(crate) base: String,
    pub(crate) command: Vec<String>,
    pub(crate) source_file: String,
}

/// The configured images, and what was last known of them in Docker.
pub(crate) struct Images {
    configured: Vec<Image>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The ids of those that were there, by language.
    present: BTreeMap<String, String>,
    /// The ids of those with the supervisor in them, by the ids of those without.
    supervised: HashMap<String, String>,
}

impl Images {
    pub(crate) fn new(configured: Vec<Image>) -> Self {
        Self { configured, known: Mutex::default() }
    }

    pub(crate) fn configured(&self) -> &[Image] {
        &self.configured
    }

    /// The languages whose image was there when last looked.
    pub(crate) fn present(&self) -> Vec<String> {
        self.lock().present.keys().cloned().collect()
    }

    /// The ids of their images.
    pub(crate) fn bases(&self) -> Vec<String> {
        self.lock().present.values().cloned().collect()
    }

    /// Looks which images there are: they may be built, and removed, at any time.
    pub(crate) async fn look(&self, docker: &Docker) -> Result<(), DockerError> {
        let mut present = BTreeMap::new();
        for image in &self.configured {
            if let Some(StoredImage { id, volumes: false, .. }) = docker::image(docker, &image.reference).await? {
                present.insert(image.language.clone(), id);
            }
        }
        self.lock().present = present;
        Ok(())
    }

    /// The image for a language, as it was when last looked.
    pub(crate) fn known(&self, language: &str) -> Option<Runnable> {
        let image = self.configured.iter().find(|image| image.language == language)?;
        let base = self.lock().present.get(language)?.clone();
        Some(Runnable { base, command: image.command.clone(), source_file: image.source_file.clone() })
    }

    /// The image for a language, as Docker has it now.
    pub(crate) async fn find(&self, docker: &Docker, language: &str) -> Result<Runnable, ExecutorError> {
        let none = |hint| ExecutorError::NoImage { language: language.to_owned(), hint };
        let Some(image) = self.configured.iter().find(|image| image.language == language) else {
            let known: Vec<_> = self.configured.iter().map(|image| image.language.as_str()).collect();
            return Err(none(format!("known are {}", known.join(", "))));
        };
        match docker::image(docker, &image.reference).await? {
            Some(StoredImage { id: base, volumes: false, .. }) => {
                self.lock().present.insert(image.language.clone(), base.clone());
                let (command, source_file) = (image.command.clone(), image.source_file.clone());
                Ok(Runnable { base, command, source_file })
            }
            Some(_) => Err(none(format!("{} declares volumes, which are on the host's disk", image.reference))),
            None => Err(none(image.hint())),
        }
    }

    /// The id of this image with the supervisor in it.
    pub(crate) async fn supervised(&self, docker: &Docker, base: &str) -> Result<String, DockerError> {
        let known = self.lock().supervised.get(base).cloned();
        match known {
            Some(id) => Ok(id),
            None => {
                let id = supervisor::supervised(docker, base).await?;
                self.lock().supervised.insert(base.to_owned(), id.clone());
                Ok(id)
            }
        }
    }

    /// Docker says that what was derived from this image is gone, which was there before.
    pub(crate) fn gone(&self, base: &str) {
        self.lock().supervised.remove(base);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
