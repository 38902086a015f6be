//! Tops up the hints of a role from the store. One process at a time does so for all.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use golden_jobs::{
    Role,
    breakers::Board,
    guards::Guard,
    metrics::Metrics,
    store::{ReadyJob, SharedStore, StoreError},
};

use super::{
    Line,
    depth::{Depth, MOST},
    is_left_alone, jittered,
    recent::Recent,
    window::Level,
};

/// How often the feeder says that it is, and others ask whether there is one.
const LEAD: Duration = Duration::from_millis(800);
/// How often to look for hints that went astray.
const SWEEP: Duration = Duration::from_secs(2);
/// Between two looks at Redis while there is more to give, at least and at most.
const SOON: Duration = Duration::from_millis(2);
const LATE: Duration = Duration::from_millis(100);
/// And while there is not. Whoever knows of something new says so.
const IDLE: Duration = Duration::from_millis(500);
/// The net under what the store says: it is asked though nobody said that there is something.
const SAFETY: Duration = Duration::from_secs(5);
/// After Redis or the store failed.
const PAUSE: Duration = Duration::from_millis(500);
/// How often at least to read from the first on where nobody said that there is something: what nobody spoke of, and what
/// got lost, is before what is read otherwise.
const WHOLE: Duration = Duration::from_millis(500);
/// How many of the first to look at while enough wait, since one may be more urgent than these; and how often.
const URGENT: usize = 32;
const URGENTLY: Duration = Duration::from_millis(100);
/// Added in one call at most. Redis does nothing else meanwhile.
const CHUNK: usize = 1000;

pub(super) struct Feeder {
    pub(super) role: Role,
    pub(super) store: SharedStore,
    pub(super) line: Arc<Line>,
    pub(super) breakers: Board,
    pub(super) metrics: Metrics,
}

/// Why a feeder leaves it to another.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Redis(#[from] apalis_redis::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far a feeder has come.
struct Course {
    depth: Depth,
    recent: Recent,
    /// Whether the store had more than it was asked for.
    backlog: bool,
    /// The last that was given, where all before it were, too. It is where to read on, until something new is heard of:
    /// that may belong before it.
    given: Option<ReadyJob>,
    /// When it was last read from the first on.
    whole: Instant,
    /// Whether it was said that there is something since it was asked.
    hinted: bool,
    asked: Instant,
    wait: Duration,
}

impl Feeder {
    /// Feeds while no other process does.
    pub(super) async fn keep_feeding(self: Arc<Self>) {
        loop {
            let pause = if is_left_alone(&self.breakers) { PAUSE } else { self.lead_and_feed().await };
            self.window_is(0);
            tokio::time::sleep(jittered(pause)).await;
        }
    }

    /// Answers how long to wait before it is tried again.
    async fn lead_and_feed(&self) -> Duration {
        match self.line.window.lead().await {
            Ok(true) => match self.feed().await {
                Ok(()) => LEAD,
                Err(error) => {
                    tracing::debug!(role = %self.role, %error, "no hints are given for a moment");
                    // Another may reach what this one does not.
                    let _ = self.line.window.resign().await;
                    PAUSE
                }
            },
            Ok(false) => LEAD,
            Err(_) => PAUSE,
        }
    }

    /// Feeds until another process does, or Redis is to be left alone.
    async fn feed(&self) -> Result<(), Fault> {
        let window = &self.line.window;
        self.sweep().await?;
        let (mut led, mut swept) = (Instant::now(), Instant::now());
        let mut course = Course {
            depth: Depth::new(),
            recent: Recent::default(),
            backlog: false,
            given: None,
            whole: Instant::now(),
            hinted: true,
            asked: Instant::now(),
            wait: SOON,
        };
        loop {
            if led.elapsed() >= LEAD {
                if is_left_alone(&self.breakers) || !window.lead().await? {
                    return Ok(());
                }
                led = Instant::now();
            }
            if swept.elapsed() >= SWEEP {
                self.sweep().await?;
                swept = Instant::now();
            }
            let level = window.level().await?;
            self.window_is(level.known);
            self.step(&mut course, level).await?;
            tokio::select! {
                () = self.store.wakes().to_hand_on(self.role) => course.hinted = true,
                () = self.line.taken.notified() => {}
                () = tokio::time::sleep(jittered(course.wait)) => {}
            }
        }
    }

    async fn sweep(&self) -> Result<(), Fault> {
        if self.line.window.sweep().await? > 0 {
            self.metrics.guarded(Guard::RedisWindow, true);
        }
        Ok(())
    }

    async fn step(&self, course: &mut Course, level: Level) -> Result<(), Fault> {
        if level.known == 0 {
            // It was wiped, or all of it was claimed: whatever is ready is new.
            course.recent.forget();
            course.given = None;
        }
        let wants = course.depth.wants(level.waiting, course.backlog, Instant::now());
        let since = course.asked.elapsed();
        if course.hinted || course.whole.elapsed() >= WHOLE {
            course.given = None;
        }
        let ask = match wants {
            0 if course.hinted && since >= URGENTLY => URGENT,
            0 => 0,
            _ if !course.hinted && !course.backlog && since < SAFETY => 0,
            _ if course.given.is_some() => wants,
            // Those that are there already come first.
            _ => wants + level.known,
        };
        if ask == 0 {
            let most = if course.backlog || course.hinted { LATE } else { IDLE };
            course.wait = (2 * course.wait).min(most);
            return Ok(());
        }
        (course.hinted, course.asked) = (false, Instant::now());
        if course.given.is_none() {
            course.whole = Instant::now();
        }
        let ready = self.store.ready(self.role, course.given, u32::try_from(ask).unwrap_or(u32::MAX)).await?;
        let (last, is_all) = (ready.last().copied(), ready.len() < ask);
        if wants > 0 {
            // What is before the place that was read on from may be more.
            course.backlog = !is_all || course.given.is_some();
        }
        let mut jobs = course.recent.new_among(ready, Instant::now());
        jobs.truncate(if wants > 0 { wants } else { URGENT });
        if jobs.is_empty() {
            course.given = last.or(course.given);
        }
        let gave = self.give(course, &jobs, level).await?;
        if wants == 0 || is_all {
            course.given = None;
        }
        course.wait = if gave { SOON } else { (2 * course.wait).min(LATE) };
        Ok(())
    }

    /// Adds hints, as many as there is room for. Answers whether any was new.
    async fn give(&self, course: &mut Course, jobs: &[ReadyJob], level: Level) -> Result<bool, Fault> {
        let (mut left, mut added) = (jobs, 0);
        while !left.is_empty() && level.known + added < MOST {
            let room = MOST - level.known - added;
            let (chunk, rest) = left.split_at(left.len().min(room).min(CHUNK));
            added += self.line.window.push(chunk).await?;
            course.recent.gave(chunk);
            course.given = chunk.last().copied();
            left = rest;
        }
        if added > 0 {
            let level = self.line.window.arrange().await?;
            self.window_is(level.known);
            self.line.fed.notify_one();
        }
        Ok(added > 0)
    }

    fn window_is(&self, known: usize) {
        let known = i64::try_from(known).unwrap_or(i64::MAX);
        self.metrics.dispatch_window.with_label_values(&[self.role.as_str()]).set(known);
    }
}
