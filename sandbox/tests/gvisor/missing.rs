//! What is said when something is missing.

use golden_jobs::sandbox::{Cause, Executor, ExecutorError, Program};
use golden_sandbox::{GvisorExecutor, Image, Missing, SandboxOptions};

use crate::{options, python, unread};

fn image(name: &str, reference: &str, command: &str) -> Image {
    Image {
        name: name.to_owned(),
        language: None,
        reference: reference.to_owned(),
        command: vec![command.to_owned()],
        source_file: "main".to_owned(),
    }
}

async fn missing(options: SandboxOptions) -> Missing {
    GvisorExecutor::connect(options).await.err().expect("something is missing")
}

#[tokio::test]
async fn without_docker_it_says_how_to_get_it() {
    for host in ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1", "nonsense"] {
        let missing = missing(SandboxOptions { docker_host: Some(host.to_owned()), ..options() }).await;

        assert!(matches!(&missing, Missing::Docker { host: named, .. } if named == host), "{missing:?}");
        assert!(missing.to_string().contains("apt-get install docker.io runsc"), "{missing}");
    }
}

#[tokio::test]
async fn without_any_image_it_says_how_to_get_one() {
    let absent = image("python", "golden-sandbox-absent:local", "python3");
    let missing = missing(SandboxOptions { images: vec![absent], ..options() }).await;

    assert!(matches!(&missing, Missing::Images { .. }), "{missing:?}");
    assert!(missing.to_string().contains("golden-sandbox-absent:local"), "{missing}");
}

#[tokio::test]
async fn an_image_that_is_missing_is_refused_alone() {
    let absent = image("javascript", "golden-sandbox-absent:local", "node");
    let images = vec![Image::defaults().remove(0), absent];
    let executor = GvisorExecutor::connect(SandboxOptions { images, ..options() }).await.unwrap();

    for (name, hint) in [("javascript", "golden-sandbox-absent:local"), ("cobol", "known are python, javascript")] {
        let refused = unread(&executor, Program { image: name.to_owned(), ..python("") }).await.unwrap_err();
        assert!(matches!(&refused, ExecutorError::NoImage { hint: said, .. } if said.contains(hint)), "{refused:?}");
    }
    assert_eq!(executor.images(), ["python"]);
    assert_eq!(unread(&executor, python("print(1)")).await.unwrap().stdout, "1\n");
}

/// No start fails for it: that could leave a process that Docker does not know of.
#[tokio::test]
async fn a_command_that_cannot_be_run_is_status_127_or_126() {
    let reference = &Image::defaults()[0].reference;
    for (command, status, why) in
        [("/nonexistent", 127, "No such file"), ("/etc/passwd", 126, "Permission denied"), ("/work", 126, "Permission")]
    {
        let broken = image("python", reference, command);
        let executor = GvisorExecutor::connect(SandboxOptions { images: vec![broken], ..options() }).await.unwrap();

        let report = unread(&executor, python("print(1)")).await.unwrap();

        assert_eq!((report.cause, report.exit_code), (Cause::Exited, Some(status)));
        assert!(report.stderr.contains(&format!("cannot run {command}: {why}")), "{report:?}");
    }
}
