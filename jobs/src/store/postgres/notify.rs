//! Hints between processes, by LISTEN and NOTIFY.
//!
//! NOTIFY takes a lock that all committing transactions share, so it is never sent by a
//! trigger or within a job's transaction: a task of its own sends what has gathered, at most
//! 20 times a second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{sync::Notify, task::JoinHandle};

use crate::{role::Role, wake::Wakes};

const CHANNEL: &str = "golden";
const PAUSE: Duration = Duration::from_millis(50);
/// After a broken connection, before the next try.
const RECONNECT: Duration = Duration::from_secs(1);

const CANCEL: u32 = 1 << 30;
const TELL: u32 = 1 << 31;

/// Sends this process's hints and hears those of others. Ends when dropped.
pub(super) struct Notifier {
    gathered: Arc<Gathered>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Default)]
struct Gathered {
    bits: AtomicU32,
    some: Notify,
}

impl Notifier {
    pub(super) fn start(pool: PgPool, wakes: Wakes) -> Self {
        let gathered = Arc::new(Gathered::default());
        let tasks = [tokio::spawn(send(pool.clone(), Arc::clone(&gathered))), tokio::spawn(hear(pool, wakes))];
        Self { gathered, tasks }
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

    fn gather(&self, bit: u32) {
        self.gathered.bits.fetch_or(bit, Ordering::SeqCst);
        self.gathered.some.notify_one();
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn send(pool: PgPool, gathered: Arc<Gathered>) {
    loop {
        gathered.some.notified().await;
        let bits = gathered.bits.swap(0, Ordering::SeqCst);
        if bits == 0 {
            continue;
        }
        let sent = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(bits.to_string()).execute(&pool).await;
        if let Err(error) = sent {
            // The poll of the others is the net under a lost hint.
            tracing::debug!(%error, "a hint was not sent");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear(pool: PgPool, wakes: Wakes) {
    loop {
        match listen(&pool, &wakes).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "hints of other processes are not heard for now"),
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn listen(pool: &PgPool, wakes: &Wakes) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // `None` says that the connection was lost and hints with it.
    while let Some(hint) = listener.try_recv().await? {
        let bits: u32 = hint.payload().parse().unwrap_or(0);
        Role::ALL.into_iter().filter(|role| bits & (1 << *role as u32) != 0).for_each(|role| wakes.wake(role));
        if bits & CANCEL != 0 {
            wakes.cancel();
        }
        if bits & TELL != 0 {
            wakes.tell();
        }
    }
    Ok(())
}
