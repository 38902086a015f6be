//! What programs are given, and what is told of them.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use golden_jobs::sandbox::{Cause, Program, RunReport};

use crate::{executor, python, run, unread};

#[tokio::test]
async fn a_program_reads_prints_and_exits() {
    let report = run(Program {
        args: vec!["one".to_owned(), "--two".to_owned()],
        env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
        stdin: b"in".to_vec(),
        ..python(
            "import os, sys\n\
             print(os.environ['GREETING'], sys.argv[1:], sys.stdin.read())\n\
             print('to stderr', file=sys.stderr)\n\
             sys.exit(3)",
        )
    })
    .await;

    assert_eq!(report.stdout, "hello ['one', '--two'] in\n");
    assert_eq!(report.stderr, "to stderr\n");
    assert_eq!((report.cause, report.exit_code, report.signal), (Cause::Exited, Some(3), None));
    assert!(!report.truncated);
    assert!(report.image_digest.starts_with("sha256:"), "{report:?}");
    assert!(report.usage.boot_ms > 0 && report.usage.wall_ms > 0, "{report:?}");
}

#[tokio::test]
async fn it_runs_inside_gvisor() {
    let report = run(python("import os; os.system('dmesg'); print(open('/proc/version').read())")).await;

    assert!(report.stdout.contains("Starting gVisor"), "{report:?}");
    assert!(report.stdout.contains("Linux version 4.4.0"), "{report:?}");
    assert_eq!(report.runtime, "runsc");
}

#[tokio::test]
async fn every_exit_status_is_the_programs_own() {
    for status in [0, 1, 2, 126, 127, 255] {
        let report = run(python(&format!("raise SystemExit({status})"))).await;
        assert_eq!((report.cause, report.exit_code), (Cause::Exited, Some(status)));
    }
}

#[tokio::test]
async fn a_signal_is_told_from_want_of_memory() {
    for signal in [6, 9, 11, 15] {
        let report = run(python(&format!("import os; os.kill(os.getpid(), {signal})"))).await;
        assert_eq!((report.cause, report.exit_code, report.signal), (Cause::Signal, None, Some(signal)));
    }
}

#[tokio::test]
async fn input_may_be_long_and_may_stay_unread() {
    let stdin = vec![b'x'; 3 << 20];
    let read = run(Program { stdin: stdin.clone(), ..python("import sys; print(len(sys.stdin.read()))") }).await;
    let unread = run(Program { stdin, ..python("print('not interested')") }).await;

    assert_eq!(read.stdout, format!("{}\n", 3 << 20));
    assert_eq!((unread.stdout.as_str(), unread.exit_code), ("not interested\n", Some(0)));
}

/// gVisor writes at most 64 KiB at a time to a pipe, and leaves the rest to the program.
#[tokio::test]
async fn a_long_print_arrives_whole() {
    let report = run(python("print('x' * 200_000)")).await;

    assert_eq!((report.stdout.len(), report.truncated), (200_001, false));
}

#[tokio::test]
async fn output_is_kept_as_it_came() {
    let report =
        run(python(r#"import os; os.write(1, b"\x1b[31m<b>\0\xff"); os.write(2, b"\x02\0\0\0\0\0\0\x05fake")"#)).await;

    assert_eq!(report.stdout, "\u{1b}[31m<b>\0\u{fffd}");
    // Looks like the framing of Docker's own stream, and is mere output.
    assert_eq!(report.stderr, "\u{2}\0\0\0\0\0\0\u{5}fake");
}

#[tokio::test]
async fn a_program_may_close_its_output_and_go_on() {
    let report = run(python("import os, time; os.close(1); os.close(2); time.sleep(1); os._exit(4)")).await;

    assert_eq!((report.cause, report.exit_code), (Cause::Exited, Some(4)));
    assert!(report.usage.wall_ms >= 1000, "{report:?}");
}

#[tokio::test]
async fn many_run_at_once_and_each_gets_its_own() {
    let executor = executor().await;
    let runs = (0..8)
        .map(|n| unread(&executor, Program { args: vec![n.to_string()], ..python("import sys; print(sys.argv[1])") }));

    let reports: Vec<RunReport> = join_all(runs).await.into_iter().map(Result::unwrap).collect();

    for (n, report) in reports.iter().enumerate() {
        assert_eq!(report.stdout, format!("{n}\n"), "{report:?}");
    }
}
