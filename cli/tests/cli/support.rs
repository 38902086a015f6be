//! A directory of its own for each test, and a `golden dev` in it.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// Where a test's commands run; removed at its end.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A command with no settings but those that the test gives it.
    pub(crate) fn golden(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_golden"));
        command.args(args).current_dir(&self.0).env_clear();
        command
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a command left: exit status, standard output, standard error.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn run(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Ran {
        code: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// A running `golden dev`, with what it printed.
pub(crate) struct Dev {
    pub(crate) dir: Dir,
    pub(crate) welcome: String,
    pub(crate) child: Child,
    /// Kept open, so that the process can go on printing.
    _out: BufReader<ChildStdout>,
}

impl Dev {
    /// Starts one on a free port and waits until it is ready.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with more flags.
    pub(crate) fn start_with(flags: &[&str]) -> Self {
        Self::begin(flags, &[])
    }

    /// The same, with settings in its environment.
    pub(crate) fn start_set(settings: &[(&str, &str)]) -> Self {
        Self::begin(&[], settings)
    }

    fn begin(flags: &[&str], settings: &[(&str, &str)]) -> Self {
        let dir = Dir::new();
        let mut command = dir.golden(&[&["dev", "--listen", "127.0.0.1:0"], flags].concat());
        let mut child =
            command.envs(settings.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut welcome = String::new();
        while !welcome.contains("Ctrl-C drains") {
            assert_ne!(out.read_line(&mut welcome).unwrap(), 0, "golden dev ended: {welcome}");
        }
        Self { dir, welcome, child, _out: out }
    }

    /// The address it listens on.
    pub(crate) fn server(&self) -> &str {
        self.after("GOLDEN_SERVER=")
    }

    /// The line it says to paste.
    pub(crate) fn curl(&self) -> &str {
        self.welcome.lines().find(|line| line.starts_with("curl ")).unwrap()
    }

    /// A client command with the printed settings.
    pub(crate) fn golden(&self, args: &[&str]) -> Command {
        let mut command = self.dir.golden(args);
        command.env("GOLDEN_SERVER", self.server()).env("GOLDEN_TOKEN", self.token());
        command
    }

    /// The token it printed.
    pub(crate) fn token(&self) -> &str {
        self.after("GOLDEN_TOKEN=")
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        run(&mut self.golden(args))
    }

    /// Submits a job, which must be accepted, and gives its id.
    pub(crate) fn submit(&self, args: &[&str]) -> String {
        let ran = self.run(&[&["jobs", "submit"], args].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out.split('\t').next().unwrap().to_owned()
    }

    pub(crate) fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    fn after(&self, name: &str) -> &str {
        self.welcome.split(name).nth(1).unwrap().split_whitespace().next().unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
