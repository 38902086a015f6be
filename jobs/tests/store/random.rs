//! Random verbs, against the store and against a model of it: after every one they agree.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use golden_jobs::{
    JobId, Role, State,
    outcome::Verdict,
    store::{Due, NewJob, QueueName, Run, RunEnd},
};
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tokio::runtime::Runtime;

use crate::{
    bed::{ALL, Bed, on_postgres, on_sqlite},
    given::{SECOND, TENANT, any_job, any_letter, await_all, by, dead, everything, job, replay, retry_in, succeeded},
    model::{End, Model},
};

const CASES: u32 = 64;
const VERBS: Range<usize> = 20..60;

#[test]
fn sqlite() {
    Runtime::new().unwrap().block_on(on_sqlite(any_verbs_agree_with_the_model));
}

#[test]
fn postgres() {
    Runtime::new().unwrap().block_on(on_postgres(any_verbs_agree_with_the_model));
}

/// `PROPTEST_RNG_SEED` repeats a run; the verbs that a failure prints are the fewest that fail.
async fn any_verbs_agree_with_the_model(store: Bed) {
    let runtime = tokio::runtime::Handle::current();
    let tried = tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        runner.run(&proptest::collection::vec(verb(), VERBS), |verbs| runtime.block_on(agree(&store, verbs)))
    });
    if let Err(disagreement) = tried.await.unwrap() {
        panic!("{disagreement}");
    }
}

/// What is done next. An [`Index`] picks one of the jobs, or of the runs, that there are by then.
#[derive(Debug, Clone)]
enum Verb {
    Insert {
        role: Role,
        priority: u8,
        delay: u64,
        max_attempts: u32,
        callback: bool,
    },
    Claim {
        role: Role,
        limit: u32,
        /// By their ids, of which the store told before.
        told: bool,
    },
    Finish {
        run: Index,
        /// Of all runs ever begun, most of them over, instead of those under way.
        late: bool,
        how: How,
    },
    Promote,
    Advance {
        seconds: u64,
    },
    /// All workers are gone; their runs are found and ended.
    Rescue,
    Cancel {
        job: Index,
    },
    Retry {
        job: Index,
    },
    Replay {
        limit: u32,
    },
    /// Of the whole role, or of the one tenant there is.
    Pause {
        role: Role,
        whole: bool,
    },
    Resume {
        role: Role,
        whole: bool,
    },
}

#[derive(Debug, Clone)]
enum How {
    Succeeded,
    Retry { delay: u64 },
    Dead,
    Snooze { delay: u64 },
    Release,
    Await { children: usize },
    Cancelled,
}

fn verb() -> impl Strategy<Value = Verb> {
    let role = || prop_oneof![Just(Role::Orchestrator), Just(Role::Sandbox)];
    let how = prop_oneof![
        3 => Just(How::Succeeded),
        3 => (0..3u64).prop_map(|delay| How::Retry { delay }),
        3 => Just(How::Dead),
        1 => (0..3u64).prop_map(|delay| How::Snooze { delay }),
        1 => Just(How::Release),
        4 => (0..3usize).prop_map(|children| How::Await { children }),
        1 => Just(How::Cancelled),
    ];
    let insert = (role(), 0..10u8, prop_oneof![2 => Just(0), 1 => 1..4u64], 1..4u32, any::<bool>());
    prop_oneof![
        4 => insert.prop_map(|(role, priority, delay, max_attempts, callback)| {
            Verb::Insert { role, priority, delay, max_attempts, callback }
        }),
        6 => (role(), 1..4u32, any::<bool>()).prop_map(|(role, limit, told)| Verb::Claim { role, limit, told }),
        8 => (any::<Index>(), proptest::bool::weighted(0.2), how)
            .prop_map(|(run, late, how)| Verb::Finish { run, late, how }),
        2 => Just(Verb::Promote),
        2 => (1..4u64).prop_map(|seconds| Verb::Advance { seconds }),
        2 => Just(Verb::Rescue),
        1 => any::<Index>().prop_map(|job| Verb::Cancel { job }),
        1 => any::<Index>().prop_map(|job| Verb::Retry { job }),
        2 => (1..4u32).prop_map(|limit| Verb::Replay { limit }),
        1 => (role(), any::<bool>()).prop_map(|(role, whole)| Verb::Pause { role, whole }),
        1 => (role(), any::<bool>()).prop_map(|(role, whole)| Verb::Resume { role, whole }),
    ]
}

/// The store, the model, and every run that was ever begun.
struct Pair<'a> {
    store: &'a Bed,
    model: Model,
    runs: Vec<(Run, Role)>,
}

async fn agree(store: &Bed, verbs: Vec<Verb>) -> Result<(), TestCaseError> {
    empty(store).await;
    let mut pair = Pair { store, model: Model::default(), runs: Vec::new() };
    for verb in verbs {
        let done = format!("{verb:?}");
        pair.apply(verb).await?;
        pair.compare(&done).await?;
    }
    pair.compare_history().await
}

/// One database serves all cases: making one takes longer than a case.
async fn empty(store: &Bed) {
    for statement in [
        "DELETE FROM ready",
        "DELETE FROM scheduled",
        "DELETE FROM running",
        "DELETE FROM job_attempts",
        "DELETE FROM dlq_messages",
        "DELETE FROM outbox",
        "DELETE FROM jobs",
        "DELETE FROM queues WHERE tenant_id <> ''",
        "UPDATE queues SET paused = FALSE",
        "DELETE FROM lines WHERE tenant_id <> ''",
        "UPDATE lines SET tag = 0",
    ] {
        store.sql.execute(statement).await.unwrap();
    }
}

impl Pair<'_> {
    async fn apply(&mut self, verb: Verb) -> Result<(), TestCaseError> {
        match verb {
            Verb::Insert { role, priority, delay, max_attempts, callback } => {
                let callback_url = callback.then(|| "https://example.com/hook".into());
                let due = Due::In(Duration::from_secs(delay));
                let job = NewJob { role, priority, max_attempts, callback_url, due, ..job() };
                self.model.insert(&job, delay);
                self.store.submit(job).await;
            }
            Verb::Claim { role, limit, told } => self.claim(role, limit, told).await?,
            Verb::Finish { run, late, how } => {
                let holds = |(run, _): &&(Run, Role)| late || self.model.holds(*run);
                let runs: Vec<_> = self.runs.iter().filter(holds).copied().collect();
                if !runs.is_empty() {
                    let (run, role) = runs[run.index(runs.len())];
                    self.finish(run, role, how).await?;
                }
            }
            Verb::Promote => {
                let promoted = self.store.promote(ALL).await.unwrap();
                prop_assert_eq!(promoted, self.model.promote());
            }
            Verb::Advance { seconds } => {
                self.store.clock.advance(Duration::from_secs(seconds));
                self.model.now += seconds;
            }
            Verb::Rescue => self.rescue().await?,
            Verb::Cancel { job } if !self.model.jobs.is_empty() => {
                let id = self.pick(job);
                prop_assert_eq!(self.store.cancel(TENANT, id, &by("ops")).await.unwrap(), Some(self.model.cancel(id)));
            }
            Verb::Retry { job } if !self.model.jobs.is_empty() => {
                let id = self.pick(job);
                prop_assert_eq!(self.store.retry(TENANT, id, &by("ops")).await.unwrap(), self.model.retry(id));
            }
            Verb::Replay { limit } => {
                let replayed = self.store.replay(&replay(any_letter()), limit).await.unwrap();
                prop_assert_eq!(replayed.len(), self.model.letters.len().min(limit as usize));
                for id in replayed {
                    prop_assert!(self.model.letters.contains(&id), "{} has no open letter", id);
                    self.model.requeue(id);
                }
            }
            Verb::Pause { role, whole } => {
                self.store.pause(&queue(role, whole), &by("ops")).await.unwrap();
                self.model.paused.insert((role, whole));
            }
            Verb::Resume { role, whole } => {
                self.store.resume(&queue(role, whole), &by("ops")).await.unwrap();
                self.model.paused.remove(&(role, whole));
            }
            // There is nothing to do it to.
            Verb::Cancel { .. } | Verb::Retry { .. } => {}
        }
        Ok(())
    }

    fn pick(&self, job: Index) -> JobId {
        self.model.jobs[job.index(self.model.jobs.len())].id
    }

    async fn claim(&mut self, role: Role, limit: u32, told: bool) -> Result<(), TestCaseError> {
        let expected = self.model.most_urgent(role, limit as usize);
        let ready = self.store.ready(role, None, limit).await.unwrap();
        // Read on from any place, it is the same line.
        if let [first, rest @ ..] = &ready[..] {
            prop_assert_eq!(&*self.store.ready(role, Some(*first), limit - 1).await.unwrap(), rest);
        }
        let ready: Vec<_> = ready.into_iter().map(|ready| ready.id).collect();
        let claimed = if told {
            self.store.claim_ready(role, &ready, self.store.worker).await.unwrap()
        } else {
            self.store.claim(role, limit, self.store.worker).await.unwrap()
        };
        prop_assert_eq!(claimed.iter().map(|claimed| claimed.run.id).collect::<Vec<_>>(), ready);
        let priorities: Vec<_> = claimed.iter().map(|claimed| self.model.job(claimed.run.id).priority).collect();
        prop_assert_eq!(priorities, expected);
        for claimed in claimed {
            prop_assert!(self.runs.iter().all(|(run, _)| run.lease < claimed.run.lease), "leases grow");
            prop_assert_eq!(self.model.job(claimed.run.id).state, State::Queued);
            prop_assert_eq!(claimed.attempt, self.model.claim(claimed.run));
            self.runs.push((claimed.run, role));
        }
        Ok(())
    }

    async fn finish(&mut self, run: Run, role: Role, how: How) -> Result<(), TestCaseError> {
        let children: Vec<NewJob> = match how {
            How::Await { children } => {
                (0..children).map(|_| NewJob { role, parent_id: Some(run.id), ..job() }).collect()
            }
            _ => Vec::new(),
        };
        let end = match how {
            How::Succeeded => End::Succeeded,
            How::Retry { delay } => End::Retry(delay),
            How::Dead => End::Dead,
            How::Snooze { delay } => End::Snooze(delay),
            How::Release => End::Release,
            How::Await { .. } => End::Await(children.iter().map(|child| child.id).collect()),
            How::Cancelled => End::Cancelled,
        };
        let waits = self.model.awaits(run);
        children.iter().filter(|_| waits).for_each(|child| self.model.insert(child, 0));
        let held = self.model.finish(run, &end);

        let verdict = verdict(&end, children);
        let lost = self.store.finish(vec![RunEnd { run, role, verdict }]).await.unwrap();
        prop_assert_eq!(lost, if held { vec![] } else { vec![run] });
        Ok(())
    }

    async fn rescue(&mut self) -> Result<(), TestCaseError> {
        let mut lost = self.store.lost(SECOND, ALL).await.unwrap();
        let mut expected = self.model.lost();
        lost.sort_by_key(|lost| lost.run.lease);
        expected.sort_by_key(|(run, _)| run.lease);
        prop_assert_eq!(
            lost.iter().map(|lost| lost.run).collect::<Vec<_>>(),
            expected.iter().map(|(run, _)| *run).collect::<Vec<_>>()
        );
        let mut ends = Vec::new();
        for (lost, (run, end)) in lost.iter().zip(&expected) {
            let job = self.model.job(run.id);
            prop_assert_eq!(
                (lost.attempt, lost.max_attempts, lost.lost_before),
                (job.attempt(), job.max_attempts, job.lost)
            );
            self.model.finish(*run, end);
            ends.push(RunEnd { run: *run, role: lost.role, verdict: verdict(end, vec![]) });
        }
        prop_assert_eq!(self.store.finish(ends).await.unwrap(), vec![]);
        Ok(())
    }

    async fn compare(&mut self, done: &str) -> Result<(), TestCaseError> {
        let listed = self.store.jobs(&any_job(), everything()).await.unwrap().jobs;
        let listed: BTreeMap<_, _> =
            listed.into_iter().map(|job| (job.id, (job.state, job.attempt, job.cancel_requested))).collect();
        let expected: BTreeMap<_, _> =
            self.model.jobs.iter().map(|job| (job.id, (job.state, job.attempt(), job.cancel))).collect();
        prop_assert_eq!(listed, expected, "jobs after {}", done);

        let depths = self.store.depths().await.unwrap();
        for depth in &depths.roles {
            let count = |of: &[State]| {
                let jobs = self.model.jobs.iter();
                jobs.filter(|job| job.role == depth.role && of.contains(&job.state)).count() as u64
            };
            let expected =
                (count(&[State::Queued]), count(&[State::Scheduled, State::Retrying]), count(&[State::Running]));
            prop_assert_eq!(
                (depth.queued(), depth.scheduled, depth.running),
                expected,
                "{} after {}",
                depth.role,
                done
            );
        }
        let expected = (self.model.letters.len() as u64, self.model.events.len() as u64);
        prop_assert_eq!((depths.dead_letters, depths.outbox), expected, "letters and events after {}", done);
        Ok(())
    }

    /// What only grows is compared once, at the end.
    async fn compare_history(&mut self) -> Result<(), TestCaseError> {
        let mut told = self.store.events().await;
        told.sort();
        self.model.events.sort();
        prop_assert_eq!(&told, &self.model.events);
        for job in &self.model.jobs {
            let mut expected = job.outcomes.clone();
            expected.extend((job.state == State::Running).then_some("running"));
            let mut outcomes = self.store.outcomes(job.id).await;
            // Runs that begin at the same time, which only a held clock lets them, have no order.
            expected.sort_unstable();
            outcomes.sort_unstable();
            prop_assert_eq!(outcomes, expected);
        }
        Ok(())
    }
}

fn queue(role: Role, whole: bool) -> QueueName {
    QueueName { role, tenant_id: (!whole).then(|| TENANT.to_owned()) }
}

fn verdict(end: &End, children: Vec<NewJob>) -> Verdict {
    match end {
        End::Succeeded => succeeded(),
        End::Retry(delay) => retry_in(Duration::from_secs(*delay)),
        End::Dead => dead(),
        End::Snooze(delay) => Verdict::Snooze { delay: Duration::from_secs(*delay) },
        End::Release => Verdict::Release,
        End::Await(_) => await_all(children),
        End::Cancelled => Verdict::Cancelled,
        End::Lost { dead } => Verdict::Lost { dead: *dead },
    }
}
