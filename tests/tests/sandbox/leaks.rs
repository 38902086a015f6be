//! What is left of sandboxes: nothing, however many there were and however their worker ended.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Golden, PATIENCE, Process, TestStore};

/// Collects the ids of the containers that a worker has made, from when it is made itself.
struct Made {
    events: Child,
    worker: String,
}

impl Made {
    /// A worker says who it is before it makes any.
    async fn by(process: &mut Process) -> Self {
        process.says("programs run in gVisor").await;
        let log = process.log();
        let line = log.lines().find(|line| line.contains("programs run in gVisor")).unwrap();
        let worker = &line[line.find("wrk_").unwrap()..];
        let worker: String =
            worker.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-').collect();
        let label = format!("label=golden.worker={worker}");
        let events = Command::new("docker")
            .args(["events", "--since", "1", "--filter", "event=create", "--filter", &label, "--format", "{{.ID}}"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { events, worker }
    }

    /// Running or not.
    fn still_there(&self) -> usize {
        let label = format!("label=golden.worker={}", self.worker);
        let listed = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &label]).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
        String::from_utf8_lossy(&listed.stdout).lines().count()
    }

    async fn until_none_is_there(&self) {
        let begun = Instant::now();
        while self.still_there() > 0 {
            assert!(begun.elapsed() < PATIENCE, "{} of {} are still there", self.still_there(), self.worker);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// How many there were, when no trace of any is left: no process, mount, socket or file that has its id.
    async fn leave_no_trace(mut self) -> usize {
        self.until_none_is_there().await;
        self.events.kill().unwrap();
        let ids: BTreeSet<String> =
            BufReader::new(self.events.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
        let _ = self.events.wait();
        let begun = Instant::now();
        loop {
            // What runs a container ends a moment after the container is gone.
            let traces = traces(&ids);
            if traces.is_empty() {
                return ids.len();
            }
            assert!(begun.elapsed() < PATIENCE, "{traces:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn traces(ids: &BTreeSet<String>) -> Vec<String> {
    let mentions = |text: &str| ids.iter().any(|id| text.contains(id));
    let mut traces = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        // One may end at any time.
        let line = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default().replace('\0', " ");
        if mentions(&line) {
            traces.push(line);
        }
    }
    traces.extend(fs::read_to_string("/proc/mounts").unwrap().lines().filter(|line| mentions(line)).map(str::to_owned));
    // Where a private daemon keeps what runs: beside its socket.
    if let Some(socket) = std::env::var("DOCKER_HOST").ok().as_deref().and_then(|host| host.strip_prefix("unix://")) {
        let running = Path::new(socket).with_file_name("docker");
        traces.extend(below(&running).iter().map(|path| path.display().to_string()).filter(|path| mentions(path)));
    }
    traces
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}

/// A process's connections to Docker, and to whoever else listens on a socket of this machine.
fn unix_sockets(process: &Process) -> usize {
    let known = fs::read_to_string("/proc/net/unix").unwrap();
    let known: BTreeSet<_> = known.lines().filter_map(|line| line.split_whitespace().nth(6)).collect();
    let open = fs::read_dir(format!("/proc/{}/fd", process.id())).unwrap().flatten();
    let of = |target: PathBuf| {
        let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
        known.contains(inode.as_str()).then_some(())
    };
    open.filter_map(|file| of(fs::read_link(file.path()).ok()?)).count()
}

fn files_of(store: &TestStore) -> usize {
    below(store.folder()).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_programs_at_once_end_as_they_should_and_leave_nothing() {
    // As many as there are wait from the beginning to the end, so that counts are the same.
    let mut golden = Golden::start(TestStore::sqlite(), "dev", &[("GOLDEN_SANDBOX_WARM", "min=1,max=1")]).await;
    let made = Made::by(&mut golden.api).await;
    until_as_many_wait(&golden, 1).await;
    let before = (unix_sockets(&golden.api), files_of(&golden.store), made.still_there());

    let kinds: [(&str, Value, Value); 5] = [
        ("print(1)", json!("exited"), json!(0)),
        ("raise SystemExit(3)", json!("exited"), json!(3)),
        ("import os; os.kill(os.getpid(), 9)", json!("signal"), Value::Null),
        ("while True: pass", json!("timeout"), Value::Null),
        // Its supervisor is stopped, and heeds nothing any more.
        ("import os, signal, time; os.kill(1, signal.SIGSTOP); time.sleep(60)", json!("timeout"), Value::Null),
    ];
    // One in ten is stopped, which takes longer than to end.
    let of = |n: usize| &kinds[if n % 10 == 9 { 3 + n / 10 % 2 } else { n % 3 }];
    let job = |n: usize| {
        json!({"kind": "sandbox.run", "payload": {
            "language": "python", "source": of(n).0, "limits": {"wall_ms": if n % 10 == 9 { 300 } else { 20_000 }},
        }})
    };
    let golden = Arc::new(golden);
    let mut ids = Vec::new();
    for n in 0..100 {
        let (status, accepted) = golden.call("POST", "/v1/jobs", Some(job(n))).await;
        assert_eq!(status, 202, "{accepted}");
        ids.push(accepted["id"].as_str().unwrap().to_owned());
    }
    for (n, id) in ids.iter().enumerate() {
        let ended = golden.ended(id).await;
        let (_, cause, status) = of(n);
        assert_eq!(ended["state"], "succeeded", "{ended}");
        assert_eq!((&ended["result"]["cause"], &ended["result"]["exit_code"]), (cause, status), "{ended}");
    }

    let begun = Instant::now();
    let mut after = (0, 0, 0);
    while after != before {
        assert!(begun.elapsed() < PATIENCE, "sockets, files and containers were {before:?} and are {after:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        after = (unix_sockets(&golden.api), files_of(&golden.store), made.still_there());
    }
    let golden = Arc::into_inner(golden).unwrap();
    assert_eq!(golden.api.terminate().await, Some(0));
    assert!(made.leave_no_trace().await > 100);
}

async fn until_as_many_wait(golden: &Golden, count: usize) {
    let begun = Instant::now();
    loop {
        let (_, metrics) = golden.call("GET", "/metrics", None).await;
        if metrics.as_str().unwrap().lines().any(|line| line == format!("golden_sandbox_warm {count}")) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "no sandbox waits");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The dead worker's program ends at once, since its input does. What is left of it is removed by the worker that
/// lives, which also runs the job again.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workers_program_runs_again_and_its_sandboxes_are_removed_by_others() {
    let settings = [("GOLDEN_LOST_AFTER", "10s"), ("GOLDEN_SANDBOX_WARM", "min=1,max=1")];
    let golden = Golden::start(TestStore::postgres().await, "api", &settings).await;
    let mut first = golden.worker("sandbox");
    let of_first = Made::by(&mut first).await;
    let payload = json!({"language": "python", "source": "import time; print('begun', flush=True); time.sleep(2)"});
    let id = golden.submit("sandbox.run", payload).await;
    let mut events = golden.stream(&format!("/v1/jobs/{id}/events")).await;
    while events.next().await.expect("it runs").0 != "log" {}

    first.signal("-KILL");
    let mut second = golden.worker("sandbox");
    let of_second = Made::by(&mut second).await;

    let ended = golden.ended(&id).await;
    assert_eq!((&ended["state"], &ended["attempt"]), (&json!("succeeded"), &json!(2)), "{ended}");
    assert!(of_first.leave_no_trace().await >= 1);
    assert_eq!(second.terminate().await, Some(0));
    assert!(of_second.leave_no_trace().await >= 1);
}
