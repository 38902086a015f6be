//! The images that golden has recipes for.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use golden_jobs::sandbox::{Cause, Entry, Executor, Program};
use golden_sandbox::{GvisorExecutor, Image, ImageBuilder, SandboxOptions};

use crate::{executor, options, python, unread};

#[tokio::test]
async fn there_is_a_program_in_each_language() {
    let executor = executor().await;
    for (language, source) in [
        ("python", "import json, re, sys; print(json.dumps([sys.argv[1], sys.stdin.read()]))"),
        (
            "javascript",
            "console.log(JSON.stringify([process.argv[2], require('fs').readFileSync(0, 'utf8')]).replace(',', ', '))",
        ),
        // With some of what scripts use, and gVisor or a lean image might lack.
        (
            "bash",
            "shopt -s extglob; ls -l /bin/sh >/dev/null && stat -c %s main.sh >/dev/null && [[ ${#2} == 1 ]] && \
             printf '[\"%s\", \"%s\"]\\n' \"$1\" \"$(cat | sort -V | sed 's/x/i/' | awk '{print $1}')\"",
        ),
    ] {
        let program = Program {
            image: language.to_owned(),
            entry: Entry::Source(source.to_owned()),
            args: vec!["out".to_owned(), "ä".to_owned()],
            stdin: if language == "bash" { b"xn".to_vec() } else { b"in".to_vec() },
            ..python("")
        };
        let report = unread(&executor, program).await.unwrap();
        assert_eq!((report.cause, report.exit_code), (Cause::Exited, Some(0)), "{language}: {report:?}");
        assert_eq!(report.stdout, "[\"out\", \"in\"]\n", "{language}: {report:?}");
        assert_eq!(report.runtime, "runsc");
    }
    assert_eq!(executor.images(), ["bash", "javascript", "python"]);
}

/// The last step of the recipe, with a folder for the packages.
fn pack(folder: &Path, content: &str) -> Vec<u8> {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker/sandbox/recipe");
    let packed = Command::new(recipe).arg("pack").arg("bash").arg(folder).arg(content).output().expect("bash");
    assert!(packed.status.success(), "{packed:?}");
    packed.stdout
}

/// A folder with the same in it, however it came about.
fn folder(name: &str, files: &[&str]) -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("golden-{name}-{}", std::process::id()));
    fs::create_dir_all(folder.join("usr/bin"))?;
    for file in files {
        let path = folder.join(file);
        fs::write(&path, file)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    symlink("usr/bin", folder.join("bin"))?;
    Ok(folder)
}

#[test]
fn the_same_files_make_the_same_image_wherever_and_whenever() {
    let one = folder("one", &["usr/bin/a", "usr/bin/b", "c"]).unwrap();
    let other = folder("other", &["c", "usr/bin/b", "usr/bin/a"]).unwrap();
    let old = fs::File::open(other.join("c")).unwrap();
    old.set_times(fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH)).unwrap();

    let image = pack(&one, "1");
    assert_eq!(image, pack(&other, "1"));
    assert_ne!(image, pack(&one, "2"), "what an image is made of is told by its label");
    fs::write(other.join("c"), "changed").unwrap();
    assert_ne!(image, pack(&other, "1"));

    for folder in [one, other] {
        fs::remove_dir_all(folder).unwrap();
    }
}

/// `tests/services` brought it, by the same recipe.
#[tokio::test]
async fn an_image_of_the_newest_packages_is_left_alone_and_runs_by_its_id() {
    let builder = ImageBuilder::connect(options().docker_host).await.unwrap();
    let image = &Image::defaults()[2];
    let built = builder.build(image).await.unwrap();
    assert!(!built.anew && built.id.starts_with("sha256:"), "{built:?}");

    let by_id = Image { name: "shell".to_owned(), reference: built.id.clone(), ..image.clone() };
    let executor = GvisorExecutor::connect(SandboxOptions { images: vec![by_id], ..options() }).await.unwrap();
    let program = Program { image: "shell".to_owned(), ..python("echo $((6 * 7))") };
    let report = unread(&executor, program).await.unwrap();
    assert_eq!((report.stdout.as_str(), report.image_digest), ("42\n", built.id), "{}", report.stderr);
}

#[tokio::test]
async fn what_there_is_no_recipe_for_is_not_built() {
    let builder = ImageBuilder::connect(options().docker_host).await.unwrap();
    let cobol = Image { name: "cobol".to_owned(), ..Image::defaults().remove(0) };
    let error = builder.build(&cobol).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no recipe for cobol: there is one for python, javascript and bash");
    let missing = ImageBuilder::connect(Some("unix:///nonexistent/docker.sock".to_owned())).await.err().unwrap();
    assert!(missing.to_string().contains("apt-get install docker.io"), "{missing}");
}
