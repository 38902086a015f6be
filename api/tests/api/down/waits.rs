//! Nobody is told to go on.

use async_trait::async_trait;
use golden_jobs::{
    JobId,
    store::{Family, Waits},
};

use super::{Down, Result, down};

#[async_trait]
impl Waits for Down {
    async fn resume_jobs(&self, _: &[JobId]) -> Result<Vec<JobId>> {
        down()
    }

    async fn family(&self, _: JobId) -> Result<Family> {
        down()
    }

    async fn tree_cost(&self, _: JobId) -> Result<i64> {
        down()
    }
}
