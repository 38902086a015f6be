//! The supervisor, and how it gets into images.
//!
//! A sandbox's root is read-only and nothing of the host is mounted in it, so the supervisor has
//! to be in the image. For each image that programs run in, one is derived that has it, once, and
//! kept in Docker under a name that says of what it is made.

use std::{collections::HashMap, time::Duration};

use bollard::{
    Docker, body_full,
    models::{ContainerConfig, ContainerCreateBody, ImageSummary},
    query_parameters::{
        CommitContainerOptionsBuilder, CreateContainerOptions, ListImagesOptionsBuilder, RemoveImageOptions,
        UploadToContainerOptionsBuilder,
    },
};
use golden_sandbox_protocol::SUPERVISOR;
use sha2::{Digest, Sha256};

use crate::{
    docker::{self, DockerError, LONG, SHORT, ask},
    leftovers,
};

/// The program. Empty where golden was built for a system that has no gVisor.
pub(crate) const BINARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/golden-supervisor"));

const REPOSITORY: &str = "golden-supervised";
/// The id of the image that it was added to.
const BASE: &str = "golden.base";
const DIGEST: &str = "golden.supervisor";
/// How long deriving may take, all calls together.
const DERIVING: Duration = Duration::from_secs(120);
/// Of a younger one, another worker may be about to make use.
const YOUNG: Duration = Duration::from_secs(3600);

/// The id of the image that is `base` with the supervisor in it. Made now if there is none.
pub(crate) async fn supervised(docker: &Docker, base: &str) -> Result<String, DockerError> {
    let name = name(base);
    if let Some(image) = docker::image(docker, &name).await? {
        return Ok(image.id);
    }
    let body = ContainerCreateBody {
        image: Some(base.to_owned()),
        // Never run: an image without a command would be refused.
        cmd: Some(vec![SUPERVISOR.to_owned()]),
        network_disabled: Some(true),
        labels: Some(leftovers::deadline(leftovers::now() + DERIVING)),
        ..Default::default()
    };
    let created = docker.create_container(None::<CreateContainerOptions>, body);
    let container = ask("create a container", SHORT, created).await?.id;
    let committed = commit(docker, &container, base).await;
    docker::remove(docker, &container).await?;
    committed?;
    // Asked again: another worker may have made one at the same time, and the name is the last one's.
    match docker::image(docker, &name).await? {
        Some(image) => {
            tracing::info!(base, image = image.id, "added the supervisor to an image");
            Ok(image.id)
        }
        None => Err(DockerError::NotFound { call: "find an image", message: name }),
    }
}

async fn commit(docker: &Docker, container: &str, base: &str) -> Result<(), DockerError> {
    let into = UploadToContainerOptionsBuilder::new().path("/").build();
    let upload = docker.upload_to_container(container, Some(into), body_full(archive().into()));
    ask("add the supervisor", LONG, upload).await?;
    let options = CommitContainerOptionsBuilder::new()
        .container(container)
        .repo(REPOSITORY)
        .tag(&tag(base))
        .changes(&format!("LABEL {BASE}={base} {DIGEST}={}", digest()))
        .build();
    ask("commit a container", LONG, docker.commit_container(options, ContainerConfig::default())).await.map(drop)
}

/// Removes images that golden derived and nobody needs: of another supervisor than this one, or of
/// an image that has lost its name to a newer one and is none of `bases`. One that is needed after
/// all is derived again.
pub(crate) async fn forget_old(docker: &Docker, bases: &[String]) -> Result<(), DockerError> {
    let filters = HashMap::from([("label", vec![DIGEST])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    for image in ask("list images", SHORT, docker.list_images(Some(options))).await? {
        let ImageSummary { id, labels, repo_tags, created, .. } = image;
        let age = leftovers::now().saturating_sub(Duration::from_secs(created.try_into().unwrap_or_default()));
        let ours = labels.get(DIGEST) == Some(&digest()) && !repo_tags.is_empty();
        let base = labels.get(BASE).cloned().unwrap_or_default();
        if age < YOUNG || ours && (bases.contains(&base) || is_named(docker, &base).await?) {
            continue;
        }
        match ask("remove an image", LONG, docker.remove_image(&id, None::<RemoveImageOptions>, None)).await {
            Ok(_) => tracing::info!(image = id, "removed an image with an old supervisor"),
            // A container still runs on it.
            Err(DockerError::Refused { .. } | DockerError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn is_named(docker: &Docker, image: &str) -> Result<bool, DockerError> {
    Ok(docker::image(docker, image).await?.is_some_and(|image| image.named))
}

fn name(base: &str) -> String {
    format!("{REPOSITORY}:{}", tag(base))
}

fn tag(base: &str) -> String {
    let made_of = [base.as_bytes(), BINARY].concat();
    hex(&Sha256::digest(made_of)[..16])
}

fn digest() -> String {
    hex(&Sha256::digest(BINARY)[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The supervisor as a tar archive (POSIX ustar) of a folder and a file.
fn archive() -> Vec<u8> {
    const BLOCK: usize = 512;
    let path = SUPERVISOR.trim_start_matches('/');
    let folder = path.split_inclusive('/').next().unwrap_or_default();
    let mut archive = header(folder, 0, b'5').to_vec();
    archive.extend(header(path, BINARY.len(), b'0'));
    archive.extend_from_slice(BINARY);
    // The last block is filled up, and two empty ones are the end.
    archive.resize(archive.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    archive
}

/// Owned by root, for all to run.
fn header(name: &str, size: usize, kind: u8) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put = |at: usize, field: &[u8]| header[at..at + field.len()].copy_from_slice(field);
    put(0, name.as_bytes());
    put(100, b"0000755\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The sum is taken with blanks in its place.
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
