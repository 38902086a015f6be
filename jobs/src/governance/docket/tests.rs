use std::time::Duration;

use super::*;
use crate::governance::{
    canary::Tally,
    change::{NeededRole, Order, Proposal, Stale, Step},
    evaluation::Evaluation,
    rules::Rules,
    state::ChangeState,
};

const HOUR: i64 = 3600;

/// A docket that is kept between orders, as a store does.
struct Desk(Docket);

fn desk(role: AgentRole) -> Desk {
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    Desk(Docket::new(Slot::fresh("acme", role), Vec::new(), Tallies::default(), Rules::default().of(role), now))
}

fn person(name: &str, role: &str) -> Actor {
    Actor::caller(name, "acme", role)
}

fn admin() -> Actor {
    person("ada", "admin")
}

fn document(prompt: &str) -> PolicyDocument {
    PolicyDocument { prompt: prompt.to_owned(), ..PolicyDocument::default() }
}

impl Desk {
    fn order(&mut self, order: &Order, by: &Actor) -> Result<Option<ChangeId>, Refused> {
        self.0.written = Written::default();
        self.0.carry_out(order, by)
    }

    fn take(&mut self, change: ChangeId, step: Step, by: &Actor) -> Result<(), Refused> {
        self.order(&Order::Take(change, step), by).map(drop)
    }

    fn propose(&mut self, prompt: &str) -> ChangeId {
        let role = self.0.slot.role;
        let (id, reason) = (ChangeId::new(), "better".to_owned());
        let proposal = Proposal { id, role, document: document(prompt), base_version: None, reason, activate_at: None };
        self.order(&Order::Propose(proposal), &person("dev", "developer")).unwrap();
        id
    }

    /// As far as a change comes by itself.
    fn evaluated(&mut self, prompt: &str) -> ChangeId {
        let id = self.propose(prompt);
        let evaluation = Evaluation::of(&document(""), &document(prompt));
        for step in [Step::Validate, Step::Evaluate, Step::Judged(evaluation)] {
            self.take(id, step, &Actor::golden()).unwrap();
        }
        id
    }

    fn approve(&mut self, id: ChangeId, by: &Actor) -> Result<(), Refused> {
        let Change { sha256, base_version, .. } = *self.0.change(id).unwrap();
        self.take(id, Step::Approve { sha256, base_version, reason: "fine".to_owned() }, by)
    }

    fn activate(&mut self, id: ChangeId) -> Result<(), Refused> {
        self.take(id, Step::Activate(None), &admin())
    }

    /// A version that was on trial for its cooldown, and is active.
    fn proven(&mut self, prompt: &str) -> ChangeId {
        let id = self.evaluated(prompt);
        self.activate(id).unwrap();
        self.prove(id);
        id
    }

    fn prove(&mut self, id: ChangeId) {
        self.0.now += self.0.rule.cooldown;
        let side = Tally { samples: 20, ..Tally::default() };
        self.0.tallies = Tallies { base: side, trial: side };
        self.take(id, Step::Tick, &Actor::golden()).unwrap();
        assert_eq!(self.state(id), ChangeState::Active);
    }

    fn back(&mut self, id: ChangeId) {
        self.take(id, Step::RollBack("worse".to_owned()), &admin()).unwrap();
    }

    fn state(&self, id: ChangeId) -> ChangeState {
        self.0.change(id).unwrap().state
    }

    fn pass(&mut self, hours: i64) {
        self.0.now += chrono::Duration::hours(hours);
    }

    fn hours_until(&self, until: DateTime<Utc>) -> i64 {
        (until - self.0.now).num_seconds() / HOUR
    }

    fn actions(&self) -> Vec<&'static str> {
        self.0.written.acts.iter().map(|(_, act)| act.action.as_str()).collect()
    }
}

#[test]
fn a_change_goes_from_a_proposal_to_the_active_version() {
    let mut desk = desk(AgentRole::Developer);
    let first = desk.evaluated("a");
    assert_eq!(desk.state(first), ChangeState::Approved, "nobody has to approve a developer's");
    desk.activate(first).unwrap();
    assert_eq!((desk.state(first), desk.0.slot.active, desk.0.slot.canary), (ChangeState::Canary, 0, Some(first)));
    desk.prove(first);
    assert_eq!((desk.0.slot.active, desk.0.slot.canary), (1, None));
    assert_eq!(desk.actions(), ["policy.activated"]);
    let second = desk.proven("b");
    assert_eq!((desk.state(first), desk.state(second)), (ChangeState::Superseded, ChangeState::Active));
    assert_eq!(desk.0.slot.active, 2);
}

#[test]
fn a_cooldown_stands_between_activations_and_says_when_it_ends() {
    let mut desk = desk(AgentRole::Reviewer);
    let first = desk.proven("a");
    let second = desk.evaluated("b");
    desk.activate(second).unwrap();
    // The trial ended well, and the cooldown has only begun with its activation.
    desk.take(second, Step::BreakGlass("now".to_owned()), &admin()).unwrap();
    let third = desk.evaluated("c");
    let Err(Refused::Cooldown { until, .. }) = desk.activate(third) else { panic!() };
    assert_eq!(desk.hours_until(until), 4);
    desk.0.now = until;
    desk.activate(third).unwrap();
    assert_eq!(desk.state(first), ChangeState::Superseded);
}

#[test]
fn a_quota_is_over_a_rolling_window() {
    let mut desk = desk(AgentRole::Developer);
    desk.0.now = "2026-01-02T23:00:00Z".parse().unwrap();
    for prompt in ["a", "b", "c", "d", "e"] {
        desk.proven(prompt);
    }
    // Ten hours later and on another day: that is no other window.
    let sixth = desk.evaluated("f");
    assert_eq!(desk.0.quota_left(), 0);
    let Err(Refused::Quota { until, most: 5, .. }) = desk.activate(sixth) else { panic!() };
    assert_eq!(desk.hours_until(until), 14);
    desk.0.now = until - chrono::Duration::seconds(1);
    assert!(desk.activate(sixth).is_err());
    desk.0.now = until;
    assert_eq!(desk.0.quota_left(), 1);
    desk.activate(sixth).unwrap();
}

#[test]
fn a_rollback_restores_what_was_active_and_doubles_the_cooldown() {
    let mut desk = desk(AgentRole::Tester);
    let first = desk.proven("a");
    let second = desk.proven("b");
    let waiting = desk.evaluated("c");
    desk.back(second);
    assert_eq!((desk.state(first), desk.state(second)), (ChangeState::Active, ChangeState::RolledBack));
    assert_eq!((desk.0.slot.active, desk.state(waiting)), (1, ChangeState::Stale), "it was made for the second");
    let third = desk.evaluated("d");
    let Err(Refused::Cooldown { until, .. }) = desk.activate(third) else { panic!() };
    assert_eq!(desk.hours_until(until), 4, "twice two hours from the rollback");
    // One that lasts makes the next cooldown what it is by the rules.
    desk.0.now = until;
    desk.activate(third).unwrap();
    desk.prove(third);
    assert_eq!(desk.0.next_activation(), None);
}

#[test]
fn two_rollbacks_in_a_week_freeze_a_role_until_an_admin_says_otherwise() {
    let mut desk = desk(AgentRole::Tester);
    for prompt in ["a", "b"] {
        let id = desk.evaluated(prompt);
        desk.0.now = desk.0.next_activation().unwrap_or(desk.0.now);
        desk.activate(id).unwrap();
        desk.back(id);
    }
    assert!(desk.actions().contains(&"policy.frozen"));
    let third = desk.evaluated("c");
    desk.pass(24);
    assert!(matches!(desk.activate(third), Err(Refused::Frozen { .. })));
    let unfreeze = Order::Unfreeze(AgentRole::Tester, "looked at".to_owned());
    let operator = person("olga", "operator");
    assert!(matches!(desk.order(&unfreeze, &operator), Err(Refused::NotTheirs(NeededRole::Admin))));
    desk.order(&unfreeze, &admin()).unwrap();
    assert_eq!(desk.order(&unfreeze, &admin()), Err(Refused::NotFrozen(AgentRole::Tester)));
    desk.activate(third).unwrap();
    // The two before count no more: this is the first.
    desk.back(third);
    assert_eq!(desk.0.slot.frozen, None);
    // And four times two hours, since none of the three lasted: doubled again.
    assert_eq!(desk.hours_until(desk.0.next_activation().unwrap()), 16);
}

#[test]
fn a_cooldown_is_seven_days_at_most() {
    let mut desk = desk(AgentRole::Developer);
    for n in 0..12 {
        desk.0.now = desk.0.next_activation().unwrap_or(desk.0.now);
        desk.0.slot.frozen = None;
        let id = desk.evaluated(&format!("{n}"));
        desk.activate(id).unwrap();
        desk.back(id);
    }
    assert_eq!(desk.hours_until(desk.0.next_activation().unwrap()), 168);
}

#[test]
fn security_takes_another_admin_and_an_architect_an_operator() {
    let mut desk = desk(AgentRole::Security);
    let id = desk.evaluated("a");
    assert_eq!(desk.state(id), ChangeState::AwaitingApproval);
    assert!(matches!(desk.activate(id), Err(Refused::NotNow { .. })));
    for (by, refused) in [
        (person("olga", "operator"), Refused::NotTheirs(NeededRole::Admin)),
        (Actor::golden(), Refused::NotTheirs(NeededRole::Admin)),
        (person("dev", "admin"), Refused::SelfApproval),
    ] {
        assert_eq!(desk.approve(id, &by), Err(refused), "{by:?}");
    }
    desk.approve(id, &admin()).unwrap();
    desk.activate(id).unwrap();

    let mut desk = self::desk(AgentRole::Architect);
    let id = desk.evaluated("a");
    assert_eq!(desk.approve(id, &person("d2", "developer")), Err(Refused::NotTheirs(NeededRole::AdminOrOperator)));
    desk.approve(id, &person("olga", "operator")).unwrap();
    assert_eq!(desk.state(id), ChangeState::Approved);
}

#[test]
fn an_approval_is_of_one_content_for_one_base() {
    let mut desk = desk(AgentRole::Security);
    let id = desk.evaluated("a");
    let yes = |sha256, base_version| Step::Approve { sha256, base_version, reason: String::new() };
    let sha256 = desk.0.change(id).unwrap().sha256;
    assert_eq!(desk.take(id, yes([0; 32], 0), &admin()), Err(Refused::Stale(Stale::Content)));
    let base = Refused::Stale(Stale::Base { meant: 1, active: 0 });
    assert_eq!(desk.take(id, yes(sha256, 1), &admin()), Err(base));
    assert_eq!(desk.state(id), ChangeState::AwaitingApproval, "the change is what it was");
    desk.take(id, yes(sha256, 0), &admin()).unwrap();
    // Whatever was done to the record: what is not as it was approved is not activated.
    desk.0.changes[0].sha256 = [1; 32];
    assert_eq!(desk.activate(id), Err(Refused::Stale(Stale::Content)));
    assert_eq!((desk.state(id), desk.actions()), (ChangeState::Stale, vec!["policy.closed"]));
}

#[test]
fn another_base_makes_a_change_stale() {
    let mut desk = desk(AgentRole::Developer);
    let (one, other) = (desk.evaluated("a"), desk.evaluated("b"));
    desk.activate(one).unwrap();
    assert!(matches!(desk.activate(other), Err(Refused::OnTrial { .. })));
    desk.prove(one);
    assert_eq!(desk.state(other), ChangeState::Stale);
    let proposal = |base_version, prompt: &str| Proposal {
        id: ChangeId::new(),
        role: AgentRole::Developer,
        document: document(prompt),
        base_version: Some(base_version),
        reason: String::new(),
        activate_at: None,
    };
    let mut propose = |base, prompt: &str| desk.order(&Order::Propose(proposal(base, prompt)), &admin());
    assert_eq!(propose(0, "c"), Err(Refused::Stale(Stale::Base { meant: 0, active: 1 })));
    assert_eq!(propose(1, "a"), Err(Refused::Unchanged));
    for n in 0..OPEN_LIMIT {
        propose(1, &n.to_string()).unwrap();
    }
    assert!(matches!(propose(1, "more"), Err(Refused::Full { .. })));
}

#[test]
fn a_scheduled_change_is_activated_when_its_time_comes_and_the_rules_allow_it() {
    let mut desk = desk(AgentRole::Developer);
    let id = desk.evaluated("a");
    let time = desk.0.now + chrono::Duration::hours(5);
    desk.take(id, Step::Activate(Some(time)), &admin()).unwrap();
    assert_eq!(desk.state(id), ChangeState::Scheduled);
    let tick = |desk: &mut Desk| desk.take(id, Step::Tick, &Actor::golden()).unwrap();
    tick(&mut desk);
    assert_eq!(desk.state(id), ChangeState::Scheduled);
    let freeze = Order::Freeze(AgentRole::Developer, "busy".to_owned());
    desk.order(&freeze, &person("olga", "operator")).unwrap();
    desk.pass(5);
    tick(&mut desk);
    assert_eq!(desk.state(id), ChangeState::Scheduled, "it waits until it may be");
    desk.order(&Order::Unfreeze(AgentRole::Developer, "done".to_owned()), &admin()).unwrap();
    tick(&mut desk);
    assert_eq!(desk.state(id), ChangeState::Canary);
}

#[test]
fn what_nobody_takes_further_is_over_after_72_hours() {
    let mut desk = desk(AgentRole::Security);
    let id = desk.evaluated("a");
    desk.pass(71);
    desk.take(id, Step::Tick, &Actor::golden()).unwrap();
    assert_eq!(desk.state(id), ChangeState::AwaitingApproval);
    desk.pass(1);
    let late = Refused::NotNow { state: ChangeState::Expired, wanted: "approved" };
    assert_eq!(desk.approve(id, &admin()), Err(late));
    assert!(!desk.0.written.is_empty(), "that it is over is kept, though the order is refused");
}

#[test]
fn a_trial_that_goes_wrong_is_rolled_back() {
    let mut desk = desk(AgentRole::Developer);
    let id = desk.evaluated("a");
    desk.activate(id).unwrap();
    desk.0.tallies.trial = Tally { samples: 1, leaks: 1, ..Tally::default() };
    desk.take(id, Step::Tick, &Actor::golden()).unwrap();
    assert_eq!((desk.state(id), desk.0.slot.canary), (ChangeState::RolledBack, None));
    assert_eq!(desk.actions(), ["policy.rolled_back"]);
}

#[test]
fn glass_is_broken_by_an_admin_and_looked_at_by_another_person() {
    let mut desk = desk(AgentRole::Security);
    let id = desk.evaluated("a");
    let break_glass = || Step::BreakGlass("an outage".to_owned());
    assert_eq!(desk.take(id, break_glass(), &person("olga", "operator")), Err(Refused::NotTheirs(NeededRole::Admin)));
    desk.take(id, break_glass(), &admin()).unwrap();
    assert_eq!((desk.state(id), desk.0.slot.active), (ChangeState::Active, 1));
    assert_eq!(desk.actions(), ["policy.glass_broken", "policy.activated"]);
    desk.pass(25);
    let next = desk.evaluated("b");
    desk.approve(next, &admin()).unwrap();
    assert_eq!(desk.activate(next), Err(Refused::Unreviewed { change: id }));
    assert_eq!(desk.take(id, Step::Review("ok".to_owned()), &admin()), Err(Refused::SelfApproval));
    desk.take(id, Step::Review("ok".to_owned()), &person("olga", "operator")).unwrap();
    assert!(desk.take(id, Step::Review("ok".to_owned()), &person("olga", "operator")).is_err());
    desk.activate(next).unwrap();
}

#[test]
fn whatever_is_ordered_the_quota_holds_in_every_window() {
    let mut desk = desk(AgentRole::Architect);
    let mut activated = Vec::new();
    for n in 0..200 {
        let id = desk.evaluated(&n.to_string());
        desk.approve(id, &admin()).unwrap();
        if desk.activate(id).is_ok() {
            activated.push(desk.0.now);
            if n % 7 == 0 { desk.back(id) } else { desk.prove(id) }
        } else {
            desk.take(id, Step::Withdraw(String::new()), &admin()).unwrap();
        }
        desk.0.slot.frozen = None;
        desk.0.now += Duration::from_secs(3600 * 5);
    }
    assert!(activated.len() > 20);
    for three in activated.windows(3) {
        assert!(three[2] - three[0] >= chrono::Duration::from_std(WINDOW).unwrap());
        assert!(three[1] - three[0] >= chrono::Duration::hours(12));
    }
}
