//! No slot is fired.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use golden_jobs::{
    ScheduleId,
    audit::Actor,
    store::{
        Page,
        schedules::{Changed, Created, Firing, NewSchedule, Schedule, Schedules, WhichSchedule, Written},
    },
};

use super::{Down, Result, down};

#[async_trait]
impl Schedules for Down {
    async fn create_schedule(&self, _: &NewSchedule, _: u32, _: &Actor) -> Result<Created> {
        down()
    }

    async fn schedule(&self, _: &str, _: &WhichSchedule) -> Result<Option<Schedule>> {
        down()
    }

    async fn schedules(&self, _: &str, _: Page<ScheduleId>) -> Result<Vec<Schedule>> {
        down()
    }

    async fn change_schedule(&self, _: &Schedule, _: &Actor) -> Result<Changed> {
        down()
    }

    async fn delete_schedule(&self, _: &str, _: ScheduleId, _: &Actor) -> Result<bool> {
        down()
    }

    async fn due_schedules(&self, _: DateTime<Utc>, _: u32) -> Result<Vec<Schedule>> {
        down()
    }

    async fn fire(&self, _: &[Firing]) -> Result<Vec<Written>> {
        down()
    }
}
