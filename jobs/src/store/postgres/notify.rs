//! Hints between processes, by LISTEN and NOTIFY.
//!
//! NOTIFY takes a lock that all committing transactions share, so it is never sent by a
//! trigger or within a job's transaction: a task of its own sends what has gathered, each role's
//! at most 20 times a second. The first after a pause goes out at once, whatever others do.
//!
//! LISTEN needs a session. Behind a pooler that has none to lend, a process hears nothing and goes by its polls; it tells
//! all the same, since others may be connected straight.

use std::{
    collections::HashSet,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{sync::Notify, task::JoinHandle, time::Instant};

use super::Connections;
use crate::{
    role::Role,
    wake::{Hint, Wakes},
};

const CHANNEL: &str = "golden";
/// Carries tenants whose events were logged.
const LOG_CHANNEL: &str = "golden_log";
/// Between two hints of one kind.
const PAUSE: Duration = Duration::from_millis(50);
/// After a broken connection, before the next try.
const RECONNECT: Duration = Duration::from_secs(1);

/// Between two words of one process that somebody watches.
const WATCH_PAUSE: Duration = Duration::from_secs(5);
/// How long such a word is good for.
const WATCHED_FOR: Duration = Duration::from_secs(15);

const PUBLISH: u32 = 1 << 26;
const WATCH: u32 = 1 << 27;
const STIR: u32 = 1 << 28;
const LOGGED: u32 = 1 << 29;
const CANCEL: u32 = 1 << 30;
const TELL: u32 = 1 << 31;

/// Sends this process's hints and hears those of others. Ends when dropped.
pub(super) struct Notifier {
    gathered: Arc<Gathered>,
    send: JoinHandle<()>,
    /// `None` where there is no session to listen in.
    hear: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Gathered {
    bits: AtomicU32,
    /// The tenants that [`LOGGED`] is about.
    logged: Mutex<HashSet<String>>,
    some: Notify,
    watch: Mutex<Watched>,
}

/// Who watches jobs. Hints for them are sent only while somebody does: nobody else needs to know
/// that a job was claimed or has ended.
#[derive(Default)]
struct Watched {
    /// When this process last said that it does.
    told: Option<Instant>,
    /// Until when some process does, perhaps this one.
    until: Option<Instant>,
}

impl Notifier {
    pub(super) fn start(pool: &Connections, wakes: Wakes) -> Self {
        let gathered = Arc::new(Gathered::default());
        let send = tokio::spawn(send(pool.clone(), wakes.clone(), Arc::clone(&gathered)));
        let hear = pool.sessions().map(|pool| tokio::spawn(hear(pool.clone(), wakes, Arc::clone(&gathered))));
        Self { gathered, send, hear }
    }

    pub(super) fn wake(&self, role: Role) {
        self.gather(1 << role as u32);
    }

    pub(super) fn cancel(&self) {
        self.gather(CANCEL);
    }

    pub(super) fn tell(&self) {
        self.gather(TELL);
    }

    pub(super) fn publish(&self) {
        self.gather(PUBLISH);
    }

    pub(super) fn logged(&self, tenant: &str) {
        self.gathered.logged.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.to_owned());
        self.gather(LOGGED);
    }

    /// Something changed that others may be watching.
    pub(super) fn stir(&self) {
        if self.gathered.watch().until.is_some_and(|until| Instant::now() < until) {
            self.gather(STIR);
        }
    }

    /// This process watches, and would know of what changes.
    pub(super) fn watch(&self) {
        if self.hear.is_none() {
            return;
        }
        let mut watch = self.gathered.watch();
        let now = Instant::now();
        if watch.told.is_none_or(|told| now - told > WATCH_PAUSE) {
            watch.told = Some(now);
            drop(watch);
            self.gather(WATCH);
        }
    }

    fn gather(&self, bit: u32) {
        self.gathered.bits.fetch_or(bit, Ordering::SeqCst);
        self.gathered.some.notify_one();
    }
}

impl Gathered {
    fn watch(&self) -> MutexGuard<'_, Watched> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.send.abort();
        self.hear.iter().for_each(JoinHandle::abort);
    }
}

async fn send(pool: Connections, wakes: Wakes, gathered: Arc<Gathered>) {
    let mut pace = Pace::default();
    loop {
        match pace.next() {
            Some(at) => {
                let _ = tokio::time::timeout_at(at, gathered.some.notified()).await;
            }
            None => gathered.some.notified().await,
        }
        let bits = pace.take(gathered.bits.swap(0, Ordering::SeqCst), Instant::now());
        roles(bits).for_each(|role| wakes.carry(Hint::Wake(role)));
        let plain = bits & !LOGGED;
        if plain != 0 {
            notify(&pool, CHANNEL, &[plain.to_string()]).await;
        }
        if bits & LOGGED != 0 {
            let tenants = mem::take(&mut *gathered.logged.lock().unwrap_or_else(PoisonError::into_inner));
            notify(&pool, LOG_CHANNEL, &Vec::from_iter(tenants)).await;
        }
    }
}

async fn notify(pool: &Connections, channel: &str, payloads: &[String]) {
    let sent = sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS p(payload)")
        .bind(channel)
        .bind(payloads)
        .execute(pool)
        .await;
    if let Err(error) = sent {
        // The poll of the others is the net under a lost hint.
        tracing::debug!(%error, "a hint was not sent");
    }
}

/// Holds every kind of hint, which is a bit, to its own pace.
#[derive(Default)]
struct Pace {
    held_back: u32,
    /// When each bit may be sent again.
    free: [Option<Instant>; u32::BITS as usize],
}

impl Pace {
    /// Takes new hints and gives those that may be sent now, held back ones among them.
    fn take(&mut self, new: u32, now: Instant) -> u32 {
        let asked = self.held_back | new;
        let mut sent = 0;
        for (bit, free) in self.free.iter_mut().enumerate().filter(|(bit, _)| asked & (1 << bit) != 0) {
            if free.is_none_or(|free| free <= now) {
                sent |= 1 << bit;
                *free = Some(now + PAUSE);
            }
        }
        self.held_back = asked & !sent;
        sent
    }

    /// When the first of those held back may be sent.
    fn next(&self) -> Option<Instant> {
        let held_back = |bit: &usize| self.held_back & (1 << bit) != 0;
        (0..self.free.len()).filter(held_back).filter_map(|bit| self.free[bit]).min()
    }
}

async fn hear(pool: PgPool, wakes: Wakes, gathered: Arc<Gathered>) {
    loop {
        match listen(&pool, &wakes, &gathered).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "hints of other processes are not heard for now"),
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn listen(pool: &PgPool, wakes: &Wakes, gathered: &Gathered) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all([CHANNEL, LOG_CHANNEL]).await?;
    // `None` says that the connection was lost and hints with it.
    while let Some(hint) = listener.try_recv().await? {
        if hint.channel() == LOG_CHANNEL {
            wakes.logged(hint.payload());
            continue;
        }
        let bits: u32 = hint.payload().parse().unwrap_or(0);
        roles(bits).for_each(|role| wakes.wake(role));
        if bits & CANCEL != 0 {
            wakes.cancel();
        }
        if bits & TELL != 0 {
            wakes.tell();
        }
        if bits & PUBLISH != 0 {
            wakes.publish();
        }
        if bits & STIR != 0 {
            wakes.stir();
        }
        if bits & WATCH != 0 {
            gathered.watch().until = Some(Instant::now() + WATCHED_FOR);
        }
    }
    Ok(())
}

/// The roles that hints are about.
fn roles(bits: u32) -> impl Iterator<Item = Role> {
    Role::ALL.into_iter().filter(move |role| bits & (1 << *role as u32) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hint_has_a_pace_of_its_own_and_the_first_after_a_pause_goes_at_once() {
        const A: u32 = 1;
        const B: u32 = TELL;
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.take(A, start), A);
        assert_eq!(pace.next(), None);
        assert_eq!(pace.take(A | B, start), B, "B does not wait because A was just sent");
        assert_eq!(pace.next(), Some(start + PAUSE));
        assert_eq!(pace.take(A, start + PAUSE / 2), 0);
        assert_eq!(pace.take(0, start + PAUSE), A, "what was held back is sent once");
        assert_eq!((pace.take(0, start + PAUSE * 3), pace.next()), (0, None));
        assert_eq!(pace.take(A | B, start + PAUSE * 3), A | B);
    }
}
