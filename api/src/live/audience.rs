//! Listening to tenants: one task asks the store for the events of all that somebody listens to.
//!
//! Those who listen to a tenant share the events as they come. What came before, each reads from
//! the log of events at its own pace.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use golden_jobs::{
    JobId,
    store::{
        JobSummary, SharedStore, StoreError,
        events::{Event, LISTEN_LEASE},
    },
    webhooks::said,
};
use rand::Rng;
use tokio::{
    sync::{Notify, broadcast, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// How often the store is asked where no hint comes.
const POLL: Duration = Duration::from_millis(900);
/// Between two words that somebody listens.
const RENEWAL: Duration = Duration::from_secs(LISTEN_LEASE.as_secs() / 4);
/// Events of a tenant that are kept for those who listen.
const TAIL: usize = 100;
/// Events of a tenant that are read at once.
const PAGE: u32 = 100;

/// Who listens to which tenant. Whoever goes away leaves a dead entry, swept at the next look.
#[derive(Default)]
pub(crate) struct Audience {
    seats: Mutex<HashMap<Arc<str>, Weak<Seat>>>,
    somebody: Notify,
}

/// A tenant that somebody listens to.
pub(crate) struct Seat {
    heard: watch::Sender<Arc<Heard>>,
    /// When the store was last told.
    renewed: Mutex<Instant>,
}

/// The last events of a tenant.
#[derive(Clone)]
pub(crate) struct Heard {
    pub(crate) newest: u64,
    events: VecDeque<Arc<Told>>,
}

/// An event as it is told.
pub(crate) struct Told {
    pub(crate) seq: u64,
    /// Its type, for example `job.succeeded`.
    pub(crate) event: String,
    /// That of its job, if it is about one.
    pub(crate) kind: Option<String>,
    /// What it says, as webhooks say it. `None` where the job is gone by now.
    pub(crate) text: Option<String>,
}

/// Where a listener begins.
pub(crate) struct Opened {
    pub(crate) seat: Arc<Seat>,
    pub(crate) newest: u64,
    /// Whether somebody was listening until now.
    pub(crate) unbroken: bool,
}

impl Audience {
    pub(crate) fn new(store: SharedStore, closing: CancellationToken) -> Arc<Self> {
        let audience = Arc::<Self>::default();
        let listening = listen(Arc::clone(&audience), store);
        tokio::spawn(async move { closing.run_until_cancelled(listening).await });
        audience
    }

    /// Listens to a tenant from now on, for as long as its seat is held.
    pub(crate) async fn open(&self, store: &SharedStore, tenant: &str) -> Result<Opened, StoreError> {
        let unbroken = store.listen(tenant, LISTEN_LEASE).await?;
        let newest = store.newest_events(&[tenant]).await?.first().map_or(0, |(_, newest)| *newest);
        let mut seats = self.seats();
        let seat = seats.get(tenant).and_then(Weak::upgrade).unwrap_or_else(|| {
            let heard = watch::Sender::new(Arc::new(Heard { newest, events: VecDeque::new() }));
            let seat = Arc::new(Seat { heard, renewed: Mutex::new(Instant::now()) });
            seats.insert(tenant.into(), Arc::downgrade(&seat));
            seat
        });
        drop(seats);
        self.somebody.notify_one();
        Ok(Opened { seat, newest, unbroken })
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<Arc<str>, Weak<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep(&self) -> HashMap<Arc<str>, Arc<Seat>> {
        let mut seats = self.seats();
        seats.retain(|_, seat| seat.strong_count() > 0);
        seats.iter().filter_map(|(tenant, seat)| Some((Arc::clone(tenant), seat.upgrade()?))).collect()
    }
}

impl Seat {
    pub(crate) fn heard(&self) -> watch::Receiver<Arc<Heard>> {
        self.heard.subscribe()
    }

    fn is_due(&self) -> bool {
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let due = renewed.elapsed() >= RENEWAL;
        if due {
            *renewed = Instant::now();
        }
        due
    }
}

/// Looks when something was logged, when somebody new listens, and in any case after a while.
/// Does nothing while nobody listens.
async fn listen(audience: Arc<Audience>, store: SharedStore) {
    loop {
        audience.somebody.notified().await;
        let mut logged = store.wakes().watch_logged();
        loop {
            let seats = audience.sweep();
            if seats.is_empty() {
                break;
            }
            if let Err(error) = look(&store, &seats).await {
                tracing::debug!(%error, "there is no telling what happens to the tenants that are listened to");
            }
            let next = Instant::now() + POLL.mul_f64(rand::rng().random_range(0.9..1.1));
            let hint = async {
                loop {
                    match logged.recv().await {
                        Ok(tenant) if !seats.contains_key(&tenant) => {}
                        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                () = sleep_until(next) => {}
                () = hint => {}
                () = audience.somebody.notified() => {}
            }
        }
    }
}

/// Asks for the news of all that is listened to: one query where there are none.
async fn look(store: &SharedStore, seats: &HashMap<Arc<str>, Arc<Seat>>) -> Result<(), StoreError> {
    for (tenant, seat) in seats {
        if seat.is_due() {
            store.listen(tenant, LISTEN_LEASE).await?;
        }
    }
    let tenants: Vec<&str> = seats.keys().map(|tenant| &**tenant).collect();
    for (tenant, newest) in store.newest_events(&tenants).await? {
        let Some(seat) = seats.get(&*tenant) else { continue };
        let mut heard = Heard::clone(&seat.heard.borrow());
        while heard.newest < newest {
            let told = read(store, &tenant, heard.newest, PAGE).await?;
            if told.is_empty() {
                break;
            }
            told.into_iter().for_each(|told| heard.add(told));
        }
        seat.heard.send_if_modified(|last| {
            let news = last.newest < heard.newest;
            *last = Arc::new(heard);
            news
        });
    }
    Ok(())
}

/// Up to `limit` events of a tenant after number `seq`, with what they say.
pub(crate) async fn read(store: &SharedStore, tenant: &str, seq: u64, limit: u32) -> Result<Vec<Told>, StoreError> {
    let events = store.events_after(tenant, seq, limit).await?;
    let about: HashSet<JobId> = events.iter().filter_map(|event| event.job_id).collect();
    let mut jobs = HashMap::new();
    if !about.is_empty() {
        let summaries = store.summaries(&Vec::from_iter(about)).await?;
        jobs.extend(summaries.into_iter().map(|summary| (summary.job.id, summary)));
    }
    Ok(events.into_iter().map(|event| Told::of(event, &jobs)).collect())
}

impl Told {
    fn of(event: Event, jobs: &HashMap<JobId, JobSummary>) -> Self {
        let summary = event.job_id.and_then(|job| jobs.get(&job));
        Self {
            seq: event.seq,
            text: said(&event, summary),
            kind: summary.map(|summary| summary.job.kind.clone()),
            event: event.event,
        }
    }
}

impl Heard {
    fn add(&mut self, told: Told) {
        if told.seq != self.newest + 1 {
            // Those between have left the log by their age.
            self.events.clear();
        }
        self.newest = told.seq;
        self.events.push_back(Arc::new(told));
        if self.events.len() > TAIL {
            self.events.pop_front();
        }
    }

    /// The events after this one; `None` where those that are kept do not reach back to it.
    pub(crate) fn after(&self, seq: u64) -> Option<impl Iterator<Item = &Arc<Told>>> {
        let first = self.events.front().map_or(self.newest.saturating_add(1), |told| told.seq);
        (first <= seq.saturating_add(1)).then(|| self.events.iter().skip_while(move |told| told.seq <= seq))
    }
}
