//! Nothing is judged.

use async_trait::async_trait;
use golden_jobs::{
    ReviewId,
    audit::Actor,
    reviews::{Ballot, Cast, Opening, Review},
    store::{
        Page, Reviews,
        reviews::{Decided, Decision, Opened, ReviewFilter, ReviewPage},
    },
};

use super::{Down, Result, down};

#[async_trait]
impl Reviews for Down {
    async fn open_review(&self, _: &Opening) -> Result<Opened> {
        down()
    }

    async fn cast(&self, _: &str, _: ReviewId, _: &Ballot) -> Result<Option<(Cast, Review)>> {
        down()
    }

    async fn advance_review(&self, _: &str, _: ReviewId) -> Result<Option<Review>> {
        down()
    }

    async fn decide_review(&self, _: &Decision, _: &Actor) -> Result<Decided> {
        down()
    }

    async fn review(&self, _: &str, _: ReviewId) -> Result<Option<Review>> {
        down()
    }

    async fn reviews(&self, _: &ReviewFilter, _: Page<ReviewId>) -> Result<ReviewPage> {
        down()
    }
}
