//! Hints that there may be work. Any of them may be lost: the poll is the net under them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, broadcast};

use crate::{id::JobId, outcome::Verdict, role::Role, store::Due};

/// A hint that is worth carrying to other processes, on whatever way there is beside the store's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// There may be work for a role.
    Wake(Role),
    /// A running job was asked to stop.
    Cancel(JobId),
}

/// Wakes the pools of this process, and carries news to those who wait for a job.
#[derive(Clone, Default)]
pub struct Wakes(Arc<Inner>);

struct Inner {
    roles: [Notify; Role::ALL.len()],
    handed_on: [Notify; Role::ALL.len()],
    /// A job became due later than now: the promoter should look when.
    due: Notify,
    due_in: Mutex<Option<Duration>>,
    outbox: Notify,
    publications: Notify,
    cancel: Notify,
    stir: Notify,
    ended: broadcast::Sender<JobId>,
    logged: broadcast::Sender<Arc<str>>,
    carried: broadcast::Sender<Hint>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            roles: Default::default(),
            handed_on: Default::default(),
            due: Notify::new(),
            due_in: Mutex::new(None),
            outbox: Notify::new(),
            publications: Notify::new(),
            cancel: Notify::new(),
            stir: Notify::new(),
            ended: broadcast::Sender::new(4096),
            logged: broadcast::Sender::new(4096),
            carried: broadcast::Sender::new(256),
        }
    }
}

impl Wakes {
    /// There may be work for `role`.
    pub fn wake(&self, role: Role) {
        self.0.roles[role as usize].notify_one();
        self.0.handed_on[role as usize].notify_one();
    }

    /// Waits for a [`wake`](Self::wake), which wakes one waiter. Those that come while nobody
    /// waits are kept as one.
    pub async fn woken(&self, role: Role) {
        self.0.roles[role as usize].notified().await;
    }

    /// Waits as [`woken`](Self::woken) does, for whoever tells others of work instead of doing it.
    pub async fn to_hand_on(&self, role: Role) {
        self.0.handed_on[role as usize].notified().await;
    }

    /// A job will be due in `delay`.
    pub fn due_in(&self, delay: Duration) {
        let mut soonest = self.0.due_in.lock().unwrap_or_else(PoisonError::into_inner);
        if soonest.is_none_or(|known| delay < known) {
            *soonest = Some(delay);
            self.0.due.notify_one();
        }
    }

    /// Waits for a [`due_in`](Self::due_in) and gives the soonest one since the last call.
    pub async fn next_due(&self) -> Duration {
        loop {
            self.0.due.notified().await;
            let soonest = self.0.due_in.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(delay) = soonest {
                return delay;
            }
        }
    }

    /// The outbox has something to pass on.
    pub fn tell(&self) {
        self.0.outbox.notify_one();
    }

    /// Waits for a [`tell`](Self::tell), as [`woken`](Self::woken) does for a wake.
    pub async fn told(&self) {
        self.0.outbox.notified().await;
    }

    /// There is something for the broker.
    pub fn publish(&self) {
        self.0.publications.notify_one();
    }

    /// Waits for a [`publish`](Self::publish), as [`woken`](Self::woken) does for a wake.
    pub async fn to_publish(&self) {
        self.0.publications.notified().await;
    }

    /// A running job was asked to stop.
    pub fn cancel(&self) {
        self.0.cancel.notify_one();
    }

    /// Waits for a [`cancel`](Self::cancel), as [`woken`](Self::woken) does for a wake.
    pub async fn cancelled(&self) {
        self.0.cancel.notified().await;
    }

    /// A hint of this process's own, for others: what is heard from others is not carried again.
    pub fn carry(&self, hint: Hint) {
        // No receiver means that there is no such way.
        let _ = self.0.carried.send(hint);
    }

    /// Every [`carry`](Self::carry) from now on. A receiver that falls more than 256 behind loses the oldest.
    pub fn watch_carried(&self) -> broadcast::Receiver<Hint> {
        self.0.carried.subscribe()
    }

    /// Something of a job changed that those who watch it may see.
    pub fn stir(&self) {
        self.0.stir.notify_one();
    }

    /// Waits for a [`stir`](Self::stir), as [`woken`](Self::woken) does for a wake.
    pub async fn stirred(&self) {
        self.0.stir.notified().await;
    }

    /// A job may have ended.
    pub fn ended(&self, id: JobId) {
        // No receiver means that nobody waits.
        let _ = self.0.ended.send(id);
    }

    /// Every [`ended`](Self::ended) from now on. A receiver that falls more than 4096 behind
    /// loses the oldest and has to ask the store.
    pub fn watch_ended(&self) -> broadcast::Receiver<JobId> {
        self.0.ended.subscribe()
    }

    /// The log has new events of a tenant.
    pub fn logged(&self, tenant: &str) {
        // No receiver means that nobody listens in this process.
        let _ = self.0.logged.send(tenant.into());
    }

    /// The tenant of every [`logged`](Self::logged) from now on. A receiver that falls more than
    /// 4096 behind loses the oldest, and has to look for whomever it serves.
    pub fn watch_logged(&self) -> broadcast::Receiver<Arc<str>> {
        self.0.logged.subscribe()
    }

    /// Gives the hints that follow from runs that ended.
    pub fn settled(&self, id: JobId, role: Role, verdict: &Verdict) {
        match verdict {
            Verdict::Retry { delay, .. } | Verdict::Snooze { delay } => self.due_in(*delay),
            Verdict::Release | Verdict::Lost { dead: false } => self.wake(role),
            Verdict::Await { children, until: None, .. } if children.is_empty() => self.wake(role),
            Verdict::Await { children, until, .. } => {
                until.iter().for_each(|until| self.due_in(*until));
                children.iter().for_each(|child| match child.due {
                    Due::Now => self.wake(child.role),
                    Due::In(delay) => self.due_in(delay),
                    // By whose clock is for the promoter to find out.
                    Due::At(_) => self.due_in(Duration::ZERO),
                });
            }
            // Whoever has money for it says so.
            Verdict::Unfunded { .. } => {}
            Verdict::Succeeded { .. } | Verdict::Dead { .. } | Verdict::Cancelled | Verdict::Lost { dead: true } => {
                self.ended(id)
            }
        }
    }
}
