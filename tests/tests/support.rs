//! Starts the real `golden` binary on real stores, and talks to it as its users do.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

// By their paths, since `make chaos` has this file as a module of its own, too.
#[path = "support/receiver.rs"]
mod receiver;
#[path = "support/store.rs"]
mod store;

pub(crate) use receiver::{Received, Receiver};
pub(crate) use store::TestStore;

/// For tests; long enough to be accepted.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A process of the real binary. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    name: &'static str,
    log: Arc<Mutex<String>>,
}

impl Process {
    pub(crate) fn start(name: &'static str, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        // Read to the end, so that the process never waits for somebody to read.
        let out: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in out {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let mut log = log.lock().unwrap();
                    log.push_str(&line);
                    log.push('\n');
                }
            });
        }
        Self { child, name, log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Blocks until it has ended.
    pub(crate) fn wait(&mut self) {
        let _ = self.child.wait();
    }

    /// Waits for a line of output that contains `text`.
    pub(crate) async fn says(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            let gone = self.child.try_wait().unwrap();
            assert!(gone.is_none() && Instant::now() < until, "{}: no `{text}`, {gone:?}\n{}", self.name, self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Asks it to end and gives its exit status.
    pub(crate) async fn terminate(self) -> Option<i32> {
        self.signal("-TERM");
        self.ended().await
    }

    /// Waits until it has ended and gives its exit status.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "{} does not end\n{}", self.name, self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        self.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(4000);
            let tail = (tail..log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(log.len());
            eprintln!("--- {} ---\n{}", self.name, &log[tail..]);
        }
    }
}

/// An installation: a store, an API, and whatever workers a test starts.
pub(crate) struct Golden {
    pub(crate) store: TestStore,
    pub(crate) api: Process,
    pub(crate) url: String,
    settings: Vec<(&'static str, String)>,
    client: reqwest::Client,
    token: String,
}

impl Golden {
    /// `golden dev`: everything in one process, on SQLite.
    pub(crate) async fn dev() -> Self {
        Self::start(TestStore::sqlite(), "dev", &[]).await
    }

    /// `golden api` on PostgreSQL; workers are the test's.
    pub(crate) async fn api_only() -> Self {
        Self::start(TestStore::postgres().await, "api", &[]).await
    }

    /// `golden api` and one `golden worker` with every pool, on PostgreSQL.
    pub(crate) async fn production() -> (Self, Process) {
        let golden = Self::api_only().await;
        let worker = golden.worker("orchestrator,webhook,supervisor,peer-hub");
        (golden, worker)
    }

    pub(crate) async fn start(store: TestStore, command: &str, more: &[(&'static str, &str)]) -> Self {
        // Set before the first client is built; a second time changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let port = free_port();
        let mut settings = vec![
            ("DATABASE_URL", store.url.clone()),
            ("JWT_SECRET", SECRET.to_owned()),
            ("GOLDEN_LISTEN", format!("127.0.0.1:{port}")),
            ("GOLDEN_RATE_LIMITS", "off".to_owned()),
            // The receivers of these tests listen on loopback, on any port and without TLS.
            ("GOLDEN_EGRESS_ALLOW", "127.0.0.0/8".to_owned()),
            ("GOLDEN_EGRESS_PORTS", "any".to_owned()),
            ("GOLDEN_EGRESS_HTTP", "on".to_owned()),
            ("GOLDEN_WEBHOOK_SCHEDULE", "0s,1s,1s,1s,1s".to_owned()),
            // Most of these tests run no program.
            ("GOLDEN_SANDBOX_WARM", "0".to_owned()),
        ];
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        if command != "dev" {
            let migrated = golden(&store, &settings).arg("migrate").output().unwrap();
            assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        }
        let mut run = golden(&store, &settings);
        run.arg(command);
        let mut golden = Self {
            api: Process::start("golden", run),
            url: format!("http://127.0.0.1:{port}"),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            token: String::new(),
            store,
            settings,
        };
        golden.token = golden.mint("admin", "acme");
        golden.until_alive().await;
        golden
    }

    /// Starts `command` again on the same store, after the first process was killed.
    pub(crate) async fn again(mut self, command: &str) -> Self {
        let _ = self.api.child.wait();
        let mut run = golden(&self.store, &self.settings);
        run.arg(command);
        self.api = Process::start("golden", run);
        self.until_alive().await;
        self
    }

    async fn until_alive(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.client.get(format!("{}/livez", self.url)).send().await {
                Ok(answer) if answer.status().is_success() => return,
                _ => {}
            }
            let gone = self.api.child.try_wait().unwrap();
            assert!(gone.is_none() && Instant::now() < until, "the API does not come up\n{}", self.api.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A worker process of its own.
    pub(crate) fn worker(&self, roles: &str) -> Process {
        self.worker_with(roles, &[])
    }

    pub(crate) fn worker_with(&self, roles: &str, args: &[&str]) -> Process {
        self.process("worker", &[&["--role", roles], args].concat())
    }

    /// One more process of this installation.
    pub(crate) fn process(&self, command: &'static str, args: &[&str]) -> Process {
        let mut run = golden(&self.store, &self.settings);
        run.arg(command).args(args);
        Process::start(command, run)
    }

    /// A client command of the binary, with this installation's address and token.
    pub(crate) fn cli(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = golden(&self.store, &self.settings);
        let output =
            command.env("GOLDEN_SERVER", &self.url).env("GOLDEN_TOKEN", &self.token).args(args).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    }

    /// Pastes commands into a shell of somebody who has this installation's address and token.
    pub(crate) fn paste(&self, commands: &str) -> (Option<i32>, String) {
        let mut shell = Command::new("sh");
        let path = std::env::var("PATH").unwrap_or_default();
        let binaries = binary().parent().unwrap().display().to_string();
        let output = shell
            .args(["-e", "-c", commands])
            .current_dir(self.store.folder())
            .env_clear()
            .env("PATH", format!("{binaries}:{path}"))
            .env("GOLDEN_SERVER", &self.url)
            .env("GOLDEN_TOKEN", &self.token)
            .output()
            .unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    }

    pub(crate) fn mint(&self, role: &str, tenant: &str) -> String {
        let mut command = golden(&self.store, &self.settings);
        command.args(["token", "mint", "--tenant", tenant, "--role", role, "--sub", "test", "--ttl", "1h"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// One request as the tenant's admin.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.call_with(method, path, body, &[]).await
    }

    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
        let mut request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.url));
        if headers.iter().all(|(name, _)| *name != "authorization") {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Opens a stream of events as the tenant's admin.
    pub(crate) async fn stream(&self, path: &str) -> Events {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let answer = request.header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        Events { answer, text: String::new() }
    }

    /// Submits a job that must be accepted; gives its id.
    pub(crate) async fn submit(&self, kind: &str, payload: Value) -> String {
        self.submit_with(json!({"kind": kind, "payload": payload})).await
    }

    pub(crate) async fn submit_with(&self, job: Value) -> String {
        let (status, answer) = self.call("POST", "/v1/jobs", Some(job)).await;
        assert_eq!(status, 202, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Submits many jobs over a few connections at once.
    pub(crate) async fn submit_many(self: &Arc<Self>, jobs: Vec<Value>) -> Vec<String> {
        let jobs = Arc::new(jobs);
        let next = Arc::new(AtomicU32::new(0));
        let submitters: Vec<_> = (0..32)
            .map(|_| {
                let (golden, jobs, next) = (Arc::clone(self), Arc::clone(&jobs), Arc::clone(&next));
                tokio::spawn(async move {
                    let mut ids = Vec::new();
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::SeqCst) as usize) {
                        ids.push(golden.submit_with(job.clone()).await);
                    }
                    ids
                })
            })
            .collect();
        let mut ids = Vec::new();
        for submitter in submitters {
            ids.extend(submitter.await.unwrap());
        }
        ids
    }

    pub(crate) async fn job(&self, id: &str) -> Value {
        let (status, job) = self.call("GET", &format!("/v1/jobs/{id}"), None).await;
        assert_eq!(status, 200, "{job}");
        job
    }

    /// Waits for a job to reach one of `states`.
    pub(crate) async fn until(&self, id: &str, states: &[&str]) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let job = self.job(id).await;
            if states.contains(&job["state"].as_str().unwrap()) {
                return job;
            }
            assert!(Instant::now() < until, "not {states:?} in time: {job}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn ended(&self, id: &str) -> Value {
        self.until(id, &["succeeded", "dead", "cancelled"]).await
    }
}

/// A stream of Server-Sent Events.
pub(crate) struct Events {
    answer: reqwest::Response,
    text: String,
}

impl Events {
    /// The next event's type and data; `None` once the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let (name, data) = (field("event: "), field("data: "));
                self.text = rest.to_owned();
                if let (Some(name), Some(data)) = (name, data) {
                    return Some((name, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let piece = tokio::time::timeout(PATIENCE, self.answer.chunk()).await.expect("something comes").unwrap()?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

/// The binary with an installation's settings and nothing of this process's own.
fn golden(store: &TestStore, settings: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(store.folder()).env_clear().envs(settings.iter().map(|(name, value)| (name, value)));
    for kept in ["PATH", "HOME", "DOCKER_HOST"] {
        if let Some(value) = std::env::var_os(kept)
            && settings.iter().all(|(name, _)| *name != kept)
        {
            command.env(kept, value);
        }
    }
    command
}

/// `golden`, built beside this test by the same cargo run.
fn binary() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    // target/debug/deps/golden-… → target/debug/golden
    path.pop();
    path.pop();
    path.push("golden");
    assert!(path.exists(), "{} is missing: run `make test`, or `cargo build -p golden-cli` first", path.display());
    path
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
