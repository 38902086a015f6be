//! What this process may use of the machine, for those who watch how much of it is used.

use std::{fs, thread};

use golden_jobs::metrics::Metrics;

/// Of cgroup v2, as containers see it.
const CGROUP_MEMORY: &str = "/sys/fs/cgroup/memory.max";
const MEMINFO: &str = "/proc/meminfo";

/// Sets the limits once: they are those that the process began with.
pub(crate) fn show_limits(metrics: &Metrics) {
    // Heeds quotas of cgroups, too.
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    metrics.cpu_limit.set(cpus as f64);
    if let Some(bytes) = memory() {
        metrics.memory_limit.set(bytes as f64);
    }
}

/// The container's limit, else the machine's memory, in bytes. `None` where the system does not say.
fn memory() -> Option<u64> {
    let limit = fs::read_to_string(CGROUP_MEMORY).ok().and_then(|text| text.trim().parse().ok());
    limit.or_else(|| total(&fs::read_to_string(MEMINFO).ok()?))
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_read_as_linux_writes_it() {
        assert_eq!(total("MemTotal:       24658284 kB\nMemFree:         1 kB\n"), Some(24_658_284 * 1024));
        assert_eq!(total("nothing of the kind"), None);
    }
}
