//! The message broker: a port, and what hands it what happens.

use std::{collections::HashSet, convert::Infallible, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    breakers::{Board, Dependency, Refused},
    id::{JobId, WorkerId},
    metrics::Metrics,
    store::{
        SharedStore, StoreError,
        events::EVERYBODY,
        publications::{Publication, Published},
        retention::Chore,
    },
};

/// Carries messages to whoever subscribed. It keeps what it has taken, and tells repetitions by their ids.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Hands over publications, and answers for each whether the broker has it now.
    async fn publish(&self, publications: &[Publication]) -> Vec<Result<(), BrokerError>>;
}

/// Why the broker has not taken something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// It cannot be reached, or has no room just now: try again.
    #[error("the broker does not take messages: {0}")]
    Unavailable(String),
    /// It will never take this one.
    #[error("the broker refuses the message: {0}")]
    Refused(String),
}

/// Publications handed over between two looks at the store. With payloads as long as they may be, the letters
/// among so many fill 150 MB.
const BATCH: u32 = 200;

/// For how long one process is the one that publishes. Another takes over should it be gone.
const TURN: Duration = Duration::from_secs(10);

/// Between two looks where nothing is waiting, and of those whose turn it is not. Hints make the first shorter.
const NET: Duration = Duration::from_secs(1);
const OTHERS_NET: Duration = Duration::from_secs(5);

/// How long a broker may take over what was handed to it. A trial that takes longer has failed.
const LASTS: Duration = Duration::from_secs(60);

/// Between two tries while the broker is away.
const AWAY: Duration = Duration::from_secs(1);

/// How long the store goes on keeping what happens for a broker of which no process has been told any more,
/// and how often that is renewed.
pub const LISTEN_LEASE: Duration = Duration::from_secs(24 * 3600);
const RENEW: Duration = Duration::from_secs(60);

/// From now on what happens is kept for the broker.
pub async fn listen(store: &dyn crate::store::Store) -> Result<(), StoreError> {
    store.listen(EVERYBODY, LISTEN_LEASE).await.map(|_| ())
}

/// Hands the broker what happens until told to stop. Any number of processes may do so; they take turns, so
/// that what concerns one job arrives in its order.
pub async fn publish(
    store: SharedStore,
    broker: Arc<dyn Broker>,
    breakers: Board,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    let mut publisher = Publisher { store, broker, breakers, metrics, itself: WorkerId::new(), failing: false };
    // Stopping between any two steps is as harmless as a crash there.
    let _: Option<Infallible> = shutdown.run_until_cancelled(publisher.keep_publishing()).await;
    // Others need not wait until its turn is over.
    if let Err(error) = publisher.store.retire(publisher.itself).await {
        tracing::debug!(%error, "the turn at publishing ends by itself");
    }
}

struct Publisher {
    store: SharedStore,
    broker: Arc<dyn Broker>,
    breakers: Board,
    metrics: Metrics,
    /// Whose turn it is.
    itself: WorkerId,
    failing: bool,
}

/// What became of a look.
enum Look {
    /// It is another's turn.
    Others,
    /// All that was waiting is handed over.
    Done,
    /// There is more.
    More,
}

/// Why a look did not get to its end.
#[derive(Debug, thiserror::Error)]
enum Held {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// It did not take what it was given, again and again, or an operator says that it is not to be tried.
    #[error(transparent)]
    LeftAlone(#[from] Refused),
}

impl Publisher {
    async fn keep_publishing(&mut self) -> Infallible {
        let mut renewed: Option<Instant> = None;
        loop {
            if renewed.is_none_or(|at| at.elapsed() > RENEW) && listen(&*self.store).await.is_ok() {
                renewed = Some(Instant::now());
            }
            let net = match self.look().await {
                Ok(look) => {
                    if self.failing {
                        tracing::info!("the broker takes what happens again");
                    }
                    self.failing = false;
                    match look {
                        Look::More => continue,
                        Look::Done => NET,
                        Look::Others => OTHERS_NET,
                    }
                }
                Err(error) => {
                    if !self.failing {
                        tracing::warn!(%error, "what happens waits: the broker is not told of it, trying again");
                    }
                    self.failing = true;
                    AWAY
                }
            };
            let hint = async {
                // A failing broker is given the whole pause, however often there is something to tell it.
                if self.failing { std::future::pending().await } else { self.store.wakes().to_publish().await }
            };
            let _ = tokio::time::timeout(net.mul_f64(rand::random_range(0.8..1.2)), hint).await;
        }
    }

    /// Hands over what is waiting, oldest first, up to the first that is not taken.
    async fn look(&self) -> Result<Look, Held> {
        // Before it takes a turn: another process may be able to reach it.
        let call = self.breakers.call(&Dependency::Nats, LASTS)?;
        if !self.store.take_turn(Chore::Publishing, self.itself, TURN).await? {
            return Ok(Look::Others);
        }
        let waiting = self.store.unpublished(BATCH).await?;
        if waiting.is_empty() {
            return Ok(Look::Done);
        }
        let handed = self.hand_over(&waiting).await;
        call.ended(matches!(handed, Err(Held::Broker(_))));
        handed?;
        Ok(if waiting.len() < BATCH as usize { Look::Done } else { Look::More })
    }

    async fn hand_over(&self, waiting: &[Publication]) -> Result<(), Held> {
        let mut rest = waiting;
        while !rest.is_empty() {
            let (wave, later) = rest.split_at(wave(rest));
            rest = later;
            let answers = self.broker.publish(wave).await;
            let mut taken = Vec::with_capacity(wave.len());
            let mut held = None;
            for (publication, answer) in wave.iter().zip(answers) {
                let id = publication.what.id();
                let outcome = match answer {
                    Ok(()) => {
                        taken.push(id);
                        "taken"
                    }
                    Err(BrokerError::Refused(reason)) => {
                        let (tenant, kind) = (&publication.tenant_id, &publication.kind);
                        tracing::error!(%id, tenant, job.kind = kind, reason, "a message was refused, and is dropped");
                        taken.push(id);
                        "refused"
                    }
                    Err(error) => {
                        held = Some(error);
                        "held"
                    }
                };
                self.count(publication, outcome);
            }
            if !taken.is_empty() {
                self.store.published(&taken).await?;
            }
            if let Some(error) = held {
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn count(&self, publication: &Publication, outcome: &str) {
        let what = match publication.what {
            Published::Event { .. } => "event",
            Published::DeadLetter(_) => "dead_letter",
        };
        self.metrics.published.with_label_values(&[what, outcome]).inc();
    }
}

/// How many of these may be under way together: up to the second about the same job, which must not arrive
/// before the first. A job's letter goes another way than its events.
fn wave(publications: &[Publication]) -> usize {
    let mut jobs: HashSet<(JobId, bool)> = HashSet::new();
    let again = |publication: &Publication| {
        let is_event = matches!(publication.what, Published::Event { .. });
        publication.job_id.is_some_and(|job| !jobs.insert((job, is_event)))
    };
    publications.iter().position(again).unwrap_or(publications.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{DeadLetterId, MessageId};

    #[test]
    fn what_concerns_one_job_goes_one_after_the_other() {
        let [one, other] = [JobId::new(), JobId::new()];
        let of = |job_id, what| Publication {
            what,
            tenant_id: "acme".to_owned(),
            kind: "noop".to_owned(),
            job_id,
            body: "{}".to_owned(),
            trace: None,
        };
        let event = |job| of(job, Published::Event { id: MessageId::new(), state: "dead".to_owned() });
        let letter = |job| of(job, Published::DeadLetter(DeadLetterId::new()));
        let all = [event(Some(one)), letter(Some(one)), event(None), event(None), event(Some(other)), event(Some(one))];
        assert_eq!((wave(&all), wave(&all[1..]), wave(&[])), (5, 5, 0));
    }
}
