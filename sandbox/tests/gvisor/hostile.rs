//! Programs that mean harm, and what becomes of each.
//!
//! A line of the table is a test: a name, what is expected, and the program. Every one of them runs
//! in real gVisor: with three seconds of wall time where that is what ends it, else with more than it needs on a
//! machine that does much else.

use std::time::Duration;

use golden_jobs::sandbox::{Cause, Executor, Program, RunReport};
use golden_sandbox::{GvisorExecutor, SandboxOptions};

use futures_util::future::join_all;
use tokio::sync::{Semaphore, mpsc};

use crate::{
    containers::{docker, labelled},
    executor, limits, options, python, run, unread,
};

/// What is to become of a program.
struct Expected {
    cause: Cause,
    exit_code: Option<i64>,
    printed: Printed,
}

enum Printed {
    /// This and nothing else.
    Just(&'static str),
    /// At least this once.
    Also(&'static str),
}

/// It does all it can, which is to print this, and exits with 0.
fn prints(text: &'static str) -> Expected {
    Expected { cause: Cause::Exited, exit_code: Some(0), printed: Printed::Just(text) }
}

/// It is ended for this cause, having printed this.
fn ends(cause: Cause, printed: Printed) -> Expected {
    Expected { cause, exit_code: None, printed }
}

impl Expected {
    #[track_caller]
    fn check(&self, report: &RunReport) {
        assert_eq!((report.cause, report.exit_code), (self.cause, self.exit_code), "{report:?}");
        match self.printed {
            Printed::Just(text) => assert_eq!(report.stdout, text, "{report:?}"),
            Printed::Also(text) => assert!(report.stdout.contains(text), "{report:?}"),
        }
    }
}

macro_rules! hostile {
    ($all:ident: $($name:ident, $expected:expr, $source:literal;)*) => {
        /// The programs alone.
        const $all: &[&str] = &[$($source),*];
        $(
            #[tokio::test]
            async fn $name() {
                let expected = $expected;
                let wall = if expected.cause == Cause::Timeout { 3000 } else { 20_000 };
                expected.check(&run(Program { limits: limits(wall), ..python($source) }).await);
            }
        )*
    };
}

use Printed::{Also, Just};

// Taking more than one's share.
hostile! { TAKING:
    mem_bomb, ends(Cause::Oom, Just("")), "
hoard = []
while True: hoard.append(bytearray(b'x' * (1 << 20)))
";
    mem_bomb_in_a_child, ends(Cause::Oom, Just("")), "
import os
if os.fork() == 0:
    hoard = []
    while True: hoard.append(bytearray(b'x' * (1 << 20)))
os.wait()
";
    spinning_on_all_cores, ends(Cause::Timeout, Just("")), "
import os
os.fork(); os.fork()
while True: pass
";
    sleeping_for_ever, ends(Cause::Timeout, Just("")), "
import time
time.sleep(1 << 30)
";
    file_descriptors, prints("Too many open files\n"), "
import os
try:
    while True: os.dup(0)
except OSError as error: print(error.strerror)
";
    filling_the_file_systems, prints("/work No space left on device\n/tmp No space left on device\n/dev/shm No space left on device\n"), "
for folder in '/work', '/tmp', '/dev/shm':
    try:
        for n in range(100):
            with open(f'{folder}/{n}', 'wb') as file: file.write(b'x' * (8 << 20))
    except OSError as error: print(folder, error.strerror)
";
    a_sparse_terabyte, prints("File too large\n"), "
try: open('sparse', 'wb').truncate(1 << 40)
except OSError as error: print(error.strerror)
";
    a_large_file_in_memory, prints("File too large 32\n"), "
import os
memory = os.memfd_create('m')
try:
    while True: os.write(memory, b'x' * (1 << 20))
except OSError as error: print(error.strerror, os.fstat(memory).st_size >> 20)
";
    raising_its_own_limits, prints(""), "
import resource
for name in 'NPROC', 'NOFILE', 'FSIZE', 'CORE':
    what = getattr(resource, 'RLIMIT_' + name)
    soft, hard = resource.getrlimit(what)
    try:
        resource.setrlimit(what, (hard, hard + 1))
        print('raised', name)
    except (ValueError, OSError): pass
";
}

// Getting out.
hostile! { LEAVING:
    reaching_the_host, prints(""), "
import os, socket
for address in ('127.0.0.1', 22), ('127.0.0.1', 2375), ('127.0.0.1', 5432), ('172.17.0.1', 80), ('169.254.169.254', 80):
    try: socket.create_connection(address, 1); print('reached', address)
    except OSError: pass
for path in '/var/run/docker.sock', '/run/docker.sock', '/run/containerd/containerd.sock':
    if os.path.exists(path): print('there is', path)
for name in '\\0containerd-shim', '\\0/containerd-shim/moby', '\\0dbus':
    try: socket.socket(socket.AF_UNIX).connect(name); print('reached', name)
    except OSError: pass
";
    sockets_of_special_kinds, prints(""), "
import socket
kinds = {'raw': (2, 3, 1), 'raw6': (10, 3, 58), 'packet': (17, 3, 0), 'vsock': (40, 1, 0), 'alg': (38, 5, 0), 'bluetooth': (31, 3, 1)}
for name, kind in kinds.items():
    try: socket.socket(*kind); print('got', name)
    except OSError: pass
";
    calls_for_the_kernel, prints(""), "
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    'mount': (165, b'none', b'/tmp', b'tmpfs', 0, 0), 'pivot_root': (155, b'/work', b'/work'), 'setns': (308, 0, 0),
    'chroot': (161, b'/work'), 'bpf': (321, 0, 0, 0), 'perf_event_open': (298, 0, 0, -1, -1, 0),
    'add_key': (248, b'user', b'x', b'y', 1, -1), 'keyctl': (250, 0, -3, 1), 'kexec_load': (246, 0, 0, 0, 0),
    'userfaultfd': (323, 0), 'init_module': (175, 0, 0, b''), 'reboot': (169, 0xfee1dead, 672274793, 0x1234567),
    'swapon': (167, b'/work', 0), 'settimeofday': (164, b'\\0' * 16, 0), 'iopl': (172, 3),
    'open_by_handle_at': (304, -1, b'\\0' * 16, 0), 'sethostname': (170, b'x', 1), 'acct': (163, b'/work/x'),
    'ptrace': (101, 16, 1, 0, 0), 'process_vm_readv': (310, 1, 0, 0, 0, 0, 0), 'quotactl': (179, 0, 0, 0, 0),
}
for name, args in calls.items():
    if libc.syscall(*args) >= 0: print(name, 'went through')
";
    setting_the_clock, prints(""), "
import time
for clock in time.CLOCK_REALTIME, time.CLOCK_MONOTONIC:
    try: time.clock_settime(clock, 0); print('set')
    except OSError: pass
";
    devices, prints(""), "
import os, stat
devices = {'disk': (stat.S_IFBLK, 8, 0), 'vda': (stat.S_IFBLK, 254, 0), 'mem': (stat.S_IFCHR, 1, 1), 'kvm': (stat.S_IFCHR, 10, 232)}
for folder in '/work', '/tmp':
    for name, (kind, major, minor) in devices.items():
        try:
            os.mknod(f'{folder}/{name}', kind | 0o666, os.makedev(major, minor))
            os.open(f'{folder}/{name}', os.O_RDWR)
            print('opened', name)
        except OSError: pass
";
    becoming_root, prints("True\n"), "
import os
for name, args in ('setuid', (0,)), ('setgid', (0,)), ('setresuid', (0, 0, 0)), ('setgroups', ([0],)), ('chown', ('/work', 0, 0)):
    try: getattr(os, name)(*args); print(name, 'done')
    except OSError: pass
print(all(int(line.split()[1], 16) == 0 for line in open('/proc/self/status') if line.startswith('Cap')))
";
    running_what_was_put_in_tmp, prints("/tmp Permission denied\n/work ran\n"), "
import shutil, subprocess
for folder in '/tmp', '/work':
    try:
        shutil.copy('/bin/busybox', folder + '/echo')
        print(folder, subprocess.run([folder + '/echo', 'ran'], capture_output=True, text=True).stdout.strip())
    except OSError as error: print(folder, error.strerror)
";
    reading_secrets, prints(""), "
import os
for path in '/proc/kcore', '/proc/kallsyms', '/proc/keys', '/etc/shadow', '/dev/mem', '/dev/kmsg', '/proc/sysrq-trigger':
    if os.path.exists(path): print('there is', path)
first = open('/proc/1/environ').read()
for word in 'TOKEN', 'SECRET', 'PASSWORD', 'DATABASE', 'DOCKER', 'GOLDEN', 'JWT':
    if word in first or any(word in name for name in os.environ): print('knows', word)
";
}

// Deceiving the supervisor.
hostile! { DECEIVING:
    the_memory_of_the_supervisor, prints(""), "
for name in 'mem', 'root/etc/passwd', 'cwd/main.py':
    try: open('/proc/1/' + name, 'rb').read(1); print('read', name)
    except OSError: pass
";
    a_daemon_is_gone_with_its_parent, prints("gone\n"), "
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1)
        print('late', flush=True)
        time.sleep(60)
    os._exit(0)
print('gone', flush=True)
";
    killing_the_supervisor, ends(Cause::SandboxCrashed, Just("begun\n")), "
import os, signal, time
print('begun', flush=True)
time.sleep(0.3)
os.kill(1, signal.SIGKILL)
os.kill(1, signal.SIGTERM)
time.sleep(60)
";
    stopping_the_supervisor, ends(Cause::Timeout, Just("")), "
import os, signal
os.kill(1, signal.SIGSTOP)
print('nobody passes this on', flush=True)
";
    killing_its_own_group, ends(Cause::Signal, Just("")), "
import os
os.killpg(0, 9)
";
    closing_everything, Expected { cause: Cause::Exited, exit_code: Some(5), printed: Just("") }, "
import os
os.closerange(0, 256)
os._exit(5)
";
    frames_as_output, Expected { cause: Cause::Exited, exit_code: Some(7), printed: Just("\u{4}\0\0\0\u{15}\0\0\0\0\u{7}\0\0\0\u{4}") }, "
import os
os.write(1, b'\\x04\\0\\0\\0\\x15\\0\\0\\0\\0\\x07\\0\\0\\0\\x04')
os._exit(7)
";
    // It can reach the supervisor's own stream, and spoils its own result by it, as it may.
    nonsense_among_the_frames, ends(Cause::SandboxCrashed, Just("")), "
import os, time
os.write(os.open('/proc/1/fd/1', os.O_WRONLY), b'\\xff' * 64)
time.sleep(60)
";
    a_forged_end, Expected { cause: Cause::Exited, exit_code: Some(42), printed: Just("") }, "
import os, time
forged = b'\\x04' + (21).to_bytes(4) + b'\\0' + (42).to_bytes(4) + bytes(16) + b'\\x07' + (4).to_bytes(4) + bytes(4)
os.write(os.open('/proc/1/fd/1', os.O_WRONLY), forged)
time.sleep(60)
";
    forged_files, ends(Cause::SandboxCrashed, Just("")), "
import os, time
name = b'../../etc/passwd'
forged = b'\\x04' + (21).to_bytes(4) + bytes(21) + b'\\x05' + len(name).to_bytes(4) + name
os.write(os.open('/proc/1/fd/1', os.O_WRONLY), forged)
time.sleep(60)
";
}

#[tokio::test]
async fn fork_bomb() {
    let source = "import os, time
while True:
    try: os.fork()
    except OSError as error:
        print(error.strerror, flush=True)
        time.sleep(60)";
    let report = run(Program { limits: limits(3000), ..python(source) }).await;

    ends(Cause::Timeout, Also("Resource temporarily unavailable\n")).check(&report);
}

#[tokio::test]
async fn very_many_files_and_very_deep_folders_are_looked_at_in_bounds() {
    let everything = |source| Program { artifacts: vec!["**".to_owned()], ..python(source) };
    let many = run(everything("for n in range(12_000): open(f'f{n}', 'w').close()")).await;
    let deep = run(everything(
        "import os\nfor _ in range(1000): os.mkdir('d'); os.chdir('d')\nopen('file', 'w').close()\nprint('made')",
    ))
    .await;

    assert_eq!((many.cause, many.artifacts.len()), (Cause::Exited, 256));
    assert!(many.artifacts_omitted > 0);
    assert_eq!((deep.stdout.as_str(), deep.artifacts.len(), deep.artifacts_omitted), ("made\n", 1, 1), "{deep:?}");
}

/// Nothing of one program is there for the next, which may be anyone's.
#[tokio::test]
async fn a_program_finds_nothing_of_another() {
    const PLACES: &str = "['/work', '/tmp', '/dev/shm', '/dev/mqueue', '/var/tmp']";
    let executor = executor().await;
    let leaving = format!(
        "import os, socket\nfor place in {PLACES}:\n    try: open(place + '/left', 'w').write('secret')\n    except OSError: pass\n\
         os.symlink('/etc', '/tmp/link')"
    );
    let looking = format!(
        "import os\nfor place in {PLACES}:\n    if os.path.isdir(place): print(place, [n for n in os.listdir(place) if n != 'main.py'])"
    );

    assert_eq!(unread(&executor, python(&leaving)).await.unwrap().exit_code, Some(0));
    let found = unread(&executor, python(&looking)).await.unwrap();

    assert!(found.stdout.contains("/work []\n/tmp []\n/dev/shm []\n"), "{found:?}");
    assert!(!found.stdout.contains("left") && !found.stdout.contains("link"), "{found:?}");
}

/// All kinds of harm at once, and an honest program beside them.
#[tokio::test]
async fn honest_programs_succeed_beside_hostile_ones() {
    let executor = executor().await;
    let short = |source| Program { limits: limits(6000), ..python(source) };
    let honest = || unread(&executor, Program { limits: limits(30_000), ..python("print(sum(range(1000)))") });
    let (bomb, spin, flood, hoard, first, second) = tokio::join!(
        unread(&executor, short("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass")),
        unread(&executor, short("import os\nos.fork(); os.fork()\nwhile True: pass")),
        unread(&executor, short("import os\nwhile True: os.write(1, b'x' * 65536)")),
        unread(&executor, short("hoard = []\nwhile True: hoard.append(bytearray(b'x' * (1 << 20)))")),
        honest(),
        honest(),
    );

    let causes = [bomb, spin, flood, hoard].map(|report| report.unwrap().cause);
    assert_eq!(causes[..2], [Cause::Timeout; 2], "{causes:?}");
    assert!([Cause::OutputLimit, Cause::Timeout].contains(&causes[2]), "{causes:?}");
    assert!([Cause::Oom, Cause::Timeout].contains(&causes[3]), "{causes:?}");
    for report in [first, second] {
        assert_eq!(report.unwrap().stdout, "499500\n");
    }
    tokio::time::timeout(Duration::from_secs(30), executor.close()).await.expect("all are gone");
}

/// Every program of the tables at once, with honest ones among them.
#[tokio::test]
#[ignore = "it takes the whole machine: make hostile"]
async fn honest_programs_succeed_beside_all_hostile_ones() {
    let options: SandboxOptions = options();
    let executor = GvisorExecutor::connect(options.clone()).await.unwrap_or_else(|missing| panic!("{missing}"));
    // However many are sent, a worker has so many at a time.
    let places = Semaphore::new(12);
    let run = async |source: &str, wall: u64| {
        let _place = places.acquire().await.expect("it stays open");
        let (live, _) = mpsc::channel(1);
        let report = executor.run(Program { limits: limits(wall), ..python(source) }, live).await;
        report.unwrap_or_else(|error| panic!("{error}: {source}"))
    };
    let harm = |sources: &'static [&str]| join_all(sources.iter().map(|source| run(source, 6000)));
    let honest = || run("print(sum(range(1000)))", 40_000);
    let (taking, first, leaving, second, deceiving, third) =
        tokio::join!(harm(TAKING), honest(), harm(LEAVING), honest(), harm(DECEIVING), honest());

    // What becomes of each alone is said above; here some have less time than that takes.
    for report in taking.into_iter().chain(leaving).chain(deceiving) {
        assert_ne!(report.cause, Cause::StartFailed, "{report:?}");
    }
    for report in [first, second, third] {
        assert_eq!(report.stdout, "499500\n", "{report:?}");
    }
    executor.close().await;
    assert_eq!(labelled(&docker().await, &format!("golden.worker={}", options.worker)).await, []);
}
