//! The apalis `Backend` that claims from the store, in batches and a little ahead.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::{Task, builder::TaskBuilder},
    worker::context::WorkerContext,
};
use golden_jobs::{
    Role,
    outcome::Verdict,
    store::{Claimed, RunEnd, SharedStore},
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tower::layer::util::Identity;

use crate::{
    heartbeat::Heartbeat,
    recorder::Ended,
    runs::{RunHandle, Runs},
};

/// Claimed in one statement at most.
const CLAIM_LIMIT: usize = 1000;
/// How far ahead of the runs to claim, in time: about the length of a claim under load.
const AHEAD: Duration = Duration::from_millis(50);
/// After a claim that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// A claimed job with its place among the process's runs.
pub(crate) struct Held {
    pub(crate) claimed: Arc<Claimed>,
    pub(crate) handle: RunHandle,
    pub(crate) place: Place,
}

/// Counts a job against its pool's room from claim to end.
pub(crate) struct Place(Arc<Room>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.fetch_add(1, Ordering::Relaxed);
        self.0.freed.notify_one();
    }
}

/// How much a pool may hold: its slots, and a little ahead when its jobs are short.
struct Room {
    slots: usize,
    ahead: AtomicUsize,
    held: AtomicUsize,
    ended: AtomicUsize,
    freed: Notify,
}

impl Room {
    /// How many jobs to claim now; 0 until a claim is worth its statement. Slots are filled
    /// one by one as they come free; the prefetch, when there is one, by halves.
    fn worth_claiming(&self) -> usize {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let free = (self.slots + ahead).saturating_sub(self.held.load(Ordering::SeqCst));
        if free > ahead / 2 { free.min(CLAIM_LIMIT) } else { 0 }
    }
}

/// Sets how far ahead to claim from how fast jobs have been ending: nothing for long jobs,
/// which another worker could be running, and enough for short ones to never run dry.
struct Pace {
    since: Instant,
    ended_before: usize,
}

impl Pace {
    fn adjust(&mut self, room: &Room) {
        let elapsed = self.since.elapsed();
        if elapsed < AHEAD {
            return;
        }
        let ended = room.ended.load(Ordering::Relaxed);
        let rate = ended.wrapping_sub(self.ended_before) as f64 / elapsed.as_secs_f64();
        let target = ((rate * AHEAD.as_secs_f64()) as usize).min(CLAIM_LIMIT);
        // Fewer than one slot's worth is not a burst.
        room.ahead.store(if target > room.slots / 4 { target } else { 0 }, Ordering::Relaxed);
        (self.since, self.ended_before) = (Instant::now(), ended);
    }
}

/// Everything that claiming for a role needs.
pub(crate) struct Claimer {
    pub(crate) role: Role,
    pub(crate) slots: usize,
    pub(crate) store: SharedStore,
    pub(crate) heartbeat: Arc<Heartbeat>,
    pub(crate) runs: Arc<Runs>,
    pub(crate) recorder: mpsc::Sender<Ended>,
    pub(crate) shutdown: CancellationToken,
}

impl Claimer {
    /// Starts claiming. The source yields what was claimed; the task ends with `shutdown`.
    pub(crate) fn start(self) -> (StoreSource, JoinHandle<()>) {
        // Never full: the room bounds what is claimed.
        let (claimed, queue) = mpsc::channel(self.slots + CLAIM_LIMIT);
        let source = StoreSource { queue, role: self.role, recorder: self.recorder.clone() };
        (source, tokio::spawn(self.keep_claiming(claimed)))
    }

    async fn keep_claiming(self, queue: mpsc::Sender<Held>) {
        let room = Arc::new(Room {
            slots: self.slots,
            ahead: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            freed: Notify::new(),
        });
        let mut pace = Pace { since: Instant::now(), ended_before: 0 };
        while !self.shutdown.is_cancelled() {
            pace.adjust(&room);
            let limit = room.worth_claiming();
            if limit == 0 {
                self.unless_shutdown(room.freed.notified()).await;
                continue;
            }
            let worker = self.heartbeat.worker();
            match self.store.claim(self.role, u32::try_from(limit).unwrap_or(u32::MAX), worker).await {
                Ok(jobs) if jobs.is_empty() => {
                    self.unless_shutdown(self.store.wakes().woken(self.role)).await;
                }
                Ok(jobs) => {
                    for claimed in jobs {
                        room.held.fetch_add(1, Ordering::SeqCst);
                        let held = Held {
                            handle: self.runs.begin(claimed.run),
                            claimed: Arc::new(claimed),
                            place: Place(Arc::clone(&room)),
                        };
                        // The source went away between claim and send: drained already.
                        if let Err(mpsc::error::SendError(held)) = queue.send(held).await {
                            give_back(&self.recorder, self.role, held).await;
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(role = %self.role, %error, "no jobs could be claimed");
                    self.unless_shutdown(tokio::time::sleep(PAUSE)).await;
                }
            }
        }
    }

    async fn unless_shutdown(&self, event: impl Future<Output = ()>) {
        tokio::select! {
            () = event => {}
            () = self.shutdown.cancelled() => {}
        }
    }
}

/// Hands a job that never ran back to the store, without spending an attempt.
async fn give_back(recorder: &mpsc::Sender<Ended>, role: Role, held: Held) {
    let end = RunEnd { run: held.claimed.run, role, verdict: Verdict::Release };
    if recorder.send(Ended { end, handle: held.handle }).await.is_err() {
        tracing::warn!(job.id = %held.claimed.run.id, "not given back: the job will be found lost");
    }
}

/// The jobs claimed for a role, as an apalis backend.
pub(crate) struct StoreSource {
    queue: mpsc::Receiver<Held>,
    role: Role,
    recorder: mpsc::Sender<Ended>,
}

impl Backend for StoreSource {
    type Task = Task<Held>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Task<Held>, Infallible>>> {
        self.queue.poll_recv(cx).map(|held| held.map(|held| Ok(TaskBuilder::new(held).build())))
    }

    /// Gives back what was claimed ahead and never started.
    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.queue.close();
        while let Ok(held) = self.queue.try_recv() {
            let (recorder, role) = (self.recorder.clone(), self.role);
            tokio::spawn(async move { give_back(&recorder, role, held).await });
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for StoreSource {
    type Args = Held;
    type Id = ();
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
