//! Hints between processes.

use std::{sync::Arc, time::Duration};

use golden_jobs::{
    JobId, Role,
    breakers::{self, Board},
    metrics::Metrics,
    wake::{Hint, Wakes},
};
use golden_nats::{Nats, NatsOptions, StreamLimits};
use tokio_util::sync::CancellationToken;

use crate::server::{PATIENCE, Server, until};

/// A process as far as hints go.
async fn process(server: &Server, shutdown: &CancellationToken) -> Wakes {
    let options = NatsOptions { url: server.url(), credentials: None, streams: StreamLimits::default() };
    let nats = Nats::connect(options).await.unwrap();
    tokio::spawn(Arc::clone(&nats).keep(Board::new(breakers::Options::default(), Metrics::new()), shutdown.clone()));
    let wakes = Wakes::default();
    tokio::spawn(Arc::clone(&nats).exchange_hints(wakes.clone(), shutdown.clone()));
    until("NATS is connected", async || nats.ready().is_ok()).await;
    wakes
}

/// Gives a hint again and again, since one may be lost, until it is heard.
async fn until_heard(from: &Wakes, hint: Hint, heard: impl Future<Output = ()>) {
    let give = async {
        loop {
            from.carry(hint);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let heard = tokio::time::timeout(PATIENCE, heard);
    tokio::select! {
        () = give => {}
        heard = heard => heard.expect("the hint is heard"),
    }
}

#[tokio::test]
async fn a_hint_is_heard_by_other_processes_and_not_by_its_own() {
    let mut server = Server::start();
    let shutdown = CancellationToken::new();
    let (one, other) = (process(&server, &shutdown).await, process(&server, &shutdown).await);

    until_heard(&one, Hint::Wake(Role::Sandbox), other.woken(Role::Sandbox)).await;
    until_heard(&other, Hint::Cancel(JobId::new()), one.cancelled()).await;
    server.kill();
    server.start_again();
    until_heard(&other, Hint::Wake(Role::PeerHub), one.woken(Role::PeerHub)).await;

    let own = tokio::time::timeout(Duration::from_millis(50), one.woken(Role::Sandbox)).await;
    assert!(own.is_err(), "it heard itself");
    shutdown.cancel();
}
