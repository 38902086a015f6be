//! What befalls the cluster.

use std::time::Duration;

use rand::{Rng, rngs::StdRng};
use serde_json::Value;
use tokio::time::sleep;

use crate::{cluster::Cluster, ledger::told::Told, support::free_port};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    KillWorker,
    DrainWorker,
    FreezeWorker,
    KillApi,
    RestartPostgres,
    WipeNats,
    WipeRedis,
}

impl Fault {
    /// Each once, and the one that is met most often twice.
    pub(crate) const ALL: [Self; 8] = [
        Self::KillWorker,
        Self::DrainWorker,
        Self::FreezeWorker,
        Self::KillApi,
        Self::RestartPostgres,
        Self::WipeNats,
        Self::WipeRedis,
        Self::KillWorker,
    ];

    /// Lets it happen and mends it; says what was done.
    pub(crate) async fn befall(self, cluster: &mut Cluster, told: &mut Told, dice: &mut StdRng) -> String {
        let chosen = dice.random_range(0..cluster.workers.len());
        match self {
            Self::KillWorker => {
                let held = cluster.held(chosen).await;
                let worker = cluster.let_go(chosen).await;
                worker.signal("-KILL");
                drop(worker);
                cluster.hire().await;
                format!("worker killed (-9) that held {held} runs, another started")
            }
            Self::DrainWorker => {
                let held = cluster.held(chosen).await;
                let worker = cluster.let_go(chosen).await;
                let status = worker.terminate().await;
                assert_eq!(status, Some(0), "a worker that drains ends well");
                cluster.hire().await;
                format!("worker asked to end (SIGTERM) that held {held} runs: exit 0, another started")
            }
            Self::FreezeWorker => {
                let held = cluster.held(chosen).await;
                let time = Duration::from_secs(dice.random_range(25..=40));
                cluster.workers[chosen].process.signal("-STOP");
                sleep(time).await;
                cluster.workers[chosen].process.signal("-CONT");
                cluster.until_it_beats(chosen).await;
                // The others have 30 s to notice.
                let noticed = cluster.workers[chosen].process.log().contains("taken for lost");
                let found =
                    if noticed { "it found itself taken for lost" } else { "it was back before that was noticed" };
                format!("worker frozen (SIGSTOP) for {time:?} that held {held} runs: {found}")
            }
            Self::KillApi => {
                let which = dice.random_range(0..2);
                cluster.kill_api(which);
                sleep(Duration::from_secs(1)).await;
                cluster.start_api(which);
                format!("API {} killed (-9), started again after 1 s", which + 1)
            }
            Self::RestartPostgres => {
                let (mode, signal) = if dice.random_bool(0.5) { ("fast", "-INT") } else { ("immediate", "-QUIT") };
                cluster.postgres.stop(signal).await;
                sleep(Duration::from_secs(1)).await;
                cluster.postgres.start_again().await;
                format!("PostgreSQL stopped ({mode}), started again after 1 s")
            }
            Self::WipeNats => {
                cluster.nats.kill();
                // What it had said that it has is gone with the disk, and nobody could have read the last of it. So it
                // is read now, from a server on the same disk at an address that Golden does not know.
                let port = std::mem::replace(&mut cluster.nats.port, free_port());
                cluster.nats.start_again();
                let (events, letters) = streams(cluster).await;
                let count = events.len();
                told.hear(events, letters);
                cluster.nats.wipe();
                cluster.nats.port = port;
                cluster.nats.start_again();
                format!("NATS killed (-9) with {count} events, its disk wiped, started again")
            }
            Self::WipeRedis => {
                cluster.redis.wipe();
                let before = cluster.dispatched().await;
                let wiped = cluster.until_redis_hands_out(before.through).await;
                cluster.redis.kill();
                sleep(Duration::from_secs(3)).await;
                let away = cluster.dispatched().await;
                cluster.redis.start_again();
                let back = cluster.until_redis_hands_out(away.through).await;
                let past = away.past - before.past;
                format!(
                    "Redis wiped, jobs through it again after {wiped:.1?}; killed (-9), {past} claims past it, started \
                     again after 3 s, jobs through it again after {back:.1?}"
                )
            }
        }
    }
}

/// Events and dead letters that NATS has.
pub(crate) async fn streams(cluster: &Cluster) -> (Vec<Value>, Vec<Value>) {
    (cluster.messages("GOLDEN_EVENTS").await, cluster.messages("GOLDEN_DLQ").await)
}
