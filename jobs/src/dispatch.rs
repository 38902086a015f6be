//! Where the pools of a process learn which jobs to claim.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    id::WorkerId,
    role::Role,
    store::{Claimed, Store, StoreError},
};

/// Hands ready jobs to pools, which do not know whence it has them.
///
/// Whatever that is: a job is leased by the store, and what anybody else says of it is a hint.
#[async_trait]
pub trait Dispatch: fmt::Debug + Send + Sync {
    /// Leases up to `limit` ready jobs of `role`, each to one worker only; none where it knows of none.
    async fn claim(&self, role: Role, limit: u32, worker: WorkerId) -> Result<Vec<Claimed>, StoreError>;

    /// Waits until there may be work for `role` again, for one pool of this process. What is waited for
    /// is not lost when the waiter goes away in between.
    async fn woken(&self, role: Role);

    /// What has to go on beside the pools of these roles. It ends only with a fault.
    async fn keep(&self, roles: Vec<Role>);

    /// Leaves to other processes what this one held, once its pools have drained.
    async fn leave(&self);
}

/// Straight from the store, as it says when there may be work.
pub struct FromStore(pub Arc<dyn Store>);

impl fmt::Debug for FromStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromStore")
    }
}

#[async_trait]
impl Dispatch for FromStore {
    async fn claim(&self, role: Role, limit: u32, worker: WorkerId) -> Result<Vec<Claimed>, StoreError> {
        self.0.claim(role, limit, worker).await
    }

    async fn woken(&self, role: Role) {
        self.0.wakes().woken(role).await;
    }

    async fn keep(&self, _: Vec<Role>) {
        std::future::pending().await
    }

    async fn leave(&self) {}
}
