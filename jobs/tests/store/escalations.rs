//! What waits for a human.

use golden_jobs::{
    EscalationId, JobId, Role, State,
    budgets::Micros,
    escalations::{Answer, Escalation, EscalationState, Resolution, Severity, Subject},
    outcome::Verdict,
    store::{
        Claimed, Deleted, Keep, NewJob, Page, StoreError,
        audit::ChainName,
        budgets::{Ask, BudgetTerms},
        escalations::{Acknowledged, Answered, EscalationFilter, EscalationRecord, WhichState},
    },
};
use serde_json::{Value, json};

use crate::{
    audit::{checked, payload},
    bed::{ALL, Bed},
    both_stores,
    given::{MINUTE, TENANT, await_all, by, child_of, everything, job, succeeded},
};

both_stores! {
    a_job_asks_once_however_often_it_runs
    an_answer_lets_the_job_go_on_and_its_parent
    an_answer_before_the_job_waits_is_found
    of_two_answers_one_counts
    whoever_looks_first_stays_on_record
    an_escalation_about_a_review_is_answered_by_deciding_it
    what_was_decided_resolves_all_that_asked
    a_cancelled_job_asks_nobody
    a_cancelled_parent_asks_nobody
    a_job_that_is_put_back_to_work_asks_again
    a_run_that_lost_its_lease_asks_nobody
    another_tenants_escalation_is_not_found
    lists_are_filtered_and_go_on
    what_is_open_is_counted
    an_open_escalation_keeps_its_tenant
    an_escalation_goes_with_its_job
    what_happens_to_an_escalation_is_told_and_audited
    a_budget_that_is_gone_asks_a_human_once
}

fn asking() -> NewJob {
    NewJob { kind: "escalation".into(), role: Role::Supervisor, ..job() }
}

fn what(subject: &str) -> Escalation {
    Escalation {
        about: Subject::Other,
        subject: subject.into(),
        reason: "somebody has to look".into(),
        severity: Severity::High,
    }
}

fn answer(resolution: Resolution) -> Answer {
    Answer { resolution, note: Some("looked".into()) }
}

fn wait() -> Verdict {
    Verdict::Await { children: vec![], checkpoint: None, until: Some(MINUTE) }
}

/// A job that asks and waits.
async fn asked(store: &Bed, what: &Escalation) -> EscalationRecord {
    asked_by(store, asking(), what).await
}

async fn asked_by(store: &Bed, job: NewJob, what: &Escalation) -> EscalationRecord {
    let run = store.start(job).await;
    let opened = store.open_escalation(run.run, what).await.unwrap();
    store.end(&run, wait()).await;
    opened
}

async fn resolve(store: &Bed, id: EscalationId, resolution: Resolution) -> Answered {
    store.resolve_escalation(TENANT, id, &answer(resolution), &by("kim")).await.unwrap()
}

async fn found(store: &Bed, id: EscalationId) -> EscalationRecord {
    store.escalation(TENANT, id).await.unwrap().expect("it is recorded")
}

fn end_of(escalation: &EscalationRecord) -> Option<Resolution> {
    escalation.end.as_ref().map(|end| end.answer.resolution)
}

async fn a_job_asks_once_however_often_it_runs(store: Bed) {
    let opened = asked(&store, &what("x")).await;
    assert_eq!(
        (opened.state, opened.what.clone(), opened.opened_at),
        (EscalationState::Open, what("x"), store.clock.now())
    );
    assert_eq!(store.state(opened.job_id).await, State::Waiting);

    store.later(MINUTE).await;
    let again = store.claim_one(Role::Supervisor).await;
    assert_eq!((again.run.id, again.attempt), (opened.job_id, 1), "waiting spends no attempt");
    assert_eq!(store.open_escalation(again.run, &what("y")).await.unwrap(), opened);
    assert_eq!(store.sql.number("SELECT count(*) FROM escalations").await, 1);
}

async fn an_answer_lets_the_job_go_on_and_its_parent(store: Bed) {
    let parent = store.start(job()).await;
    let child = NewJob { kind: "escalation".into(), role: Role::Supervisor, ..child_of(&parent) };
    store.end(&parent, await_all(vec![child])).await;
    let run = store.claim_one(Role::Supervisor).await;
    let opened = store.open_escalation(run.run, &what("x")).await.unwrap();
    store.end(&run, wait()).await;
    assert_eq!(store.claim(Role::Supervisor, ALL, store.worker).await.unwrap().len(), 0, "no worker is held");

    let Answered::Done(resolved) = resolve(&store, opened.id, Resolution::Fixed).await else { panic!() };
    let end = resolved.end.clone().unwrap();
    assert_eq!(
        (resolved.state, end.answer, end.by),
        (EscalationState::Resolved, answer(Resolution::Fixed), "kim".into())
    );

    let again = store.claim_one(Role::Supervisor).await;
    let read = store.open_escalation(again.run, &what("x")).await.unwrap();
    assert_eq!(read, *resolved);
    store.end(&again, succeeded()).await;
    assert_eq!(store.claim_one(Role::Orchestrator).await.run.id, parent.run.id);
}

/// Whoever is quick answers what the list shows before the run that opened it has ended.
async fn an_answer_before_the_job_waits_is_found(store: Bed) {
    let run = store.start(asking()).await;
    let opened = store.open_escalation(run.run, &what("x")).await.unwrap();
    assert!(matches!(resolve(&store, opened.id, Resolution::Approved).await, Answered::Done(_)));
    store.end(&run, wait()).await;

    store.later(MINUTE).await;
    let again = store.claim_one(Role::Supervisor).await;
    let read = store.open_escalation(again.run, &what("x")).await.unwrap();
    assert_eq!(end_of(&read), Some(Resolution::Approved));
}

async fn of_two_answers_one_counts(store: Bed) {
    let opened = asked(&store, &what("x")).await;

    let (yes, no) = tokio::join!(
        resolve(&store, opened.id, Resolution::Approved),
        resolve(&store, opened.id, Resolution::Rejected)
    );

    let (won, lost) = match (yes, no) {
        (Answered::Done(won), Answered::Before(lost)) | (Answered::Before(lost), Answered::Done(won)) => (won, lost),
        both => panic!("{both:?}"),
    };
    assert_eq!((&won, &*won), (&lost, &found(&store, opened.id).await));
    assert_eq!(store.claim_one(Role::Supervisor).await.run.id, opened.job_id);
}

async fn whoever_looks_first_stays_on_record(store: Bed) {
    let opened = asked(&store, &what("x")).await;
    let acknowledge = async |who| store.acknowledge_escalation(TENANT, opened.id, &by(who)).await.unwrap();

    let Acknowledged::Done(first) = acknowledge("kim").await else { panic!() };
    assert_eq!(
        (first.state, first.acknowledged.clone()),
        (EscalationState::Acknowledged, Some(("kim".into(), store.clock.now())))
    );
    store.clock.advance(MINUTE);
    assert_eq!(acknowledge("lee").await, Acknowledged::Done(first));

    assert!(matches!(resolve(&store, opened.id, Resolution::Dismissed).await, Answered::Done(_)));
    assert_eq!(acknowledge("lee").await, Acknowledged::Resolved);
    let read = found(&store, opened.id).await;
    assert_eq!(read.acknowledged.unwrap().0, "kim", "who looked at it is kept");
}

async fn an_escalation_about_a_review_is_answered_by_deciding_it(store: Bed) {
    let review = Escalation { about: Subject::Review, ..what("rev_1") };
    let opened = asked(&store, &review).await;

    let refused = resolve(&store, opened.id, Resolution::Approved).await;
    assert!(matches!(refused, Answered::DecideReview(_)), "{refused:?}");
    assert_eq!(found(&store, opened.id).await, opened);
    assert!(store.claim(Role::Supervisor, ALL, store.worker).await.unwrap().is_empty());

    let answer = answer(Resolution::Approved);
    let decided = store.settle_escalations(TENANT, Subject::Review, "rev_1", &answer, &by("kim")).await.unwrap();
    assert_eq!(decided.len(), 1);
    assert_eq!(end_of(&decided[0]), Some(Resolution::Approved));
    assert_eq!(store.claim_one(Role::Supervisor).await.run.id, opened.job_id);
}

async fn what_was_decided_resolves_all_that_asked(store: Bed) {
    let (first, second) = (asked(&store, &what("x")).await, asked(&store, &what("x")).await);
    let (other, theirs) = (
        asked(&store, &what("y")).await,
        asked_by(&store, NewJob { tenant_id: "globex".into(), ..asking() }, &what("x")).await,
    );

    let settle = async || {
        let answer = answer(Resolution::Fixed);
        let settled = store.settle_escalations(TENANT, Subject::Other, "x", &answer, &by("kim")).await.unwrap();
        settled.into_iter().map(|escalation| escalation.id).collect::<Vec<_>>()
    };
    assert_eq!(settle().await, [first.id, second.id]);
    assert_eq!(settle().await, []);

    let mut going: Vec<JobId> =
        store.claim(Role::Supervisor, ALL, store.worker).await.unwrap().iter().map(|run| run.run.id).collect();
    going.sort();
    assert_eq!(going, [first.job_id, second.job_id]);
    assert_eq!(found(&store, other.id).await.state, EscalationState::Open);
    assert_eq!(store.escalation("globex", theirs.id).await.unwrap().unwrap().state, EscalationState::Open);
}

async fn a_cancelled_job_asks_nobody(store: Bed) {
    // While it waits.
    let opened = asked(&store, &what("x")).await;
    store.cancel(TENANT, opened.job_id, &by("kim")).await.unwrap();
    assert_eq!(store.state(opened.job_id).await, State::Cancelled);
    let read = found(&store, opened.id).await;
    assert_eq!((end_of(&read), read.end.unwrap().by), (Some(Resolution::Withdrawn), "kim".into()));
    assert!(matches!(resolve(&store, opened.id, Resolution::Approved).await, Answered::Before(_)));

    // While its run is under way: what it has opened is withdrawn, and nothing is opened from then on.
    let run = store.start(asking()).await;
    let opened = store.open_escalation(run.run, &what("y")).await.unwrap();
    store.cancel(TENANT, run.run.id, &by("kim")).await.unwrap();
    assert_eq!(end_of(&found(&store, opened.id).await), Some(Resolution::Withdrawn));
    assert_eq!(store.open_escalation(run.run, &what("y")).await, Err(StoreError::LeaseLost));
    store.end(&run, wait()).await;
    assert_eq!(store.state(run.run.id).await, State::Cancelled);
}

async fn a_cancelled_parent_asks_nobody(store: Bed) {
    let parent = store.start(job()).await;
    let child = NewJob { kind: "escalation".into(), role: Role::Supervisor, ..child_of(&parent) };
    store.end(&parent, await_all(vec![child])).await;
    let run = store.claim_one(Role::Supervisor).await;
    let opened = store.open_escalation(run.run, &what("x")).await.unwrap();
    store.end(&run, wait()).await;

    store.cancel(TENANT, parent.run.id, &by("kim")).await.unwrap();

    assert_eq!(end_of(&found(&store, opened.id).await), Some(Resolution::Withdrawn));
}

async fn a_job_that_is_put_back_to_work_asks_again(store: Bed) {
    let opened = asked(&store, &what("x")).await;
    store.acknowledge_escalation(TENANT, opened.id, &by("kim")).await.unwrap();
    store.cancel(TENANT, opened.job_id, &by("kim")).await.unwrap();

    store.retry(TENANT, opened.job_id, &by("kim")).await.unwrap();
    store.clock.advance(MINUTE);
    let run = store.claim_one(Role::Supervisor).await;
    let again = store.open_escalation(run.run, &what("x")).await.unwrap();

    let fresh = EscalationRecord { opened_at: store.clock.now(), ..opened };
    assert_eq!(again, fresh, "nobody looks at it yet");
    assert!(matches!(resolve(&store, again.id, Resolution::Approved).await, Answered::Done(_)));
}

async fn a_run_that_lost_its_lease_asks_nobody(store: Bed) {
    let run = store.start(asking()).await;
    store.end(&run, Verdict::Release).await;

    assert_eq!(store.open_escalation(run.run, &what("x")).await, Err(StoreError::LeaseLost));
    assert_eq!(store.sql.number("SELECT count(*) FROM escalations").await, 0);
}

async fn another_tenants_escalation_is_not_found(store: Bed) {
    let theirs = asked_by(&store, NewJob { tenant_id: "globex".into(), ..asking() }, &what("x")).await;

    assert_eq!(store.escalation(TENANT, theirs.id).await.unwrap(), None);
    assert_eq!(resolve(&store, theirs.id, Resolution::Approved).await, Answered::NoSuchEscalation);
    let acknowledged = store.acknowledge_escalation(TENANT, theirs.id, &by("mallory")).await.unwrap();
    assert_eq!(acknowledged, Acknowledged::NoSuchEscalation);
    assert_eq!(store.escalations(&any(), everything()).await.unwrap().escalations, []);
    assert_eq!(store.escalation("globex", theirs.id).await.unwrap(), Some(theirs));
}

fn any() -> EscalationFilter {
    EscalationFilter { tenant_id: TENANT.into(), ..EscalationFilter::default() }
}

async fn lists_are_filtered_and_go_on(store: Bed) {
    let mut ids = Vec::new();
    for (about, severity) in
        [(Subject::Task, Severity::Low), (Subject::Budget, Severity::High), (Subject::Task, Severity::High)]
    {
        ids.push(asked(&store, &Escalation { about, severity, ..what("x") }).await.id);
    }
    store.acknowledge_escalation(TENANT, ids[1], &by("kim")).await.unwrap();
    resolve(&store, ids[2], Resolution::Fixed).await;
    let list = async |filter: EscalationFilter| {
        let page = store.escalations(&filter, everything()).await.unwrap();
        assert_eq!(page.looked_to, None);
        page.escalations.iter().map(|escalation| escalation.id).collect::<Vec<_>>()
    };
    let state = |state| EscalationFilter { state: Some(state), ..any() };

    assert_eq!(list(any()).await, [ids[2], ids[1], ids[0]], "newest first");
    assert_eq!(list(state(WhichState::Unresolved)).await, [ids[1], ids[0]]);
    assert_eq!(list(state(WhichState::One(EscalationState::Open))).await, [ids[0]]);
    assert_eq!(list(state(WhichState::One(EscalationState::Acknowledged))).await, [ids[1]]);
    assert_eq!(list(state(WhichState::One(EscalationState::Resolved))).await, [ids[2]]);
    assert_eq!(list(EscalationFilter { about: Some(Subject::Task), ..any() }).await, [ids[2], ids[0]]);
    assert_eq!(list(EscalationFilter { severity: Some(Severity::High), ..any() }).await, [ids[2], ids[1]]);
    assert_eq!(list(EscalationFilter { subject: Some("y".into()), ..any() }).await, []);

    let first = store.escalations(&any(), Page { before: None, limit: 2 }).await.unwrap();
    let next = Page { before: Some(first.escalations[1].id), limit: 2 };
    let rest = store.escalations(&any(), next).await.unwrap();
    assert_eq!((first.escalations.len(), rest.escalations[0].id, rest.escalations.len()), (2, ids[0], 1));
}

async fn what_is_open_is_counted(store: Bed) {
    let open = async || store.depths().await.unwrap().escalations;
    assert_eq!(open().await, 0);
    let (first, second) = (asked(&store, &what("x")).await, asked(&store, &what("y")).await);
    asked_by(&store, NewJob { tenant_id: "globex".into(), ..asking() }, &what("x")).await;
    store.acknowledge_escalation(TENANT, first.id, &by("kim")).await.unwrap();
    assert_eq!(open().await, 3, "of all tenants, acknowledged or not");

    resolve(&store, first.id, Resolution::Fixed).await;
    store.cancel(TENANT, second.job_id, &by("kim")).await.unwrap();
    assert_eq!(open().await, 1);
}

async fn an_open_escalation_keeps_its_tenant(store: Bed) {
    let opened = asked(&store, &what("x")).await;
    assert_eq!(store.delete_tenant(TENANT, &by("root")).await.unwrap(), Deleted::Busy);

    store.cancel(TENANT, opened.job_id, &by("kim")).await.unwrap();
    assert_eq!(store.delete_tenant(TENANT, &by("root")).await.unwrap(), Deleted::Gone);
}

async fn an_escalation_goes_with_its_job(store: Bed) {
    let opened = asked(&store, &what("x")).await;
    resolve(&store, opened.id, Resolution::Fixed).await;
    let run: Claimed = store.claim_one(Role::Supervisor).await;
    store.end(&run, succeeded()).await;

    store.clock.advance(10 * MINUTE);
    let keep = Keep { succeeded: Some(MINUTE), cancelled: Some(MINUTE), dead: Some(MINUTE), ledger: None };
    store.prune_jobs(&keep, None, ALL).await.unwrap();

    assert_eq!(store.escalation(TENANT, opened.id).await.unwrap(), None);
}

/// Whatever was refused, and however often; raising the limit is the answer.
async fn a_budget_that_is_gone_asks_a_human_once(store: Bed) {
    let limit = async |limit| {
        let terms = BudgetTerms { limit: Micros::new(limit), period: None };
        store.set_budget(TENANT, &terms, &by("kim")).await.unwrap();
    };
    limit(100).await;
    let run = store.start(job()).await;
    let asks = async |step: &str, amount| {
        let ask = Ask { run: run.run, step: step.into(), reask: 0, amount: Micros::new(amount).unwrap() };
        store.reserve(&ask).await.unwrap()
    };
    for step in ["a", "b", "b"] {
        asks(step, 101).await;
    }

    let asking = store.claim_one(Role::Supervisor).await;
    let what: Escalation = serde_json::from_str(asking.payload.get()).unwrap();
    assert_eq!((what.about, &*what.subject, asking.tenant_id.as_str()), (Subject::Budget, TENANT, TENANT));
    let opened = store.open_escalation(asking.run, &what).await.unwrap();
    store.end(&asking, wait()).await;

    limit(100).await;
    assert_eq!(found(&store, opened.id).await.state, EscalationState::Open);
    limit(150).await;
    let read = found(&store, opened.id).await;
    assert_eq!((end_of(&read), read.end.unwrap().by), (Some(Resolution::Fixed), "kim".into()));
    assert_eq!(store.claim_one(Role::Supervisor).await.run.id, opened.job_id);

    // Another limit is another question.
    asks("c", 151).await;
    asks("c", 151).await;
    assert_eq!(store.claim_one(Role::Supervisor).await.kind, "escalation");
}

async fn what_happens_to_an_escalation_is_told_and_audited(store: Bed) {
    store.listen("", 60 * MINUTE).await.unwrap();
    let opened = asked(&store, &what("x")).await;
    store.acknowledge_escalation(TENANT, opened.id, &by("kim")).await.unwrap();
    store.acknowledge_escalation(TENANT, opened.id, &by("lee")).await.unwrap();
    resolve(&store, opened.id, Resolution::Rejected).await;
    resolve(&store, opened.id, Resolution::Approved).await;

    let told = |event| store.sql.number(event);
    assert_eq!(told("SELECT count(*) FROM outbox WHERE event = 'escalation.opened' AND job_id IS NULL").await, 1);
    assert_eq!(told("SELECT count(*) FROM outbox WHERE event = 'escalation.resolved'").await, 1);

    let log: Vec<Value> = checked(&store, &ChainName::of(TENANT)).await.iter().map(payload).collect();
    let acts: Vec<_> = log.iter().map(|entry| (&entry["action"], &entry["actor"], &entry["target"])).collect();
    let (kim, id) = (json!("user:kim"), json!(opened.id));
    let (looked, resolved) = (json!("escalation.acknowledged"), json!("escalation.resolved"));
    assert_eq!(acts, [(&looked, &kim, &id), (&resolved, &kim, &id)]);
    let details = json!({"about": "other", "subject": "x", "resolution": "rejected", "note": "looked"});
    assert_eq!(log[1]["details"], details);
}
