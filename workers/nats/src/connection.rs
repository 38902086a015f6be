//! The one connection of a process, and what keeps it in order.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{Client, ConnectOptions, Event, ServerAddr, connection::State, jetstream};
use golden_jobs::breakers::{Board, Dependency};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    steady::{LASTS, Steady},
    streams::{self, StreamLimits},
};

/// How to reach the servers.
#[derive(Clone)]
pub struct NatsOptions {
    /// One or several, with commas between: `nats://user:password@host:4222` or `tls://…`.
    pub url: String,
    /// What a file of credentials (`.creds`) holds.
    pub credentials: Option<String>,
    pub streams: StreamLimits,
}

/// Why there is no connection to speak of.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    #[error("{0}")]
    Address(String),
    #[error("the NATS credentials cannot be read: {0}")]
    Credentials(String),
    /// It could not be reached, or did not do what it was asked for.
    #[error("{0}")]
    Away(String),
}

/// What a look at a server found.
#[derive(Debug, Clone)]
pub struct Inspection {
    pub version: String,
    pub name: String,
}

/// How long the server may take to answer, and to be reached.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest pause between two tries to reach a server, or to have the streams as they should be.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How often the streams are looked at: somebody may have removed one.
const LOOK: Duration = Duration::from_secs(60);

/// A connection that comes back by itself.
pub struct Nats {
    pub(crate) client: Client,
    pub(crate) jetstream: jetstream::Context,
    limits: StreamLimits,
    /// Why the streams are not as they should be.
    trouble: Mutex<Option<String>>,
    /// Something happened after which they should be looked at.
    look: Arc<Notify>,
    /// Connections so far.
    connections: Arc<AtomicU64>,
}

impl Nats {
    /// Begins to connect, and does not wait for it. Needs a tokio runtime, and [`keep`](Self::keep) to be run.
    pub async fn connect(options: NatsOptions) -> Result<Arc<Self>, NatsError> {
        let addresses = addresses(&options.url)?;
        let look = Arc::<Notify>::default();
        let connections = Arc::<AtomicU64>::default();
        let (connected, counted) = (Arc::clone(&look), Arc::clone(&connections));
        let connect = ConnectOptions::new()
            .name(concat!("golden ", env!("CARGO_PKG_VERSION")))
            .retry_on_initial_connect()
            // A process need not hear its own hints.
            .no_echo()
            .max_reconnects(None)
            .connection_timeout(PATIENCE)
            .request_timeout(Some(PATIENCE))
            .reconnect_delay_callback(pause)
            .event_callback(move |event| {
                told(&event);
                if event == Event::Connected {
                    counted.fetch_add(1, Ordering::Relaxed);
                    connected.notify_one();
                }
                std::future::ready(())
            });
        let connect = match &options.credentials {
            Some(text) => connect.credentials(text).map_err(|error| NatsError::Credentials(error.to_string()))?,
            None => connect,
        };
        let client = connect.connect(addresses).await.map_err(|error| NatsError::Away(error.to_string()))?;
        let jetstream = jetstream::ContextBuilder::new().timeout(PATIENCE).build(client.clone());
        let trouble = Mutex::new(Some("the streams were not looked at yet".to_owned()));
        Ok(Arc::new(Self { client, jetstream, limits: options.streams, trouble, look, connections }))
    }

    /// Makes the streams whenever they may be missing, until told to stop. Once they are there, and the connection
    /// lasts, NATS is tried again.
    pub async fn keep(self: Arc<Self>, breakers: Board, shutdown: CancellationToken) {
        let _: Option<Infallible> = Box::pin(shutdown.run_until_cancelled(self.keep_looking(&breakers))).await;
    }

    async fn keep_looking(&self, breakers: &Board) -> Infallible {
        let (mut failures, mut steady) = (0, Steady::default());
        loop {
            let connection = self.connections.load(Ordering::Relaxed);
            // Without a connection there is nothing to look at, and `Connected` says when there is.
            let failed = self.is_connected() && self.reconcile_once().await.is_err();
            let is_good = self.is_connected() && !failed;
            if steady.is_news(is_good.then_some(connection), Instant::now()) {
                breakers.try_now(&Dependency::Nats);
            }
            failures = if failed { failures + 1 } else { 0 };
            let wait = match failed {
                true => pause(failures),
                false if steady.is_waited_for() => LASTS,
                false => LOOK,
            };
            let _ = tokio::time::timeout(wait, self.look.notified()).await;
        }
    }

    /// Has the streams as they should be, or says why that cannot be. Waits for a connection a few seconds.
    pub async fn reconcile(&self) -> Result<(), NatsError> {
        let connected = async {
            while !self.is_connected() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, connected).await.is_err() {
            return Err(NatsError::Away("NATS cannot be reached".to_owned()));
        }
        self.reconcile_once().await.map_err(NatsError::Away)
    }

    async fn reconcile_once(&self) -> Result<(), String> {
        let found = streams::reconcile(&self.jetstream, &self.limits).await;
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let before = trouble.take();
        if let Err(error) = &found {
            if before.as_ref() != Some(error) {
                tracing::warn!(error, "JetStream is not as it should be, trying again");
            }
            *trouble = Some(error.clone());
        }
        found
    }

    /// Somebody found a stream missing.
    pub(crate) fn look_again(&self) {
        self.look.notify_one();
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Why messages do not get through just now, if they do not.
    pub fn ready(&self) -> Result<(), String> {
        if !self.is_connected() {
            return Err("NATS is not connected; what happens waits in the store".to_owned());
        }
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.map_or(Ok(()), Err)
    }

    /// Says what server this is, and whether it has JetStream.
    pub async fn inspect(&self) -> Result<Inspection, NatsError> {
        let account = tokio::time::timeout(PATIENCE, self.jetstream.query_account()).await;
        match account {
            Err(_) => Err(NatsError::Away("NATS cannot be reached".to_owned())),
            Ok(Err(error)) => Err(NatsError::Away(format!("JetStream does not answer: {error}"))),
            Ok(Ok(_)) => {
                let server = self.client.server_info();
                Ok(Inspection { version: server.version, name: server.server_name })
            }
        }
    }
}

/// The servers of a list. Quotes none of them, since there may be passwords in them.
pub(crate) fn addresses(url: &str) -> Result<Vec<ServerAddr>, NatsError> {
    let one = |text: &str| {
        let address: Result<ServerAddr, _> = text.parse();
        let address = address.ok().filter(|address| matches!(address.scheme(), "nats" | "tls"));
        address.ok_or_else(|| {
            NatsError::Address("NATS_URL is not of the form nats://HOST:4222 or tls://…, or several of them".to_owned())
        })
    };
    url.split(',').map(str::trim).filter(|text| !text.is_empty()).map(one).collect()
}

/// Before the next try, after so many that failed: longer each time, and of no two processes alike.
fn pause(failures: usize) -> Duration {
    let doubled = Duration::from_millis(50).saturating_mul(1 << failures.min(10));
    doubled.min(LONGEST_PAUSE).mul_f64(rand::random_range(0.5..1.0))
}

fn told(event: &Event) {
    match event {
        Event::Connected => tracing::info!("NATS is connected"),
        Event::Disconnected => tracing::warn!("NATS is not connected, trying again"),
        Event::LameDuckMode => tracing::info!("the NATS server is about to end, going to another"),
        Event::SlowConsumer(_) => tracing::warn!("NATS sends faster than this process reads: hints are lost"),
        // Those of a connection that is tried again and again.
        Event::ClientError(error) => tracing::debug!(%error, "NATS"),
        Event::ServerError(error) => tracing::warn!(%error, "NATS"),
        Event::Draining | Event::Closed => {}
    }
}
