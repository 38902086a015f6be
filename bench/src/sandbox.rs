//! `make bench-sandbox`: how long a program takes through the API, where a sandbox waits for it and where
//! none does, next to a bare `docker run` of the same image.
//!
//! It starts the `golden` that was built beside it, as `golden dev` on SQLite.

use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::{load::quantile, table::Table};

const IMAGE: &str = "golden-sandbox-python:local";
const PROGRAM: &str = "print(1)";
const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Of each kind that starts a container: they take turns, so that what else the machine does falls on all alike.
const STARTS: usize = 20;
const WARM: usize = 60;
/// Between programs that find a sandbox waiting, so that another does when the next comes.
const PAUSE: Duration = Duration::from_millis(600);
/// Sandboxes that wait while their memory is counted.
const IDLE: usize = 4;

/// Measures all, in rows.
pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let golden = Golden::start("0").await?;
    golden.run().await.context("the first program, for which the supervisor is added to its image")?;
    let mut cold = Vec::new();
    let mut bare = [("runsc", Ok(Vec::new())), ("runc", Ok(Vec::new()))];
    for _ in 0..STARTS {
        cold.push(golden.run().await?);
        for (runtime, times) in &mut bare {
            if let Ok(known) = times {
                match docker_run(runtime) {
                    Ok(time) => known.push(time),
                    Err(error) => *times = Err(error),
                }
            }
        }
    }
    let begun = Instant::now();
    try_join_all((0..STARTS).map(|_| golden.run())).await?;
    let per_second = STARTS as f64 / begun.elapsed().as_secs_f64();
    drop(golden);

    let golden = Golden::start("min=2,max=8").await?;
    golden.until_waiting(2).await?;
    let mut warm = Vec::new();
    for _ in 0..WARM {
        sleep(PAUSE).await;
        warm.push(golden.run().await?);
    }
    drop(golden);

    latencies(table, "warm", warm);
    latencies(table, "cold", cold);
    for (runtime, times) in bare {
        let name = format!("docker run --runtime={runtime}");
        match times {
            Ok(times) => latencies(table, &name, times),
            Err(error) => table.note(&name, "print(1)", &format!("does not work here: {error:#}")),
        }
    }
    table.row("cold", "programs a second, four at once", per_second, "/s");
    table.row("warm", "memory of one that waits (PSS of its processes)", idle_memory().await?, "MiB");
    Ok(())
}

fn latencies(table: &mut Table, name: &str, mut times: Vec<f64>) {
    times.sort_unstable_by(f64::total_cmp);
    for (what, q) in [("print(1), p50", 0.5), ("print(1), p99", 0.99)] {
        table.row(name, what, quantile(&times, q), "ms");
    }
}

/// Milliseconds that a container takes from nothing to its end.
fn docker_run(runtime: &str) -> anyhow::Result<f64> {
    let name = format!("golden-bench-{}", std::process::id());
    let begun = Instant::now();
    let output = Command::new("docker")
        .args(["run", "--name", &name, "--network=none", "--runtime", runtime, IMAGE, "python3", "-c", PROGRAM])
        .output()
        .context("docker")?;
    let time = begun.elapsed().as_secs_f64() * 1000.0;
    // Golden removes its containers after the reply, too.
    Command::new("docker").args(["rm", "--force", &name]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.lines().next().unwrap_or_default());
    Ok(time)
}

/// MiB of the host's memory that one sandbox takes which waits, with all processes round it.
async fn idle_memory() -> anyhow::Result<f64> {
    let before = sandboxes()?;
    let golden = Golden::start(&format!("min={IDLE},max={IDLE}")).await?;
    golden.until_waiting(IDLE).await?;
    let waiting: Vec<_> = sandboxes()?.difference(&before).cloned().collect();
    let mut kib = 0.0;
    for process in fs::read_dir("/proc")?.flatten() {
        // One may end at any time.
        let Ok(line) = fs::read_to_string(process.path().join("cmdline")) else { continue };
        if waiting.iter().any(|id| line.contains(id)) {
            let memory = fs::read_to_string(process.path().join("smaps_rollup")).unwrap_or_default();
            let pss = memory.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or("0");
            kib += pss.trim().trim_end_matches(" kB").parse::<f64>()?;
        }
    }
    Ok(kib / 1024.0 / waiting.len() as f64)
}

/// The containers of sandboxes.
fn sandboxes() -> anyhow::Result<BTreeSet<String>> {
    let listed =
        Command::new("docker").args(["ps", "--quiet", "--no-trunc", "--filter", "label=golden.worker"]).output()?;
    Ok(String::from_utf8(listed.stdout)?.lines().map(str::to_owned).collect())
}

/// `golden dev`, with a folder of its own.
struct Golden {
    process: Child,
    folder: PathBuf,
    address: SocketAddr,
    token: String,
}

impl Golden {
    async fn start(warm: &str) -> anyhow::Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("golden");
        let folder = std::env::temp_dir().join(format!("golden-bench-{}", std::process::id()));
        // What the last one left is not this one's to find.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let command = |arguments: &[&str]| {
            let mut command = Command::new(&binary);
            command
                .args(arguments)
                .current_dir(&folder)
                .env("JWT_SECRET", SECRET)
                .env("GOLDEN_LISTEN", address.to_string())
                .env("GOLDEN_LOG", "warn")
                .env("GOLDEN_SANDBOX_WARM", warm)
                .env_remove("DATABASE_URL")
                .stdin(Stdio::null());
            command
        };
        let mint = ["token", "mint", "--tenant", "bench", "--role", "admin", "--sub", "bench", "--ttl", "1h"];
        let minted = command(&mint).output().with_context(|| format!("{}: build it first", binary.display()))?;
        let token = String::from_utf8(minted.stdout)?.trim().to_owned();
        let process = command(&["dev"]).stdout(Stdio::null()).spawn()?;
        let golden = Self { process, folder, address, token };
        let begun = Instant::now();
        while golden.call("GET /livez", "").await.is_err() {
            ensure!(begun.elapsed() < Duration::from_secs(30), "golden dev does not come up");
            sleep(Duration::from_millis(50)).await;
        }
        Ok(golden)
    }

    /// Milliseconds from the submission of the program to its result.
    async fn run(&self) -> anyhow::Result<f64> {
        let body = format!(r#"{{"kind":"sandbox.run","payload":{{"language":"python","source":"{PROGRAM}"}}}}"#);
        let begun = Instant::now();
        let answer = self.call("POST /v1/jobs", &body).await?;
        let time = begun.elapsed().as_secs_f64() * 1000.0;
        ensure!(answer.contains(r#""cause":"exited""#), "{answer}");
        Ok(time)
    }

    /// Waits until so many sandboxes wait for Python.
    async fn until_waiting(&self, count: usize) -> anyhow::Result<()> {
        let begun = Instant::now();
        // Of other languages, with images here, some wait as well.
        while self.metric("golden_sandbox_warm ").await? < count as f64 || begun.elapsed() < Duration::from_secs(5) {
            ensure!(begun.elapsed() < Duration::from_secs(60), "no sandboxes wait");
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let metrics = self.call("GET /metrics", "").await?;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name));
        Ok(value.with_context(|| format!("no {name}"))?.parse()?)
    }

    /// One request on a connection of its own; the answer with its head.
    async fn call(&self, what: &str, body: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!(
            "{what} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\nprefer: wait=60\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 2"), "{what}: {answer}");
        Ok(answer)
    }
}

impl Drop for Golden {
    /// In good order, so that no container is left.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
