//! Functions as clients see them.

use chrono::{DateTime, Utc};
use golden_jobs::{
    functions::{Definition, FunctionName, Version},
    store::functions::{Function, FunctionVersion, VersionFacts},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::example;

/// A program to be called as the kind `fn.NAME`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Function", example = example::function())]
pub(crate) struct FunctionResource {
    name: FunctionName,
    tenant: String,
    /// What jobs that call its live version are submitted as.
    kind: String,
    /// The version that this kind means.
    live: Version,
    /// The newest number that was given out.
    newest: Version,
    /// Those that are kept, the newest first. Only where one function is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Vec<VersionResource>>,
    created_at: DateTime<Utc>,
    /// When a version was registered or went live last.
    updated_at: DateTime<Utc>,
    links: FunctionLinks,
}

/// A version of a function.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FunctionVersion", example = example::function_version())]
pub(crate) struct VersionResource {
    function: FunctionName,
    version: Version,
    /// What jobs that call this version are submitted as, and what all its jobs have as their kind.
    kind: String,
    /// Whether `fn.NAME` means it.
    live: bool,
    /// Of the program, or the name of the image that was asked for instead.
    language: String,
    /// Of its files, in bytes.
    size: u64,
    /// SHA-256 of what it was registered with, as canonical JSON.
    digest: String,
    /// The subject of the token that registered it.
    created_by: String,
    created_at: DateTime<Utc>,
    links: FunctionLinks,
}

/// A version with all that it was registered with.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FunctionVersionWithDefinition", example = example::function_version_with_definition())]
pub(crate) struct VersionWithDefinition {
    #[serde(flatten)]
    version: VersionResource,
    #[schemars(with = "Definition")]
    definition: Box<RawValue>,
}

/// Paths of what belongs to it.
#[derive(Debug, Serialize, JsonSchema)]
struct FunctionLinks {
    #[serde(rename = "self")]
    itself: String,
    jobs: String,
}

fn function_path(name: &FunctionName) -> String {
    format!("/v1/functions/{name}")
}

/// Where a version is read.
pub(crate) fn version_path(name: &FunctionName, version: Version) -> String {
    format!("{}/versions/{version}", function_path(name))
}

impl FunctionResource {
    pub(crate) fn with_versions(function: Function, versions: Vec<VersionFacts>) -> Self {
        let resource = |facts: VersionFacts| {
            let live = facts.version == function.live;
            VersionResource::new(&function.name, facts, live)
        };
        let versions = versions.into_iter().map(resource).collect();
        Self { versions: Some(versions), ..Self::from(function) }
    }
}

impl From<Function> for FunctionResource {
    fn from(function: Function) -> Self {
        let kind = function.name.kind();
        Self {
            links: FunctionLinks { itself: function_path(&function.name), jobs: format!("/v1/jobs?kind={kind}") },
            kind,
            name: function.name,
            tenant: function.tenant_id,
            live: function.live,
            newest: function.newest,
            versions: None,
            created_at: function.created_at,
            updated_at: function.updated_at,
        }
    }
}

impl VersionResource {
    pub(crate) fn new(name: &FunctionName, facts: VersionFacts, live: bool) -> Self {
        let kind = name.kind_at(facts.version);
        Self {
            links: FunctionLinks { itself: version_path(name, facts.version), jobs: format!("/v1/jobs?kind={kind}") },
            kind,
            function: name.clone(),
            version: facts.version,
            live,
            language: facts.language,
            size: facts.size,
            digest: facts.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            created_by: facts.created_by,
            created_at: facts.created_at,
        }
    }
}

impl VersionWithDefinition {
    pub(crate) fn new(name: &FunctionName, version: FunctionVersion) -> Self {
        let FunctionVersion { facts, definition, live } = version;
        Self { version: VersionResource::new(name, facts, live), definition }
    }
}
