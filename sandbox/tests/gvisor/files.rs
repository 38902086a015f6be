//! Files in, files out, and what is shown meanwhile.

use std::{collections::BTreeMap, time::Duration};

use golden_jobs::{
    sandbox::{Cause, Content, Entry, Executor, Program},
    store::LogStream,
};
use tokio::{sync::mpsc, time::timeout};

use crate::{executor, limits, python, run};

fn names(artifacts: &BTreeMap<String, Content>) -> Vec<&str> {
    artifacts.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn files_go_in_and_what_is_wanted_comes_out() {
    let report = run(Program {
        entry: Entry::File("app/main.py".to_owned()),
        files: BTreeMap::from([
            ("app/main.py".to_owned(), b"import part, os\npart.go()\nos.chdir('/tmp')".to_vec()),
            (
                "app/part.py".to_owned(),
                b"import os\n\
                  def go():\n\
                  \x20   data = open('data/in.bin', 'rb').read()\n\
                  \x20   os.makedirs('out/deep')\n\
                  \x20   open('out/text.txt', 'w').write('t\\xe4xt')\n\
                  \x20   open('out/deep/copy.bin', 'wb').write(data)\n\
                  \x20   open('unwanted', 'w').write('x')\n"
                    .to_vec(),
            ),
            ("data/in.bin".to_owned(), vec![0xff, 0, 1]),
        ]),
        artifacts: vec!["out/**".to_owned()],
        ..python("")
    })
    .await;

    assert_eq!((report.cause, report.exit_code), (Cause::Exited, Some(0)), "{report:?}");
    assert_eq!(names(&report.artifacts), ["out/deep/copy.bin", "out/text.txt"]);
    assert_eq!(report.artifacts["out/text.txt"], Content::Text("täxt".to_owned()));
    assert_eq!(report.artifacts["out/deep/copy.bin"].clone().into_bytes(), Some(vec![0xff, 0, 1]));
    assert_eq!(report.artifacts_omitted, 0);
}

/// Everything in the folder is asked for, and only what is a plain file of a plain name comes.
#[tokio::test]
async fn only_plain_files_come_out() {
    let report = run(Program {
        artifacts: vec!["**".to_owned()],
        ..python(
            "import os, socket\n\
             open('plain', 'w').write('plain')\n\
             os.symlink('/etc/passwd', 'link')\n\
             os.symlink('/etc', 'folder')\n\
             os.link('plain', 'hard')\n\
             os.mkfifo('fifo')\n\
             socket.socket(socket.AF_UNIX).bind('socket')\n\
             open('line\\nbreak', 'w').close()\n\
             open(b'no\\xfftext', 'w').close()\n\
             open('sealed', 'w').close(); os.chmod('sealed', 0)\n\
             deep = 'd/' * 20\n\
             os.makedirs(deep); open(deep + 'file', 'w').close()\n\
             with open('sparse', 'wb') as sparse: sparse.truncate(30 << 20)\n\
             os.remove('main.py')",
        )
    })
    .await;

    assert_eq!((report.cause, report.exit_code), (Cause::Exited, Some(0)), "{report:?}");
    assert_eq!(names(&report.artifacts), ["hard", "plain"]);
    // The name with a break, the one that is no text, the sealed one, the deep folder and the sparse file.
    assert_eq!(report.artifacts_omitted, 5);
}

#[tokio::test]
async fn many_and_large_files_come_out_as_far_as_they_may() {
    let many = run(Program {
        artifacts: vec!["f*".to_owned()],
        ..python("for n in range(300): open(f'f{n:03}', 'w').write('x')")
    });
    let large = run(Program {
        artifacts: vec!["f*".to_owned()],
        ..python("for n in range(5): open(f'f{n}', 'wb').write(bytes([n]) * (3 << 20))")
    });
    let (many, large) = tokio::join!(many, large);

    assert_eq!((many.artifacts.len(), many.artifacts_omitted), (256, 44));
    assert_eq!((large.artifacts.len(), large.artifacts_omitted), (2, 3));
    assert_eq!(large.artifacts["f1"].clone().into_bytes().unwrap(), vec![1; 3 << 20]);
}

#[tokio::test]
async fn what_is_printed_is_shown_at_once() {
    let executor = executor().await;
    let program = python("print('first', flush=True); input(); import time; time.sleep(60)");
    let (live, mut printed) = mpsc::channel(8);
    let running = executor.run(Program { stdin: b"\n".to_vec(), limits: limits(60_000), ..program }, live);

    let first = tokio::select! {
        report = running => panic!("it ended: {report:?}"),
        first = timeout(Duration::from_secs(20), printed.recv()) => first.unwrap().unwrap(),
    };

    assert_eq!((first.stream, first.bytes), (LogStream::Stdout, b"first\n".to_vec()));
    executor.close().await;
}

/// A reader who reads nothing holds up neither the end of the program's time nor its removal.
#[tokio::test]
async fn a_stalled_reader_does_not_keep_a_program_alive() {
    let executor = executor().await;
    let (live, _unread) = mpsc::channel(1);
    let program = Program { limits: limits(1500), ..python("while True: print('x' * 10000, flush=True)") };

    let report = executor.run(program, live).await.unwrap();

    assert_eq!(report.cause, Cause::Timeout);
    assert!(report.usage.wall_ms < 2500, "{report:?}");
    timeout(Duration::from_secs(3), executor.close()).await.expect("it is removed soon");
}
