//! No function is registered, and none found.

use async_trait::async_trait;
use golden_jobs::{
    audit::Actor,
    functions::{FunctionName, Version},
    store::{
        Page,
        functions::{
            Function, FunctionDeleted, FunctionVersion, Functions, Most, NewVersion, Registered, VersionFacts,
            WhichVersion,
        },
    },
};
use uuid::Uuid;

use super::{Down, Result, down};

#[async_trait]
impl Functions for Down {
    async fn register_function(&self, _: &NewVersion, _: Most, _: &Actor) -> Result<Registered> {
        down()
    }

    async fn functions(&self, _: &str, _: Page<Uuid>) -> Result<Vec<Function>> {
        down()
    }

    async fn function(&self, _: &str, _: &FunctionName) -> Result<Option<Function>> {
        down()
    }

    async fn function_versions(&self, _: &str, _: &FunctionName) -> Result<Vec<VersionFacts>> {
        down()
    }

    async fn function_version(&self, _: &str, _: &FunctionName, _: Version) -> Result<Option<FunctionVersion>> {
        down()
    }

    async fn called_versions(&self, _: &[WhichVersion]) -> Result<Vec<Option<Version>>> {
        down()
    }

    async fn set_live(&self, _: &str, _: &FunctionName, _: Version, _: &Actor) -> Result<bool> {
        down()
    }

    async fn delete_function(
        &self,
        _: &str,
        _: &FunctionName,
        _: Option<Version>,
        _: &Actor,
    ) -> Result<FunctionDeleted> {
        down()
    }
}
