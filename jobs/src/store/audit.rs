//! The audit log on record.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{LOOK, StoreError};
use crate::audit::{self, Act, Action, Actor, Entry, Head, SignedHead};

/// The record of who changed what: a chain of entries for each tenant, and one for the installation.
///
/// Verbs that change what is audited write their entry themselves, in their transaction; entries are never
/// changed or removed, not even with their tenant.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Records acts that leave nothing else on record, in this order.
    async fn record_acts(&self, chain: &ChainName, acts: &[(Actor, Act)]) -> Result<(), StoreError>;

    /// Where a chain ends. One that has no entry ends at [`Head::EMPTY`].
    async fn audit_head(&self, chain: &ChainName) -> Result<Head, StoreError>;

    /// Entries newest first. A page takes no longer where few match or none: at most [`LOOK`] are looked
    /// at for it.
    async fn audit_log(&self, filter: &AuditFilter, page: AuditPage) -> Result<AuditEntries, StoreError>;

    /// Entries as they are chained, those after `after`.
    async fn audit_chain(&self, chain: &ChainName, after: u64, limit: u32) -> Result<Vec<Entry>, StoreError>;

    /// Up to `limit` chains that have `rows` entries since a head of theirs was signed, or any that is older than `age`.
    async fn due_heads(&self, rows: u64, age: Duration, limit: u32) -> Result<Vec<DueHead>, StoreError>;

    /// Records a head that was signed. Answers `false`, and changes nothing, where that entry's was signed before.
    async fn publish_head(&self, head: &SignedHead) -> Result<bool, StoreError>;

    /// Signed heads of a chain, in order, those of the entries from number `from` on.
    async fn signed_heads(&self, chain: &ChainName, from: u64, limit: u32) -> Result<Vec<SignedHead>, StoreError>;

    /// The head that was signed last.
    async fn last_signed_head(&self, chain: &ChainName) -> Result<Option<SignedHead>, StoreError>;
}

/// A head that waits to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueHead {
    pub chain: ChainName,
    pub head: Head,
    /// The time by the store's clock.
    pub at: DateTime<Utc>,
}

/// Whose chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChainName {
    /// `None` is the installation, with what all tenants share.
    pub tenant_id: Option<String>,
}

impl ChainName {
    pub const INSTALLATION: Self = Self { tenant_id: None };

    pub fn of(tenant: &str) -> Self {
        Self { tenant_id: Some(tenant.to_owned()) }
    }

    /// What [`key`](Self::key) stands for.
    pub(super) fn read(key: String) -> Self {
        Self { tenant_id: Some(key).filter(|tenant| !tenant.is_empty()) }
    }

    /// As it is stored: no tenant's name is empty.
    pub(super) fn key(&self) -> &str {
        self.tenant_id.as_deref().unwrap_or_default()
    }
}

/// Which entries of a chain to list. Absent means any.
#[derive(Debug, Clone)]
pub struct AuditFilter {
    pub chain: ChainName,
    pub action: Option<Action>,
    /// The whole of an entry's `actor`.
    pub actor: Option<String>,
    /// At this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Before this time.
    pub until: Option<DateTime<Utc>>,
}

/// A stretch of a list of entries.
#[derive(Debug, Clone, Copy)]
pub struct AuditPage {
    /// Those before this number; `None` begins with the newest.
    pub before: Option<u64>,
    pub limit: u32,
}

/// What was found for a page.
#[derive(Debug, Clone, Default)]
pub struct AuditEntries {
    pub entries: Vec<Entry>,
    /// Where looking ended before the page was full: there may be more below this one.
    pub looked_to: Option<u64>,
}

/// The numbers that are looked at for a page: there are no gaps among them.
pub(super) struct Stretch {
    pub below: u64,
    pub from: u64,
}

impl Stretch {
    pub(super) fn of(page: AuditPage, head: Head) -> Self {
        let end = head.seq.saturating_add(1);
        let below = page.before.map_or(end, |before| before.min(end));
        Self { below, from: below.saturating_sub(u64::from(LOOK)) }
    }

    pub(super) fn page(&self, entries: Vec<Entry>, page: AuditPage) -> AuditEntries {
        let full = u32::try_from(entries.len()).is_ok_and(|found| found >= page.limit);
        AuditEntries { entries, looked_to: Some(self.from).filter(|from| !full && *from > 1) }
    }
}

/// The entries that acts come to at a time, and the head that they leave.
pub(super) fn chained(
    mut head: Head,
    chain: &ChainName,
    acts: &[(&Actor, &Act)],
    at: DateTime<Utc>,
) -> (Vec<Entry>, Head) {
    let mut entries = Vec::with_capacity(acts.len());
    for (by, act) in acts {
        let payload = audit::chain::payload(chain.tenant_id.as_deref(), by, act, at);
        let (entry, next) = head.followed_by(payload);
        entries.push(entry);
        head = next;
    }
    (entries, head)
}
