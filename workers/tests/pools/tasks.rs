//! A task from its goal to its end, a run at a time: real kinds, the model that is built in, and a sandbox and a panel that
//! do as they are told.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use golden_jobs::{
    Context, Job, JobId, Outcome, Registry, Role, State, WorkerId,
    audit::Actor,
    backoff::Backoff,
    breakers::{self, Board},
    context::Ports,
    done,
    functions::KnownFunctions,
    journal::Journal,
    kinds::registry,
    metrics::Metrics,
    models::{ModelTerms, Models, OFFLINE, Offline, Price, exchange::AgentRole},
    outcome::{Verdict, verdict},
    record::JobRecord,
    sandbox::{Cause, Executor, ExecutorError, Printed, Program, RunReport, Usage},
    store::{
        ConnectOptions, JobFilter, NewJob, Page, RunEnd, SharedStore, StoreClock, clock::HeldClock, connect, migrate,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{Nobody, job};

/// Runs programs to the ends that it was given, and well once there are no more.
#[derive(Default)]
struct Script(Mutex<VecDeque<i64>>);

#[async_trait]
impl Executor for Script {
    async fn run(&self, program: Program, _: mpsc::Sender<Printed>) -> Result<RunReport, ExecutorError> {
        assert!(program.files.contains_key("main.py") && program.files.contains_key("test_main.py"));
        let code = self.0.lock().unwrap().pop_front().unwrap_or(0);
        Ok(RunReport {
            cause: Cause::Exited,
            exit_code: Some(code),
            signal: None,
            stdout: String::new(),
            stderr: "x".repeat(code as usize),
            truncated: false,
            artifacts: BTreeMap::new(),
            artifacts_omitted: 0,
            usage: Usage::default(),
            image_digest: String::new(),
            runtime: "none".to_owned(),
        })
    }

    fn images(&self) -> Vec<String> {
        vec!["python".to_owned()]
    }
}

/// A panel that says what the title says, and approves of a second round.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Panel {
    title: String,
    files: BTreeMap<String, String>,
    evidence: Option<String>,
    round_of: Option<String>,
}

impl Job for Panel {
    const KIND: &'static str = "review";
    const ROLE: Role = Role::PeerHub;
    type Output = Value;

    async fn run(self, _: &Context) -> Outcome<Value> {
        assert!(self.evidence.unwrap().contains("the tests pass"));
        let state = match self.title.as_str() {
            "reject" => "REJECTED",
            "change" if self.round_of.is_none() => "CHANGES_REQUESTED",
            _ => "APPROVED",
        };
        let finding = json!({"severity": "major", "pointer": "/main.py", "claim": "It is rude.", "evidence": ""});
        let review = "rev_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41";
        done(json!({
            "review": review, "round": 1, "state": state, "digest": "", "findings": [finding], "decided_by": null,
        }))
    }
}

struct Bed {
    store: SharedStore,
    clock: HeldClock,
    folder: PathBuf,
    ports: Ports,
    kinds: Registry,
    worker: WorkerId,
}

impl Bed {
    async fn open(ends: &[i64]) -> Self {
        let folder = std::env::temp_dir().join(format!("golden-tasks-{}", uuid::Uuid::now_v7()));
        let url = format!("sqlite://{}/golden.db", folder.display());
        migrate(&url).await.unwrap();
        let clock = HeldClock::at("2026-01-02T03:04:05Z".parse().unwrap());
        let options = ConnectOptions { clock: StoreClock::Held(clock.clone()), ..ConnectOptions::new(url) };
        let store = connect(options).await.unwrap();
        let terms = ModelTerms {
            model: OFFLINE.to_owned(),
            temperature: None,
            max_tokens: 8192,
            price: Some(Price::default()),
        };
        let roles = AgentRole::ALL.map(|role| (role, terms.clone()));
        let metrics = Metrics::new();
        let ports = Ports {
            store: Arc::clone(&store),
            breakers: Board::new(breakers::Options::default(), metrics.clone()),
            metrics,
            outbound: Arc::new(Nobody),
            executor: Ok(Arc::new(Script(Mutex::new(ends.iter().copied().collect())))),
            models: Ok(Models::new(Arc::new(Offline), roles.into())),
            functions: KnownFunctions::new(Arc::clone(&store)),
        };
        let kinds = registry().with::<Panel>();
        Self { store, clock, folder, ports, kinds, worker: WorkerId::new() }
    }

    async fn submit(&self, name: &str) -> JobId {
        let payload = json!({"name": name, "goal": "Greet.", "language": "python"}).to_string();
        let job = NewJob { max_attempts: 5, ..job("task", &payload) };
        let id = job.id;
        self.store.insert(vec![job]).await.unwrap();
        id
    }

    /// One run of whatever is due, if anything is. One that is lost does its work, and nobody hears of it.
    async fn step(&self, lost: bool) -> Option<String> {
        for role in [Role::Orchestrator, Role::Sandbox, Role::PeerHub, Role::Supervisor] {
            let Some(claimed) = self.store.claim(role, 1, self.worker).await.unwrap().pop() else { continue };
            let claimed = Arc::new(claimed);
            let journal = Journal::unread(claimed.run, claimed.attempt);
            let cx = Context::new(Arc::clone(&claimed), self.ports.clone(), journal);
            let outcome = self.kinds.get(&claimed.kind).unwrap().run(claimed.payload.clone(), cx).await;
            let verdict = match lost {
                true => Verdict::Lost { dead: false },
                false => verdict(outcome, claimed.attempt, claimed.max_attempts, &Backoff::DEFAULT, 0.5),
            };
            let end = RunEnd { run: claimed.run, role, verdict };
            assert!(self.store.finish(vec![end]).await.unwrap().is_empty());
            return Some(claimed.kind.clone());
        }
        None
    }

    /// Runs what is due until the task has ended. Answers it, and how many runs that took. Run number `lost` is lost.
    async fn ends(&self, id: JobId, lost: Option<usize>) -> (JobRecord, usize) {
        let mut runs = 0;
        for _ in 0..100 {
            while self.step(lost == Some(runs)).await.is_some() {
                runs += 1;
            }
            let job = self.store.job("acme", id).await.unwrap().unwrap();
            if job.state.is_terminal() {
                return (job, runs);
            }
            self.clock.advance(Duration::from_secs(3600));
            self.store.promote(100).await.unwrap();
        }
        panic!("it never ends");
    }

    /// What the task did, in its order.
    async fn steps(&self, id: JobId) -> Vec<String> {
        let mut children = self.store.children(id).await.unwrap();
        children.sort_by_key(|child| child.finished_at);
        children
            .iter()
            .map(|child| {
                let metadata: Value = serde_json::from_str(child.metadata.as_ref().unwrap().get()).unwrap();
                metadata["step"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    async fn all(&self) -> Vec<JobRecord> {
        let filter = JobFilter { tenant_id: "acme".to_owned(), ..JobFilter::default() };
        self.store.jobs(&filter, Page { before: None, limit: 100 }).await.unwrap().jobs
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn result(job: &JobRecord) -> Value {
    assert_eq!(job.state, State::Succeeded, "{:?}", job.error);
    serde_json::from_str(job.result.as_ref().unwrap().get()).unwrap()
}

fn error(job: &JobRecord) -> (&str, &str) {
    let error = job.error.as_ref().unwrap();
    assert_eq!(job.state, State::Dead);
    (&error.code, &error.message)
}

#[tokio::test]
async fn a_task_ends_with_its_program_its_tests_and_the_verdict() {
    let mut bed = Bed::open(&[]).await;
    // Whose panel is a real one.
    bed.kinds = registry();
    let id = bed.submit("greeting").await;
    let (job, _) = bed.ends(id, None).await;

    let result = result(&job);
    let files: Vec<&String> = result["artifact"]["files"].as_object().unwrap().keys().collect();
    assert_eq!(files, ["main.py", "test_main.py"]);
    assert!(result["artifact"]["files"]["main.py"].as_str().unwrap().contains("Greet."));
    assert_eq!((&result["models"], &result["test_report"]["passed"]), (&json!(["offline"]), &json!(true)));
    assert_eq!((&result["verdict"]["state"], &result["cost"]), (&json!("APPROVED"), &json!(0)));
    assert_eq!((job.attempt, &result["repairs"]), (1, &json!(0)), "waiting spends no attempt");
    let mut steps = bed.steps(id).await;
    steps.sort();
    assert_eq!(steps, ["plan", "program", "review", "run", "tests"]);
}

#[tokio::test]
async fn tests_that_fail_are_repaired_and_changes_that_are_asked_for_made_once() {
    let bed = Bed::open(&[1]).await;
    let id = bed.submit("change").await;
    let (job, _) = bed.ends(id, None).await;

    let result = result(&job);
    assert_eq!((&result["repairs"], &result["test_report"]["passed"]), (&json!(1), &json!(true)));
    let program = result["artifact"]["files"]["main.py"].as_str().unwrap();
    assert!(program.contains("Written anew, 2."), "for the tests, and for the reviewers: {program}");
    let mut steps = bed.steps(id).await;
    steps.sort();
    assert_eq!(steps, ["plan", "program", "repair", "repair", "review", "review", "run", "run", "run", "tests"]);
}

#[tokio::test]
async fn a_task_that_is_rejected_fails_for_good_or_goes_in_a_circle_is_dead_with_the_reason() {
    let bed = Bed::open(&[]).await;
    let id = bed.submit("reject").await;
    let (job, _) = bed.ends(id, None).await;
    let (code, message) = error(&job);
    assert_eq!((code, message.contains("It is rude.")), ("rejected", true), "{message}");

    // Run again, it goes on from there.
    let before = bed.all().await.len();
    bed.store.retry("acme", id, &Actor::golden()).await.unwrap();
    let (job, _) = bed.ends(id, None).await;
    assert_eq!((error(&job).0, bed.all().await.len() - before), ("rejected", 3), "repaired, run and reviewed");

    let bed = Bed::open(&[1, 2, 3, 4]).await;
    let (job, _) = bed.ends(bed.submit("failing").await, None).await;
    assert_eq!(error(&job).0, "tests_fail");
    let bed = Bed::open(&[7; 9]).await;
    let id = bed.submit("failing").await;
    let (job, _) = bed.ends(id, None).await;
    assert_eq!(error(&job).0, "stuck");
    let told = bed.all().await.into_iter().find(|job| job.kind == "escalation").expect("a human is told");
    assert_eq!((told.parent_id, told.state), (Some(id), State::Waiting), "and the task does not wait for an answer");
    assert!(told.payload.get().contains(&id.to_string()));

    let mut bed = Bed::open(&[]).await;
    bed.ports.models = Err("there is none".to_owned());
    let id = bed.submit("greeting").await;
    let (job, _) = bed.ends(id, None).await;
    assert_eq!(error(&job), ("no_model", "plan: there is none"));
}

/// Whichever run is lost, that run is made again and nothing else.
#[tokio::test]
async fn a_worker_that_dies_has_one_step_repeated() {
    let bed = Bed::open(&[1]).await;
    let (job, runs) = bed.ends(bed.submit("change").await, None).await;
    let (whole, jobs) = (result(&job), bed.all().await.len());
    for lost in 0..runs {
        let bed = Bed::open(&[1]).await;
        let (job, again) = bed.ends(bed.submit("change").await, Some(lost)).await;
        let came = result(&job);
        // The one that failed was lost, and its repetition passes.
        let fewer = came["repairs"] == json!(0);
        if !fewer {
            assert_eq!((again, bed.all().await.len()), (runs + 1, jobs), "run {lost}");
            assert_eq!(came["artifact"], whole["artifact"], "run {lost}");
        }
    }
}

/// Else it would be repaired more often than it may, and nobody would have wanted that.
#[tokio::test]
async fn a_task_that_dies_with_its_worker_is_dead_all_the_same() {
    // After the death of one that is stuck, the job that asks a human looks for an answer once more.
    for (ends, code, after) in [(vec![1, 2, 3, 4], "tests_fail", 1), (vec![7; 4], "stuck", 2)] {
        let bed = Bed::open(&ends).await;
        let (job, runs) = bed.ends(bed.submit("failing").await, None).await;
        let (whole, jobs) = (error(&job).1.to_owned(), bed.all().await.len());

        let bed = Bed::open(&ends).await;
        let id = bed.submit("failing").await;
        let (job, _) = bed.ends(id, Some(runs - after)).await;
        assert_eq!((error(&job), job.attempt), ((code, whole.as_str()), 2));
        assert_eq!(bed.all().await.len(), jobs, "it made no more of them");

        // It is run again by somebody's wish alone, and then does so though its worker dies.
        bed.store.retry("acme", id, &Actor::golden()).await.unwrap();
        let (job, _) = bed.ends(id, Some(0)).await;
        assert!(bed.all().await.len() > jobs, "{:?}", job.error);
    }
}

/// Wherever it is: nothing of it goes on.
#[tokio::test]
async fn a_task_that_is_cancelled_takes_all_its_jobs_with_it() {
    let mut seen = BTreeSet::new();
    for runs in 0.. {
        let bed = Bed::open(&[1]).await;
        let id = bed.submit("change").await;
        for _ in 0..runs {
            bed.step(false).await;
        }
        let open: Vec<_> = bed.all().await.into_iter().filter(|job| !job.state.is_terminal()).collect();
        if open.is_empty() {
            break;
        }
        seen.extend(open.iter().map(|job| job.kind.clone()));
        assert_eq!(bed.store.cancel("acme", id, &Actor::golden()).await.unwrap(), Some(true));
        for job in open {
            let job = bed.store.job("acme", job.id).await.unwrap().unwrap();
            assert_eq!(job.state, State::Cancelled, "{} after {runs} runs", job.kind);
        }
        assert_eq!(bed.step(false).await, None);
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}
