//! What this process's breakers found goes to the others, and what the others found comes here.

use std::time::Duration;

use super::board::Board;
use crate::{id::WorkerId, store::SharedStore};

/// How often to look what the others say. One statement a process, as long as there is nothing.
const LOOK: Duration = Duration::from_secs(5);
/// A dependency that goes away opens the breakers of its callers in the same moment: they are told of together.
const GATHER: Duration = Duration::from_millis(100);

/// Shares findings as they come, and looks for those of the others, for as long as it is polled. `itself` is who this
/// process is to them: its votes count while a worker of that id lives.
pub async fn keep_sharing(store: SharedStore, itself: impl Fn() -> WorkerId + Send, breakers: Board) {
    loop {
        tokio::select! {
            () = breakers.stirred() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(LOOK.mul_f64(rand::random_range(0.8..1.2))) => {}
        }
        let worker = itself();
        let findings = breakers.findings(worker);
        if let Err(error) = store.vote(worker, &findings).await {
            tracing::warn!(%error, "what the circuit breakers found is not shared yet");
            breakers.keep(findings);
        }
        match store.breakers(Some(worker)).await {
            Ok(shared) => breakers.hear(&shared),
            Err(error) => {
                tracing::warn!(%error, "what others say of dependencies is not known: going by what is known here");
                breakers.show();
            }
        }
    }
}
