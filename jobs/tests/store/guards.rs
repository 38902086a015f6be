//! Guards: whose turn it is, what follows from a look, and what they look at.

use std::time::Duration;

use chrono::{DateTime, Utc};
use golden_jobs::{
    Role, WorkerId,
    escalations::{Escalation, EscalationState, Resolution, Severity, Subject},
    guards::{Guard, LEASE, Looked, TENANT},
    outcome::Verdict,
    store::{
        NewJob, QueueName, RunEnd,
        audit::ChainName,
        escalations::{EscalationFilter, EscalationRecord},
        guards::{Backlog, Dying, GuardRecord, LETTERS},
    },
};

use crate::{
    audit::{checked, payload},
    bed::Bed,
    both_stores,
    given::{MINUTE, SECOND, by, dead, everything, job, job_of, job_with_callback, succeeded},
};

both_stores! {
    one_worker_at_a_time_looks_after_a_guard
    a_look_of_somebody_whose_turn_is_over_changes_nothing
    what_a_guard_did_is_kept_for_an_hour_and_audited
    two_failures_ask_a_human_once_until_it_works_again
    what_dies_is_counted_by_kind_and_tenant
    what_goes_on_dying_is_told_from_what_died_at_once
    more_than_are_looked_at_go_on_dying
    jobs_of_other_roles_do_not_say_whether_most_die
    a_paused_queue_is_said_to_be_paused
    what_waits_is_timed
}

const BOTH: [Guard; 2] = [Guard::Backlog, Guard::DeadLetters];

fn failed() -> Looked {
    Looked::Failed("no answer".into())
}

async fn take(store: &Bed, worker: WorkerId) -> Vec<GuardRecord> {
    let mut taken = store.take_guards(worker, &BOTH, LEASE).await.unwrap();
    taken.sort_by_key(|record| record.guard.as_str());
    taken
}

async fn looked(store: &Bed, worker: WorkerId, what: &Looked) {
    assert!(store.guard_looked(worker, Guard::DeadLetters, what).await.unwrap());
}

async fn standing(store: &Bed) -> golden_jobs::guards::Standing {
    let all = store.guards().await.unwrap();
    all.into_iter().find(|record| record.guard == Guard::DeadLetters).unwrap().standing
}

async fn one_worker_at_a_time_looks_after_a_guard(store: Bed) {
    let [one, other] = [WorkerId::new(), WorkerId::new()];

    let taken = take(&store, one).await;
    assert_eq!(taken.iter().map(|record| record.guard).collect::<Vec<_>>(), BOTH);
    assert_eq!(take(&store, other).await, []);

    store.clock.advance(LEASE - SECOND);
    let at = store.clock.now();
    assert!(take(&store, one).await.iter().all(|record| record.looked_at == at), "it goes on, from now");
    store.clock.advance(LEASE - SECOND);
    assert_eq!(take(&store, other).await, []);
    store.clock.advance(SECOND);
    assert_eq!(take(&store, other).await.len(), 2, "the other takes over");
    assert_eq!(take(&store, one).await, []);
    assert_eq!(store.guards().await.unwrap().len(), 2);
}

async fn a_look_of_somebody_whose_turn_is_over_changes_nothing(store: Bed) {
    let [late, now] = [WorkerId::new(), WorkerId::new()];
    assert!(!store.guard_looked(late, Guard::DeadLetters, &failed()).await.unwrap(), "nobody has it");
    take(&store, late).await;
    store.clock.advance(LEASE);
    take(&store, now).await;

    assert!(!store.guard_looked(late, Guard::DeadLetters, &failed()).await.unwrap());

    assert_eq!(standing(&store).await.failures, 0);
    assert_eq!(checked(&store, &ChainName::INSTALLATION).await.len(), 0);
}

async fn what_a_guard_did_is_kept_for_an_hour_and_audited(store: Bed) {
    take(&store, store.worker).await;
    let at = store.clock.now();

    looked(&store, store.worker, &Looked::Remedied("paused sandbox of acme".into())).await;
    looked(&store, store.worker, &Looked::Clear).await;
    looked(&store, store.worker, &Looked::Told("too many".into())).await;

    assert_eq!(standing(&store).await.remedied, [at]);
    let entries = checked(&store, &ChainName::INSTALLATION).await;
    let [entry] = &entries[..] else { panic!("what it only told of is audited: {entries:?}") };
    let payload = payload(entry);
    assert_eq!((&payload["action"], &payload["actor"]), (&"guard.acted".into(), &"system:golden".into()));
    assert_eq!((&payload["target"], &payload["details"]["done"]), (&"dead_letters".into(), &true.into()));
    assert_eq!(payload["details"]["what"], "paused sandbox of acme");

    store.clock.advance(MINUTE * 60);
    looked(&store, store.worker, &failed()).await;
    assert_eq!(standing(&store).await.remedied, [store.clock.now()], "what was an hour ago is forgotten");
    let entries = checked(&store, &ChainName::INSTALLATION).await;
    assert_eq!(entries.len(), 2, "what failed is audited as well");
}

/// The installation's escalations about the guard, as its supervisors open them.
async fn escalations(store: &Bed) -> Vec<EscalationRecord> {
    for asked in store.claim(Role::Supervisor, 10, store.worker).await.unwrap() {
        let what: Escalation = serde_json::from_str(asked.payload.get()).unwrap();
        store.open_escalation(asked.run, &what).await.unwrap();
        let wait = Verdict::Await { children: vec![], checkpoint: None, until: Some(MINUTE) };
        store.end(&asked, wait).await;
    }
    let filter = EscalationFilter { tenant_id: TENANT.into(), ..EscalationFilter::default() };
    store.escalations(&filter, everything()).await.unwrap().escalations
}

async fn two_failures_ask_a_human_once_until_it_works_again(store: Bed) {
    take(&store, store.worker).await;

    looked(&store, store.worker, &failed()).await;
    assert_eq!(escalations(&store).await, []);
    looked(&store, store.worker, &failed()).await;
    looked(&store, store.worker, &failed()).await;

    let asked = escalations(&store).await;
    let [question] = &asked[..] else { panic!("it asks once: {asked:?}") };
    let what = &question.what;
    assert_eq!((what.about, &*what.subject, what.severity), (Subject::Guard, "dead_letters", Severity::High));
    assert!(what.reason.contains("no answer"), "{what:?}");
    assert!(standing(&store).await.escalated);

    looked(&store, store.worker, &Looked::Clear).await;
    let answered = escalations(&store).await;
    assert_eq!(answered[0].state, EscalationState::Resolved);
    assert_eq!(
        answered[0].end.as_ref().map(|end| (end.answer.resolution, &*end.by)),
        Some((Resolution::Fixed, "golden"))
    );
    assert!(!standing(&store).await.escalated);

    looked(&store, store.worker, &failed()).await;
    looked(&store, store.worker, &failed()).await;
    assert_eq!(escalations(&store).await.len(), 2, "what failed anew is asked anew");
}

/// So many jobs of a tenant end so, one after the other.
async fn end(store: &Bed, jobs: usize, of: &NewJob, verdict: impl Fn() -> Verdict) {
    for _ in 0..jobs {
        let run = store.start(NewJob { id: golden_jobs::JobId::new(), ..of.clone() }).await;
        store.end(&run, verdict()).await;
    }
}

async fn dying(store: &Bed, most: u32) -> Vec<Dying> {
    store.dying(most, MINUTE, DateTime::UNIX_EPOCH).await.unwrap()
}

async fn what_dies_is_counted_by_kind_and_tenant(store: Bed) {
    let (acme, corp) = (job(), job_of("corp"));
    let other = NewJob { kind: "http.call".into(), ..job() };
    end(&store, 3, &acme, dead).await;
    store.clock.advance(MINUTE);
    let between: DateTime<Utc> = store.clock.now();
    store.clock.advance(SECOND);
    end(&store, 4, &acme, succeeded).await;
    end(&store, 3, &acme, dead).await;
    end(&store, 1, &corp, dead).await;
    end(&store, 3, &other, dead).await;

    let grown = dying(&store, 3).await;

    let of = |tenant: &str, letters, dead, succeeded| Dying {
        kind: "noop".into(),
        tenant_id: tenant.into(),
        role: Role::Orchestrator,
        letters,
        lasting: false,
        dead,
        succeeded,
        paused: false,
    };
    // Those from before the window are no letters of it, but jobs that died.
    assert_eq!(grown, [of("acme", 3, 6, 4), of("corp", 1, 1, 0)]);
    assert_eq!(dying(&store, 4).await, [], "four are not more than four");
    assert_eq!(dying(&store, 2).await.len(), 3, "and now the other kind");
    store.clock.advance(MINUTE - SECOND);
    assert_eq!(dying(&store, 3).await.len(), 2);
    let since = |at| store.store.dying(3, MINUTE, at);
    assert_eq!(since(between).await.unwrap().len(), 2);
    assert_eq!(since(between + SECOND).await.unwrap(), [], "what came before somebody saw to it does not count");
    store.clock.advance(SECOND);
    assert_eq!(dying(&store, 3).await, [], "a minute is over");
}

async fn what_goes_on_dying_is_told_from_what_died_at_once(store: Bed) {
    let lasting = async || dying(&store, 2).await.iter().map(|dying| dying.lasting).collect::<Vec<_>>();
    end(&store, 3, &job(), dead).await;
    let begun = store.clock.now();
    assert_eq!(lasting().await, [false]);
    store.clock.advance(MINUTE + SECOND);
    end(&store, 3, &job(), dead).await;
    assert_eq!(lasting().await, [false], "two minutes are not three");
    store.clock.advance(MINUTE - SECOND);
    end(&store, 1, &job_of("corp"), dead).await;
    assert_eq!(lasting().await, [true, true], "of whichever tenant they are");
    assert!(!store.dying(2, MINUTE, begun).await.unwrap()[0].lasting, "somebody has seen to those");
    store.clock.advance(MINUTE + SECOND);
    end(&store, 3, &job(), dead).await;
    assert_eq!(lasting().await, [true], "the next three were two minutes ago by now");
    store.clock.advance(3 * MINUTE);
    end(&store, 3, &job(), dead).await;
    assert_eq!(lasting().await, [false], "it was over");
}

async fn more_than_are_looked_at_go_on_dying(store: Bed) {
    let letters = usize::try_from(LETTERS).unwrap();
    for left in [letters - 1, 1] {
        assert!(dying(&store, 2).await.iter().all(|dying| !dying.lasting));
        for jobs in vec![(); left].chunks(100) {
            store.insert(jobs.iter().map(|()| job()).collect()).await.unwrap();
            let runs = store.claim(Role::Orchestrator, 100, store.worker).await.unwrap();
            let ends = runs.iter().map(|run| RunEnd { run: run.run, role: run.role, verdict: dead() });
            assert_eq!(store.finish(ends.collect()).await.unwrap(), []);
        }
    }
    assert!(dying(&store, 2).await[0].lasting);
}

async fn jobs_of_other_roles_do_not_say_whether_most_die(store: Bed) {
    let review = NewJob { role: Role::PeerHub, ..job() };
    end(&store, 3, &review, succeeded).await;
    end(&store, 2, &job(), dead).await;
    end(&store, 3, &review, succeeded).await;
    end(&store, 2, &job(), succeeded).await;

    let [grown] = dying(&store, 1).await.try_into().unwrap();

    assert_eq!((grown.letters, grown.dead, grown.succeeded), (2, 2, 0), "nor those that came after");
}

async fn a_paused_queue_is_said_to_be_paused(store: Bed) {
    end(&store, 2, &job(), dead).await;
    for tenant_id in [Some("acme".to_owned()), None] {
        let queue = QueueName { role: Role::Orchestrator, tenant_id };
        assert!(!dying(&store, 1).await[0].paused);
        store.pause(&queue, &by("kim")).await.unwrap();
        assert!(dying(&store, 1).await[0].paused);
        store.resume(&queue, &by("kim")).await.unwrap();
    }
}

async fn what_waits_is_timed(store: Bed) {
    assert_eq!(store.backlog().await.unwrap(), Backlog::default());
    store.through(job_with_callback(), succeeded()).await;
    store.clock.advance(MINUTE);
    let webhook = NewJob { kind: "webhook.deliver".into(), role: Role::Webhook, ..job() };
    store.submit(webhook).await;
    store.clock.advance(SECOND);

    assert_eq!(store.backlog().await.unwrap(), Backlog { events: MINUTE + SECOND, webhooks: SECOND });

    let queue = QueueName { role: Role::Webhook, tenant_id: None };
    store.pause(&queue, &by("kim")).await.unwrap();
    assert_eq!(store.backlog().await.unwrap().webhooks, Duration::ZERO, "somebody holds them back");
    store.resume(&queue, &by("kim")).await.unwrap();
    let queue = QueueName { tenant_id: Some("acme".into()), ..queue };
    store.pause(&queue, &by("kim")).await.unwrap();
    assert_eq!(store.backlog().await.unwrap().webhooks, Duration::ZERO);
}
