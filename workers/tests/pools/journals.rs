//! What runs log, and how far they say they are.

use std::sync::atomic::{AtomicUsize, Ordering};

use golden_jobs::{
    Context, Job, JobId, Outcome, Role, State,
    outcome::Verdict,
    store::{LOG_LINES, LOG_TRUNCATED, LogLine, LogSlice, LogStream, RunEnd, SharedStore},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Pools, both_dispatches, job};

both_dispatches! {
    the_log_of_a_job_that_has_ended_is_complete_and_in_order
    what_a_run_says_is_seen_while_it_goes
    a_flood_is_cut_and_holds_nobody_up
    a_run_that_writes_under_a_lost_lease_is_stopped
}

async fn log_of(store: &SharedStore, id: JobId) -> Vec<LogLine> {
    store.logs(id, LogSlice { after: 0, attempt: None, limit: u32::MAX }).await.unwrap()
}

async fn the_log_of_a_job_that_has_ended_is_complete_and_in_order() {
    const JOBS: usize = 20;
    const STEPS: usize = 300;
    let pools = Pools::start(8).await;
    let jobs = vec![job("noop", &format!(r#"{{"steps": {STEPS}}}"#)); JOBS];
    let jobs: Vec<_> = jobs.into_iter().map(|job| golden_jobs::store::NewJob { id: JobId::new(), ..job }).collect();
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    pools.store.insert(jobs).await.unwrap();

    for id in ids {
        let record = pools.ended(id).await;
        assert_eq!(record.state, State::Succeeded);
        assert_eq!(record.progress.unwrap().get(), format!(r#"{{"done":{STEPS},"total":{STEPS}}}"#));
        let texts: Vec<_> = log_of(&pools.store, id).await.into_iter().map(|line| line.text).collect();
        let expected: Vec<_> = (1..=STEPS).map(|step| format!("step {step} of {STEPS}")).collect();
        assert_eq!(texts, expected);
    }
    pools.stop().await;
}

async fn what_a_run_says_is_seen_while_it_goes() {
    let pools = Pools::start(1).await;
    let slow = job("noop", r#"{"steps": 600, "sleep_ms": 60000}"#);
    let id = slow.id;
    pools.store.insert(vec![slow]).await.unwrap();

    pools.until("a line is there", async |store| !log_of(store, id).await.is_empty()).await;
    let shown = async |store: &SharedStore| store.job("acme", id).await.unwrap().unwrap().progress.is_some();
    pools.until("the progress is there", shown).await;

    assert_eq!(pools.store.job("acme", id).await.unwrap().unwrap().state, State::Running);
    pools.store.cancel("acme", id, &golden_jobs::audit::Actor::golden()).await.unwrap();
    assert_eq!(pools.ended(id).await.state, State::Cancelled);
    pools.stop().await;
}

async fn a_flood_is_cut_and_holds_nobody_up() {
    let pools = Pools::start(1).await;
    let flood = job("noop", r#"{"steps": 100000}"#);
    let id = flood.id;
    pools.store.insert(vec![flood]).await.unwrap();

    let record = pools.ended(id).await;

    assert_eq!(record.progress.unwrap().get(), r#"{"done":100000,"total":100000}"#);
    let log = log_of(&pools.store, id).await;
    let last = log.last().unwrap();
    assert_eq!((log.len() as u64, last.stream, last.text.as_str()), (LOG_LINES + 1, LogStream::System, LOG_TRUNCATED));
    pools.stop().await;
}

/// Runs under way of the kind below.
static CHATTING: AtomicUsize = AtomicUsize::new(0);

/// Logs until it is stopped.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Chatter {}

struct Chatting;

impl Drop for Chatting {
    fn drop(&mut self) {
        CHATTING.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Job for Chatter {
    const KIND: &'static str = "chatter";
    const ROLE: Role = Role::Orchestrator;
    type Output = ();

    async fn run(self, cx: &Context) -> Outcome<()> {
        CHATTING.fetch_add(1, Ordering::SeqCst);
        let _chatting = Chatting;
        loop {
            cx.log(LogStream::Log, "still here").await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

async fn a_run_that_writes_under_a_lost_lease_is_stopped() {
    let pools = Pools::start(2).await;
    let chatter = job("chatter", "{}");
    let id = chatter.id;
    pools.store.insert(vec![chatter]).await.unwrap();
    pools.until("the run writes", async |store| !log_of(store, id).await.is_empty()).await;
    let worker = pools.store.workers().await.unwrap().remove(0).id;
    let run = pools.store.held(worker).await.unwrap().remove(0).run;

    // As the rescue of a worker that is taken for dead does; the job then runs again here.
    let end = RunEnd { run, role: Role::Orchestrator, verdict: Verdict::Release };
    assert_eq!(pools.store.finish(vec![end]).await.unwrap(), []);
    pools.until("it runs again", async |store| log_of(store, id).await.last().unwrap().seq > 20).await;

    assert_eq!(CHATTING.load(Ordering::SeqCst), 1);
    pools.store.cancel("acme", id, &golden_jobs::audit::Actor::golden()).await.unwrap();
    assert_eq!(pools.ended(id).await.state, State::Cancelled);
    pools.stop().await;
}
