//! How a run spends money: it reserves, dispatches, settles, and cannot do so in another order.
//!
//! ```no_run
//! # use golden_jobs::{Context, Failure, budgets::Micros};
//! # async fn ask_the_model() -> Result<(String, Micros), Failure> { unimplemented!() }
//! # async fn run(cx: &Context, worst: Micros) -> Result<String, Failure> {
//! let funds = cx.reserve("answer", 0, worst).await?;
//! let call = funds.dispatch().await?;
//! let (answer, cost) = ask_the_model().await?;
//! call.settle(cost).await;
//! # Ok(answer) }
//! ```

use std::{sync::Arc, time::Duration};

use crate::{
    budgets::Micros,
    outcome::{Failure, JobError},
    store::{
        Store, StoreError,
        budgets::{Ask, Reservation, Reserved, Shortfall},
    },
};

/// The waits between attempts to record what a call cost.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Money kept back for one call that is not made yet. Dropped, it is given back when the run has ended.
#[must_use = "a call is made between `dispatch` and `settle`"]
pub struct Funds {
    store: Arc<dyn Store>,
    ask: Ask,
    reservation: Reservation,
}

impl Funds {
    pub(crate) async fn reserve(store: Arc<dyn Store>, ask: Ask) -> Result<Self, Unfunded> {
        match store.reserve(&ask).await? {
            Reserved::Granted(reservation) => Ok(Self { store, ask, reservation }),
            Reserved::Short(shortfall) => Err(Unfunded::Short(shortfall)),
        }
    }

    /// What is kept back; of a step that an earlier run of this attempt reserved, what that asked for.
    pub fn amount(&self) -> Micros {
        self.reservation.amount
    }

    /// Records that the call is about to be made; only then is it to be. An error means that it is not: where the lease
    /// is lost, another run makes it.
    pub async fn dispatch(self) -> Result<Spending, StoreError> {
        self.store.dispatch(self.ask.run, self.reservation.id).await?;
        Ok(Spending { store: self.store, reservation: self.reservation })
    }

    /// Gives it back at once.
    pub async fn release(self) -> Result<(), StoreError> {
        self.store.release(self.ask.run, self.reservation.id).await.map(drop)
    }
}

/// A call that may be under way. Dropped, it counts as what it may cost at worst: nobody knows what it did.
#[must_use = "what is not settled counts at its worst"]
pub struct Spending {
    store: Arc<dyn Store>,
    reservation: Reservation,
}

impl Spending {
    /// Records what the call cost.
    ///
    /// The answer is paid for and should not be lost for want of a record: where the store does not answer for seconds,
    /// that is logged, and the call will count at its worst.
    pub async fn settle(self, actual: Micros) {
        let id = self.reservation.id;
        let mut pauses = PAUSES.into_iter();
        loop {
            match (self.store.settle(id, actual).await, pauses.next()) {
                (Ok(_), _) => return,
                (Err(StoreError::Unavailable(_)), Some(pause)) => tokio::time::sleep(pause).await,
                (Err(error), _) => {
                    tracing::warn!(reservation = %id, %error, "a call counts at its worst: its cost was not recorded");
                    return;
                }
            }
        }
    }
}

/// Why there is no money for a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfunded {
    /// An account has no room for it.
    #[error("{0}")]
    Short(Shortfall),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Unfunded> for Failure {
    fn from(unfunded: Unfunded) -> Self {
        match unfunded {
            Unfunded::Short(short) if short.for_good() => Self::fatal("max_cost_reached", short.to_string()),
            Unfunded::Short(short) => Self::Unfunded {
                need: Micros::new(short.amount).unwrap_or(Micros::MAX),
                error: JobError::new("budget_exhausted", short.to_string()),
            },
            Unfunded::Store(error) => error.into(),
        }
    }
}
