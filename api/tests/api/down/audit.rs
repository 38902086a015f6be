//! No entry is written, and none read.

use std::time::Duration;

use async_trait::async_trait;
use golden_jobs::{
    audit::{Act, Actor, Entry, Head, SignedHead},
    store::audit::{Audit, AuditEntries, AuditFilter, AuditPage, ChainName, DueHead},
};

use super::{Down, Result, down};

#[async_trait]
impl Audit for Down {
    async fn record_acts(&self, _: &ChainName, _: &[(Actor, Act)]) -> Result<()> {
        down()
    }

    async fn audit_head(&self, _: &ChainName) -> Result<Head> {
        down()
    }

    async fn audit_log(&self, _: &AuditFilter, _: AuditPage) -> Result<AuditEntries> {
        down()
    }

    async fn audit_chain(&self, _: &ChainName, _: u64, _: u32) -> Result<Vec<Entry>> {
        down()
    }

    async fn due_heads(&self, _: u64, _: Duration, _: u32) -> Result<Vec<DueHead>> {
        down()
    }

    async fn publish_head(&self, _: &SignedHead) -> Result<bool> {
        down()
    }

    async fn signed_heads(&self, _: &ChainName, _: u64, _: u32) -> Result<Vec<SignedHead>> {
        down()
    }

    async fn last_signed_head(&self, _: &ChainName) -> Result<Option<SignedHead>> {
        down()
    }
}
