//! The containers, as Docker sees them.

use std::{collections::HashMap, time::Duration};

use bollard::{
    Docker,
    errors::Error as BollardError,
    models::{ContainerCreateBody, ContainerInspectResponse, ContainerSummary, HostConfig},
    query_parameters::{
        CreateContainerOptions, EventsOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
        StartContainerOptions, WaitContainerOptionsBuilder,
    },
};
use futures_util::StreamExt;
use golden_jobs::sandbox::Program;
use golden_sandbox::Image;
use tokio::time::timeout;

use crate::{executor, limits, options, python, unread};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn docker() -> Docker {
    let host = options().docker_host.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    let docker = Docker::connect_with_host(&host).expect("an address of Docker");
    docker.negotiate_version().await.expect("Docker answers")
}

/// Resolves once the container of this job has started.
async fn started(docker: &Docker, job: &str) -> ContainerInspectResponse {
    let label = format!("golden.job={job}");
    let filters = HashMap::from([("label", vec![label.as_str()]), ("event", vec!["start"])]);
    let options = EventsOptionsBuilder::new().since("1").filters(&filters).build();
    let mut events = Box::pin(docker.events(Some(options)));
    let event = timeout(PATIENCE, events.next()).await.expect("it starts").expect("events").expect("an event");
    let id = event.actor.and_then(|actor| actor.id).expect("an event of a container");
    docker.inspect_container(&id, None::<InspectContainerOptions>).await.expect("it is there")
}

async fn containers_of(docker: &Docker, job: &str) -> usize {
    labelled(docker, &format!("golden.job={job}")).await.len()
}

/// Running or not.
pub(crate) async fn labelled(docker: &Docker, label: &str) -> Vec<ContainerSummary> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    docker.list_containers(Some(options)).await.expect("Docker lists")
}

#[tokio::test]
async fn dropping_a_run_kills_its_program_and_removes_its_container() {
    let (executor, docker) = (executor().await, docker().await);
    let program = Program { limits: limits(60_000), ..python("import time; time.sleep(60)") };
    let job = program.label.clone();

    tokio::select! {
        report = unread(&executor, program) => panic!("it ended: {report:?}"),
        _ = started(&docker, &job) => {}
    }

    timeout(PATIENCE, executor.close()).await.expect("it is removed soon");
    assert_eq!(containers_of(&docker, &job).await, 0);
}

#[tokio::test]
async fn a_run_dropped_before_its_container_exists_leaves_none() {
    let (executor, docker) = (executor().await, docker().await);
    let program = python("print(1)");
    let job = program.label.clone();

    // Long enough to ask Docker for a container, too short for an answer.
    let dropped = timeout(Duration::from_millis(4), unread(&executor, program)).await;

    assert!(dropped.is_err());
    timeout(PATIENCE, executor.close()).await.expect("it is removed soon");
    assert_eq!(containers_of(&docker, &job).await, 0);
}

#[tokio::test]
async fn an_ended_run_leaves_no_container() {
    let (executor, docker) = (executor().await, docker().await);
    let program = python("print(1)");
    let job = program.label.clone();

    unread(&executor, program).await.unwrap();

    assert_eq!(containers_of(&docker, &job).await, 0);
}

/// Past its deadline, and running: its first process is stopped from inside, and heeds no end of its input.
#[tokio::test]
async fn a_dead_workers_container_is_swept() {
    let docker = docker().await;
    let stopping = "import os, signal, time\nif os.fork() == 0: os.kill(1, signal.SIGSTOP)\ntime.sleep(600)";
    let leftover = ContainerCreateBody {
        image: Some(Image::defaults()[0].reference.clone()),
        cmd: Some(["python3", "-c", stopping].map(str::to_owned).to_vec()),
        labels: Some(HashMap::from([("golden.deadline".to_owned(), "1000".to_owned())])),
        host_config: Some(HostConfig { runtime: Some("runsc".to_owned()), ..Default::default() }),
        network_disabled: Some(true),
        ..Default::default()
    };
    let id = docker.create_container(None::<CreateContainerOptions>, leftover).await.unwrap().id;
    match docker.start_container(&id, None::<StartContainerOptions>).await {
        Ok(()) => {}
        // The worker of another test has swept it already.
        Err(BollardError::DockerResponseServerError { status_code: 404, .. }) => {}
        Err(error) => panic!("{error}"),
    }
    let options = WaitContainerOptionsBuilder::new().condition("removed").build();
    let mut removed = Box::pin(docker.wait_container(&id, Some(options)));

    let _executor = executor().await;

    timeout(PATIENCE, removed.next()).await.expect("it is swept soon");
    assert!(docker.inspect_container(&id, None::<InspectContainerOptions>).await.is_err());
}

/// What Docker made of the profile: every line of it counts.
#[tokio::test]
async fn the_container_is_confined_as_the_profile_says() {
    let (executor, docker) = (executor().await, docker().await);
    let program = python("import sys; sys.stdin.read(); import time; time.sleep(60)");
    let job = program.label.clone();
    let container = tokio::select! {
        report = unread(&executor, program) => panic!("it ended: {report:?}"),
        container = started(&docker, &job) => container,
    };
    executor.close().await;

    let config = container.config.unwrap();
    let labels = config.labels.unwrap();
    assert_eq!(config.user.as_deref(), Some("65534:65534"));
    assert_eq!(config.working_dir.as_deref(), Some("/work"));
    assert_eq!((config.open_stdin, config.stdin_once, config.tty), (Some(true), Some(true), Some(false)));
    assert_eq!(config.network_disabled, Some(true));
    assert!(config.image.unwrap().starts_with("sha256:"));
    assert_eq!(labels["golden.job"], job);
    assert!(labels["golden.worker"].starts_with("wrk_"));
    assert!(labels["golden.deadline"].parse::<u64>().unwrap() > 1_700_000_000);

    let host = container.host_config.unwrap();
    assert_eq!(host.runtime.as_deref(), Some("runsc"));
    assert_eq!(host.network_mode.as_deref(), Some("none"));
    assert_eq!((host.readonly_rootfs, host.privileged, host.auto_remove), (Some(true), Some(false), Some(false)));
    assert_eq!((host.cap_add, host.cap_drop), (None, Some(vec!["ALL".to_owned()])));
    assert_eq!(host.security_opt, Some(vec!["no-new-privileges".to_owned()]));
    assert_eq!((host.memory, host.memory_swap), (Some(256 << 20), Some(256 << 20)));
    assert_eq!((host.nano_cpus, host.cpu_shares), (Some(1_000_000_000), Some(256)));
    assert_eq!((host.pids_limit, host.oom_score_adj, host.shm_size), (Some(2048), Some(900), Some(1 << 20)));
    assert_eq!(host.ipc_mode.as_deref(), Some("private"));
    assert_eq!(host.cgroupns_mode.unwrap().to_string(), "private");
    assert_eq!(host.restart_policy.unwrap().name.unwrap().to_string(), "no");
    assert_eq!(host.log_config.unwrap().typ.as_deref(), Some("none"));
    assert_eq!((host.binds, host.mounts, host.devices.unwrap_or_default()), (None, None, vec![]));
    let mut ulimits: Vec<_> = host.ulimits.unwrap().into_iter().map(|u| (u.name.unwrap(), u.soft, u.hard)).collect();
    ulimits.sort();
    let expected = [("core", 0), ("fsize", 32 << 20), ("nofile", 256), ("nproc", 32)];
    assert_eq!(ulimits, expected.map(|(name, limit)| (name.to_owned(), Some(limit), Some(limit))));
    let tmpfs = host.tmpfs.unwrap();
    assert_eq!(tmpfs["/tmp"], "rw,noexec,nosuid,nodev,size=64m,mode=1777");
    assert_eq!(tmpfs["/work"], "rw,exec,nosuid,nodev,size=64m,mode=0700,uid=65534,gid=65534");
    assert_eq!(tmpfs.len(), 2);
}

/// What a worker's death is to its sandboxes: every connection to Docker closes, and nobody removes anything.
#[tokio::test]
async fn a_killed_workers_program_ends_at_once() {
    let docker = docker().await;
    let program = Program { limits: limits(60_000), ..python("import time; time.sleep(60)") };
    let job = program.label.clone();
    let worker = tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.spawn(async move { unread(&executor().await, program).await });
        runtime
    })
    .await
    .unwrap();
    let id = started(&docker, &job).await.id.unwrap();
    let mut ended = Box::pin(docker.wait_container(&id, None::<bollard::query_parameters::WaitContainerOptions>));

    worker.shutdown_background();

    timeout(PATIENCE, ended.next()).await.expect("its supervisor ends it");
    docker.remove_container(&id, None::<bollard::query_parameters::RemoveContainerOptions>).await.unwrap();
}
