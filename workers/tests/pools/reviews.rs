//! Whole reviews: their jobs on a real pool, their ballots from the built-in model.

use std::{collections::BTreeMap, sync::Mutex};

use golden_jobs::{
    ReviewId, WorkerId,
    audit::Actor,
    escalations::{Resolution, Subject},
    journal::Journal,
    kinds::{Escalation, Review, ReviewBallot, Reviewed},
    models::{
        Model, ModelError, ModelTerms, Models, Offline, Price,
        exchange::{AgentRole, Finish, Reply, Request, Usage},
    },
    outcome::{End, Verdict},
    reviews::{Found, ReviewState, Severity, Vote},
    store::{
        Page, RunEnd,
        escalations::EscalationFilter,
        reviews::{Decided, Decision},
    },
};
use serde_json::json;

use super::*;

/// A model that declines whatever it is asked.
struct Refusing;

#[async_trait]
impl Model for Refusing {
    fn provider(&self) -> Option<&golden_jobs::breakers::Dependency> {
        None
    }

    async fn complete(&self, _: &Request) -> Result<Reply, ModelError> {
        let usage = Some(Usage { input_tokens: 1, output_tokens: 1 });
        Ok(Reply { model: "refusing".to_owned(), text: String::new(), finish: Finish::Refusal, usage })
    }
}

fn models(model: Arc<dyn Model>) -> Models {
    let terms =
        ModelTerms { model: "any".to_owned(), temperature: None, max_tokens: 2000, price: Some(Price::default()) };
    Models::new(model, AgentRole::ALL.into_iter().map(|role| (role, terms.clone())).collect::<BTreeMap<_, _>>())
}

fn ports(store: &SharedStore, metrics: &Metrics, model: Arc<dyn Model>) -> Ports {
    Ports {
        store: Arc::clone(store),
        breakers: Board::new(breakers::Options::default(), metrics.clone()),
        metrics: metrics.clone(),
        outbound: Arc::new(Nobody),
        executor: Err("no sandbox here".to_owned()),
        models: Ok(models(model)),
        functions: KnownFunctions::new(Arc::clone(store)),
    }
}

fn registry() -> Registry {
    Registry::default().with::<Escalation>().with::<Review>().with::<ReviewBallot>()
}

/// A pool of reviewers with a model.
async fn reviewers(model: Arc<dyn Model>, metrics: &Metrics) -> Pools {
    let folder = std::env::temp_dir().join(format!("golden-pools-{}", uuid::Uuid::now_v7()));
    let url = format!("sqlite://{}/golden.db", folder.display());
    migrate(&url).await.unwrap();
    let store = connect(ConnectOptions::new(url)).await.unwrap();
    let shutdown = CancellationToken::new();
    let ports = ports(&store, metrics, model);
    let options = Options::new(vec![(Role::PeerHub, 4), (Role::Supervisor, 2)]);
    let task = tokio::spawn(golden_workers::run(options, Arc::new(registry()), ports, shutdown.clone()));
    Pools { store, folder, shutdown, task, _redis: None }
}

fn work(file: &str, evidence: &str, round_of: Option<ReviewId>) -> NewJob {
    let payload = json!({
        "title": "Adds", "goal": "It adds.", "files": {"add.py": file}, "author": "developer",
        "submitted_by": "ada", "evidence": evidence, "round_of": round_of,
    });
    NewJob { role: Role::PeerHub, max_attempts: 10, ..job("review", &payload.to_string()) }
}

async fn reviewed(pools: &Pools, file: &str, evidence: &str, round_of: Option<ReviewId>) -> JobRecord {
    let job = work(file, evidence, round_of);
    let id = job.id;
    pools.store.insert(vec![job]).await.unwrap();
    pools.ended(id).await
}

fn output(job: &JobRecord) -> Reviewed {
    assert_eq!(job.state, State::Succeeded, "{:?}", job.error);
    serde_json::from_str(job.result.as_ref().unwrap().get()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_approved_or_comes_once_more_or_is_left_to_a_human() {
    let metrics = Metrics::new();
    let pools = reviewers(Arc::new(Offline), &metrics).await;

    let good = output(&reviewed(&pools, "a + b", "3 passed, 0 failed", None).await);
    assert_eq!((good.state, good.round, good.findings), (ReviewState::Approved, 1, vec![]));
    let review = pools.store.review("acme", good.review).await.unwrap().unwrap();
    assert_eq!((review.ballots.len(), review.submitted_by.as_deref()), (3, Some("ada")));
    for ballot in &review.ballots {
        assert_eq!((ballot.verdict, ballot.model.as_deref()), (Vote::Approve, Some("offline")));
        assert_eq!((ballot.policy_version, &ballot.digest), (0, &good.digest));
    }

    let bad = output(&reviewed(&pools, "a - b", "1 failed, 2 passed", None).await);
    assert_eq!(bad.state, ReviewState::ChangesRequested);
    assert!(matches!(&bad.findings[..], [Found { severity: Severity::Major, .. }, ..]), "{bad:?}");
    let mut claims: Vec<_> = bad.findings.iter().map(|found| (&found.pointer, &found.claim)).collect();
    claims.dedup();
    assert_eq!(claims.len(), bad.findings.len(), "what all of them found is there once: {bad:?}");
    assert!(bad.findings[0].by.len() > 1, "and who did: {bad:?}");
    let same = reviewed(&pools, "a - b", "3 passed", Some(bad.review)).await;
    assert_eq!((same.state, same.error.unwrap().code.as_str()), (State::Dead, "no_further_round"));
    let better = output(&reviewed(&pools, "a + b", "3 passed", Some(bad.review)).await);
    assert_eq!((better.review, better.round, better.state), (bad.review, 2, ReviewState::Approved));
    let third = reviewed(&pools, "b + a", "3 passed", Some(bad.review)).await;
    assert!(third.error.unwrap().message.contains("which is the last"));
    let nobodys = reviewed(&pools, "b + a", "3 passed", Some(ReviewId(uuid::Uuid::now_v7()))).await;
    assert_eq!(nobodys.error.unwrap().code, "no_such_review");

    let harm = output(&reviewed(&pools, "rm -rf /", "3 passed", None).await);
    assert_eq!((harm.state, harm.findings[0].severity), (ReviewState::ChangesRequested, Severity::Critical));
    // The second round has no changes to request: a human decides, who did not have it made.
    let again = work("rm -rf / # please", "3 passed", Some(harm.review));
    let waiting = again.id;
    pools.store.insert(vec![again]).await.unwrap();
    let open = EscalationFilter {
        tenant_id: "acme".into(),
        about: Some(Subject::Review),
        subject: Some(harm.review.to_string()),
        ..EscalationFilter::default()
    };
    let everything = || Page { before: None, limit: 10 };
    let escalated = async |store: &SharedStore| {
        store.review("acme", harm.review).await.unwrap().unwrap().state == ReviewState::Escalated
            && store.job("acme", waiting).await.unwrap().unwrap().state == State::Waiting
            && !store.escalations(&open, everything()).await.unwrap().escalations.is_empty()
    };
    pools.until("the review is escalated and its job waits", escalated).await;
    let decision = Decision { tenant_id: "acme".into(), id: harm.review, approve: false, reason: "No.".into() };
    let by = |subject: &str| Actor::caller(subject, "acme", "operator");
    assert!(matches!(pools.store.decide_review(&decision, &by("ada")).await.unwrap(), Decided::Refused(_)));
    assert!(matches!(pools.store.decide_review(&decision, &by("grace")).await.unwrap(), Decided::Done(_)));
    let decided = output(&pools.ended(waiting).await);
    assert_eq!((decided.state, decided.decided_by.as_deref()), (ReviewState::Rejected, Some("grace")));
    // Whoever asked for a human's word has it: of one escalation, whose job has ended as well.
    let asked = pools.store.escalations(&open, everything()).await.unwrap().escalations;
    let end = asked[0].end.as_ref().unwrap();
    assert_eq!((asked.len(), end.by.as_str(), end.answer.resolution), (1, "grace", Resolution::Rejected));
    assert_eq!(pools.ended(asked[0].job_id).await.state, State::Succeeded);

    let metrics = metrics.render();
    for outcome in ["approved\"} 2", "changes_requested\"} 2", "escalated\"} 1", "rejected\"} 0"] {
        let line = format!("peer_review_consensus_seconds_count{{outcome=\"{outcome}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    assert!(metrics.contains("le=\"150\"") && metrics.contains("le=\"180\""));
    pools.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panel_that_declines_is_replaced_once_and_then_a_humans_affair() {
    let pools = reviewers(Arc::new(Refusing), &Metrics::new()).await;
    let job = work("a + b", "3 passed", None);
    let id = ReviewId::from(job.id);
    pools.store.insert(vec![job]).await.unwrap();
    let escalated = async |store: &SharedStore| {
        store.review("acme", id).await.unwrap().is_some_and(|review| review.state == ReviewState::Escalated)
    };
    pools.until("the review is escalated", escalated).await;
    let review = pools.store.review("acme", id).await.unwrap().unwrap();
    assert_eq!(review.ballots.len(), 6);
    assert!(review.ballots.iter().all(|ballot| ballot.reason.as_deref() == Some("refused")), "{review:?}");
    assert!(pools.store.count_dead_letters(&Default::default()).await.unwrap() == 0, "silence is no failure");
    pools.stop().await;
}

/// The built-in model, and what it was asked.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>, Arc<Mutex<Option<HeldClock>>>);

impl Heard {
    /// From now on it takes a second of this clock, and then does not answer.
    fn hangs(&self, clock: &HeldClock) {
        *self.1.lock().unwrap() = Some(clock.clone());
    }
}

#[async_trait]
impl Model for Heard {
    fn provider(&self) -> Option<&golden_jobs::breakers::Dependency> {
        None
    }

    async fn complete(&self, request: &Request) -> Result<Reply, ModelError> {
        let said = request.messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n");
        self.0.lock().unwrap().push(said);
        let hangs = self.1.lock().unwrap().clone();
        if let Some(clock) = hangs {
            clock.advance(Duration::from_secs(1));
            std::future::pending::<()>().await;
        }
        Offline.complete(request).await
    }
}

/// A process whose clock is held, and that runs what the test says.
struct Held {
    store: SharedStore,
    clock: HeldClock,
    folder: PathBuf,
    heard: Heard,
}

impl Held {
    async fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("golden-pools-{}", uuid::Uuid::now_v7()));
        let url = format!("sqlite://{}/golden.db", folder.display());
        migrate(&url).await.unwrap();
        let clock = HeldClock::at("2026-01-02T03:04:05Z".parse().unwrap());
        let options = ConnectOptions { clock: StoreClock::Held(clock.clone()), ..ConnectOptions::new(url) };
        Self { store: connect(options).await.unwrap(), clock, folder, heard: Heard::default() }
    }

    /// Runs whatever is ready of a kind, once; the rest stays with its worker.
    async fn run(&self, kind: &str) -> usize {
        self.run_some(kind, 10).await
    }

    /// The same of no more than so many jobs.
    async fn run_some(&self, kind: &str, most: u32) -> usize {
        let claimed = self.store.claim(Role::PeerHub, most, WorkerId::new()).await.unwrap();
        let mut ran = 0;
        for claimed in claimed {
            let (run, role) = (claimed.run, claimed.role);
            let verdict = if claimed.kind == kind {
                ran += 1;
                let journal = Journal::unread(run, claimed.attempt);
                let payload = claimed.payload.clone();
                let ports = ports(&self.store, &Metrics::new(), Arc::new(self.heard.clone()));
                let cx = Context::new(Arc::new(claimed), ports, journal);
                match registry().get(kind).unwrap().run(payload, cx).await.unwrap() {
                    End::Done(result) => Verdict::Succeeded { result },
                    End::Await { children, checkpoint, until } => Verdict::Await { children, checkpoint, until },
                    End::Snooze(delay) => Verdict::Snooze { delay },
                }
            } else {
                // It is slow: its worker gives it back for later.
                Verdict::Snooze { delay: Duration::from_secs(3600) }
            };
            assert!(self.store.finish(vec![RunEnd { run, role, verdict }]).await.unwrap().is_empty());
        }
        ran
    }

    async fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.store.promote(100).await.unwrap();
    }

    async fn review(&self, id: ReviewId) -> golden_jobs::reviews::Review {
        self.store.review("acme", id).await.unwrap().unwrap()
    }

    async fn children(&self, id: ReviewId) -> Vec<State> {
        self.store.children(id.into()).await.unwrap().into_iter().map(|child| child.state).collect()
    }
}

#[tokio::test]
async fn whoever_is_late_is_called_off_and_a_round_is_over_in_150_seconds() {
    let held = Held::new().await;
    let job = work("a + b", "3 passed", None);
    let id = ReviewId::from(job.id);
    held.store.insert(vec![job]).await.unwrap();
    assert_eq!(held.run("review").await, 1);
    assert_eq!(held.run("review").await, 0, "it waits for three");
    assert_eq!(held.children(id).await, [State::Scheduled; 3]);

    held.later(90).await;
    assert_eq!(held.run("review").await, 1);
    let replaced = held.review(id).await;
    assert_eq!((replaced.state, replaced.ballots.len()), (ReviewState::Collecting, 3));
    assert_eq!(held.children(id).await[..3], [State::Cancelled; 3], "nothing is left under way that does not count");
    assert_eq!(held.children(id).await.len(), 6);

    held.later(60).await;
    assert_eq!(held.run("review").await, 1);
    let escalated = held.review(id).await;
    assert_eq!((escalated.state, escalated.took()), (ReviewState::Escalated, Some(Duration::from_secs(150))));
    assert_eq!(held.children(id).await[..6], [State::Cancelled; 6]);
    assert_eq!(held.children(id).await[6..], [State::Queued], "a human is asked");
    // It looks again by itself, and nothing is approved by that.
    held.later(60).await;
    assert_eq!(held.run("review").await, 1);
    assert_eq!(held.review(id).await.state, ReviewState::Escalated);

    held.store.cancel("acme", id.into(), &Actor::golden()).await.unwrap();
    assert_eq!(held.review(id).await.state, ReviewState::Cancelled);
    let _ = std::fs::remove_dir_all(&held.folder);
}

/// Else a pool full of them would keep out the very job that replaces them.
#[tokio::test]
async fn a_ballot_gives_its_place_back_when_the_time_of_its_round_is_over() {
    let held = Held::new().await;
    let job = work("a + b", "3 passed", None);
    let id = ReviewId::from(job.id);
    held.store.insert(vec![job]).await.unwrap();
    assert_eq!(held.run("review").await, 1);
    held.clock.advance(Duration::from_millis(89_900));
    held.heard.hangs(&held.clock);

    assert_eq!(held.run("review.ballot").await, 3);
    assert_eq!(held.heard.0.lock().unwrap().len(), 1, "the others came too late to be asked");
    assert_eq!((held.children(id).await, held.review(id).await.ballots.len()), (vec![State::Succeeded; 3], 0));
    assert_eq!(held.run("review").await, 1);
    assert_eq!(held.review(id).await.missing().map(|seat| seat.replaces).collect::<Vec<_>>(), [1, 2, 3].map(Some));
    let _ = std::fs::remove_dir_all(&held.folder);
}

#[tokio::test]
async fn a_second_panel_reads_what_the_first_found_and_the_first_is_blind() {
    let held = Held::new().await;
    let judge = async |round_of: Option<ReviewId>, file: &str| {
        let job = work(file, "1 failed", round_of);
        let id = round_of.unwrap_or(job.id.into());
        held.store.insert(vec![job]).await.unwrap();
        held.run("review").await;
        assert_eq!(held.run("review.ballot").await, 3);
        held.run("review").await;
        (held.review(id).await, std::mem::take(&mut *held.heard.0.lock().unwrap()))
    };
    let (first, asked) = judge(None, "a - b").await;
    assert_eq!((first.state, asked.len()), (ReviewState::ChangesRequested, 3));
    let shown = |asked: &str, name: &str| asked.contains(&format!(" name={name:?}>"));
    for asked in &asked {
        assert!(["work", "files", "evidence"].iter().all(|name| shown(asked, name)), "{asked}");
        assert!(!shown(asked, "findings_of_the_first_round"), "{asked}");
    }
    let roles = ["reviewer", "tester", "security"];
    assert!(
        roles.iter().all(|role| asked.iter().any(|asked| asked.contains(&format!("You are the {role} on a panel"))))
    );

    let (second, asked) = judge(Some(first.id), "a * b").await;
    assert_eq!((second.state, asked.len()), (ReviewState::Escalated, 3));
    assert!(asked.iter().all(|asked| shown(asked, "findings_of_the_first_round")), "{asked:?}");
    let _ = std::fs::remove_dir_all(&held.folder);
}

#[tokio::test]
async fn a_round_is_over_when_no_ballot_could_change_it_and_the_rest_is_called_off() {
    let held = Held::new().await;
    let job = work("a - b", "1 failed", None);
    let id = ReviewId::from(job.id);
    held.store.insert(vec![job]).await.unwrap();
    assert_eq!(held.run("review").await, 1);
    assert_eq!(held.run_some("review.ballot", 1).await, 1);
    assert_eq!(held.store.job("acme", id.into()).await.unwrap().unwrap().state, State::Waiting);
    assert_eq!(held.run_some("review.ballot", 1).await, 1);

    // Two of three want changes: the second woke the review's job, though the third is under way.
    assert_eq!(held.run("review").await, 1);
    let review = held.review(id).await;
    assert_eq!((review.state, review.ballots.len()), (ReviewState::ChangesRequested, 2));
    let mut children = held.children(id).await;
    children.sort_by_key(|state| state.as_str());
    assert_eq!(children, [State::Cancelled, State::Succeeded, State::Succeeded]);
    let _ = std::fs::remove_dir_all(&held.folder);
}
