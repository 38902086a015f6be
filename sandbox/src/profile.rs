//! What every container may do: the whole policy, on one screen.
//!
//! Each field is set here and nowhere else. Of a submission, a container gets its image, by its
//! name, and its memory. Everything else reaches the program through the supervisor, which
//! sets of the limits what holds for each process, since gVisor ignores some of Docker's.

use std::{collections::HashMap, time::Duration};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum,
};
use golden_jobs::{WorkerId, sandbox::Limits};
use golden_sandbox_protocol::{self as protocol, SUPERVISOR};

use crate::leftovers;

/// gVisor. A container never runs on anything else.
pub(crate) const RUNTIME: &str = "runsc";
/// The first Docker API in which every field below means something (Docker 20.10).
pub(crate) const API: (usize, usize) = (1, 41);

const MIB: i64 = 1 << 20;
/// With less, gVisor itself may not start.
const LEAST_MEMORY: i64 = 64 * MIB;
/// So many Python processes fit into the memory that a program has by default: a fork bomb meets this limit, and
/// not its sandbox's end.
const NPROC: i64 = 32;
const NOFILE: i64 = 256;
const FSIZE: i64 = 32 * MIB;
/// Counts gVisor's own threads, too, and kills gVisor when reached: the program must meet `NPROC` first. gVisor
/// has a thread for each pair of a process and a thread that ran it: of a fork bomb's n processes, 1.6 n² were seen.
const PIDS: i64 = 2048;
const _: () = assert!(PIDS >= 2 * NPROC * NPROC);

const TMP: &str = "rw,noexec,nosuid,nodev,size=64m,mode=1777";
const WORK: &str = "rw,exec,nosuid,nodev,size=64m,mode=0700,uid=65534,gid=65534";

/// `image` is the id of one that has the supervisor.
pub(crate) fn container(
    image: &str,
    memory: u64,
    worker: WorkerId,
    job: Option<&str>,
    deadline: Duration,
) -> ContainerCreateBody {
    let yes = Some(true);
    let no = Some(false);
    let memory = Some(i64::try_from(memory).unwrap_or(i64::MAX).max(LEAST_MEMORY));
    ContainerCreateBody {
        image: Some(image.to_owned()),
        // Both are set, so that nothing an image brings is run in their place.
        entrypoint: Some(vec![SUPERVISOR.to_owned()]),
        cmd: Some(vec![]),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..Default::default() }),
        labels: Some(leftovers::labels(worker, job, deadline)),
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
            memory,
            memory_swap: memory,
            nano_cpus: Some(1_000_000_000),
            cpu_shares: Some(256),
            pids_limit: Some(PIDS),
            oom_score_adj: Some(900),
            shm_size: Some(MIB),
            // Any other driver writes what is printed to the host's disk.
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            ulimits: Some(vec![
                ulimit("nproc", NPROC),
                ulimit("nofile", NOFILE),
                ulimit("fsize", FSIZE),
                ulimit("core", 0),
            ]),
            tmpfs: Some(HashMap::from([("/tmp".to_owned(), TMP.to_owned()), ("/work".to_owned(), WORK.to_owned())])),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// What the supervisor sets for the program: the same again, and its CPU time.
pub(crate) fn process(limits: &Limits) -> protocol::Limits {
    protocol::Limits {
        cpu: limits.cpu.map_or(u64::MAX, |cpu| cpu.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)),
        nproc: NPROC.unsigned_abs(),
        nofile: NOFILE.unsigned_abs(),
        fsize: FSIZE.unsigned_abs(),
    }
}

fn ulimit(name: &str, limit: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(limit), hard: Some(limit) }
}
