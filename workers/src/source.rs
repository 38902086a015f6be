//! The apalis `Backend` of claimed jobs: in batches and a little ahead.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
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
use futures_util::task::AtomicWaker;
use golden_jobs::{
    Role,
    dispatch::Dispatch,
    outcome::Verdict,
    store::{Claimed, RunEnd},
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tower::layer::util::Identity;

use crate::{
    clocks::Clocks,
    heartbeat::Heartbeat,
    recorder::Ended,
    runs::{RunHandle, Runs},
};

/// Claimed in one statement at most.
const CLAIM_LIMIT: usize = 1000;
/// How far ahead of the runs to claim, in time: about the length of a claim under load.
const AHEAD: Duration = Duration::from_millis(50);
/// How long a claimed job may wait for a slot before another worker may have it.
const STALE: Duration = Duration::from_secs(1);
/// After a claim that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// A claimed job with its place among the process's runs.
pub(crate) struct Held {
    pub(crate) claimed: Arc<Claimed>,
    pub(crate) handle: RunHandle,
    pub(crate) place: Place,
    since: Instant,
}

/// Counts a job against its pool's room from claim to end.
pub(crate) struct Place {
    room: Arc<Room>,
    ran: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.held.fetch_sub(1, Ordering::SeqCst);
        self.room.ended.fetch_add(usize::from(self.ran), Ordering::Relaxed);
        self.room.freed.notify_one();
    }
}

/// How much a pool may hold: its slots, and a little ahead when its jobs are short.
struct Room {
    slots: usize,
    ahead: AtomicUsize,
    held: AtomicUsize,
    /// Runs that ended, for the pace.
    ended: AtomicUsize,
    freed: Notify,
    /// Claimed and not yet started.
    buffer: Mutex<VecDeque<Held>>,
    /// Wakes the source when something is in the buffer.
    filled: AtomicWaker,
}

impl Room {
    /// How many jobs to claim now; 0 until a claim is worth its statement. Slots are filled
    /// one by one as they come free; the prefetch, when there is one, by halves.
    fn worth_claiming(&self) -> usize {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let free = (self.slots + ahead).saturating_sub(self.held.load(Ordering::SeqCst));
        if free > ahead / 2 { free.min(CLAIM_LIMIT) } else { 0 }
    }

    fn buffer(&self) -> MutexGuard<'_, VecDeque<Held>> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes jobs out of the buffer that have waited for longer than `patience`, oldest first.
    fn take_older(&self, patience: Duration) -> Vec<Held> {
        let mut buffer = self.buffer();
        let old = buffer.iter().take_while(|held| held.since.elapsed() >= patience).count();
        buffer.drain(..old).collect()
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
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) heartbeat: Arc<Heartbeat>,
    pub(crate) clocks: Arc<Clocks>,
    pub(crate) runs: Arc<Runs>,
    pub(crate) recorder: mpsc::Sender<Ended>,
    pub(crate) shutdown: CancellationToken,
}

impl Claimer {
    /// Starts claiming. The source yields what was claimed; the task ends with `shutdown`, and
    /// gives back what was not started by then.
    pub(crate) fn start(self) -> (ClaimedSource, JoinHandle<()>) {
        let room = Arc::new(Room {
            slots: self.slots,
            ahead: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            freed: Notify::new(),
            buffer: Mutex::default(),
            filled: AtomicWaker::new(),
        });
        (ClaimedSource { room: Arc::clone(&room) }, tokio::spawn(self.keep_claiming(room)))
    }

    async fn keep_claiming(self, room: Arc<Room>) {
        let mut pace = Pace { since: Instant::now(), ended_before: 0 };
        while !self.shutdown.is_cancelled() {
            pace.adjust(&room);
            self.give_back_stale(&room).await;
            let limit = room.worth_claiming();
            if limit == 0 {
                self.wait(&room, room.freed.notified()).await;
                continue;
            }
            if !self.clocks.may_claim() {
                self.wait(&room, self.clocks.right_again()).await;
                continue;
            }
            let worker = self.heartbeat.worker();
            match self.dispatch.claim(self.role, u32::try_from(limit).unwrap_or(u32::MAX), worker).await {
                Ok(jobs) if jobs.is_empty() => self.wait(&room, self.dispatch.woken(self.role)).await,
                Ok(jobs) => self.hold(&room, jobs),
                Err(error) => {
                    tracing::warn!(role = %self.role, %error, "no jobs could be claimed");
                    self.wait(&room, tokio::time::sleep(PAUSE)).await;
                }
            }
        }
        self.give_back(room.take_older(Duration::ZERO)).await;
    }

    /// Waits for an event or the shutdown; and not for long while jobs wait in the buffer.
    async fn wait(&self, room: &Room, event: impl Future<Output = ()>) {
        let buffered = !room.buffer().is_empty();
        tokio::select! {
            () = event => {}
            () = self.shutdown.cancelled() => {}
            () = tokio::time::sleep(STALE), if buffered => {}
        }
    }

    /// Jobs that were claimed ahead for a burst, and find themselves behind long runs instead,
    /// are for other workers to have.
    async fn give_back_stale(&self, room: &Room) {
        let stale = room.take_older(STALE);
        if !stale.is_empty() {
            room.ahead.store(0, Ordering::Relaxed);
            self.give_back(stale).await;
        }
    }

    fn hold(&self, room: &Arc<Room>, jobs: Vec<Claimed>) {
        room.held.fetch_add(jobs.len(), Ordering::SeqCst);
        let since = Instant::now();
        room.buffer().extend(jobs.into_iter().map(|claimed| Held {
            handle: self.runs.begin(claimed.run),
            claimed: Arc::new(claimed),
            place: Place { room: Arc::clone(room), ran: true },
            since,
        }));
        room.filled.wake();
    }

    /// Hands jobs that never ran back to the store, without spending an attempt.
    async fn give_back(&self, jobs: Vec<Held>) {
        for Held { claimed, handle, mut place, .. } in jobs {
            place.ran = false;
            drop(place);
            let end = RunEnd { run: claimed.run, role: self.role, verdict: Verdict::Release };
            if self.recorder.send(Ended { end, handle, journal: None }).await.is_err() {
                tracing::warn!(job.id = %claimed.run.id, "not given back: the job will be found lost");
            }
        }
    }
}

/// The jobs claimed for a role, as an apalis backend.
pub(crate) struct ClaimedSource {
    room: Arc<Room>,
}

impl Backend for ClaimedSource {
    type Task = Task<Held>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Task<Held>, Infallible>>> {
        // Before the look, so that nothing that comes in between is missed.
        self.room.filled.register(cx.waker());
        match self.room.buffer().pop_front() {
            Some(held) => Poll::Ready(Some(Ok(TaskBuilder::new(held).build()))),
            None => Poll::Pending,
        }
    }

    /// The claimer gives back what was never started, without waiting for what was.
    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for ClaimedSource {
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
