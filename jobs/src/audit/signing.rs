//! Signs the heads of chains, and says so where others keep it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::head::SigningKey;
use crate::store::{SharedStore, StoreError, audit::DueHead};

/// So many entries, or the first of them so old, and a head is signed.
pub const ROWS: u64 = 1000;
pub const AGE: Duration = Duration::from_secs(600);

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(10);
/// Chains of one look.
const CHAINS: u32 = 100;

/// Signs until told to stop. Any number of processes may do so: a head is signed once.
pub async fn keep_signing(store: SharedStore, key: SigningKey, shutdown: CancellationToken) {
    tracing::info!(target: "audit", key = %key.public(), "heads of the audit log are signed");
    while shutdown.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
        if let Err(error) = sign_due(&store, &key, ROWS, AGE).await {
            tracing::warn!(target: "audit", %error, "heads of the audit log were not signed");
        }
    }
}

/// Signs the heads of the chains that have `rows` entries since their last one was signed, or any that is older than
/// `age`. Answers how many this call signed.
pub async fn sign_due(store: &SharedStore, key: &SigningKey, rows: u64, age: Duration) -> Result<usize, StoreError> {
    let mut signed = 0;
    loop {
        let due = store.due_heads(rows, age, CHAINS).await?;
        let found = due.len();
        for DueHead { chain, head, at } in due {
            let head = key.sign(chain.tenant_id.as_deref(), head, at);
            // As JSON, which `golden audit verify --heads` reads from the logs. Said before it is on record: a head that
            // is said twice does no harm, and one that never was is of no use.
            let said = serde_json::to_string(&head).unwrap_or_default();
            tracing::info!(target: "audit", head = said, "the head of an audit chain was signed");
            signed += usize::from(store.publish_head(&head).await?);
        }
        if found < CHAINS as usize {
            return Ok(signed);
        }
    }
}
