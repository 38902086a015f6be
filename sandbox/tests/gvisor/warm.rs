//! Sandboxes that wait for programs.

use std::{process::Command, time::Duration};

use bollard::{
    Docker,
    models::{ContainerConfig, ContainerCreateBody},
    query_parameters::{
        CommitContainerOptionsBuilder, CreateContainerOptions, InspectContainerOptions, ListImagesOptionsBuilder,
        RemoveContainerOptions, RemoveImageOptionsBuilder,
    },
};
use golden_jobs::sandbox::{Executor, Limits, Program, RunReport};
use golden_sandbox::{GvisorExecutor, Image, KeepWarm, SandboxOptions};
use tokio::{sync::mpsc, time::sleep};

use crate::{
    containers::{PATIENCE, docker, labelled},
    limits, options, python,
};

/// A worker that keeps so many waiting, and its view of Docker.
struct Warm {
    executor: GvisorExecutor,
    options: SandboxOptions,
    docker: Docker,
}

impl Warm {
    async fn keeping(min: usize, images: Vec<Image>) -> Self {
        let options = SandboxOptions { warm: KeepWarm { min, max: 4 }, images, ..options() };
        let executor = GvisorExecutor::connect(options.clone()).await.expect("the sandbox is there");
        Self { executor, options, docker: docker().await }
    }

    /// The containers of this worker.
    async fn containers(&self) -> Vec<String> {
        let all = labelled(&self.docker, &format!("golden.worker={}", self.options.worker)).await;
        all.into_iter().map(|container| container.id.expect("an id")).collect()
    }

    /// Waits until so many wait and no more are being made or removed.
    async fn until_waiting(&self, count: usize) -> Vec<String> {
        for _ in 0..PATIENCE.as_millis() / 50 {
            let waiting = self.options.metrics.sandbox_warm.get();
            let containers = self.containers().await;
            if usize::try_from(waiting) == Ok(count) && containers.len() == count {
                return containers;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{} wait of {:?}", self.options.metrics.sandbox_warm.get(), self.containers().await);
    }

    async fn run(&self, program: Program) -> RunReport {
        let (live, _) = mpsc::channel(1);
        self.executor.run(program, live).await.expect("the sandbox works")
    }

    /// How many programs found one waiting, and how many did not.
    fn hits_and_misses(&self) -> [u64; 2] {
        let metrics = &self.options.metrics;
        [&metrics.sandbox_warm_hits, &metrics.sandbox_warm_misses]
            .map(|counter| counter.with_label_values(&["python"]).get())
    }

    async fn close(self) {
        self.executor.close().await;
        assert_eq!(self.containers().await, [""; 0]);
    }
}

fn python_only() -> Vec<Image> {
    vec![Image::defaults().remove(0)]
}

#[tokio::test]
async fn a_program_takes_one_that_waits_and_nobody_takes_it_again() {
    let warm = Warm::keeping(2, python_only()).await;
    let waiting = warm.until_waiting(2).await;
    let first = warm.docker.inspect_container(&waiting[0], None::<InspectContainerOptions>).await.unwrap();
    let labels = first.config.unwrap().labels.unwrap();
    assert!(labels.contains_key("golden.deadline") && !labels.contains_key("golden.job"), "{labels:?}");

    let look = "import os, socket, time
print(socket.gethostname(), os.listdir('/work'), os.listdir('/tmp'))
open('/work/left', 'w').close(), open('/tmp/left', 'w').close()
if os.fork() == 0: time.sleep(60)";
    let mut homes = Vec::new();
    for _ in 0..2 {
        let report = warm.run(Program { artifacts: vec!["left".to_owned()], ..python(look) }).await;
        assert!(report.stdout.ends_with(" ['main.py'] []\n") && report.artifacts.contains_key("left"), "{report:?}");
        assert!(report.usage.boot_ms < 50, "{report:?}");
        homes.push(report.stdout);
    }
    assert_ne!(homes[0], homes[1]);
    assert!(homes.iter().all(|home| waiting.iter().any(|id| home.starts_with(&id[..12]))), "{homes:?} {waiting:?}");
    assert_eq!(warm.hits_and_misses(), [2, 0]);

    // Others take their places; of what is seldom asked for, none waits.
    let special = Program { limits: Limits { memory: 128 << 20, ..limits(20_000) }, ..python("print(1)") };
    assert_eq!(warm.run(special).await.stdout, "1\n");
    assert_eq!(warm.hits_and_misses(), [2, 1]);
    let others = warm.until_waiting(2).await;
    assert!(waiting.iter().all(|id| !others.contains(id)), "{waiting:?} {others:?}");

    warm.close().await;
}

#[tokio::test]
async fn one_that_has_died_fails_no_program() {
    let warm = Warm::keeping(1, python_only()).await;
    // Before anybody can know of it, and after.
    for known in [Duration::ZERO, Duration::from_secs(1)] {
        let waiting = warm.until_waiting(1).await;
        let state = warm.docker.inspect_container(&waiting[0], None::<InspectContainerOptions>).await.unwrap().state;
        let pid = state.unwrap().pid.unwrap().to_string();
        assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        sleep(known).await;

        let report = warm.run(python("print(1)")).await;
        assert_eq!(report.stdout, "1\n", "{report:?}");
    }
    warm.close().await;
}

#[tokio::test]
async fn none_waits_on_an_image_that_was_built_anew() {
    let docker = docker().await;
    let python = python_only().remove(0);
    let name = format!("golden-sandbox-rebuilt-{}", std::process::id());
    build(&docker, &python.reference, &name, "1").await;
    let rebuilt = Image { reference: format!("{name}:local"), ..python };
    let reference = rebuilt.reference.clone();
    let warm = Warm::keeping(1, vec![rebuilt]).await;
    let old = warm.until_waiting(1).await;

    build(&docker, &reference, &name, "2").await;

    let begun = tokio::time::Instant::now();
    while warm.until_waiting(1).await == old {
        assert!(begun.elapsed() < PATIENCE, "the old one still waits");
    }
    let program = crate::python("print(1)");
    let report = warm.run(program).await;
    let image = docker.inspect_image(&reference).await.unwrap().id.unwrap();
    assert_eq!((report.image_digest.as_str(), warm.hits_and_misses()), (image.as_str(), [1, 0]));
    warm.close().await;
    forget(&docker, &name).await;
}

/// Makes an image of another, of its own content.
async fn build(docker: &Docker, of: &str, name: &str, content: &str) {
    let body = ContainerCreateBody { image: Some(of.to_owned()), ..Default::default() };
    let id = docker.create_container(None::<CreateContainerOptions>, body).await.expect("Docker makes it").id;
    let options = CommitContainerOptionsBuilder::new()
        .container(&id)
        .repo(name)
        .tag("local")
        .changes(&format!("LABEL golden.test={name} content={content}"))
        .build();
    docker.commit_container(options, ContainerConfig::default()).await.expect("Docker does it");
    docker.remove_container(&id, None::<RemoveContainerOptions>).await.expect("Docker does it");
}

/// Removes the images so made, and those that were derived of them.
async fn forget(docker: &Docker, name: &str) {
    let label = format!("golden.test={name}");
    let filters = std::collections::HashMap::from([("label", vec![label.as_str()])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let mut images = docker.list_images(Some(options)).await.expect("Docker does it");
    // What was derived goes first.
    images.sort_by_key(|image| std::cmp::Reverse(image.created));
    for image in images {
        let options = RemoveImageOptionsBuilder::new().force(true).build();
        docker.remove_image(&image.id, Some(options), None).await.expect("Docker does it");
    }
}
