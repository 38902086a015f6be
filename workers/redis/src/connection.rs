//! The one connection of a process, and what keeps it in order.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use golden_jobs::breakers::{Board, Dependency};
use redis::{
    Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value, aio::ConnectionLike,
};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    address::Address,
    inspection::Inspection,
    wire::{Connector, Wire},
};

/// How long Redis may take to be reached, and to say that it is there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks whether it is.
const LOOK: Duration = Duration::from_secs(1);

/// The longest pause between two tries to reach it.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Redis, which comes back by itself. Clones share it.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    address: Address,
    link: watch::Sender<Option<Link>>,
    /// Why there is none.
    trouble: Mutex<String>,
}

#[derive(Clone)]
struct Link {
    /// Which one it is: an error of an earlier one says nothing of this one.
    number: u64,
    wire: Wire,
}

/// Redis cannot be used now, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Redis is not connected: {0}")]
pub struct Away(String);

impl Redis {
    /// Does nothing yet: [`keep`](Self::keep) connects.
    pub fn new(address: Address) -> Self {
        let trouble = Mutex::new("it was not asked yet".to_owned());
        Self(Arc::new(Inner { address, link: watch::Sender::new(None), trouble }))
    }

    /// Connects, and does so again whenever that is needed, until told to stop. Once a connection lasts, Redis is tried
    /// again.
    pub async fn keep(self, breakers: Board, shutdown: CancellationToken) {
        let _: Option<Infallible> = Box::pin(shutdown.run_until_cancelled(self.keep_connected(&breakers))).await;
    }

    async fn keep_connected(&self, breakers: &Board) -> Infallible {
        let (mut number, mut failures) = (0, 0);
        let mut connector = Connector::new(&self.0.address);
        let mut warned = None;
        loop {
            let found = match &mut connector {
                Ok(connector) => connect(connector).await,
                Err(error) => Err(in_words(error)),
            };
            match found {
                Ok((wire, inspection)) => {
                    number += 1;
                    tracing::info!(version = inspection.version, "Redis is connected");
                    let warning = inspection.warning();
                    if let Some(warning) = warning.as_ref().filter(|_| warned != warning) {
                        tracing::warn!("Redis: {warning}");
                    }
                    warned = warning;
                    self.0.link.send_replace(Some(Link { number, wire }));
                    // Whatever takes connections and drops them is as good as away.
                    failures = if self.watch_over(number, breakers).await { 0 } else { failures + 1 };
                    tracing::warn!(error = self.trouble(), "Redis is not connected, trying again");
                }
                Err(error) => {
                    failures += 1;
                    if failures == 1 || error != self.trouble() {
                        tracing::warn!(error, "Redis cannot be reached, trying again");
                    }
                    self.set_trouble(error);
                }
            }
            tokio::time::sleep(pause(failures)).await;
        }
    }

    /// Until this link is no more. Answers whether a look found it good; after the first that did, Redis is tried
    /// ahead of its breaker's time, once for a link: what answers looks and no more keeps its breaker open.
    async fn watch_over(&self, number: u64, breakers: &Board) -> bool {
        let mut link = self.0.link.subscribe();
        let mut was_good = false;
        loop {
            let gone = link.wait_for(Option::is_none);
            if timeout(LOOK.mul_f64(rand::random_range(0.8..1.2)), gone).await.is_ok() {
                return was_good;
            }
            match self.connection(PATIENCE).ask_whether_there().await {
                Err(error) => self.cut(number, &error),
                Ok(_) if was_good => {}
                Ok(_) => {
                    was_good = true;
                    breakers.try_now(&Dependency::Redis);
                }
            }
        }
    }

    /// It is used no more.
    fn cut(&self, number: u64, error: &RedisError) {
        self.0.link.send_if_modified(|link| {
            let is_this = link.as_ref().is_some_and(|link| link.number == number);
            if is_this {
                *link = None;
                self.set_trouble(in_words(error));
            }
            is_this
        });
    }

    /// What sends commands to Redis and waits for each answer no longer than `within`. While Redis is away, each
    /// fails at once. Costs nothing, whether or not it is there.
    pub fn connection(&self, within: Duration) -> Connection {
        Connection { redis: self.clone(), within }
    }

    /// Waits until it is connected.
    pub async fn connected(&self) {
        // There is a sender for as long as there is `self`.
        let _ = self.0.link.subscribe().wait_for(Option::is_some).await;
    }

    /// Why it cannot be used just now, if it cannot.
    pub fn ready(&self) -> Result<(), Away> {
        if self.0.link.borrow().is_some() { Ok(()) } else { Err(Away(self.trouble())) }
    }

    /// Connects once, and says what is there.
    pub async fn inspect(address: &Address) -> Result<Inspection, Away> {
        let mut connector = Connector::new(address).map_err(|error| Away(in_words(&error)))?;
        connect(&mut connector).await.map(|(_, inspection)| inspection).map_err(Away)
    }

    fn link(&self) -> RedisResult<Link> {
        let link = self.0.link.borrow().clone();
        link.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, Away(self.trouble())).into())
    }

    fn trouble(&self) -> String {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, trouble: String) {
        *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// One that takes writes, or why there is none.
async fn connect(connector: &mut Connector) -> Result<(Wire, Inspection), String> {
    let connected = async {
        let mut wire = connector.connect().await?;
        let inspection = Inspection::of(&mut wire).await?;
        Ok::<_, RedisError>((wire, inspection))
    };
    // To reach Sentinels, each after the other, then the master.
    match timeout(3 * PATIENCE, connected).await {
        Err(_) => Err("it does not answer".to_owned()),
        Ok(Err(error)) => Err(in_words(&error)),
        Ok(Ok((_, Inspection { is_replica: true, .. }))) => Err("it is a replica, which takes no writes".to_owned()),
        Ok(Ok(found)) => Ok(found),
    }
}

/// It did not answer in time.
pub(crate) fn late(within: Duration) -> RedisError {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {within:?}")).into()
}

/// Without what is only of interest to who made it.
fn in_words(error: &RedisError) -> String {
    match error.detail() {
        Some(detail) if error.code().is_some() => format!("{error}: {detail}"),
        _ => error.to_string(),
    }
}

/// Before the next try, after so many that failed: longer each time, and of no two processes alike.
fn pause(failures: u32) -> Duration {
    let doubled = Duration::from_millis(50).saturating_mul(1 << failures.min(10));
    doubled.min(LONGEST_PAUSE).mul_f64(rand::random_range(0.5..1.0))
}

/// Sends commands over whichever connection there is. Clones are cheap.
#[derive(Clone)]
pub struct Connection {
    redis: Redis,
    within: Duration,
}

impl Connection {
    async fn ask_whether_there(&mut self) -> RedisResult<Value> {
        redis::cmd("PING").query_async(self).await
    }

    /// What came of a request, after which the link may be of no use.
    fn heed<T>(&self, number: u64, answer: Result<RedisResult<T>, tokio::time::error::Elapsed>) -> RedisResult<T> {
        let answer = answer.unwrap_or_else(|_| Err(late(self.within)));
        // One that took too long may be on its way: whether the link is any good is for the next look to say.
        let is_over = |error: &RedisError| match error.kind() {
            ErrorKind::Io => !error.is_timeout(),
            // It was demoted: another is the master now.
            ErrorKind::Server(ServerErrorKind::ReadOnly) => true,
            _ => error.is_unrecoverable_error(),
        };
        answer.inspect_err(|error| {
            if is_over(error) {
                self.redis.cut(number, error);
            }
        })
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let Link { number, mut wire } = self.redis.link()?;
            let answer = timeout(self.within, wire.as_connection().req_packed_command(command)).await;
            self.heed(number, answer.map(|answer| answer.and_then(Value::extract_error)))
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let Link { number, mut wire } = self.redis.link()?;
            let answer = timeout(self.within, wire.as_connection().req_packed_commands(pipeline, offset, count)).await;
            self.heed(number, answer)
        })
    }

    fn get_db(&self) -> i64 {
        self.redis.link().map_or(0, |mut link| link.wire.as_connection().get_db())
    }
}
