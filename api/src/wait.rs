//! Waiting for jobs to end: one watcher for a process, however many wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use axum::http::HeaderMap;
use golden_jobs::{JobId, record::JobRecord, store::SharedStore};
use tokio::{
    sync::{Notify, broadcast::error::RecvError},
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// The longest wait a client gets.
const LONGEST: Duration = Duration::from_secs(30);
/// How often the store is asked: hints do not cross processes, and may be lost.
const POLL: Duration = Duration::from_millis(100);

/// How long the client would rather wait for the finished job: `Prefer: wait=N` (RFC 7240).
/// More than 30 s are 30 s; what is not understood is ignored, as the RFC asks.
pub(crate) fn preferred(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    let seconds = values.flat_map(|value| value.split(',')).find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let value = name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))?;
        value.parse::<u64>().ok()
    })?;
    (seconds > 0).then(|| Duration::from_secs(seconds).min(LONGEST))
}

/// Tells those who wait for a job that it ended.
pub(crate) struct Waiting {
    store: SharedStore,
    board: Arc<Board>,
    closing: CancellationToken,
}

/// Who waits for which job. Whoever goes away leaves a dead entry, swept at the next poll.
#[derive(Default)]
struct Board {
    watched: Mutex<HashMap<JobId, Weak<CancellationToken>>>,
    somebody: Notify,
}

/// One watched job. Hints that came after it was made are not missed.
pub(crate) struct Watch {
    job: JobId,
    ended: Arc<CancellationToken>,
}

impl Waiting {
    pub(crate) fn new(store: SharedStore, closing: CancellationToken) -> Self {
        let board = Arc::<Board>::default();
        let watching = watch_over(Arc::clone(&board), Arc::clone(&store));
        let closed = closing.clone();
        tokio::spawn(async move { closed.run_until_cancelled(watching).await });
        Self { store, board, closing }
    }

    pub(crate) fn watch(&self, job: JobId) -> Watch {
        let mut watched = self.board.watched();
        let ended = watched.get(&job).and_then(Weak::upgrade).unwrap_or_else(|| {
            let ended = Arc::new(CancellationToken::new());
            watched.insert(job, Arc::downgrade(&ended));
            ended
        });
        drop(watched);
        self.board.somebody.notify_one();
        Watch { job, ended }
    }

    /// The job once it has ended, or `None` if that takes longer than `limit`, the intake
    /// stops, or the store cannot tell: the job is recorded all the same.
    pub(crate) async fn finished(&self, tenant: &str, mut watch: Watch, limit: Duration) -> Option<JobRecord> {
        let deadline = Instant::now() + limit;
        loop {
            tokio::select! {
                () = watch.ended.cancelled() => {}
                () = self.closing.cancelled() => return None,
                () = sleep_until(deadline) => return None,
            }
            // Watched before it is read, so that an end in between is not missed.
            let job = watch.job;
            watch = self.watch(job);
            match self.store.job(tenant, job).await {
                Ok(Some(record)) if record.state.is_terminal() => return Some(record),
                // The hint came too early, or somebody put the job back to work.
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => {
                    tracing::warn!(%error, job.id = %job, "a finished job could not be read");
                    return None;
                }
            }
        }
    }
}

impl Board {
    fn watched(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, Weak<CancellationToken>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep(&self) -> Vec<JobId> {
        let mut watched = self.watched();
        watched.retain(|_, ended| ended.strong_count() > 0);
        watched.keys().copied().collect()
    }

    fn end(&self, job: JobId) {
        if let Some(ended) = self.watched().remove(&job).and_then(|ended| ended.upgrade()) {
            ended.cancel();
        }
    }
}

/// Hears the hints of this process's store and asks it for the ends of other processes. Does
/// neither while nobody waits.
async fn watch_over(board: Arc<Board>, store: SharedStore) {
    loop {
        board.somebody.notified().await;
        let mut hints = store.wakes().watch_ended();
        loop {
            let jobs = board.sweep();
            if jobs.is_empty() {
                break;
            }
            match store.ended(&jobs).await {
                Ok(ended) => ended.into_iter().for_each(|job| board.end(job)),
                Err(error) => tracing::debug!(%error, "the store cannot tell which jobs ended"),
            }
            let next_poll = Instant::now() + POLL;
            while let Ok(hint) = timeout_at(next_poll, hints.recv()).await {
                match hint {
                    Ok(job) => board.end(job),
                    // What was missed is found by the poll.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => sleep_until(next_poll).await,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefer(value: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", value.parse().unwrap());
        preferred(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_preference_is_understood_or_ignored() {
        for (value, seconds) in [
            ("wait=10", Some(10)),
            ("respond-async, Wait = \"5\"; foo=bar", Some(5)),
            ("wait=31", Some(30)),
            ("wait=99999999999999", Some(30)),
            ("wait=0", None),
            ("wait=-1", None),
            ("wait", None),
            ("return=minimal", None),
        ] {
            assert_eq!(prefer(value), seconds, "{value}");
        }
    }
}
