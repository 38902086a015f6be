//! What every container may do: the whole policy, on one screen.
//!
//! Each field is set here and nowhere else. A submission chooses the image by its
//! language, the program's text, arguments and environment, and nothing more.

use std::{collections::HashMap, time::Duration};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum,
};
use golden_jobs::{WorkerId, sandbox::Program};

use crate::{images::Runnable, leftovers};

/// gVisor. A container never runs on anything else.
pub(crate) const RUNTIME: &str = "runsc";
/// The first Docker API in which every field below means something (Docker 20.10).
pub(crate) const API: (usize, usize) = (1, 41);

const MIB: i64 = 1 << 20;
const MEMORY: i64 = 256 * MIB;
const NPROC: i64 = 64;
/// Counts gVisor's own threads, too, and kills gVisor when reached: the program must meet `NPROC` first.
const PIDS: i64 = 512;
const _: () = assert!(PIDS >= 64 + 6 * NPROC);

const TMP: &str = "rw,noexec,nosuid,nodev,size=64m,mode=1777";
const WORK: &str = "rw,exec,nosuid,nodev,size=64m,mode=0700,uid=65534,gid=65534";

pub(crate) fn container(
    image: &Runnable,
    program: &Program,
    worker: WorkerId,
    deadline: Duration,
) -> ContainerCreateBody {
    let yes = Some(true);
    let no = Some(false);
    ContainerCreateBody {
        image: Some(image.id.clone()),
        // Both are set, so that nothing an image brings is run in their place.
        entrypoint: Some(image.command.clone()),
        cmd: Some(std::iter::once(&program.source).chain(&program.args).cloned().collect()),
        env: Some(program.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..Default::default() }),
        labels: Some(leftovers::labels(worker, &program.label, deadline)),
        user: Some("65534:65534".to_owned()),
        working_dir: Some("/work".to_owned()),
        network_disabled: yes,
        tty: no,
        open_stdin: yes,
        stdin_once: yes,
        attach_stdin: yes,
        attach_stdout: yes,
        attach_stderr: yes,
        host_config: Some(HostConfig {
            runtime: Some(RUNTIME.to_owned()),
            network_mode: Some("none".to_owned()),
            readonly_rootfs: yes,
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            privileged: no,
            auto_remove: no,
            ipc_mode: Some("private".to_owned()),
            cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
            restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
            memory: Some(MEMORY),
            memory_swap: Some(MEMORY),
            nano_cpus: Some(1_000_000_000),
            cpu_shares: Some(256),
            pids_limit: Some(PIDS),
            oom_score_adj: Some(900),
            shm_size: Some(MIB),
            // Any other driver writes what is printed to the host's disk.
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            ulimits: Some(vec![
                ulimit("nproc", NPROC),
                ulimit("nofile", 256),
                ulimit("fsize", 32 * MIB),
                ulimit("core", 0),
            ]),
            tmpfs: Some(HashMap::from([("/tmp".to_owned(), TMP.to_owned()), ("/work".to_owned(), WORK.to_owned())])),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn ulimit(name: &str, limit: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(limit), hard: Some(limit) }
}
