//! A store that does not answer.

mod escalations;
mod policies;
mod reviews;
mod waits;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use golden_jobs::store::{
    Chore, Idempotency, JobPage, Keep, Pruned, Retention,
    batch::{Batches, InsertedBatch, NewBatch},
};
use golden_jobs::{
    DeadLetterId, EndpointId, JobId, MessageId, ReservationId, Role, ScheduleId, WorkerId,
    audit::{Act, Actor, Entry, Head, SignedHead},
    breakers::Dependency,
    budgets::Micros,
    functions::{FunctionName, Version},
    record::{Attempt, JobRecord},
    store::{
        Claimed, DeadLetterFilter, DeadLetterPage, Deleted, Depths, Glance, Heard, HeldRun, Inserted, JobFilter,
        JobSummary, LogAppend, LogKept, LogLine, LogSlice, Logs, LostRun, NewJob, Page, Promoted, Queue, QueueName,
        Queues, Quota, Ready, ReadyJob, Replay, Report, Retried, Run, RunEnd, Store, StoreError, Tenant, Tenants,
        Terms, TermsChange, UnderWay, Watch, WorkerInfo, Workers,
        audit::{Audit, AuditEntries, AuditFilter, AuditPage, ChainName, DueHead},
        breakers::{Breakers, Said, SharedBreakers, Vote},
        budgets::{Ask, Budget, BudgetFigures, BudgetTerms, Budgets, Imbalance, Reaped, Reserved},
        callbacks::{CallbackRotated, CallbackSecrets, Callbacks},
        deliveries::{Deliveries, Delivery, DeliveryAttempt, DeliveryFilter, DeliveryPage, NewAttempt, NewDelivery},
        endpoints::{Endpoint, EndpointChange, EndpointSettings, Endpoints, Rotated, Target},
        events::{Event, Events, Telling},
        functions::{
            Function, FunctionDeleted, FunctionVersion, Functions, Most, NewVersion, Registered, VersionFacts,
            WhichVersion,
        },
        messages::{MessageLetter, Messages},
        publications::{Publication, Publications},
        schedules::{Changed, Created, Firing, NewSchedule, Schedule, Schedules, WhichSchedule, Written},
    },
    wake::Wakes,
};
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Down(Wakes);

type Result<T> = std::result::Result<T, StoreError>;

fn down<T>() -> Result<T> {
    Err(StoreError::Unavailable("connecting to 10.0.0.7 timed out".into()))
}

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

#[async_trait]
impl Messages for Down {
    async fn bury_message(&self, _: &MessageLetter) -> Result<()> {
        down()
    }

    async fn resubmitted(&self, _: &str, _: DeadLetterId, _: JobId, _: &Actor) -> Result<bool> {
        down()
    }
}

#[async_trait]
impl Publications for Down {
    async fn unpublished(&self, _: u32) -> Result<Vec<Publication>> {
        down()
    }

    async fn published(&self, _: &[Uuid]) -> Result<()> {
        down()
    }
}

#[async_trait]
impl Queues for Down {
    async fn queues(&self, _: &str) -> Result<Vec<Queue>> {
        down()
    }

    async fn pause(&self, _: &QueueName, _: &Actor) -> Result<()> {
        down()
    }

    async fn resume(&self, _: &QueueName, _: &Actor) -> Result<()> {
        down()
    }

    async fn limit(&self, _: Role, _: &str, _: Quota, _: &Actor) -> Result<()> {
        down()
    }
}

#[async_trait]
impl Breakers for Down {
    async fn vote(&self, _: WorkerId, _: &[Vote]) -> Result<()> {
        down()
    }

    async fn breakers(&self, _: Option<WorkerId>) -> Result<SharedBreakers> {
        down()
    }

    async fn lease_trial(&self, _: WorkerId, _: &Dependency, _: Duration) -> Result<bool> {
        down()
    }

    async fn say(&self, _: &Dependency, _: &Said, _: &Actor) -> Result<()> {
        down()
    }

    async fn reset_breakers(&self, _: Option<&Dependency>, _: &Actor) -> Result<()> {
        down()
    }
}

#[async_trait]
impl Budgets for Down {
    async fn budget(&self, _: &str) -> Result<Budget> {
        down()
    }

    async fn budgets(&self, _: Option<&str>, _: u32) -> Result<Vec<Budget>> {
        down()
    }

    async fn budget_figures(&self, _: u32) -> Result<Vec<BudgetFigures>> {
        down()
    }

    async fn imbalance(&self) -> Result<Imbalance> {
        down()
    }

    async fn set_budget(&self, _: &str, _: &BudgetTerms, _: &Actor) -> Result<Budget> {
        down()
    }

    async fn reserve(&self, _: &Ask) -> Result<Reserved> {
        down()
    }

    async fn dispatch(&self, _: Run, _: ReservationId) -> Result<()> {
        down()
    }

    async fn settle(&self, _: ReservationId, _: Micros) -> Result<bool> {
        down()
    }

    async fn release(&self, _: Run, _: ReservationId) -> Result<bool> {
        down()
    }

    async fn fund(&self, _: u32) -> Result<u64> {
        down()
    }

    async fn reap_reservations(&self, _: Duration, _: u32) -> Result<Reaped> {
        down()
    }
}

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
impl Tenants for Down {
    async fn tenant(&self, _: &str) -> Result<Option<Tenant>> {
        down()
    }

    async fn tenants(&self, _: Option<&str>, _: u32) -> Result<Vec<Tenant>> {
        down()
    }

    async fn create_tenant(&self, _: &str, _: &Terms, _: &Actor) -> Result<bool> {
        down()
    }

    async fn set_terms(&self, _: &str, _: &TermsChange, _: &Actor) -> Result<Option<Tenant>> {
        down()
    }

    async fn delete_tenant(&self, _: &str, _: &Actor) -> Result<Deleted> {
        down()
    }
}

#[async_trait]
impl Logs for Down {
    async fn append_logs(&self, _: Vec<LogAppend>) -> Result<Vec<LogKept>> {
        down()
    }

    async fn logs(&self, _: JobId, _: LogSlice) -> Result<Vec<LogLine>> {
        down()
    }

    async fn log_tails(&self, _: &[(JobId, u64)], _: u32) -> Result<Vec<(JobId, LogLine)>> {
        down()
    }
}

#[async_trait]
impl Watch for Down {
    async fn glances(&self, _: &[JobId]) -> Result<Vec<Glance>> {
        down()
    }

    async fn records(&self, _: &[JobId]) -> Result<Vec<JobRecord>> {
        down()
    }
}

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

#[async_trait]
impl Ready for Down {
    async fn ready(&self, _: Role, _: Option<ReadyJob>, _: u32) -> Result<Vec<ReadyJob>> {
        down()
    }

    async fn claim_ready(&self, _: Role, _: &[JobId], _: WorkerId) -> Result<Vec<Claimed>> {
        down()
    }
}

#[async_trait]
impl Store for Down {
    async fn insert(&self, _: Vec<NewJob>) -> Result<Vec<Inserted>> {
        down()
    }

    async fn claim(&self, _: Role, _: u32, _: WorkerId) -> Result<Vec<Claimed>> {
        down()
    }

    async fn finish(&self, _: Vec<RunEnd>) -> Result<Vec<Run>> {
        down()
    }

    async fn report(&self, _: Vec<Report>) -> Result<Vec<Run>> {
        down()
    }

    async fn promote(&self, _: u32) -> Result<Promoted> {
        down()
    }

    async fn cancel(&self, _: &str, _: JobId, _: &Actor) -> Result<Option<bool>> {
        down()
    }

    async fn retry(&self, _: &str, _: JobId, _: &Actor) -> Result<Retried> {
        down()
    }

    async fn job(&self, _: &str, _: JobId) -> Result<Option<JobRecord>> {
        down()
    }

    async fn jobs(&self, _: &JobFilter, _: Page<JobId>) -> Result<JobPage> {
        down()
    }

    async fn knows(&self, _: &str, _: &Idempotency) -> Result<bool> {
        down()
    }

    async fn ended(&self, _: &[JobId]) -> Result<Vec<JobId>> {
        down()
    }

    async fn summaries(&self, _: &[JobId]) -> Result<Vec<JobSummary>> {
        down()
    }

    async fn children(&self, _: JobId) -> Result<Vec<JobRecord>> {
        down()
    }

    async fn attempts(&self, _: JobId) -> Result<Vec<Attempt>> {
        down()
    }

    async fn dead_letters(&self, _: &DeadLetterFilter, _: Page<DeadLetterId>) -> Result<DeadLetterPage> {
        down()
    }

    async fn count_dead_letters(&self, _: &DeadLetterFilter) -> Result<u64> {
        down()
    }

    async fn replay(&self, _: &Replay, _: u32) -> Result<Vec<JobId>> {
        down()
    }

    async fn purge(&self, _: &DeadLetterFilter, _: &Actor, _: u32) -> Result<u64> {
        down()
    }

    async fn depths(&self) -> Result<Depths> {
        down()
    }

    async fn time(&self) -> Result<DateTime<Utc>> {
        down()
    }

    async fn ping(&self) -> Result<()> {
        down()
    }

    fn wakes(&self) -> &Wakes {
        &self.0
    }
}

#[async_trait]
impl Events for Down {
    async fn listen(&self, _: &str, _: Duration) -> Result<bool> {
        down()
    }

    async fn pass_on(&self, _: u32, _: &Telling) -> Result<usize> {
        down()
    }

    async fn events_after(&self, _: &str, _: u64, _: u32) -> Result<Vec<Event>> {
        down()
    }

    async fn newest_events(&self, _: &[&str]) -> Result<Vec<(String, u64)>> {
        down()
    }

    async fn forget_events(&self, _: u32) -> Result<u64> {
        down()
    }
}

#[async_trait]
impl Batches for Down {
    async fn insert_batch(&self, _: NewBatch) -> Result<InsertedBatch> {
        down()
    }
}

#[async_trait]
impl Callbacks for Down {
    async fn callback_secrets(&self, _: &str) -> Result<CallbackSecrets> {
        down()
    }

    async fn rotate_callback_secret(&self, _: &str, _: [u8; 32], _: Duration, _: &Actor) -> Result<CallbackRotated> {
        down()
    }

    async fn revoke_old_callback_secret(&self, _: &str, _: &Actor) -> Result<CallbackSecrets> {
        down()
    }
}

#[async_trait]
impl Endpoints for Down {
    async fn add_endpoint(&self, _: &str, _: &EndpointSettings, _: [u8; 32], _: &Actor) -> Result<Option<Endpoint>> {
        down()
    }

    async fn endpoint(&self, _: &str, _: EndpointId) -> Result<Option<Endpoint>> {
        down()
    }

    async fn endpoints(&self, _: &str) -> Result<Vec<Endpoint>> {
        down()
    }

    async fn change_endpoint(&self, _: &str, _: EndpointId, _: &EndpointChange, _: &Actor) -> Result<Option<Endpoint>> {
        down()
    }

    async fn remove_endpoint(&self, _: &str, _: EndpointId, _: &Actor) -> Result<bool> {
        down()
    }

    async fn rotate_secret(&self, _: &str, _: EndpointId, _: [u8; 32], _: Duration, _: &Actor) -> Result<Rotated> {
        down()
    }

    async fn revoke_old_secret(&self, _: &str, _: EndpointId, _: &Actor) -> Result<Option<Endpoint>> {
        down()
    }

    async fn target(&self, _: &str, _: EndpointId) -> Result<Option<Target>> {
        down()
    }
}

#[async_trait]
impl Deliveries for Down {
    async fn add_deliveries(&self, _: Vec<NewDelivery>) -> Result<()> {
        down()
    }

    async fn record_attempt(&self, _: &NewAttempt) -> Result<()> {
        down()
    }

    async fn delivery(&self, _: &str, _: MessageId) -> Result<Option<Delivery>> {
        down()
    }

    async fn deliveries(&self, _: &DeliveryFilter, _: Page<MessageId>) -> Result<DeliveryPage> {
        down()
    }

    async fn delivery_attempts(&self, _: MessageId) -> Result<Vec<DeliveryAttempt>> {
        down()
    }

    async fn redeliver(&self, _: &str, _: &[MessageId], _: &Actor) -> Result<Vec<MessageId>> {
        down()
    }
}

#[async_trait]
impl Retention for Down {
    async fn take_turn(&self, _: Chore, _: WorkerId, _: Duration) -> Result<bool> {
        down()
    }

    async fn prune_jobs(&self, _: &Keep, _: Option<JobId>, _: u32) -> Result<Pruned> {
        down()
    }

    async fn prune_dead_letters(&self, _: &Keep, _: u32) -> Result<u64> {
        down()
    }

    async fn prune_keys(&self, _: u32) -> Result<u64> {
        down()
    }
}
