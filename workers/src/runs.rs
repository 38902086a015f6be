//! The runs under way in this process, and how they are told to stop.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use golden_jobs::store::Run;
use tokio::{sync::watch, time::Instant};

/// Why a run is stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its job was cancelled.
    Cancelled,
    /// The process is going away and cannot wait any longer.
    Drained,
    /// The store took this process for lost: the run is somebody else's by now.
    Lost,
}

/// The runs that this process knows it holds leases for: from the claim until their end is
/// recorded.
#[derive(Default)]
pub(crate) struct Runs {
    held: Mutex<HashMap<Run, watch::Sender<Option<Stop>>>>,
    /// Runs that ever began.
    begun: AtomicU64,
}

/// How often it is looked whether anything ran.
const LOOK: Duration = Duration::from_millis(100);

impl Runs {
    /// Takes note of a claimed run. It is forgotten when the handle is dropped.
    pub(crate) fn begin(self: &Arc<Self>, run: Run) -> RunHandle {
        let (sender, stop) = watch::channel(None);
        self.lock().insert(run, sender);
        self.begun.fetch_add(1, Ordering::Relaxed);
        RunHandle { run, stop, runs: Arc::clone(self) }
    }

    pub(crate) fn stop(&self, run: Run, why: Stop) {
        if let Some(stop) = self.lock().get(&run) {
            stop.send_replace(Some(why));
        }
    }

    pub(crate) fn stop_all(&self, why: Stop) {
        for stop in self.lock().values() {
            stop.send_replace(Some(why));
        }
    }

    pub(crate) fn knows(&self, run: Run) -> bool {
        self.lock().contains_key(&run)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Waits until nothing has run for `long`; for ever, where there is no such time.
    pub(crate) async fn idle_for(&self, long: Option<Duration>) {
        let Some(long) = long else { return std::future::pending().await };
        let (mut since, mut begun) = (Instant::now(), self.begun.load(Ordering::Relaxed));
        while since.elapsed() < long {
            tokio::time::sleep(LOOK.min(long)).await;
            let now = self.begun.load(Ordering::Relaxed);
            if self.len() > 0 || now != begun {
                (since, begun) = (Instant::now(), now);
            }
        }
        tracing::info!("idle for {long:?}: claiming nothing more, and ending");
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Run, watch::Sender<Option<Stop>>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a run among those of its process. Travels with it, from the claim to the record of
/// its end.
pub(crate) struct RunHandle {
    run: Run,
    stop: watch::Receiver<Option<Stop>>,
    runs: Arc<Runs>,
}

impl RunHandle {
    /// Tells when and why the run is to stop.
    pub(crate) fn stop_signal(&self) -> StopSignal {
        StopSignal(self.stop.clone())
    }
}

impl Drop for RunHandle {
    fn drop(&mut self) {
        self.runs.lock().remove(&self.run);
    }
}

/// One run's end of the line.
pub(crate) struct StopSignal(watch::Receiver<Option<Stop>>);

impl StopSignal {
    /// Waits until the run is to stop; for ever if it never is.
    pub(crate) async fn stopped(&mut self) -> Stop {
        loop {
            if let Some(why) = *self.0.borrow_and_update() {
                return why;
            }
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
