//! What there may be too little of, and how to get it.

use crate::images::Image;

/// Why there is no sandbox, in words for the person who can change it.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// It was built for something else.
    #[error("sandboxes need gVisor, which needs Linux: run this on Linux")]
    System,

    #[error(
        "no Docker answers at {host} ({reason}). \
         On Debian, as root: `apt-get install docker.io runsc`; another address goes into DOCKER_HOST"
    )]
    Docker { host: String, reason: String },

    #[error("Docker at {host} speaks API {found}, and sandboxes need {needed}, which comes with Docker 20.10")]
    /// The versions are those of Docker's API, not of Docker.
    Version { host: String, found: String, needed: String },

    #[error(
        "Docker at {host} has no runtime `runsc` (gVisor). \
         On Debian, as root: `apt-get install runsc`, put \
         `{{\"runtimes\": {{\"runsc\": {{\"path\": \"/usr/bin/runsc\", \"runtimeArgs\": [\"--network=none\"]}}}}}}` \
         into /etc/docker/daemon.json, and restart Docker"
    )]
    Runtime { host: String },

    #[error("Docker at {host} has no image to run programs in: {}", hints(.images))]
    /// None of `images`, which are all that are configured, can be run.
    Images { host: String, images: Vec<Image> },
}

fn hints(images: &[Image]) -> String {
    let of_recipes = "make those for python, javascript and bash with `golden sandbox build-images`".to_owned();
    let made = images.iter().any(|image| image.recipe().is_some()).then_some(of_recipes);
    let brought = images.iter().filter(|image| image.recipe().is_none()).map(Image::hint);
    made.into_iter().chain(brought).collect::<Vec<_>>().join("; ")
}
