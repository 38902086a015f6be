//! What agents are told: versions that never change, and one pointer that moves by the rules.

use std::time::Duration;

use golden_jobs::{
    ChangeId, JobId, Role, State,
    audit::{Action, Actor},
    governance::{
        canary::{Arm, Sample},
        change::{Change, Order, Proposal, Refused, Stale, Step},
        document::PolicyDocument,
        evaluation::Evaluation,
        state::ChangeState,
    },
    models::exchange::AgentRole,
    store::{
        Page, StoreError,
        audit::{AuditFilter, AuditPage, ChainName},
        policies::{ChangeFilter, InUse},
    },
};

use crate::{
    bed::{ALL, Bed},
    both_stores,
    given::{MINUTE, TENANT},
};

both_stores! {
    a_change_is_on_record_from_its_proposal_on
    what_sees_to_a_change_is_recorded_with_it
    a_change_comes_to_be_active_by_its_trial
    of_fifty_who_activate_at_once_one_does
    an_approval_is_void_for_anything_else
    what_is_refused_may_still_end_a_change
    a_rollback_moves_the_pointer_back_and_two_freeze_it
    samples_count_while_there_is_a_trial
    nobody_sees_or_takes_anothers
    versions_and_decisions_never_change
    policies_go_with_their_tenant
}

const ROLE: AgentRole = AgentRole::Developer;
const HOUR: Duration = Duration::from_secs(3600);

fn person(name: &str, role: &str) -> Actor {
    Actor::caller(name, TENANT, role)
}

fn document(prompt: &str) -> PolicyDocument {
    PolicyDocument { prompt: prompt.into(), ..PolicyDocument::default() }
}

fn proposal(role: AgentRole, prompt: &str) -> Proposal {
    Proposal {
        id: ChangeId::new(),
        role,
        document: document(prompt),
        base_version: None,
        reason: "shorter answers".into(),
        activate_at: None,
    }
}

async fn order(store: &Bed, order: Order, by: &Actor) -> Result<Option<Change>, Refused> {
    store.govern(TENANT, &order, by).await.unwrap()
}

async fn take(store: &Bed, id: ChangeId, step: Step, by: &Actor) -> Result<Change, Refused> {
    order(store, Order::Take(id, step), by).await.map(|change| change.unwrap())
}

async fn propose(store: &Bed, proposal: Proposal) -> Change {
    order(store, Order::Propose(proposal), &person("dev", "developer")).await.unwrap().unwrap()
}

/// As far as a change comes by itself.
async fn evaluated(store: &Bed, role: AgentRole, prompt: &str) -> Change {
    let id = propose(store, proposal(role, prompt)).await.id;
    let golden = Actor::golden();
    take(store, id, Step::Validate, &golden).await.unwrap();
    take(store, id, Step::Evaluate, &golden).await.unwrap();
    let evaluation = Evaluation::of(&document(""), &document(prompt));
    take(store, id, Step::Judged(evaluation), &golden).await.unwrap()
}

async fn activate(store: &Bed, id: ChangeId) -> Result<Change, Refused> {
    take(store, id, Step::Activate(None), &person("olga", "operator")).await
}

async fn sampled(store: &Bed, id: ChangeId, arm: Arm, sample: Sample, times: u32) {
    for _ in 0..times {
        store.sample_policy(id, arm, &sample).await.unwrap();
    }
}

/// On trial for its cooldown, and active.
async fn proven(store: &Bed, prompt: &str) -> Change {
    let id = evaluated(store, ROLE, prompt).await.id;
    activate(store, id).await.unwrap();
    for arm in [Arm::Base, Arm::Trial] {
        sampled(store, id, arm, Sample::default(), 20).await;
    }
    store.clock.advance(2 * HOUR);
    take(store, id, Step::Tick, &Actor::golden()).await.unwrap()
}

async fn actions(store: &Bed) -> Vec<&'static str> {
    let chain = ChainName { tenant_id: Some(TENANT.into()) };
    let filter = AuditFilter { chain, action: None, actor: None, since: None, until: None };
    let page = AuditPage { before: None, limit: ALL };
    let entries = store.audit_log(&filter, page).await.unwrap().entries;
    let name = |payload: &str| {
        let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
        payload["action"].as_str().unwrap().parse::<Action>().unwrap().as_str()
    };
    entries.iter().rev().map(|entry| name(entry.payload.get())).collect()
}

async fn a_change_is_on_record_from_its_proposal_on(store: Bed) {
    assert_eq!(store.policy_in_use(TENANT, ROLE).await.unwrap(), InUse::default());
    let proposed = propose(&store, Proposal { id: ChangeId::new(), ..proposal(ROLE, "Be brief.") }).await;
    assert_eq!((proposed.state, proposed.version, proposed.base_version), (ChangeState::Proposed, 1, 0));
    assert_eq!(proposed.proposed_by, "user:dev");

    // The same again is the same change, and no other version.
    let again = Proposal { id: proposed.id, ..proposal(ROLE, "Be brief.") };
    assert_eq!(propose(&store, again).await.version, 1);
    let done = evaluated(&store, ROLE, "Be briefer.").await;
    assert_eq!((done.state, done.version), (ChangeState::Approved, 2));
    assert!(done.evaluation.unwrap().get().contains("/prompt"));

    let version = store.policy_version(TENANT, ROLE, 2).await.unwrap().unwrap();
    assert_eq!(serde_json::from_str::<PolicyDocument>(version.document.get()).unwrap(), document("Be briefer."));
    assert_eq!((version.sha256, version.created_by), (document("Be briefer.").sha256(), "user:dev".into()));
    let versions = store.policy_versions(TENANT, ROLE, None, 5).await.unwrap();
    assert_eq!(versions.iter().map(|v| v.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(store.policy_versions(TENANT, ROLE, Some(2), 5).await.unwrap().len(), 1);

    let listed = |filter: ChangeFilter| {
        let store = &store;
        async move {
            let filter = ChangeFilter { tenant_id: TENANT.into(), ..filter };
            let found = store.policy_changes(&filter, Page { before: None, limit: 9 }).await.unwrap();
            found.into_iter().map(|change| change.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(ChangeFilter::default()).await, [done.id, proposed.id]);
    let state = Some(ChangeState::Approved);
    assert_eq!(listed(ChangeFilter { state, role: Some(ROLE), ..ChangeFilter::default() }).await, [done.id]);
    let role = Some(AgentRole::Tester);
    assert!(listed(ChangeFilter { role, ..ChangeFilter::default() }).await.is_empty());
    let awaiting = evaluated(&store, AgentRole::Security, "Trust nobody.").await;
    assert_eq!(listed(ChangeFilter { waiting: true, ..ChangeFilter::default() }).await, [awaiting.id]);
    assert_eq!(actions(&store).await[..3], ["policy.proposed", "policy.proposed", "policy.evaluated"]);
}

/// Else a process that dies after the proposal leaves a change that nobody ever takes further.
async fn what_sees_to_a_change_is_recorded_with_it(store: Bed) {
    let proposal = proposal(ROLE, "Be brief.");
    for _ in 0..2 {
        let change = propose(&store, proposal.clone()).await;
        let job = store.record(JobId::from(change.id)).await;
        assert_eq!((job.kind.as_str(), job.role, job.state), ("learning.update", Role::Supervisor, State::Queued));
    }
}

async fn a_change_comes_to_be_active_by_its_trial(store: Bed) {
    let first = evaluated(&store, ROLE, "a").await;
    let on_trial = activate(&store, first.id).await.unwrap();
    assert_eq!(on_trial.state, ChangeState::Canary);
    let in_use = InUse { active: 0, canary: Some((first.id, 1)) };
    assert_eq!(store.policy_in_use(TENANT, ROLE).await.unwrap(), in_use);
    store.clock.advance(2 * HOUR);
    let open = take(&store, first.id, Step::Tick, &Actor::golden()).await.unwrap();
    assert_eq!(open.state, ChangeState::Canary, "there were no samples");
    for arm in [Arm::Base, Arm::Trial] {
        sampled(&store, first.id, arm, Sample { cost: 7, ..Sample::default() }, 20).await;
    }
    take(&store, first.id, Step::Tick, &Actor::golden()).await.unwrap();
    assert_eq!(store.policy_in_use(TENANT, ROLE).await.unwrap(), InUse { active: 1, canary: None });

    // Nothing of it is in the way of the next.
    let second = proven(&store, "b").await;
    assert_eq!(second.state, ChangeState::Active);
    let docket = store.policy_docket(TENANT, ROLE).await.unwrap();
    assert_eq!((docket.slot.active, docket.quota_left(), docket.next_activation()), (2, 3, None));
    assert_eq!(store.policy_change(TENANT, first.id).await.unwrap().unwrap().state, ChangeState::Superseded);
    let said = actions(&store).await;
    assert_eq!(said[2..4], ["policy.canary", "policy.activated"]);
}

async fn of_fifty_who_activate_at_once_one_does(store: Bed) {
    let mut changes = Vec::new();
    for n in 0..20 {
        changes.push(evaluated(&store, ROLE, &n.to_string()).await.id);
    }
    let all = (0..50).map(|n| activate(&store, changes[n % changes.len()]));
    let ended = futures_util::future::join_all(all).await;
    assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1);
    let docket = store.policy_docket(TENANT, ROLE).await.unwrap();
    assert_eq!((docket.slot.canary.is_some(), docket.quota_left()), (true, 4));

    // Nor more than the quota, were there no cooldown: five in a day, whatever is rolled back.
    let golden = Actor::golden();
    let admin = person("ada", "admin");
    let mut activated = 1;
    for round in 0..12 {
        let docket = store.policy_docket(TENANT, ROLE).await.unwrap();
        if let Some(on_trial) = docket.slot.canary {
            take(&store, on_trial, Step::RollBack("next".into()), &golden).await.unwrap();
        }
        let _ = order(&store, Order::Unfreeze(ROLE, "go on".into()), &admin).await;
        store.clock.advance(2 * HOUR);
        let again: Vec<_> = (0..5).map(|n| activate(&store, changes[(round * 5 + n) % changes.len()])).collect();
        activated += futures_util::future::join_all(again).await.iter().filter(|ended| ended.is_ok()).count();
    }
    assert!((2..=5).contains(&activated), "{activated} in 24 hours");
}

async fn an_approval_is_void_for_anything_else(store: Bed) {
    let change = evaluated(&store, AgentRole::Security, "Trust nobody.").await;
    assert_eq!(change.state, ChangeState::AwaitingApproval);
    let yes = |sha256, base_version| Step::Approve { sha256, base_version, reason: "read it".into() };
    let ada = person("ada", "admin");
    for (step, by, refused) in [
        (yes(change.sha256, 0), person("dev", "admin"), Refused::SelfApproval),
        (yes([0; 32], 0), ada.clone(), Refused::Stale(Stale::Content)),
        (yes(change.sha256, 3), ada.clone(), Refused::Stale(Stale::Base { meant: 3, active: 0 })),
    ] {
        assert_eq!(take(&store, change.id, step, &by).await.unwrap_err(), refused);
    }
    let operator = take(&store, change.id, yes(change.sha256, 0), &person("olga", "operator")).await;
    assert!(matches!(operator, Err(Refused::NotTheirs(_))));
    assert!(matches!(activate(&store, change.id).await, Err(Refused::NotNow { .. })));
    let approved = take(&store, change.id, yes(change.sha256, 0), &ada).await.unwrap();
    let given = approved.approval.unwrap();
    assert_eq!((given.by.as_str(), given.sha256, given.base_version), ("user:ada", change.sha256, 0));

    // Whoever changes the record by hand voids what was approved.
    store.sql.execute("UPDATE policy_changes SET base_version = 1").await.unwrap();
    assert!(matches!(activate(&store, change.id).await, Err(Refused::Stale(_))));
    let stale = store.policy_change(TENANT, change.id).await.unwrap().unwrap();
    assert_eq!(stale.state, ChangeState::Stale);
}

async fn what_is_refused_may_still_end_a_change(store: Bed) {
    let change = evaluated(&store, ROLE, "a").await;
    store.clock.advance(72 * HOUR);
    let late = activate(&store, change.id).await.unwrap_err();
    assert_eq!(late, Refused::NotNow { state: ChangeState::Expired, wanted: "activated" });
    assert_eq!(store.policy_change(TENANT, change.id).await.unwrap().unwrap().state, ChangeState::Expired);
    assert_eq!(actions(&store).await.last(), Some(&"policy.closed"));
}

async fn a_rollback_moves_the_pointer_back_and_two_freeze_it(store: Bed) {
    let admin = person("ada", "admin");
    let (first, second) = (proven(&store, "a").await, proven(&store, "b").await);
    take(&store, second.id, Step::RollBack("worse".into()), &admin).await.unwrap();
    assert_eq!(store.policy_in_use(TENANT, ROLE).await.unwrap().active, 1);
    let third = evaluated(&store, ROLE, "c").await;
    let Err(Refused::Cooldown { until, .. }) = activate(&store, third.id).await else { panic!() };
    let now = store.time().await.unwrap();
    assert_eq!((until - now).num_hours(), 4, "twice its cooldown");
    take(&store, first.id, Step::RollBack("worse as well".into()), &admin).await.unwrap();
    assert_eq!(store.policy_in_use(TENANT, ROLE).await.unwrap().active, 0);
    let docket = store.policy_docket(TENANT, ROLE).await.unwrap();
    assert_eq!(docket.slot.frozen.unwrap().by, "system:golden");
    assert_eq!(store.frozen_policies().await.unwrap(), [(ROLE, 1)]);
    order(&store, Order::Unfreeze(ROLE, "looked at it".into()), &admin).await.unwrap();
    assert!(store.frozen_policies().await.unwrap().is_empty());
    assert_eq!(actions(&store).await.last(), Some(&"policy.unfrozen"));
}

async fn samples_count_while_there_is_a_trial(store: Bed) {
    let change = evaluated(&store, ROLE, "a").await;
    sampled(&store, change.id, Arm::Trial, Sample::default(), 1).await;
    assert_eq!(store.policy_tallies(change.id).await.unwrap().trial.samples, 0);
    activate(&store, change.id).await.unwrap();
    let failed = Sample { failed: true, ..Sample::default() };
    sampled(&store, change.id, Arm::Trial, failed, 2).await;
    sampled(&store, change.id, Arm::Trial, Sample { invalid: true, cost: 5, ..Sample::default() }, 1).await;
    sampled(&store, change.id, Arm::Trial, failed, 2).await;
    sampled(&store, change.id, Arm::Base, Sample { cost: 9, ..Sample::default() }, 2).await;
    let tallies = store.policy_tallies(change.id).await.unwrap();
    let (trial, base) = (tallies.trial, tallies.base);
    assert_eq!((trial.samples, trial.failures, trial.invalid, trial.in_a_row, trial.cost_micros), (5, 4, 1, 2, 5));
    assert_eq!((base.samples, base.failures, base.cost_micros), (2, 0, 18));
    sampled(&store, change.id, Arm::Trial, failed, 1).await;
    let rolled_back = take(&store, change.id, Step::Tick, &Actor::golden()).await.unwrap();
    assert_eq!(rolled_back.state, ChangeState::RolledBack);
    assert_eq!(rolled_back.note.as_deref(), Some("three failures in a row"));
}

async fn nobody_sees_or_takes_anothers(store: Bed) {
    let change = evaluated(&store, ROLE, "a").await;
    let by = Actor::caller("eve", "globex", "admin");
    let taken = store.govern("globex", &Order::Take(change.id, Step::Activate(None)), &by).await.unwrap();
    assert_eq!(taken.unwrap_err(), Refused::NoSuch);
    assert!(store.policy_change("globex", change.id).await.unwrap().is_none());
    assert!(store.policy_version("globex", ROLE, 1).await.unwrap().is_none());
    let filter = ChangeFilter { tenant_id: "globex".into(), ..ChangeFilter::default() };
    assert!(store.policy_changes(&filter, Page { before: None, limit: 9 }).await.unwrap().is_empty());
}

async fn versions_and_decisions_never_change(store: Bed) {
    let change = evaluated(&store, AgentRole::Architect, "a").await;
    let yes = Step::Approve { sha256: change.sha256, base_version: 0, reason: "fine".into() };
    take(&store, change.id, yes, &person("olga", "operator")).await.unwrap();
    for statement in [
        "UPDATE agent_policies SET created_by = 'nobody'",
        "DELETE FROM agent_policies",
        "UPDATE policy_approvals SET decided_by = 'nobody'",
        "DELETE FROM policy_approvals",
    ] {
        let refused = store.sql.execute(statement).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
}

async fn policies_go_with_their_tenant(store: Bed) {
    let admin = person("ada", "admin");
    store.create_tenant(TENANT, &golden_jobs::store::Terms::default(), &admin).await.unwrap();
    let (active, open) = (proven(&store, "a").await, evaluated(&store, ROLE, "b").await);
    store.clock.advance(MINUTE);
    for change in [&active, &open] {
        store.cancel(TENANT, JobId::from(change.id), &admin).await.unwrap();
    }
    store.delete_tenant(TENANT, &admin).await.unwrap();
    assert_eq!(store.policy_in_use(TENANT, ROLE).await.unwrap(), InUse::default());
    let state = |id| {
        let store = &store;
        async move { store.policy_change(TENANT, id).await.unwrap().unwrap().state }
    };
    assert_eq!((state(active.id).await, state(open.id).await), (ChangeState::Superseded, ChangeState::Withdrawn));
    // Whoever comes by that name begins with none, and with numbers of its own.
    assert_eq!(propose(&store, proposal(ROLE, "c")).await.version, 3);
    let refused: Result<_, StoreError> = store.govern(TENANT, &Order::Take(active.id, Step::Tick), &admin).await;
    assert!(refused.is_ok());
}
