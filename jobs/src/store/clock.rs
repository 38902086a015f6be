//! Whose time it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};

/// The clock a store decides by: its database's own, or one that a test holds.
#[derive(Debug, Clone, Default)]
pub enum StoreClock {
    /// The database's clock on PostgreSQL, so that all processes agree; this machine's on SQLite.
    #[default]
    Own,
    /// A test's.
    Held(HeldClock),
}

impl StoreClock {
    /// The time to use instead of the store's own, if a test holds the clock.
    pub fn held(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Own => None,
            Self::Held(clock) => Some(clock.now()),
        }
    }
}

/// A clock that moves only when told to.
#[derive(Debug, Clone)]
pub struct HeldClock(Arc<AtomicI64>);

impl HeldClock {
    /// Stands at `start`, to the microsecond. Clones show the same time.
    pub fn at(start: DateTime<Utc>) -> Self {
        Self(Arc::new(AtomicI64::new(start.timestamp_micros())))
    }

    /// The time it stands at.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }

    /// Moves it on, for all its clones.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}
