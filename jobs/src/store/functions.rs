//! Functions and their versions on record.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Page, StoreError};
use crate::{
    audit::{Act, Actor, acts},
    functions::{FunctionName, Version},
};

/// Functions of a tenant, at most.
pub const FUNCTIONS_LIMIT: u32 = 200;
/// Versions of a function that are kept, at most.
pub const VERSIONS_LIMIT: u32 = 100;

/// The record of functions.
///
/// A version never changes, and its number is never given out again, not even when the function was
/// deleted and there is another one of its name.
#[async_trait]
pub trait Functions: Send + Sync {
    /// Records a version of a function, which may be its first. One that is the same as the newest is
    /// not recorded again.
    async fn register_function(&self, version: &NewVersion, most: Most, by: &Actor) -> Result<Registered, StoreError>;

    /// A tenant's functions, newest first.
    async fn functions(&self, tenant: &str, page: Page<Uuid>) -> Result<Vec<Function>, StoreError>;

    /// One function; `None` when the tenant has no such one.
    async fn function(&self, tenant: &str, name: &FunctionName) -> Result<Option<Function>, StoreError>;

    /// The versions of a function, newest first.
    async fn function_versions(&self, tenant: &str, name: &FunctionName) -> Result<Vec<VersionFacts>, StoreError>;

    /// One version with all it was registered with; `None` when the tenant has no such one.
    async fn function_version(
        &self,
        tenant: &str,
        name: &FunctionName,
        version: Version,
    ) -> Result<Option<FunctionVersion>, StoreError>;

    /// What calls mean, in order: `None` for what there is not.
    async fn called_versions(&self, calls: &[WhichVersion]) -> Result<Vec<Option<Version>>, StoreError>;

    /// Says which version is live. Answers `false`, and changes nothing, where there is no such one.
    async fn set_live(
        &self,
        tenant: &str,
        name: &FunctionName,
        version: Version,
        by: &Actor,
    ) -> Result<bool, StoreError>;

    /// Forgets one version, or all of a function, unless jobs of it are open. Ended jobs stay.
    async fn delete_function(
        &self,
        tenant: &str,
        name: &FunctionName,
        version: Option<Version>,
        by: &Actor,
    ) -> Result<FunctionDeleted, StoreError>;
}

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Functions of the tenant.
    pub functions: u32,
    /// Versions of the function.
    pub versions: u32,
}

impl Default for Most {
    fn default() -> Self {
        Self { functions: FUNCTIONS_LIMIT, versions: VERSIONS_LIMIT }
    }
}

/// A version to record.
#[derive(Debug, Clone)]
pub struct NewVersion {
    pub tenant_id: String,
    pub name: FunctionName,
    /// A [`Definition`](crate::functions::Definition): the store does not look.
    pub definition: Box<RawValue>,
    /// The same for the same definition.
    pub digest: [u8; 32],
    /// Of the definition, for lists.
    pub language: String,
    /// Of its files, in bytes.
    pub size: u64,
    /// Who registered it, for the record.
    pub created_by: String,
    /// Whether it is live at once. The first version of a function always is.
    pub live: bool,
}

/// What [`Functions::register_function`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    New(Version),
    /// It is what the newest version is already. Whether it is live was settled anew.
    Same(Version),
    /// The tenant has as many functions as it may.
    TooManyFunctions,
    /// The function has as many versions as it may.
    TooManyVersions,
}

/// A function as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// For the order of lists.
    pub id: Uuid,
    pub tenant_id: String,
    pub name: FunctionName,
    /// The version that `fn.NAME` means.
    pub live: Version,
    /// The newest number that was given out. That version may be deleted.
    pub newest: Version,
    pub created_at: DateTime<Utc>,
    /// When a version was registered or went live last.
    pub updated_at: DateTime<Utc>,
}

/// What is told of a version in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionFacts {
    pub version: Version,
    pub language: String,
    /// Of its files, in bytes.
    pub size: u64,
    pub digest: [u8; 32],
    pub created_by: String,
    pub created_at: DateTime<Utc>,
}

/// A version as it is on record.
#[derive(Debug, Clone)]
pub struct FunctionVersion {
    pub facts: VersionFacts,
    pub definition: Box<RawValue>,
    /// Whether `fn.NAME` means it now.
    pub live: bool,
}

/// What a call names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhichVersion {
    pub tenant_id: String,
    pub name: FunctionName,
    /// `None` is the live one.
    pub version: Option<Version>,
}

/// What [`Functions::delete_function`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionDeleted {
    Gone,
    /// The tenant has no such function, or the function no such version.
    NoSuch,
    /// The version is the live one.
    Live,
    /// Jobs of it are open.
    Busy,
}

/// What is on record of a function before a version of it is registered.
pub(super) struct Before {
    /// `None` where there is no function of that name, though there may have been one.
    pub live: Option<Version>,
    /// The newest number that was given out; 0 where none was.
    pub last: u32,
    /// What that version is, if it is kept.
    pub newest: Option<Vec<u8>>,
    /// Versions that are kept.
    pub versions: u64,
    /// Functions of the tenant.
    pub functions: u64,
}

/// What is to be done to register a version.
pub(super) enum Step {
    /// Nothing: this is the answer.
    Refuse(Registered),
    /// Make the newest version live where it is to be, and answer it.
    Repeat(Version),
    /// Record it under this number.
    Record(Version),
}

impl Before {
    /// The same on every database.
    pub(super) fn step(&self, version: &NewVersion, most: Most) -> Step {
        if let Ok(last) = Version::new(self.last)
            && self.live.is_some()
            && self.newest.as_deref() == Some(&version.digest[..])
        {
            return Step::Repeat(last);
        }
        if self.live.is_none() && self.functions >= u64::from(most.functions) {
            return Step::Refuse(Registered::TooManyFunctions);
        }
        match Version::new(self.last.saturating_add(1)) {
            Ok(next) if self.versions < u64::from(most.versions) => Step::Record(next),
            _ => Step::Refuse(Registered::TooManyVersions),
        }
    }

    /// What there is to record of it, if it changed anything; `live` is the version that is live from now on.
    pub(super) fn act(&self, new: &NewVersion, answer: Registered, live: Version) -> Option<Act> {
        match answer {
            Registered::New(version) => Some(acts::registered(new, version, live == version)),
            Registered::Same(_) if self.live != Some(live) => Some(acts::made_live(&new.name, live)),
            Registered::Same(_) | Registered::TooManyFunctions | Registered::TooManyVersions => None,
        }
    }

    /// Which version is live once `version` is on record.
    pub(super) fn live_after(&self, version: Version, wanted: bool) -> Version {
        self.live.filter(|_| !wanted).unwrap_or(version)
    }
}

/// The kind of the jobs that a deletion would leave without their program: as a filter, `fn.NAME` means
/// those of all versions.
pub(super) fn kind_of(name: &FunctionName, version: Option<Version>) -> String {
    version.map_or_else(|| name.kind(), |version| name.kind_at(version))
}
