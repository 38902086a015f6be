//! No worker is heard, and none has work.

use std::time::Duration;

use async_trait::async_trait;
use golden_jobs::{
    JobId, Role, WorkerId,
    audit::Actor,
    store::{Claimed, Heard, HeldRun, LostRun, Ready, ReadyJob, UnderWay, WorkerInfo, Workers},
};

use super::{Down, Result, down};

#[async_trait]
impl Workers for Down {
    async fn heartbeat(&self, _: &WorkerInfo) -> Result<Heard> {
        down()
    }

    async fn retire(&self, _: WorkerId) -> Result<()> {
        down()
    }

    async fn lost(&self, _: Duration, _: u32) -> Result<Vec<LostRun>> {
        down()
    }

    async fn held(&self, _: WorkerId) -> Result<Vec<HeldRun>> {
        down()
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        down()
    }

    async fn drain(&self, _: WorkerId, _: &Actor) -> Result<bool> {
        down()
    }

    async fn under_way(&self, _: Option<WorkerId>, _: Option<&str>, _: u32) -> Result<Vec<UnderWay>> {
        down()
    }
}

#[async_trait]
impl Ready for Down {
    async fn ready(&self, _: Role, _: Option<ReadyJob>, _: u32) -> Result<Vec<ReadyJob>> {
        down()
    }

    async fn claim_ready(&self, _: Role, _: &[JobId], _: WorkerId) -> Result<Vec<Claimed>> {
        down()
    }
}
