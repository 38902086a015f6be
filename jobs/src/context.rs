//! What a run may use: its own facts, and the ports to the outside.

use std::{sync::Arc, time::Duration};

use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};

use crate::{
    breakers::{Board, Call, Dependency, Refused, TRIAL_LEASE},
    budgets::Micros,
    family,
    functions::KnownFunctions,
    job::Job,
    journal::Journal,
    metrics::Metrics,
    models::Models,
    outbound::Outbound,
    outcome::Failure,
    record::JobRecord,
    sandbox::{Executor, ExecutorError},
    spending::{Funds, Unfunded},
    store::{Claimed, LogStream, NewJob, Report, Store, StoreError, Terms, budgets::Ask},
};

/// The outside world as handlers see it; one for a process.
#[derive(Clone)]
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub metrics: Metrics,
    pub outbound: Arc<dyn Outbound>,
    /// Why there is none is what a job that needs it is told.
    pub executor: Result<Arc<dyn Executor>, String>,
    /// What answers agents; likewise.
    pub models: Result<Models, String>,
    /// What stands in front of everything that may not answer.
    pub breakers: Board,
    /// Versions of functions that were run before.
    pub functions: KnownFunctions,
}

/// One run's view of the world.
#[derive(Clone)]
pub struct Context {
    claimed: Arc<Claimed>,
    ports: Ports,
    journal: Arc<Journal>,
}

impl Context {
    /// The view of the run that was claimed, over the ports of its process. What it shows of
    /// itself goes to `journal`.
    pub fn new(claimed: Arc<Claimed>, ports: Ports, journal: Arc<Journal>) -> Self {
        Self { claimed, ports, journal }
    }

    /// The facts of this run: job, tenant, attempt, lease.
    pub fn claimed(&self) -> &Claimed {
        &self.claimed
    }

    /// The store, for what the methods here do not cover.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.ports.store
    }

    /// The metrics of this process, for a handler to count in.
    pub fn metrics(&self) -> &Metrics {
        &self.ports.metrics
    }

    /// The guarded way to URLs that come from users. A client of a handler's own would reach
    /// inside.
    pub fn outbound(&self) -> &dyn Outbound {
        &*self.ports.outbound
    }

    /// Lets the run call `dependency`, unless its breaker is open: then the job comes again later, without
    /// having spent an attempt. The call says when it [`ended`](Call::ended).
    pub async fn call(&self, dependency: &Dependency) -> Result<Call, Refused> {
        let breakers = &self.ports.breakers;
        let lasts = self.claimed.timeout;
        let refused = match breakers.call(dependency, lasts) {
            Err(refused) if refused.would_be_trial => refused,
            answer => return answer,
        };
        // It is open for all, and its time is over: one process tries. Whoever cannot ask decides for itself.
        let lease = TRIAL_LEASE.max(lasts);
        let granted = self.ports.store.lease_trial(breakers.worker(), dependency, lease).await.unwrap_or(true);
        breakers.may_try(dependency, granted, lease);
        if granted { breakers.call(dependency, lasts) } else { Err(refused) }
    }

    /// Keeps back what a call of this run may cost at worst, on the accounts of the tenant and of the jobs above.
    ///
    /// `step` says which of the job's calls it is, and `reask` how often it was made before in this attempt because its
    /// answer was no good. A step of an attempt is charged once, however many runs make it: keep in a
    /// [checkpoint](Self::save) what is not to be asked for again.
    ///
    /// `?` makes of the error what it means for the run: it comes again when there is money, without having spent an
    /// attempt, or dies where there will be none.
    pub async fn reserve(&self, step: &str, reask: u32, worst: Micros) -> Result<Funds, Unfunded> {
        let ask = Ask { run: self.claimed.run, step: step.to_owned(), reask, amount: worst };
        Funds::reserve(Arc::clone(&self.ports.store), ask).await
    }

    /// The programs of functions.
    pub fn functions(&self) -> &KnownFunctions {
        &self.ports.functions
    }

    /// What runs untrusted programs, or [`ExecutorError::Unavailable`] where this process has
    /// none, with the reason.
    pub fn executor(&self) -> Result<&dyn Executor, ExecutorError> {
        match &self.ports.executor {
            Ok(executor) => Ok(&**executor),
            Err(reason) => Err(ExecutorError::Unavailable(reason.clone())),
        }
    }

    /// What answers agents, or a failure that says why this process has none.
    pub fn models(&self) -> Result<&Models, Failure> {
        self.ports.models.as_ref().map_err(|missing| Failure::retry("no_model", missing))
    }

    /// On what terms this job's tenant is served, as of now.
    pub async fn terms(&self) -> Result<Terms, StoreError> {
        let tenant = self.ports.store.tenant(&self.claimed.tenant_id).await?;
        Ok(tenant.map(|tenant| tenant.terms).unwrap_or_default())
    }

    /// Bytes of JSON that the result of this job may have.
    pub async fn result_limit(&self) -> Result<usize, StoreError> {
        Ok(self.terms().await?.result_limit())
    }

    /// The same for every run of this job: pass it to whatever must not happen twice.
    pub fn idempotency_key(&self, step: &str) -> String {
        format!("{}/{step}", self.claimed.run.id)
    }

    /// How long this run may still take at most.
    pub fn timeout(&self) -> Duration {
        self.claimed.timeout
    }

    /// A child for one of this job's steps, to be [awaited](crate::outcome::End::Await): of the same tenant, priority and
    /// trace, on the terms of its kind. A step has the same child whichever run makes it, so that a run which comes
    /// again finds the one that there is. A job has 32 children at most, on four levels.
    pub fn child<K: Job>(&self, step: &str, payload: &K) -> Result<NewJob, Failure> {
        family::child(self, step, payload)
    }

    /// What an earlier run of this job left for this one.
    pub fn checkpoint(&self) -> Option<&RawValue> {
        self.claimed.checkpoint.as_deref()
    }

    /// Writes text for those who read along, an entry for each of its lines. They see it within
    /// a moment; it is on record when the run's end is. A job keeps 1 MiB and 10,000 lines over all
    /// of its runs, then one line that says so. No place for secrets.
    ///
    /// Waits while the store is slower than the run writes.
    pub async fn log(&self, stream: LogStream, text: &str) {
        self.journal.log(stream, text).await;
    }

    /// Says how far the run has come. Costs little: the latest goes to the store several times a
    /// second at most. Command lines draw a bar where it is a number from 0 to 1 or
    /// `{"done": …, "total": …}`; at most 16 KiB of JSON.
    pub fn progress(&self, progress: Box<RawValue>) {
        self.journal.progress(progress);
    }

    /// Says that so many of so many are done.
    pub fn done_of(&self, done: u64, total: u64) {
        if let Ok(progress) = to_raw_value(&json!({ "done": done, "total": total })) {
            self.progress(progress);
        }
    }

    /// Keeps `checkpoint` for the next run, should this one not reach its end. Fenced by the
    /// lease: [`StoreError::LeaseLost`] once the run is not this worker's any more.
    pub async fn save(&self, checkpoint: Box<RawValue>) -> Result<(), StoreError> {
        let report = Report { run: self.claimed.run, progress: None, checkpoint: Some(checkpoint) };
        match self.ports.store.report(vec![report]).await?.is_empty() {
            true => Ok(()),
            false => Err(StoreError::LeaseLost),
        }
    }

    /// The jobs this one awaited, in the order they were submitted.
    pub async fn children(&self) -> Result<Vec<JobRecord>, StoreError> {
        self.ports.store.children(self.claimed.run.id).await
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::retry("store_unavailable", error.to_string())
    }
}
