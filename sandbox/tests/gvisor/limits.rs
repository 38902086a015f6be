//! What programs cannot do.

use std::time::{Duration, Instant};

use golden_jobs::sandbox::{Cause, Limits, Program};

use crate::{limits, python, run};

const KEPT: usize = 256 * 1024;

#[tokio::test]
async fn wall_time_ends_a_program_that_ignores_signals() {
    let begun = Instant::now();
    let report = run(Program {
        limits: limits(1000),
        ..python(
            "import signal\n\
             for n in {1, 2, 3, 15}: signal.signal(n, signal.SIG_IGN)\n\
             print('begun', flush=True)\n\
             while True: pass",
        )
    })
    .await;

    assert_eq!((report.cause, report.exit_code, report.signal), (Cause::Timeout, None, None));
    assert_eq!(report.stdout, "begun\n");
    assert!((1000..2000).contains(&report.usage.wall_ms), "{report:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn memory_ends_a_program_and_is_told() {
    // Docker begins to watch a container's memory only after its start.
    let report = run(python("import time; time.sleep(0.5); hoard = [bytearray(1 << 20) for _ in range(1000)]")).await;

    assert_eq!((report.cause, report.exit_code, report.signal), (Cause::Oom, None, None));
}

#[tokio::test]
async fn a_flood_is_stopped_on_either_stream() {
    for stream in [1, 2] {
        let report = run(python(&format!("import os\nwhile True: os.write({stream}, b'x' * 65536)"))).await;

        let (flooded, dry) = if stream == 1 { (report.stdout, report.stderr) } else { (report.stderr, report.stdout) };
        assert_eq!(report.cause, Cause::OutputLimit);
        assert!(report.truncated);
        assert_eq!((flooded.len(), dry.len()), (KEPT, 0));
    }
}

#[tokio::test]
async fn a_talkative_program_ends_by_itself() {
    let report =
        run(python("import sys\nfor _ in range(1000): sys.stdout.write('ä' * 1000)\nsys.stderr.write('done')")).await;

    assert_eq!((report.cause, report.exit_code), (Cause::Exited, Some(0)));
    assert!(report.truncated);
    assert_eq!(report.stdout.len(), KEPT);
    assert_eq!(report.stderr, "done");
}

#[tokio::test]
async fn what_is_no_text_stays_within_the_limit() {
    let report = run(python("import os\nfor _ in range(200): os.write(1, b'\\xff' * 1000)")).await;

    assert!(report.truncated);
    assert!(report.stdout.len() <= KEPT, "{}", report.stdout.len());
}

#[tokio::test]
async fn there_is_no_network() {
    let report = run(python(
        "import socket\n\
         print(socket.if_nameindex())\n\
         for address in ('1.1.1.1', 80), ('169.254.169.254', 80), ('example.com', 80):\n\
         \x20   try: socket.create_connection(address, 2); print('reached', address)\n\
         \x20   except OSError: pass",
    ))
    .await;

    assert!(!report.stdout.contains("reached"), "{report:?}");
    assert!(!report.stdout.contains("eth"), "{report:?}");
    assert_eq!(report.exit_code, Some(0), "{report:?}");
}

#[tokio::test]
async fn only_its_own_folders_are_writable() {
    let report = run(python(
        "import os\n\
         for path in '/x', '/etc/x', '/usr/lib/x', '/work/x', '/tmp/x':\n\
         \x20   try: open(path, 'w').close(); print(path)\n\
         \x20   except OSError: pass\n\
         print(os.getcwd(), os.getuid(), os.getgid())",
    ))
    .await;

    assert_eq!(report.stdout, "/work/x\n/tmp/x\n/work 65534 65534\n", "{report:?}");
}

#[tokio::test]
async fn files_and_threads_are_bounded() {
    let report = run(python(
        "import threading, time\n\
         try:\n\
         \x20   with open('/work/big', 'wb') as big:\n\
         \x20       while True: big.write(b'x' * (1 << 20))\n\
         except OSError as error: print(error.strerror)\n\
         try:\n\
         \x20   while True: threading.Thread(target=time.sleep, args=(1,)).start()\n\
         except RuntimeError as error: print(error, threading.active_count() <= 64)",
    ))
    .await;

    assert_eq!(report.stdout, "File too large\ncan't start new thread True\n", "{report:?}");
    assert_eq!(report.exit_code, Some(0));
}

#[tokio::test]
async fn cpu_time_ends_a_program_whether_it_heeds_the_signal_or_not() {
    let limited =
        |source| Program { limits: Limits { cpu: Some(Duration::from_secs(1)), ..limits(20_000) }, ..python(source) };
    let heeding = run(limited("while True: pass")).await;
    let ignoring = run(limited("import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass")).await;

    for report in [heeding, ignoring] {
        assert_eq!((report.cause, report.exit_code, report.signal), (Cause::CpuLimit, None, None), "{report:?}");
        assert!(report.usage.cpu_ms >= Some(1000), "{report:?}");
    }
}

#[tokio::test]
async fn usage_is_told() {
    let report = run(python("hoard = bytearray(40 << 20)\nfor _ in range(3_000_000): pass")).await;

    assert!(report.usage.cpu_ms >= Some(20), "{report:?}");
    assert!(report.usage.max_rss_kib >= Some(40 << 10), "{report:?}");
}
