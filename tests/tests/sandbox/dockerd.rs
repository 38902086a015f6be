//! A Docker of one test's own, which may be killed, stopped and without anything that another has.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::PATIENCE;

/// Its data, what runs in it, its socket and its containerd's namespace are its own, and gone with it.
pub(super) struct Dockerd {
    folder: PathBuf,
    driver: String,
    process: Child,
}

impl Dockerd {
    /// An empty one with these of the runtimes that the harness's Docker has.
    pub(super) async fn start(runtimes: &[&str]) -> Self {
        let info: Value = serde_json::from_str(&docker(None, &["info", "--format", "{{json .}}"])).unwrap();
        let runtimes: serde_json::Map<_, _> =
            runtimes.iter().map(|name| ((*name).to_owned(), info["Runtimes"][name].clone())).collect();
        // The path of a socket is 107 bytes at most, and there are some below this.
        let folder = Path::new("/var/tmp").join(format!("golden-{}", &uuid::Uuid::now_v7().simple().to_string()[24..]));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("daemon.json"), json!({"runtimes": runtimes}).to_string()).unwrap();
        let driver = info["Driver"].as_str().unwrap().to_owned();
        let process = launch(&folder, &driver);
        let mut started = Self { folder, driver, process };
        started.until_it_answers().await;
        started
    }

    /// For `DOCKER_HOST`.
    pub(super) fn host(&self) -> String {
        format!("unix://{}/docker.sock", self.folder.display())
    }

    /// Brings an image here that the harness's Docker has.
    pub(super) fn bring(&self, image: &str) {
        let mut save = Command::new("docker").args(["save", image]).stdout(Stdio::piped()).spawn().unwrap();
        let archive = save.stdout.take().unwrap();
        let loaded = Command::new("docker").args(["--host", &self.host(), "load"]).stdin(archive).output().unwrap();
        assert!(save.wait().unwrap().success() && loaded.status.success(), "{loaded:?}");
    }

    pub(super) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap().success());
    }

    /// Kills it as a crash would, and with it its containerd. What runs in it goes on.
    pub(super) async fn kill(&mut self) {
        let containerd = pid_in(&self.folder.join("run/containerd/containerd.pid")).unwrap();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        // A dockerd that finds it dead and not yet reaped takes it for alive, and waits for it in vain.
        let begun = Instant::now();
        while Path::new("/proc").join(containerd.to_string()).exists() {
            assert!(begun.elapsed() < PATIENCE, "its containerd stays");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts it again with what it had.
    pub(super) async fn again(&mut self) {
        self.process = launch(&self.folder, &self.driver);
        self.until_it_answers().await;
    }

    /// The ids of all containers, running or not.
    pub(super) fn containers(&self) -> Vec<String> {
        let listed = docker(Some(&self.host()), &["ps", "--all", "--quiet", "--no-trunc"]);
        listed.lines().map(str::to_owned).collect()
    }

    /// What there is of these containers: themselves, processes, mounts, files and sockets.
    fn traces(&self, ids: &[String]) -> Vec<String> {
        let mut traces = self.containers();
        let running = self.folder.join("run");
        let own = [Some(self.process.id()), pid_in(&running.join("containerd/containerd.pid"))];
        for (pid, line) in self.processes() {
            if !own.contains(&Some(pid)) {
                traces.push(line);
            }
        }
        let layers = self.folder.join("data").join(&self.driver);
        traces.extend(mounts(&layers));
        let tasks = running.join("containerd/daemon/io.containerd.runtime.v2.task").join(self.namespace());
        let bundles = running.join("runtime-runc").join(self.namespace());
        for folder in [tasks, bundles, self.folder.join("data/containers"), running.join("containerd/fifo")] {
            let left = fs::read_dir(folder).into_iter().flatten().flatten();
            traces.extend(left.map(|entry| entry.path().display().to_string()));
        }
        // A shim's socket has a name made of where its containerd listens, the namespace and the container.
        for id in ids {
            let listening = running.join("containerd/containerd.sock").join(self.namespace()).join(id);
            let name: String =
                Sha256::digest(listening.display().to_string()).iter().map(|byte| format!("{byte:02x}")).collect();
            let socket = Path::new("/run/containerd/s").join(name);
            traces.extend(socket.exists().then(|| socket.display().to_string()));
        }
        traces
    }

    /// Waits until these containers are removed.
    pub(super) async fn until_gone(&self, ids: &[String], within: Duration) {
        until_empty(within, || self.containers().into_iter().filter(|id| ids.contains(id)).collect()).await;
    }

    /// Waits until there are no containers, and nothing is left of these.
    pub(super) async fn leaves_nothing(&self, ids: &[String], within: Duration) {
        until_empty(within, || self.traces(ids)).await;
    }

    async fn until_it_answers(&mut self) {
        let begun = Instant::now();
        while !Command::new("docker").args(["--host", &self.host(), "info"]).output().unwrap().status.success() {
            let gone = self.process.try_wait().unwrap();
            assert!(gone.is_none() && begun.elapsed() < PATIENCE, "dockerd does not start\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        log.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    }

    fn namespace(&self) -> String {
        self.folder.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// Itself, its containerd, and all that they started.
    fn processes(&self) -> Vec<(u32, String)> {
        let folder = self.folder.display().to_string();
        let all = fs::read_dir("/proc").unwrap().flatten();
        let ours = all.filter_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            // One may end at any time.
            let line = fs::read_to_string(process.path().join("cmdline")).ok()?.replace('\0', " ");
            line.contains(&folder).then_some((pid, line))
        });
        ours.collect()
    }
}

impl Drop for Dockerd {
    #[expect(clippy::disallowed_methods, reason = "what is dropped cannot wait in any other way, and the test is over")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- dockerd, its last words first ---\n{}", self.log());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        for (pid, _) in self.processes() {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
        for mount in mounts(&self.folder) {
            let _ = Command::new("umount").args(["--lazy", &mount]).status();
        }
        // A process that was killed may still close its files.
        for _ in 0..50 {
            if fs::remove_dir_all(&self.folder).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn launch(folder: &Path, driver: &str) -> Child {
    let log = fs::File::options().append(true).create(true).open(folder.join("log")).unwrap();
    let (data, run) = (folder.join("data"), folder.join("run"));
    let mut command = Command::new("dockerd");
    command.arg("--config-file").arg(folder.join("daemon.json"));
    command.arg("--data-root").arg(data).arg("--exec-root").arg(run).arg("--pidfile").arg(folder.join("pid"));
    command.args(["--host", &format!("unix://{}/docker.sock", folder.display()), "--storage-driver", driver]);
    command.args(["--bridge", "none", "--iptables=false", "--containerd-namespace"]).arg(folder.file_name().unwrap());
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().expect("dockerd is installed, and this is root: `make hostile` brings it")
}

fn docker(host: Option<&str>, args: &[&str]) -> String {
    let mut command = Command::new("docker");
    command.args(host.map(|host| ["--host", host]).into_iter().flatten());
    let output = command.args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn until_empty(within: Duration, left: impl Fn() -> Vec<String>) {
    let begun = Instant::now();
    loop {
        let left = left();
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < within, "{left:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn pid_in(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn mounts(below: &Path) -> Vec<String> {
    let all = fs::read_to_string("/proc/mounts").unwrap();
    let points = all.lines().filter_map(|line| line.split_whitespace().nth(1));
    points.filter(|point| Path::new(point).starts_with(below)).map(str::to_owned).collect()
}
