//! An API to measure, and a load generator for its intake: keep-alive connections, one request at a time each.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use golden_api::{Api, ApiOptions, Auth, CallerRole, Grant, RateLimits, auth::Expected};
use golden_jobs::{
    breakers::{self, Board},
    kinds,
    metrics::Metrics,
    store::SharedStore,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::load::quantile;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An API of a store's, and a token for it.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn start(store: &SharedStore) -> anyhow::Result<Self> {
        let auth = Auth::hs256(SECRET.as_bytes(), Expected::default())?;
        let grant = Grant {
            tenant: "bench".to_owned(),
            role: CallerRole::Developer,
            subject: "bench".to_owned(),
            rate_limit: None,
        };
        let token = auth.mint(&grant, Duration::from_secs(600))?;
        let api = Api {
            store: Arc::clone(store),
            registry: Arc::new(kinds::registry()),
            metrics: Metrics::new(),
            breakers: Board::new(breakers::Options::default(), Metrics::new()),
            windows: None,
            auth,
            options: ApiOptions { rate_limits: RateLimits::Off, ..ApiOptions::default() },
            parts: Vec::new(),
            sandbox_missing: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, shutdown) = (listener.local_addr()?, CancellationToken::new());
        let server = tokio::spawn(golden_api::serve(listener, api, shutdown.clone()));
        Ok(Self { address, token, shutdown, server })
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        Ok(self.server.await?)
    }
}

/// Submits jobs over `connections` for `time`. Answers jobs a second and the p99 in ms.
pub(crate) async fn intake(store: &SharedStore, connections: usize, time: Duration) -> anyhow::Result<(f64, f64)> {
    let api = Served::start(store).await?;
    let (address, token) = (api.address, &api.token);
    let body = format!(r#"{{"kind":"noop","payload":{{"output":"{}"}}}}"#, "x".repeat(86));
    let request = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let begun = Instant::now();
    let clients: Vec<_> = (0..connections)
        .map(|_| {
            let request = request.clone();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let mut latencies = Vec::new();
                while begun.elapsed() < time {
                    let asked = Instant::now();
                    ask(&mut stream, &request, "202").await?;
                    latencies.push(asked.elapsed().as_secs_f64() * 1000.0);
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await??);
    }
    let rate = latencies.len() as f64 / begun.elapsed().as_secs_f64();
    latencies.sort_unstable_by(f64::total_cmp);
    api.stop().await?;
    Ok((rate, quantile(&latencies, 0.99)))
}

/// Asks and reads the answer, which must have that status.
pub(crate) async fn ask(stream: &mut TcpStream, request: &str, status: &str) -> anyhow::Result<()> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(2048);
    loop {
        anyhow::ensure!(stream.read_buf(&mut answer).await? > 0, "the server hung up");
        let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&answer[..end])?;
        let as_wanted = head.split(' ').nth(1) == Some(status);
        anyhow::ensure!(as_wanted, "not a {status}: {}", String::from_utf8_lossy(&answer));
        let length: usize = head
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("content-length")))
            .context("no content-length")?
            .1
            .parse()?;
        if answer.len() >= end + 4 + length {
            return Ok(());
        }
    }
}
