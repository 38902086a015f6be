//! From settings to a running API, pools and relay.

mod pools;

use std::{future::Future, io, net::SocketAddr, sync::Arc};

use anyhow::{Context, anyhow};
use golden_api::{Api, ApiOptions, Auth, Part, ScalerTls, Service, Vitals};
use golden_jobs::{
    Job, Registry, WorkerId,
    audit::signing::keep_signing,
    backoff::Backoff,
    breakers::{self, Board, Dependency, State as Breaker},
    broker,
    kinds::{SandboxRun, Task},
    metrics::Metrics,
    store::{ConnectError, ConnectOptions, SharedStore},
};
use golden_nats::{Nats, NatsOptions};
use golden_redis::Redis;
use golden_sandbox::{GvisorExecutor, Image, Missing, SandboxOptions};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    config::{self, AnySetting, Jwks, Secret, Setting, Settings, Verifier, table, without_password},
    exit::Exit,
    keys::{KeyFile, KeyUrl},
    machine,
    signals::Signals,
    windows::RedisWindows,
};

/// The kind whose policy the webhook schedule sets.
const DELIVERY: &str = "webhook.deliver";
/// Webhooks of many jobs that end together must not arrive together.
const DELIVERY_JITTER: f64 = 0.2;

/// What a process is to PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    /// What its connections say they are.
    name: &'static str,
    /// How many it has at most, unless the operator says so.
    connections: u32,
}

impl Client {
    pub(crate) const API: Self = Self { name: "golden api", connections: 10 };
    pub(crate) const WORKER: Self = Self { name: "golden worker", connections: 4 };
    pub(crate) const DEV: Self = Self { name: "golden dev", connections: 14 };
}

/// What every serving process has, whatever parts of Golden it runs.
pub(crate) struct Process {
    pub(crate) settings: Settings,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Metrics,
    pub(crate) store: SharedStore,
    /// What does not answer, as this process sees it.
    breakers: Board,
    /// Whether pools share what the breakers found.
    has_pools: bool,
    /// `None` where there is no Redis.
    redis: Option<Redis>,
    /// `None` where there is no NATS.
    nats: Option<Arc<Nats>>,
    shutdown: CancellationToken,
    parts: JoinSet<anyhow::Result<()>>,
    /// Answered to the end: a process that drains still lives.
    probes: Option<AbortOnDropHandle<()>>,
}

impl Process {
    /// Opens the store, and refuses one with an older schema. Whether Redis and NATS can be reached does not matter.
    pub(crate) async fn start(
        settings: Settings,
        registry: Registry,
        metrics: Metrics,
        client: Client,
        database_url: &str,
    ) -> anyhow::Result<Self> {
        settings.is_complete()?;
        let store = golden_jobs::store::connect(ConnectOptions {
            application: client.name,
            max_connections: settings.connections.unwrap_or(client.connections),
            pool_mode: settings.pool_mode,
            allowance: settings.budget,
            governance: settings.governance,
            ..ConnectOptions::new(database_url)
        })
        .await
        .map_err(|error| anyhow!(no_store(database_url, &error)))?;
        machine::show_limits(&metrics);
        let redis = settings.redis.as_ref().map(redis_address).transpose()?.map(Redis::new);
        let nats = match &settings.nats {
            Some(settings) => Some(nats(settings).await?),
            None => None,
        };
        let breakers = Board::new(
            breakers::Options { open: settings.breaker_open, webhooks_per_host: settings.webhook_per_host },
            metrics.clone(),
        );
        let mut process = Self {
            registry: Arc::new(with_images(with_webhook_schedule(registry, &settings), &settings.sandbox_images)),
            metrics,
            store,
            settings,
            breakers,
            has_pools: false,
            redis,
            nats,
            shutdown: CancellationToken::new(),
            parts: JoinSet::new(),
            probes: None,
        };
        process.add_redis();
        process.add_publisher().await?;
        process.add_signer()?;
        Ok(process)
    }

    /// Adds what keeps Redis connected, and reconnects.
    fn add_redis(&mut self) {
        let Some(redis) = self.redis.clone() else { return };
        let kept = redis.keep(self.breakers.clone(), self.shutdown.clone());
        self.add("Redis", async {
            kept.await;
            Ok(())
        });
    }

    /// What `/readyz` says of the parts without which everything goes on.
    fn optional_parts(&self) -> Vec<Part> {
        let tried = |dependency| (self.breakers.clone(), dependency);
        let redis = self.redis.iter().map(|redis| redis_part(redis, tried(Dependency::Redis)));
        let nats = self.nats.iter().map(|nats| nats_part(nats, tried(Dependency::Nats)));
        redis.chain(nats).collect()
    }

    /// Adds what hands NATS what happens, and what keeps its streams in order.
    async fn add_publisher(&mut self) -> anyhow::Result<()> {
        let Some(nats) = self.nats.clone() else { return Ok(()) };
        // Before anything can happen in this process.
        broker::listen(&*self.store).await?;
        let hinted = Arc::clone(&nats).exchange_hints(self.store.wakes().clone(), self.shutdown.clone());
        let breakers = self.breakers.clone();
        let kept = Arc::clone(&nats).keep(breakers.clone(), self.shutdown.clone());
        let published =
            broker::publish(Arc::clone(&self.store), nats, breakers, self.metrics.clone(), self.shutdown.clone());
        self.add("NATS", async {
            tokio::join!(kept, published, hinted);
            Ok(())
        });
        Ok(())
    }

    /// Adds what signs heads of the audit log, where there is a key.
    fn add_signer(&mut self) -> anyhow::Result<()> {
        let Some(key) = &self.settings.audit_key else { return Ok(()) };
        let signed = keep_signing(Arc::clone(&self.store), key.read()?, self.shutdown.clone());
        self.add("the signer of the audit log", async {
            signed.await;
            Ok(())
        });
        Ok(())
    }

    /// Adds the API. `sandbox_missing` is why this process's own pools cannot run programs.
    pub(crate) fn add_api(&mut self, listener: TcpListener, auth: Auth, sandbox_missing: Option<String>) {
        let api = Api {
            store: Arc::clone(&self.store),
            registry: Arc::clone(&self.registry),
            metrics: self.metrics.clone(),
            auth,
            breakers: self.breakers.clone(),
            windows: self.redis.as_ref().map(|redis| Arc::new(RedisWindows::new(redis, self.breakers.clone())) as _),
            options: ApiOptions {
                drain_timeout: self.settings.drain_timeout,
                egress: self.settings.egress.clone(),
                rate_limits: self.settings.rate_limits.unwrap_or_default(),
                trusted_proxies: self.settings.trusted_proxies,
                ..ApiOptions::default()
            },
            parts: self.optional_parts(),
            sandbox_missing,
        };
        let service = Service::from(api);
        if let Some(nats) = &self.nats {
            let (intake, store) = (Arc::new(service.clone()), Arc::clone(&self.store));
            let taken = Arc::clone(nats).take_submissions(intake, store, self.shutdown.clone());
            self.add("the intake of NATS", async {
                taken.await;
                Ok(())
            });
        }
        let served = golden_api::serve(listener, service, self.shutdown.clone());
        self.add("the API", async {
            served.await;
            Ok(())
        });
    }

    /// Adds KEDA's external scaler, where it is asked for.
    pub(crate) async fn add_scaler(&mut self) -> anyhow::Result<()> {
        let Some(address) = self.settings.scaler_listen else { return Ok(()) };
        let tls = self.settings.scaler_tls.clone().map(ScalerTls::read).transpose();
        let tls = tls.context("the external scaler has no TLS")?;
        let listener = listen(address, &table::SCALER_LISTEN).await?;
        tracing::info!(address = %listener.local_addr()?, tls = tls.is_some(), "the external scaler listens");
        let (store, metrics) = (Arc::clone(&self.store), self.metrics.clone());
        let served = golden_api::serve_scaler(listener, tls, store, metrics, self.shutdown.clone());
        self.add("the external scaler", async {
            served.await;
            Ok(())
        });
        Ok(())
    }

    /// Answers probes and scrapes, where that is asked for, for as long as the process lives.
    pub(crate) async fn answer_probes(&mut self) -> anyhow::Result<()> {
        let Some(address) = self.settings.probes_listen else { return Ok(()) };
        let listener = listen(address, &table::PROBES_LISTEN).await?;
        tracing::info!(address = %listener.local_addr()?, "probes are answered");
        let (store, metrics) = (Arc::clone(&self.store), self.metrics.clone());
        let vitals = Vitals::new(store, metrics, self.breakers.clone(), self.optional_parts(), self.shutdown.clone());
        self.probes = Some(AbortOnDropHandle::new(tokio::spawn(golden_api::serve_vitals(listener, vitals))));
        Ok(())
    }

    /// Runs all parts until a signal, and drains them. One that ends before it was told to
    /// takes the others down in good order.
    pub(crate) async fn run_until(mut self, signals: Signals) -> anyhow::Result<Exit> {
        let shutdown = self.shutdown.clone();
        if !self.has_pools {
            let (store, board) = (Arc::clone(&self.store), self.breakers.clone());
            let itself = board.worker();
            let shared =
                shutdown.clone().run_until_cancelled_owned(breakers::keep_sharing(store, move || itself, board));
            self.add("the circuit breakers", async {
                shared.await;
                Ok(())
            });
        }
        let parts = async {
            let mut all = Ok(());
            while let Some(ended) = self.parts.join_next().await {
                self.shutdown.cancel();
                all = all.and(ended.unwrap_or_else(|panic| Err(panic.into())));
            }
            all
        };
        signals.until_drained(parts, shutdown).await
    }

    fn add(&mut self, name: &'static str, part: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.parts.spawn(async move { part.await.with_context(|| format!("{name} failed")) });
    }
}

/// What to say where no store can be had: which it is, and what to look at.
pub(crate) fn no_store(url: &str, error: &ConnectError) -> String {
    let shown = without_password(url);
    match error {
        ConnectError::Unreachable(_) => format!("{shown}: {error}: is it running, and is DATABASE_URL right?"),
        _ => format!("{shown}: {error}"),
    }
}

/// Takes the address that a setting names.
pub(crate) async fn listen(address: SocketAddr, setting: &Setting<SocketAddr>) -> anyhow::Result<TcpListener> {
    let (flag, name) = (setting.about().as_flag(), setting.name());
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "{address} is taken by another program: choose another address with {flag} or {name}, for example 127.0.0.1:8001"
        ),
        _ => anyhow!("cannot listen on {address} (from {flag} or {name}): {error}"),
    })
}

/// What verifies the tokens of callers.
pub(crate) async fn auth(settings: &Settings) -> anyhow::Result<Auth> {
    let expected = settings.expected.clone();
    let jwks = match settings.verifier()? {
        Verifier::Secret(secret) => return Ok(Auth::hs256(secret.as_bytes(), expected)?),
        Verifier::Jwks(jwks) => jwks,
    };
    if expected.audience.is_none() {
        tracing::warn!(
            "GOLDEN_JWT_AUDIENCE is not set: tokens that the issuer of GOLDEN_JWKS makes for others count here too"
        );
    }
    let auth = match jwks {
        Jwks::File(path) => Auth::jwks(KeyFile(path.clone()), expected).await,
        Jwks::Url(url) => Auth::jwks(KeyUrl::new(url.clone())?, expected).await,
    };
    auth.context("GOLDEN_JWKS")
}

/// Connects to the sandbox, or says what is missing for one.
pub(crate) async fn sandbox(settings: &Settings, metrics: &Metrics) -> Result<Arc<GvisorExecutor>, Missing> {
    let options = SandboxOptions { warm: settings.sandbox_warm, metrics: metrics.clone(), ..sandbox_options(settings) };
    let worker = options.worker;
    let executor = GvisorExecutor::connect(options).await?;
    // Which is what the labels of its containers say.
    tracing::info!(%worker, "programs run in gVisor");
    Ok(Arc::new(executor))
}

/// What sandboxes are like here, and none before its program.
pub(crate) fn sandbox_options(settings: &Settings) -> SandboxOptions {
    SandboxOptions {
        docker_host: settings.docker_host.clone(),
        images: settings.sandbox_images.clone(),
        most: settings.sandbox_limits,
        ..SandboxOptions::new(WorkerId::new())
    }
}

/// Where Redis is. What is set was checked already.
pub(crate) fn redis_address(url: &Secret) -> anyhow::Result<golden_redis::Address> {
    Ok(url.reveal().parse()?)
}

fn redis_part(redis: &Redis, tried: (Board, Dependency)) -> Part {
    let redis = redis.clone();
    let ready = move || redis.ready().map_err(|away| away.to_string()).and_then(|()| is_tried(&tried));
    Part::new("redis", move || std::future::ready(ready())).optional()
}

/// A part that can be reached is of no use while nobody asks it for anything.
fn is_tried((breakers, dependency): &(Board, Dependency)) -> Result<(), String> {
    match breakers.state(dependency) {
        Breaker::Open | Breaker::ForcedOpen => Err("its circuit breaker is open".to_owned()),
        Breaker::Closed | Breaker::HalfOpen | Breaker::Disabled => Ok(()),
    }
}

/// Begins to connect to NATS.
pub(crate) async fn nats(settings: &config::Nats) -> anyhow::Result<Arc<Nats>> {
    let credentials = match &settings.credentials {
        Some(path) => Some(
            tokio::fs::read_to_string(path)
                .await
                .with_context(|| format!("cannot read {} (GOLDEN_NATS_CREDENTIALS)", path.display()))?,
        ),
        None => None,
    };
    let options = NatsOptions { url: settings.url.reveal().to_owned(), credentials, streams: settings.streams.clone() };
    Ok(Nats::connect(options).await?)
}

fn nats_part(nats: &Arc<Nats>, tried: (Board, Dependency)) -> Part {
    let nats = Arc::clone(nats);
    let ready = move || nats.ready().and_then(|()| is_tried(&tried));
    Part::new("nats", move || std::future::ready(ready())).optional()
}

fn with_webhook_schedule(registry: Registry, settings: &Settings) -> Registry {
    let Some(waits) = &settings.webhook_schedule else {
        return registry;
    };
    let attempts = u32::try_from(waits.len()).unwrap_or(u32::MAX);
    // A policy holds its steps for as long as the process lives, and is made once.
    let steps = waits[1..].to_vec().leak();
    registry.with_policy(DELIVERY, |mut policy| {
        policy.max_attempts = attempts;
        policy.max_attempts_limit = policy.max_attempts_limit.max(attempts);
        policy.backoff(Backoff::Steps { steps, jitter: DELIVERY_JITTER })
    })
}

/// What comes in names an image that is configured, or is refused.
fn with_images(registry: Registry, images: &[Image]) -> Registry {
    let languages = images.iter().filter(|image| image.language.is_none());
    let names = |image: &Image| image.name.clone();
    let (languages, images): (Vec<_>, Vec<_>) = (languages.map(names).collect(), images.iter().map(names).collect());
    registry
        .with_schema(SandboxRun::KIND, |schema| SandboxRun::offer(schema, &languages, &images))
        .with_schema(Task::KIND, |schema| Task::offer(schema, &languages))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Layers;

    #[test]
    fn the_schedule_sets_how_often_and_when_a_webhook_is_tried() {
        let mut layers = Layers::default();
        layers.environment.insert("GOLDEN_WEBHOOK_SCHEDULE".to_owned(), "0s,5s,5m".to_owned());
        let settings = Settings::from_layers(&layers).unwrap();
        let registry = with_webhook_schedule(golden_jobs::kinds::registry(), &settings);
        let policy = registry.get(DELIVERY).unwrap().policy;
        assert_eq!(policy.max_attempts, 3);
        let waits = [1, 2].map(|attempt| policy.backoff.delay(attempt, 0.5));
        assert_eq!(waits, [Duration::from_secs(5), Duration::from_secs(300)]);
    }
}
