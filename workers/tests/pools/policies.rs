//! What agents are asked under, from a proposal to the answer that says so.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use golden_jobs::{
    ChangeId, JobId, Registry, Role, State,
    audit::Actor,
    breakers::{self, Board, Dependency},
    context::Ports,
    functions::KnownFunctions,
    governance::{
        change::{Order, Proposal, Step},
        document::PolicyDocument,
        state::ChangeState,
    },
    kinds::{LearningUpdate, LlmComplete},
    metrics::Metrics,
    models::{
        Model, ModelError, ModelTerms, Models, Price,
        exchange::{AgentRole, Finish, Reply, Request, Usage},
    },
    record::JobRecord,
    store::{ConnectOptions, NewJob, SharedStore, connect, migrate},
};
use golden_workers::Options;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{Nobody, job};

/// Answers `yes`, but for its first call, which it is not there for; that one takes until somebody says so.
struct Slow {
    calls: AtomicUsize,
    asked: Mutex<Vec<Request>>,
    goes_on: Semaphore,
}

#[async_trait]
impl Model for Slow {
    fn provider(&self) -> Option<&Dependency> {
        None
    }

    async fn complete(&self, request: &Request) -> Result<Reply, ModelError> {
        self.asked.lock().unwrap().push(request.clone());
        if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            let _goes_on = self.goes_on.acquire().await.unwrap();
            return Err(ModelError::Unavailable { status: 503, after: Some(Duration::ZERO) });
        }
        let usage = Some(Usage { input_tokens: 1, output_tokens: 1 });
        Ok(Reply { model: "slow".to_owned(), text: "yes".to_owned(), finish: Finish::Stop, usage })
    }
}

async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = found().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not in time: {what}");
}

async fn ended(store: &SharedStore, id: JobId) -> JobRecord {
    let ended = async || store.job("acme", id).await.unwrap().filter(|job| job.state.is_terminal());
    until("the job ends", ended).await
}

async fn ask(store: &SharedStore) -> JobId {
    let question = NewJob { max_attempts: 3, ..job("llm.complete", r#"{"role": "developer", "prompt": "?"}"#) };
    let id = question.id;
    store.insert(vec![question]).await.unwrap();
    id
}

fn version(job: &JobRecord) -> Value {
    assert_eq!(job.state, State::Succeeded, "{:?}", job.error);
    serde_json::from_str::<Value>(job.result.as_ref().unwrap().get()).unwrap()["policy_version"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_keeps_the_policy_it_began_with() {
    let folder = std::env::temp_dir().join(format!("golden-pools-{}", uuid::Uuid::now_v7()));
    let url = format!("sqlite://{}/golden.db", folder.display());
    migrate(&url).await.unwrap();
    let store = connect(ConnectOptions::new(url)).await.unwrap();
    let metrics = Metrics::new();
    let model = Arc::new(Slow { calls: AtomicUsize::new(0), asked: Mutex::default(), goes_on: Semaphore::new(0) });
    let terms =
        ModelTerms { model: "slow".to_owned(), temperature: Some(1.0), max_tokens: 100, price: Some(Price::default()) };
    let ports = Ports {
        store: Arc::clone(&store),
        metrics: metrics.clone(),
        outbound: Arc::new(Nobody),
        executor: Err("no sandbox here".to_owned()),
        models: Ok(Models::new(Arc::clone(&model) as Arc<dyn Model>, BTreeMap::from([(AgentRole::Developer, terms)]))),
        breakers: Board::new(breakers::Options::default(), metrics.clone()),
        functions: KnownFunctions::new(Arc::clone(&store)),
    };
    let shutdown = CancellationToken::new();
    let options = Options::new(vec![(Role::Orchestrator, 2), (Role::Supervisor, 1)]);
    let registry = Arc::new(Registry::default().with::<LlmComplete>().with::<LearningUpdate>());
    let workers = tokio::spawn(golden_workers::run(options, registry, ports, shutdown.clone()));

    // A proposal is seen to as far as it comes without people.
    let id = ChangeId::new();
    let document: PolicyDocument = serde_json::from_value(json!({
        "prompt": "Write short functions.", "parameters": {"temperature": 0.5, "max_tokens": 500},
    }))
    .unwrap();
    let (role, reason) = (AgentRole::Developer, "shorter".to_owned());
    let proposal = Proposal { id, role, document, base_version: None, reason, activate_at: None };
    let by = Actor::caller("dev", "acme", "developer");
    store.govern("acme", &Order::Propose(proposal), &by).await.unwrap().unwrap();
    store.insert(vec![LearningUpdate::job("acme", id).unwrap()]).await.unwrap();
    let approved = async || {
        let change = store.policy_change("acme", id).await.unwrap().unwrap();
        (change.state == ChangeState::Approved).then_some(change)
    };
    let approved = until("it is approved", approved).await;
    assert!(approved.evaluation.unwrap().get().contains("/prompt"));

    // One that began without a policy goes on without, though its next attempt comes when there is one.
    let early = ask(&store).await;
    until("it is asked", async || (model.calls.load(Ordering::SeqCst) == 1).then_some(())).await;
    let glass = Order::Take(id, Step::BreakGlass("a test".to_owned()));
    store.govern("acme", &glass, &Actor::caller("ada", "acme", "admin")).await.unwrap().unwrap();
    store.resume_jobs(&[JobId::from(id)]).await.unwrap();
    model.goes_on.add_permits(1);
    let early = ended(&store, early).await;
    assert_eq!((version(&early), early.attempt), (json!(0), 2));

    // Those that begin a moment later are asked under it, within what the operator allows.
    let later = async || {
        let later = ended(&store, ask(&store).await).await;
        (version(&later) == json!(1)).then_some(())
    };
    until("it is seen", later).await;
    let asked = model.asked.lock().unwrap().clone();
    let (first, last) = (&asked[1], asked.last().unwrap());
    assert_eq!((first.temperature, first.max_tokens), (Some(1.0), 100));
    assert_eq!((last.temperature, last.max_tokens), (Some(0.5), 100));
    assert!(last.messages[0].content.starts_with("Write short functions.\n\n"));
    assert!(!first.messages[0].content.contains("short"));

    let settled = ended(&store, JobId::from(id)).await;
    assert_eq!(settled.result.unwrap().get(), r#"{"state":"active","version":1}"#);
    shutdown.cancel();
    workers.await.unwrap().unwrap();
    let _ = std::fs::remove_dir_all(&folder);
}
