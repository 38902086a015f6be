//! The images that programs run in, by the names that submissions use.

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

/// What programs run in, and what runs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What submissions call it, for example `python`.
    pub name: String,
    /// The language whose programs it runs beside the image that has the language's name; `None` for that one.
    pub language: Option<String>,
    /// The image's name in Docker, or its id. It runs by the content this names when a program starts.
    pub reference: String,
    /// What the path of a program's file is the next argument of, such as `["python3"]`.
    pub command: Vec<String>,
    /// The file that a program's text is written to where it comes alone, such as `main.py`.
    pub source_file: String,
}

impl Image {
    /// The names of the images that golden has a recipe for.
    pub const WITH_RECIPE: [&str; 3] = ["python", "javascript", "bash"];

    /// What there is without any settings: the images that golden has recipes for.
    pub fn defaults() -> Vec<Self> {
        let image = |name: &str, command: &str, source_file: &str| Self {
            name: name.to_owned(),
            language: None,
            reference: format!("golden-sandbox-{name}:local"),
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
        match self.recipe() {
            Some(name) => format!("make it with `golden sandbox build-images {name}`"),
            None => format!("bring {} into Docker with `docker build` or `docker pull`", self.reference),
        }
    }

    /// The recipe that makes it.
    pub(crate) fn recipe(&self) -> Option<&'static str> {
        let made = |name: &&str| self.reference == format!("golden-sandbox-{name}:local");
        Self::WITH_RECIPE.into_iter().find(made)
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
    /// The ids of those that were there, by name.
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

    /// The names of those that were there when last looked.
    pub(crate) fn present(&self) -> Vec<String> {
        self.lock().present.keys().cloned().collect()
    }

    /// Their ids.
    pub(crate) fn bases(&self) -> Vec<String> {
        self.lock().present.values().cloned().collect()
    }

    /// Looks which images there are: they may be built, and removed, at any time.
    pub(crate) async fn look(&self, docker: &Docker) -> Result<(), DockerError> {
        let mut present = BTreeMap::new();
        for image in &self.configured {
            if let Some(StoredImage { id, volumes: false, .. }) = docker::image(docker, &image.reference).await? {
                present.insert(image.name.clone(), id);
            }
        }
        self.lock().present = present;
        Ok(())
    }

    /// The image of that name, as it was when last looked.
    pub(crate) fn known(&self, name: &str) -> Option<Runnable> {
        let image = self.configured.iter().find(|image| image.name == name)?;
        let base = self.lock().present.get(name)?.clone();
        Some(Runnable { base, command: image.command.clone(), source_file: image.source_file.clone() })
    }

    /// The image of that name, as Docker has it now.
    pub(crate) async fn find(&self, docker: &Docker, name: &str) -> Result<Runnable, ExecutorError> {
        let none = |hint| ExecutorError::NoImage { image: name.to_owned(), hint };
        let Some(image) = self.configured.iter().find(|image| image.name == name) else {
            let known: Vec<_> = self.configured.iter().map(|image| image.name.as_str()).collect();
            return Err(none(format!("known are {}", known.join(", "))));
        };
        match docker::image(docker, &image.reference).await? {
            Some(StoredImage { id: base, volumes: false, .. }) => {
                self.lock().present.insert(image.name.clone(), base.clone());
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
