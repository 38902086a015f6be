//! The keys of an issuer as they are now: read from where it publishes them, and read again.
//!
//! A task of its own reads the source when the keys are due, so no request waits for that.
//! One that names an unknown key does wait, for one reading more: the issuer may just have
//! begun to use it. However many unknown keys are named, the source is not asked more often
//! than its pace allows.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::key_set::{KeySet, MalformedKeySet, UnfitKey};

/// The longest that a request waits for a key that the issuer may just have begun to use.
const PATIENCE: Duration = Duration::from_secs(6);

/// Where an issuer publishes its keys. What needs a network or a disk is implemented outside.
#[async_trait]
pub trait KeySource: Send + Sync + 'static {
    /// The key set as it stands there now.
    async fn read(&self) -> Result<String, SourceError>;

    fn pace(&self) -> Pace;
}

/// Why a source has no key set to give. `/readyz` shows it to anybody: no passwords in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It is not there, and somebody has to mend the setting or the file.
    #[error("{0}")]
    Missing(String),
    /// It may come back by itself.
    #[error("{0}")]
    Unreachable(String),
}

/// How often a source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// When all is well.
    pub every: Duration,
    /// After a failure, as long as no keys are known.
    pub until_first: Duration,
    /// After a failure else, and the least time between readings for unknown keys.
    pub at_most: Duration,
}

impl Pace {
    /// Keys are cached for ten minutes, as long as most issuers announce new ones before they use them.
    pub const NETWORK: Self =
        Self { every: Duration::from_secs(600), until_first: Duration::from_secs(3), at_most: Duration::from_secs(30) };

    /// A small file costs nothing to read again.
    pub const FILE: Self =
        Self { every: Duration::from_secs(2), until_first: Duration::from_secs(2), at_most: Duration::from_secs(1) };
}

/// Why tokens cannot be verified with a source's keys, as it stands at start.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("the key set cannot be read: {0}")]
    Source(SourceError),
    #[error("the key set cannot be used: {0}")]
    Malformed(#[from] MalformedKeySet),
    #[error("the key set cannot be used: {0}")]
    Unfit(UnfitKey),
}

/// The keys, for as long as this lives.
pub(super) struct PublicKeys {
    shared: Arc<Shared>,
    pace: Pace,
    _stop_on_drop: DropGuard,
}

struct Shared {
    state: watch::Sender<State>,
    /// Somebody has a token with an unknown key.
    wanted: Notify,
}

#[derive(Clone)]
struct State {
    keys: Option<Known>,
    /// When the source was last asked.
    asked: Instant,
    trouble: Option<SourceError>,
}

/// The last good key set.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) set: Arc<KeySet>,
    /// Another one for every set, so that what was verified with an older one is verified again.
    pub(super) version: u64,
    text: Arc<str>,
}

impl PublicKeys {
    /// Reads the source for the first time. What it says must be usable; where it only does
    /// not answer, the keys come later.
    pub(super) async fn open(source: impl KeySource) -> Result<Self, KeysError> {
        let asked = Instant::now();
        let (keys, trouble) = match source.read().await {
            Ok(text) => {
                let parsed = KeySet::parse(&text)?;
                if let Some(unfit) = parsed.unfit.into_iter().next() {
                    return Err(KeysError::Unfit(unfit));
                }
                (Some(Known { set: Arc::new(parsed.keys), version: 0, text: text.into() }), None)
            }
            Err(error @ SourceError::Missing(_)) => return Err(KeysError::Source(error)),
            Err(error) => {
                tracing::warn!(%error, "the key set that verifies tokens cannot be read yet");
                (None, Some(error))
            }
        };
        let pace = source.pace();
        let shared =
            Arc::new(Shared { state: watch::Sender::new(State { keys, asked, trouble }), wanted: Notify::new() });
        let stop = CancellationToken::new();
        let reading = keep_reading(Arc::clone(&shared), source, pace);
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(reading).await });
        Ok(Self { shared, pace, _stop_on_drop: stop.drop_guard() })
    }

    /// `None` if there never were any.
    pub(super) fn known(&self) -> Option<Known> {
        self.shared.state.borrow().keys.clone()
    }

    /// The keys after one more reading, for a token whose key they lack; at once if that was just done.
    pub(super) async fn looked_again(&self) -> Option<Known> {
        let mut state = self.shared.state.subscribe();
        if state.borrow_and_update().asked.elapsed() >= self.pace.at_most {
            self.shared.wanted.notify_one();
            // Too late is as good as not there.
            let _ = timeout(PATIENCE, state.changed()).await;
        }
        self.known()
    }

    /// Whether there ever were keys, and why not, asked whenever somebody wants to know.
    pub(super) fn readiness(&self) -> impl Fn() -> Result<(), String> + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || {
            let state = shared.state.borrow();
            match (&state.keys, &state.trouble) {
                (Some(_), _) => Ok(()),
                (None, Some(trouble)) => Err(format!("never read yet: {trouble}")),
                (None, None) => Err("never read yet".to_owned()),
            }
        }
    }
}

async fn keep_reading(shared: Arc<Shared>, source: impl KeySource, pace: Pace) {
    loop {
        let (asked, due) = {
            let state = shared.state.borrow();
            let due = match (&state.keys, &state.trouble) {
                (Some(_), None) => pace.every,
                (Some(_), Some(_)) => pace.at_most.max(pace.until_first),
                (None, _) => pace.until_first,
            };
            (state.asked, due)
        };
        tokio::select! {
            () = sleep_until(asked + due) => {}
            () = shared.wanted.notified() => {
                if asked.elapsed() < pace.at_most {
                    continue;
                }
            }
        }
        let asked = Instant::now();
        let read = source.read().await;
        shared.state.send_modify(|state| {
            state.asked = asked;
            state.take(read);
        });
    }
}

impl State {
    /// Whatever is wrong with a reading, the last good keys go on; it is logged once for as long as it stays.
    fn take(&mut self, read: Result<String, SourceError>) {
        let text = match read {
            Ok(text) => text,
            Err(trouble) => return self.trouble(trouble),
        };
        if self.keys.as_ref().is_some_and(|known| *known.text == *text) {
            self.trouble = None;
            return;
        }
        let parsed = match KeySet::parse(&text) {
            Ok(parsed) if parsed.keys.len() > 0 => parsed,
            Ok(parsed) => return self.trouble(SourceError::Missing(list(&parsed.unfit))),
            Err(error) => return self.trouble(SourceError::Missing(error.to_string())),
        };
        if !parsed.unfit.is_empty() {
            tracing::warn!(unfit = list(&parsed.unfit), "the key set has keys that do not count here");
        }
        tracing::info!(keys = parsed.keys.len(), "the key set that verifies tokens was read anew");
        let version = self.keys.as_ref().map_or(0, |known| known.version + 1);
        self.keys = Some(Known { set: Arc::new(parsed.keys), version, text: text.into() });
        self.trouble = None;
    }

    fn trouble(&mut self, trouble: SourceError) {
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::warn!(error = %trouble, "the key set cannot be read; the keys known so far go on");
        }
        self.trouble = Some(trouble);
    }
}

fn list(unfit: &[UnfitKey]) -> String {
    unfit.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
