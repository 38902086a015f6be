//! Real pools on a real store, with kinds that behave badly.
//!
//! Wherever it could matter, a case runs twice: with jobs from the store, and with jobs through Redis.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod breakers_open;
mod budgets;
mod families;
mod functions;
mod guards;
mod journals;
mod policies;
mod redis;
mod retention;
mod reviews;
mod tasks;
mod terms;
mod webhooks;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use golden_jobs::{
    Context, Job, JobId, Outcome, Registry, Role, ScheduleId, State,
    breakers::{self, Board},
    context::Ports,
    done,
    escalations::Escalation,
    functions::KnownFunctions,
    job::Policy,
    kinds::{FunctionCall, HttpCall, Noop, WebhookDeliver},
    metrics::Metrics,
    outbound::{Outbound, OutboundError, OutboundRequest, OutboundResponse},
    record::JobRecord,
    store::{
        ConnectOptions, Due, NewJob, SharedStore, StoreClock,
        clock::HeldClock,
        connect, migrate,
        schedules::{CatchUp, Created, NewSchedule, WhichSchedule},
    },
};
use golden_workers::Options;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// Makes every case of a module two tests, one for each dispatch.
macro_rules! both_dispatches {
    ($($case:ident)*) => {
        mod from_store {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case().await;
                }
            )*
        }

        mod through_redis {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    crate::redis::by_redis(super::$case()).await;
                }
            )*
        }
    };
}
use both_dispatches;

both_dispatches! {
    a_panic_while_a_run_is_dropped_spends_its_attempt
    one_bad_row_fails_alone
    jobs_claimed_ahead_are_given_back_when_long_runs_come_between
    schedules_fire_on_the_minute_and_a_broken_one_fails_alone
}

/// Panics when it is dropped, and takes longer than it may.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Sore {}

struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        panic!("a guard panics");
    }
}

impl Job for Sore {
    const KIND: &'static str = "sore";
    const ROLE: Role = Role::Orchestrator;
    const POLICY: Policy = Policy::DEFAULT;
    type Output = ();

    async fn run(self, _: &Context) -> Outcome<()> {
        let _guard = Guard;
        std::future::pending::<()>().await;
        done(())
    }
}

/// Nobody is called here.
struct Nobody;

#[async_trait]
impl Outbound for Nobody {
    async fn send(&self, _: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        Err(OutboundError::Refused("nobody is called here".to_owned()))
    }
}

/// One worker process's pools, on a store of their own.
struct Pools {
    store: SharedStore,
    folder: PathBuf,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), golden_workers::RunError>>,
    _redis: Option<redis::Server>,
}

impl Pools {
    async fn start(slots: usize) -> Self {
        let clock = StoreClock::Own;
        Self::begin(
            clock,
            (Role::Orchestrator, slots),
            Metrics::new(),
            Arc::new(Nobody),
            breakers::Options::default(),
            async |_| {},
        )
        .await
    }

    async fn start_with(pool: (Role, usize), outbound: Arc<dyn Outbound>, breakers: breakers::Options) -> Self {
        Self::begin(StoreClock::Own, pool, Metrics::new(), outbound, breakers, async |_| {}).await
    }

    /// The same by a clock of the test's, on a store that holds something already.
    async fn start_by(
        clock: StoreClock,
        slots: usize,
        metrics: Metrics,
        prepare: impl AsyncFnOnce(&SharedStore),
    ) -> Self {
        let pool = (Role::Orchestrator, slots);
        Self::begin(clock, pool, metrics, Arc::new(Nobody), breakers::Options::default(), prepare).await
    }

    async fn begin(
        clock: StoreClock,
        pool: (Role, usize),
        metrics: Metrics,
        outbound: Arc<dyn Outbound>,
        breakers: breakers::Options,
        prepare: impl AsyncFnOnce(&SharedStore),
    ) -> Self {
        Self::begin_by([clock.clone(), clock], pool, metrics, outbound, breakers, prepare).await
    }

    /// By a clock of the store's and one of the process's.
    async fn begin_by(
        [of_store, clock]: [StoreClock; 2],
        pool: (Role, usize),
        metrics: Metrics,
        outbound: Arc<dyn Outbound>,
        breakers: breakers::Options,
        prepare: impl AsyncFnOnce(&SharedStore),
    ) -> Self {
        let folder = std::env::temp_dir().join(format!("golden-pools-{}", uuid::Uuid::now_v7()));
        let url = format!("sqlite://{}/golden.db", folder.display());
        migrate(&url).await.unwrap();
        let store = connect(ConnectOptions { clock: of_store, ..ConnectOptions::new(url) }).await.unwrap();
        prepare(&store).await;
        let ports = Ports {
            store: Arc::clone(&store),
            breakers: Board::new(breakers, metrics.clone()),
            metrics,
            outbound,
            executor: Err("no sandbox here".to_owned()),
            models: Err("no model here".to_owned()),
            functions: KnownFunctions::new(Arc::clone(&store)),
        };
        let registry = Arc::new(
            Registry::default()
                .with::<Escalation>()
                .with::<FunctionCall>()
                .with::<HttpCall>()
                .with::<Noop>()
                .with::<WebhookDeliver>()
                .with::<Sore>()
                .with::<budgets::Buyer>()
                .with::<families::Brood>()
                .with::<journals::Chatter>()
                .with::<terms::Big>(),
        );
        let shutdown = CancellationToken::new();
        let redis = redis::Server::if_wanted().await;
        let dispatch = redis.as_ref().map(|redis| redis.dispatch(&store));
        let options = Options { dispatch, clock, ..Options::new(vec![pool]) };
        let task = tokio::spawn(golden_workers::run(options, registry, ports, shutdown.clone()));
        Self { store, folder, shutdown, task, _redis: redis }
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&SharedStore) -> bool) {
        for _ in 0..600 {
            if holds(&self.store).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not in time: {what}");
    }

    async fn ended(&self, id: JobId) -> JobRecord {
        let ended = async |store: &SharedStore| store.job("acme", id).await.unwrap().unwrap().state.is_terminal();
        self.until("the job ends", ended).await;
        self.store.job("acme", id).await.unwrap().unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn job(kind: &str, payload: &str) -> NewJob {
    NewJob {
        id: JobId::new(),
        tenant_id: "acme".to_owned(),
        kind: kind.to_owned(),
        role: Role::Orchestrator,
        priority: 5,
        payload: serde_json::value::RawValue::from_string(payload.to_owned()).unwrap(),
        max_attempts: 1,
        timeout: Duration::from_secs(60),
        due: Due::Now,
        metadata: None,
        callback_url: None,
        parent_id: None,
        max_cost: None,
        trace: None,
        idempotency: None,
    }
}

/// Otherwise the job would run for ever, a timeout at a time, and never spend an attempt.
async fn a_panic_while_a_run_is_dropped_spends_its_attempt() {
    let pools = Pools::start(4).await;
    let sore = NewJob { timeout: Duration::from_millis(100), ..job("sore", "{}") };
    let id = sore.id;
    pools.store.insert(vec![sore]).await.unwrap();

    let record = pools.ended(id).await;

    assert_eq!((record.state, record.attempt), (State::Dead, 1));
    pools.stop().await;
}

/// A payload that no longer decodes, and a kind that is gone, fail alone.
async fn one_bad_row_fails_alone() {
    let pools = Pools::start(4).await;
    let jobs = [job("noop", r#"{"sleep_ms":"long"}"#), job("gone", "{}"), job("noop", "{}")];
    let ids = jobs.each_ref().map(|job| job.id);
    pools.store.insert(jobs.to_vec()).await.unwrap();

    let ends = [pools.ended(ids[0]).await, pools.ended(ids[1]).await, pools.ended(ids[2]).await];

    let codes = ends.each_ref().map(|record| record.error.as_ref().map(|error| error.code.as_str()));
    assert_eq!(codes, [Some("payload_undecodable"), Some("unknown_kind"), None]);
    assert_eq!(ends[2].state, State::Succeeded);
    pools.stop().await;
}

/// A burst makes a pool claim ahead; what then finds itself behind long runs is for others.
async fn jobs_claimed_ahead_are_given_back_when_long_runs_come_between() {
    const SLOTS: u64 = 4;
    let pools = Pools::start(SLOTS as usize).await;
    let burst = (0..5000).map(|_| job("noop", "{}"));
    let long = (0..500).map(|_| job("noop", r#"{"sleep_ms":20000}"#));
    pools.store.insert(burst.chain(long).collect()).await.unwrap();

    let settled = async |store: &SharedStore| {
        let depths = store.depths().await.unwrap();
        let role = depths.roles.iter().find(|depth| depth.role == Role::Orchestrator).unwrap();
        role.running == SLOTS && role.ready == 500 - SLOTS
    };
    pools.until("all but the slots' jobs are ready for others", settled).await;
    let running = pools.store.workers().await.unwrap();
    assert_eq!(running.len(), 1);
    pools.shutdown.cancel();
    // Not waiting for the long runs: they are given back when the process ends.
    pools.task.abort();
    let _ = std::fs::remove_dir_all(&pools.folder);
}

/// What one schedule says wrongly is its own affair, and its owner can see it.
async fn schedules_fire_on_the_minute_and_a_broken_one_fails_alone() {
    let clock = HeldClock::at("2026-01-02T11:59:59.9Z".parse().unwrap());
    let metrics = Metrics::new();
    let pools = Pools::start_by(StoreClock::Held(clock.clone()), 4, metrics.clone(), async |store| {
        for (name, submission) in [("good", SUBMISSION), ("refused", REFUSED), ("bad", "{}")] {
            let created = store
                .create_schedule(&schedule(name, submission), 10, &golden_jobs::audit::Actor::golden())
                .await
                .unwrap();
            assert!(matches!(created, Created::New(_)));
        }
    })
    .await;
    clock.advance(Duration::from_millis(250));

    let last = async |store: &SharedStore, name: &str| {
        let schedule = store.schedule("acme", &WhichSchedule::Name(name.to_owned())).await.unwrap().unwrap();
        schedule.last.map(|last| (last.outcome, last.error, schedule.last_job_id))
    };
    for name in ["good", "refused", "bad"] {
        pools.until("the slot is dealt with", async |store| last(store, name).await.is_some()).await;
    }

    let (outcome, error, job) = last(&pools.store, "good").await.unwrap();
    assert_eq!((outcome.as_str(), error), ("fired", None));
    let job = pools.ended(job.unwrap()).await;
    assert_eq!((job.state, job.run_at), (State::Succeeded, clock.now()));
    for (name, why) in [("bad", "cannot be read"), ("refused", "the store cannot hold")] {
        let (outcome, error, job) = last(&pools.store, name).await.unwrap();
        assert_eq!((outcome.as_str(), job), ("failed", None));
        assert!(error.unwrap().contains(why));
    }
    let metrics = metrics.render();
    for line in [
        r#"golden_schedule_slots_total{outcome="fired"} 1"#,
        r#"golden_schedule_slots_total{outcome="failed"} 2"#,
        "golden_schedule_lag_seconds_sum 0.15",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    pools.stop().await;
}

const SUBMISSION: &str = r#"{"kind": "noop", "payload": {}, "priority": 5, "max_attempts": 1, "timeout": 60}"#;
/// Of an urgency that only the store looks at.
const REFUSED: &str = r#"{"kind": "noop", "payload": {}, "priority": 77, "max_attempts": 1, "timeout": 60}"#;

fn schedule(name: &str, submission: &str) -> NewSchedule {
    NewSchedule {
        id: ScheduleId::new(),
        tenant_id: "acme".to_owned(),
        name: name.to_owned(),
        cron: "0 12 * * *".to_owned(),
        time_zone: "UTC".to_owned(),
        catch_up: CatchUp::Skip,
        submission: serde_json::value::RawValue::from_string(submission.to_owned()).unwrap(),
        next_slot: Some("2026-01-02T12:00:00Z".parse().unwrap()),
    }
}
