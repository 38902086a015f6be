//! Watching jobs: one task asks the store for the news of all that somebody watches.
//!
//! Those who watch a job share its [`Feed`]: the job as it was last seen, and the last lines of
//! its log. Lines before those each reads from the store at its own pace, so that a slow reader
//! costs no memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use golden_jobs::{
    JobId,
    record::JobRecord,
    store::{Glance, LogLine, Moment, SharedStore, StoreError},
};
use rand::Rng;
use serde_json::value::{RawValue, to_raw_value};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::resource::JobResource;

/// How often the store is asked where no hint comes.
const POLL: Duration = Duration::from_millis(900);
/// Between two looks, however many hints come.
const PAUSE: Duration = Duration::from_millis(50);
/// Lines of a job that are kept for those who read along, and their bytes.
const TAIL: usize = 256;
const TAIL_BYTES: usize = 64 * 1024;
/// Jobs with news that are read at once: each may be half a MiB long, and its log a MiB.
const TOGETHER: usize = 50;
/// Lines of a job that are read at once.
const PAGE: u32 = 500;

/// Who watches which job. Whoever goes away leaves a dead entry, swept at the next look.
#[derive(Default)]
pub(crate) struct Board {
    watched: Mutex<HashMap<JobId, Weak<Feed>>>,
    somebody: Notify,
}

/// One job that is watched.
pub(crate) struct Feed {
    sight: watch::Sender<Option<Arc<Sight>>>,
}

/// What was seen of a job.
#[derive(Clone)]
pub(crate) struct Sight {
    pub(crate) moment: Moment,
    /// The job as clients see it, in JSON: of that moment, with the progress of then.
    pub(crate) resource: Arc<RawValue>,
    pub(crate) progress_in_resource: Option<Arc<RawValue>>,
    pub(crate) progress: Option<Arc<RawValue>>,
    /// The number of the last line of its log. Once the job has ended there is none after it.
    pub(crate) last_line: u64,
    /// The last lines up to that one, without gaps, and their bytes.
    tail: VecDeque<Arc<LogLine>>,
    tail_bytes: usize,
}

impl Board {
    pub(crate) fn new(store: SharedStore, closing: CancellationToken) -> Arc<Self> {
        let board = Arc::<Self>::default();
        let watching = watch_over(Arc::clone(&board), store);
        tokio::spawn(async move { closing.run_until_cancelled(watching).await });
        board
    }

    /// The feed of a job, for as long as it is held.
    pub(crate) fn watch(&self, job: JobId) -> Arc<Feed> {
        let mut watched = self.watched();
        let feed = watched.get(&job).and_then(Weak::upgrade).unwrap_or_else(|| {
            let feed = Arc::new(Feed { sight: watch::Sender::new(None) });
            watched.insert(job, Arc::downgrade(&feed));
            feed
        });
        drop(watched);
        self.somebody.notify_one();
        feed
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<JobId, Weak<Feed>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep(&self) -> HashMap<JobId, Arc<Feed>> {
        let mut watched = self.watched();
        watched.retain(|_, feed| feed.strong_count() > 0);
        watched.iter().filter_map(|(job, feed)| Some((*job, feed.upgrade()?))).collect()
    }
}

impl Feed {
    pub(crate) fn sights(&self) -> watch::Receiver<Option<Arc<Sight>>> {
        self.sight.subscribe()
    }

    fn last(&self) -> Option<Arc<Sight>> {
        self.sight.borrow().clone()
    }
}

/// Looks when something stirred, when somebody new watches, and in any case after a while. Does
/// nothing while nobody watches.
async fn watch_over(board: Arc<Board>, store: SharedStore) {
    loop {
        board.somebody.notified().await;
        loop {
            let feeds = board.sweep();
            if feeds.is_empty() {
                break;
            }
            if let Err(error) = look(&store, &feeds).await {
                tracing::debug!(%error, "there is no telling what happens to the jobs that are watched");
            }
            drop(feeds);
            let next = Instant::now() + POLL.mul_f64(rand::rng().random_range(0.9..1.1));
            sleep(PAUSE).await;
            tokio::select! {
                () = sleep_until(next) => {}
                () = store.wakes().stirred() => {}
                () = board.somebody.notified() => {}
            }
        }
    }
}

/// Asks for the news of all that is watched: one query where there are none.
async fn look(store: &SharedStore, feeds: &HashMap<JobId, Arc<Feed>>) -> Result<(), StoreError> {
    let jobs: Vec<JobId> = feeds.keys().copied().collect();
    let news: Vec<(Option<Arc<Sight>>, Glance)> = store
        .glances(&jobs)
        .await?
        .into_iter()
        .map(|glance| (feeds.get(&glance.job).and_then(|feed| feed.last()), glance))
        .filter(|(last, glance)| last.as_ref().is_none_or(|last| last.differs(glance)))
        .collect();
    for some in news.chunks(TOGETHER) {
        tell(store, feeds, some).await?;
    }
    Ok(())
}

/// Reads what is new of these jobs, and shows it to those who watch them.
async fn tell(
    store: &SharedStore,
    feeds: &HashMap<JobId, Arc<Feed>>,
    news: &[(Option<Arc<Sight>>, Glance)],
) -> Result<(), StoreError> {
    let moved = news.iter().filter(|(last, glance)| last.as_ref().is_none_or(|last| last.moment != glance.moment));
    let moved: Vec<JobId> = moved.map(|(_, glance)| glance.job).collect();
    let mut records = HashMap::new();
    if !moved.is_empty() {
        records.extend(store.records(&moved).await?.into_iter().map(|record| (record.id, record)));
    }
    let mut sights: HashMap<JobId, Sight> = news
        .iter()
        .filter_map(|(last, glance)| {
            Some((glance.job, Sight::after(last.as_deref(), glance, records.remove(&glance.job))?))
        })
        .collect();
    // After the records: the log of a job that has ended by then is complete.
    read_on(store, &mut sights).await?;
    for (job, sight) in sights {
        if let Some(feed) = feeds.get(&job) {
            feed.sight.send_replace(Some(Arc::new(sight)));
        }
    }
    Ok(())
}

/// Reads the lines that these sights lack.
async fn read_on(store: &SharedStore, sights: &mut HashMap<JobId, Sight>) -> Result<(), StoreError> {
    let mut behind: Vec<JobId> = sights.keys().copied().collect();
    while !behind.is_empty() {
        let after: Vec<(JobId, u64)> =
            behind.iter().filter_map(|job| Some((*job, sights.get(job)?.last_line))).collect();
        let mut read: HashMap<JobId, u32> = HashMap::new();
        for (job, line) in store.log_tails(&after, PAGE).await? {
            *read.entry(job).or_default() += 1;
            if let Some(sight) = sights.get_mut(&job) {
                sight.add(line);
            }
        }
        behind.retain(|job| read.get(job) == Some(&PAGE));
    }
    Ok(())
}

impl Sight {
    fn differs(&self, glance: &Glance) -> bool {
        self.moment != glance.moment
            || self.last_line != glance.last_line
            || self.progress.as_deref().map(RawValue::get) != glance.progress.as_deref().map(RawValue::get)
    }

    /// What there is to see now. `None` where the job is gone before it was ever seen whole.
    fn after(last: Option<&Self>, glance: &Glance, record: Option<JobRecord>) -> Option<Self> {
        let Some(record) = record else {
            let progress = glance.progress.clone().map(Arc::from);
            return last.map(|last| Self { progress, ..last.clone() });
        };
        let moment = Moment::from(&record);
        let progress: Option<Arc<RawValue>> = record.progress.clone().map(Arc::from);
        let resource = to_raw_value(&JobResource::from(record)).ok()?;
        let (last_line, tail, tail_bytes) = match last {
            Some(last) => (last.last_line, last.tail.clone(), last.tail_bytes),
            // Who wants to see more of it reads it from the store.
            None => (glance.last_line.saturating_sub(TAIL as u64), VecDeque::new(), 0),
        };
        let (resource, progress_in_resource) = (Arc::from(resource), progress.clone());
        Some(Self { moment, resource, progress_in_resource, progress, last_line, tail, tail_bytes })
    }

    fn add(&mut self, line: LogLine) {
        self.last_line = line.seq;
        self.tail_bytes += line.text.len();
        self.tail.push_back(Arc::new(line));
        while self.tail.len() > TAIL || self.tail_bytes > TAIL_BYTES {
            let Some(gone) = self.tail.pop_front() else { break };
            self.tail_bytes -= gone.text.len();
        }
    }

    /// The lines after this one; `None` where those that are kept do not reach back to it.
    pub(crate) fn lines_after(&self, seq: u64) -> Option<impl Iterator<Item = &Arc<LogLine>>> {
        let first = self.tail.front().map_or(self.last_line.saturating_add(1), |line| line.seq);
        (first <= seq.saturating_add(1)).then(|| self.tail.iter().skip_while(move |line| line.seq <= seq))
    }
}
