//! How orders are carried out.

use chrono::{DateTime, Utc};
use serde_json::{json, value::to_raw_value};

use super::{Docket, Frozen, OPEN_LIMIT};
use crate::{
    audit::{Act, Action, Actor, Hash},
    governance::{
        canary::{self, Verdict},
        change::{Approved, BrokenGlass, Change, Decision, NeededRole, Order, Proposal, Refused, Stale, Step},
        evaluation::Evaluation,
        rules::{Approval, ROLLBACKS_WITHIN},
        state::{ChangeState, Event},
    },
    id::{ApprovalId, ChangeId},
    webhooks::{POLICY_ACTIVATED, POLICY_CANARY, POLICY_FROZEN, POLICY_PROPOSED, POLICY_REJECTED, POLICY_ROLLED_BACK},
};

/// Rollbacks within [`ROLLBACKS_WITHIN`] that freeze a role.
const ROLLBACKS: usize = 2;

impl Docket {
    /// Carries out an order, or says why not. What is to be written is so in either case: who comes too late may find
    /// that a change is over.
    pub(crate) fn carry_out(&mut self, order: &Order, by: &Actor) -> Result<Option<ChangeId>, Refused> {
        match order {
            Order::Propose(proposal) => self.propose(proposal, by).map(Some),
            Order::Take(change, step) => self.take(*change, step, by).map(|()| Some(*change)),
            Order::Freeze(_, reason) => {
                self.is_person(by, NeededRole::AdminOrOperator)?;
                self.freeze(reason, by);
                Ok(None)
            }
            Order::Unfreeze(role, reason) => {
                self.is_person(by, NeededRole::Admin)?;
                self.slot.frozen.take().ok_or(Refused::NotFrozen(*role))?;
                self.slot.thawed_at = Some(self.now);
                self.record(by, Act::on(Action::PolicyUnfrozen, role).with("reason", reason.as_str()));
                Ok(None)
            }
        }
    }

    fn propose(&mut self, proposal: &Proposal, by: &Actor) -> Result<ChangeId, Refused> {
        let Proposal { id, role, document, base_version, reason, activate_at } = proposal;
        // The same proposal again, by whoever did not hear that it was taken.
        if self.changes.iter().any(|change| change.id == *id) {
            return Ok(*id);
        }
        let active = self.slot.active;
        if let Some(meant) = base_version.filter(|meant| *meant != active) {
            return Err(Refused::Stale(Stale::Base { meant, active }));
        }
        let sha256 = document.sha256();
        let open = self.changes.iter().filter(|change| change.state.is_open());
        if open.count() >= OPEN_LIMIT {
            return Err(Refused::Full { role: *role, most: OPEN_LIMIT });
        }
        if self.changes.iter().any(|change| change.version == active && change.sha256 == sha256) {
            return Err(Refused::Unchanged);
        }
        self.slot.last += 1;
        self.changes.push(Change {
            id: *id,
            tenant_id: self.slot.tenant_id.clone(),
            role: *role,
            version: self.slot.last,
            base_version: active,
            sha256,
            state: ChangeState::Proposed,
            proposed_by: by.name(),
            reason: reason.clone(),
            note: None,
            activate_at: *activate_at,
            evaluation: None,
            approval: None,
            created_at: self.now,
            state_at: self.now,
            activated_at: None,
            rolled_back_at: None,
            broken_glass: None,
        });
        self.written.proposed = Some((*id, document.clone()));
        let at = self.changes.len() - 1;
        self.record(by, self.act(at, Action::PolicyProposed).with("sha256", Hash(sha256).to_string()));
        self.tell(at, POLICY_PROPOSED, None);
        Ok(*id)
    }

    fn take(&mut self, id: ChangeId, step: &Step, by: &Actor) -> Result<(), Refused> {
        let at = self.changes.iter().position(|change| change.id == id).ok_or(Refused::NoSuch)?;
        if self.changes[at].expires_at().is_some_and(|over| over <= self.now) {
            self.close(at, Event::TimeOver, "nobody took it further for 72 hours");
        }
        let state = self.changes[at].state;
        match step {
            Step::Validate => self.go(at, Event::Taken, "looked at"),
            Step::Evaluate => self.go(at, Event::Valid, "evaluated"),
            Step::Fail(reason) => {
                self.refuse_unless(at, Event::Unfit, "found unfit")?;
                self.close(at, Event::Unfit, reason);
                Ok(())
            }
            Step::Judged(evaluation) => self.judged(at, evaluation),
            Step::Approve { sha256, base_version, reason } => self.approve(at, *sha256, *base_version, reason, by),
            Step::Reject(reason) => {
                self.is_person(by, self.rule.approval.into())?;
                self.go(at, Event::Rejected, "rejected")?;
                self.decide(at, false, reason, by);
                self.changes[at].note = Some(reason.clone());
                self.record(by, self.act(at, Action::PolicyRejected).with("reason", reason.as_str()));
                self.tell(at, POLICY_REJECTED, Some(reason));
                Ok(())
            }
            Step::Withdraw(reason) => {
                self.go(at, Event::Withdrawn, "withdrawn")?;
                self.changes[at].note = Some(reason.clone());
                self.record(by, self.act(at, Action::PolicyWithdrawn).with("reason", reason.as_str()));
                Ok(())
            }
            Step::Activate(later) => self.activate(at, *later, by),
            Step::RollBack(reason) => self.roll_back(at, reason, by),
            Step::BreakGlass(reason) => self.break_glass(at, reason, by),
            Step::Review(reason) => self.review(at, reason, by),
            Step::Tick => {
                self.tick(at, state);
                Ok(())
            }
        }
    }

    fn judged(&mut self, at: usize, evaluation: &Evaluation) -> Result<(), Refused> {
        let needed = self.rule.approval;
        let event = if needed == Approval::Automatic { Event::NeedsNone } else { Event::NeedsApproval };
        self.go(at, event, "evaluated")?;
        self.changes[at].evaluation = to_raw_value(evaluation).ok();
        let act = self.act(at, Action::PolicyEvaluated).with("state", self.changes[at].state.as_str());
        self.record(&Actor::golden(), act);
        self.schedule(at)
    }

    /// Once it is approved, for the time that it was proposed for.
    fn schedule(&mut self, at: usize) -> Result<(), Refused> {
        match self.changes[at].state == ChangeState::Approved && self.changes[at].activate_at.is_some() {
            true => self.go(at, Event::Scheduled, "scheduled"),
            false => Ok(()),
        }
    }

    fn approve(
        &mut self,
        at: usize,
        sha256: [u8; 32],
        base_version: u32,
        reason: &str,
        by: &Actor,
    ) -> Result<(), Refused> {
        self.is_person(by, self.rule.approval.into())?;
        self.refuse_unless(at, Event::Approved, "approved")?;
        if self.changes[at].proposed_by == by.name() {
            return Err(Refused::SelfApproval);
        }
        self.is_for_what_is_active(at)?;
        // The change is what it was: the approval is void, and not the change.
        if sha256 != self.changes[at].sha256 {
            return Err(Refused::Stale(Stale::Content));
        }
        if base_version != self.changes[at].base_version {
            return Err(Refused::Stale(Stale::Base { meant: base_version, active: self.slot.active }));
        }
        self.go(at, Event::Approved, "approved")?;
        self.decide(at, true, reason, by);
        self.changes[at].approval = Some(Approved { sha256, base_version, by: by.name(), at: self.now });
        self.record(by, self.act(at, Action::PolicyApproved).with("sha256", Hash(sha256).to_string()));
        self.schedule(at)
    }

    fn activate(&mut self, at: usize, later: Option<DateTime<Utc>>, by: &Actor) -> Result<(), Refused> {
        self.refuse_unless(at, Event::Begun, "activated")?;
        self.is_as_approved(at)?;
        if let Some(time) = later.filter(|time| *time > self.now) {
            self.go(at, Event::Scheduled, "scheduled")?;
            self.changes[at].activate_at = Some(time);
            self.record(by, self.act(at, Action::PolicyScheduled).with("at", json!(time)));
            return Ok(());
        }
        self.may_activate()?;
        self.go(at, Event::Begun, "activated")?;
        self.changes[at].activated_at = Some(self.now);
        self.slot.canary = Some(self.changes[at].id);
        self.record(by, self.act(at, Action::PolicyCanary));
        self.tell(at, POLICY_CANARY, None);
        Ok(())
    }

    fn break_glass(&mut self, at: usize, reason: &str, by: &Actor) -> Result<(), Refused> {
        self.is_person(by, NeededRole::Admin)?;
        self.refuse_unless(at, Event::GlassBroken, "activated at once")?;
        self.is_for_what_is_active(at)?;
        self.go(at, Event::GlassBroken, "activated at once")?;
        let change = &mut self.changes[at];
        change.activated_at = Some(self.now);
        change.note = Some(reason.to_owned());
        change.broken_glass = Some(BrokenGlass { by: by.name(), reviewed_by: None, reviewed_at: None });
        self.record(by, self.act(at, Action::PolicyGlassBroken).with("reason", reason));
        self.point_to(at, by);
        Ok(())
    }

    fn review(&mut self, at: usize, reason: &str, by: &Actor) -> Result<(), Refused> {
        self.is_person(by, NeededRole::AdminOrOperator)?;
        let (state, now) = (self.changes[at].state, self.now);
        let not_now = Refused::NotNow { state, wanted: "reviewed: it was not activated against the rules, or was" };
        let glass = self.changes[at].broken_glass.as_mut().filter(|glass| glass.reviewed_at.is_none());
        let glass = glass.ok_or(not_now)?;
        if glass.by == by.name() {
            return Err(Refused::SelfApproval);
        }
        (glass.reviewed_by, glass.reviewed_at) = (Some(by.name()), Some(now));
        self.written.changes.insert(self.changes[at].id);
        self.record(by, self.act(at, Action::PolicyReviewed).with("reason", reason));
        Ok(())
    }

    fn roll_back(&mut self, at: usize, reason: &str, by: &Actor) -> Result<(), Refused> {
        let was_active = self.changes[at].state == ChangeState::Active;
        self.go(at, Event::RolledBack, "rolled back")?;
        let (now, base) = (self.now, self.changes[at].base_version);
        self.changes[at].rolled_back_at = Some(now);
        self.changes[at].note = Some(reason.to_owned());
        if was_active {
            self.slot.active = base;
            if let Some(restored) = self.changes.iter().position(|change| change.version == base) {
                // Golden's own bookkeeping: it is where the pointer says.
                let _ = self.go(restored, Event::Restored, "restored");
            }
        } else {
            self.slot.canary = None;
        }
        self.record(by, self.act(at, Action::PolicyRolledBack).with("reason", reason).with("active", self.slot.active));
        self.tell(at, POLICY_ROLLED_BACK, Some(reason));
        self.outdate_others(at);
        let counts =
            |at: &DateTime<Utc>| *at + ROLLBACKS_WITHIN > now && self.slot.thawed_at.is_none_or(|thawed| *at > thawed);
        let rollbacks = self.changes.iter().filter_map(|change| change.rolled_back_at).filter(counts).count();
        if rollbacks >= ROLLBACKS && self.slot.frozen.is_none() {
            self.freeze("two versions were rolled back within seven days", &Actor::golden());
        }
        Ok(())
    }

    fn freeze(&mut self, reason: &str, by: &Actor) {
        let role = self.slot.role;
        self.slot.frozen = Some(Frozen { since: self.now, by: by.name(), reason: reason.to_owned() });
        self.record(by, Act::on(Action::PolicyFrozen, role).with("reason", reason));
        self.written.events.push((POLICY_FROZEN, json!({"role": role, "reason": reason, "by": by.name()})));
    }

    /// What nobody has to say: the time has come for it, or its trial has an end.
    fn tick(&mut self, at: usize, state: ChangeState) {
        let golden = Actor::golden();
        match state {
            ChangeState::Scheduled if self.changes[at].activate_at.is_none_or(|time| time <= self.now) => {
                // Refused, it is tried again, or is over: what it waits for is in the slot.
                let _ = self.activate(at, None, &golden);
            }
            ChangeState::Canary => {
                let since = self.changes[at].activated_at.unwrap_or(self.now);
                match canary::judge(&self.tallies, since, self.rule.cooldown, self.now) {
                    Verdict::Open => {}
                    Verdict::Worse(reason) => {
                        let _ = self.roll_back(at, reason, &golden);
                    }
                    Verdict::Proven => {
                        if self.go(at, Event::Proven, "active").is_ok() {
                            self.point_to(at, &golden);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// Moves the pointer.
    fn point_to(&mut self, at: usize, by: &Actor) {
        let before = std::mem::replace(&mut self.slot.active, self.changes[at].version);
        self.slot.canary = self.slot.canary.filter(|on_trial| *on_trial != self.changes[at].id);
        if let Some(superseded) = self.changes.iter().position(|change| change.version == before) {
            let _ = self.go(superseded, Event::Superseded, "superseded");
        }
        self.record(by, self.act(at, Action::PolicyActivated).with("before", before));
        self.tell(at, POLICY_ACTIVATED, None);
        self.outdate_others(at);
    }

    /// Whatever was made for another version than is active is void.
    fn outdate_others(&mut self, at: usize) {
        let active = self.slot.active;
        for other in (0..self.changes.len()).filter(|other| *other != at) {
            let Change { state, base_version, .. } = self.changes[other];
            if state.is_open() && base_version != active {
                self.slot.canary = self.slot.canary.filter(|on_trial| *on_trial != self.changes[other].id);
                self.close(other, Event::Outdated, &Stale::Base { meant: base_version, active }.to_string());
            }
        }
    }

    fn is_as_approved(&mut self, at: usize) -> Result<(), Refused> {
        self.is_for_what_is_active(at)?;
        if self.changes[at].is_approved(self.rule.approval) {
            return Ok(());
        }
        let stale = if self.changes[at].approval.is_some() { Stale::Content } else { Stale::Rules };
        self.close(at, Event::Outdated, &stale.to_string());
        Err(Refused::Stale(stale))
    }

    fn is_for_what_is_active(&mut self, at: usize) -> Result<(), Refused> {
        let (meant, active) = (self.changes[at].base_version, self.slot.active);
        if meant == active {
            return Ok(());
        }
        let stale = Stale::Base { meant, active };
        self.close(at, Event::Outdated, &stale.to_string());
        Err(Refused::Stale(stale))
    }

    fn is_person(&self, by: &Actor, needed: NeededRole) -> Result<(), Refused> {
        let approval = if needed == NeededRole::Admin { Approval::Admin } else { Approval::Operator };
        match approval.is_given_by(by.standing.as_ref()) {
            true => Ok(()),
            false => Err(Refused::NotTheirs(needed)),
        }
    }

    fn decide(&mut self, at: usize, approved: bool, reason: &str, by: &Actor) {
        let Change { id: change, sha256, base_version, .. } = self.changes[at];
        let (id, by, reason) = (ApprovalId::new(), by.name(), reason.to_owned());
        self.written.decision = Some(Decision { id, change, sha256, base_version, approved, by, reason });
    }

    /// Ends a change by Golden's own rules.
    fn close(&mut self, at: usize, event: Event, note: &str) {
        if self.go(at, event, "closed").is_ok() {
            self.changes[at].note = Some(note.to_owned());
            let act = self.act(at, Action::PolicyClosed).with("state", self.changes[at].state.as_str());
            self.record(&Actor::golden(), act.with("reason", note));
        }
    }

    fn refuse_unless(&self, at: usize, event: Event, wanted: &'static str) -> Result<(), Refused> {
        let state = self.changes[at].state;
        state.after(event).map(drop).ok_or(Refused::NotNow { state, wanted })
    }

    fn go(&mut self, at: usize, event: Event, wanted: &'static str) -> Result<(), Refused> {
        let change = &mut self.changes[at];
        let state = change.state;
        change.state = state.after(event).ok_or(Refused::NotNow { state, wanted })?;
        change.state_at = self.now;
        self.written.changes.insert(change.id);
        Ok(())
    }

    fn act(&self, at: usize, action: Action) -> Act {
        let Change { id, role, version, .. } = &self.changes[at];
        Act::on(action, id).with("role", role.as_str()).with("version", *version)
    }

    fn record(&mut self, by: &Actor, act: Act) {
        self.written.acts.push((by.clone(), act));
    }

    fn tell(&mut self, at: usize, event: &'static str, reason: Option<&str>) {
        let Change { id, role, version, base_version, proposed_by, .. } = &self.changes[at];
        let mut data = json!({
            "id": id, "role": role, "version": version, "base_version": base_version, "proposed_by": proposed_by,
        });
        if let (Some(reason), Some(members)) = (reason, data.as_object_mut()) {
            members.insert("reason".to_owned(), reason.into());
        }
        self.written.events.push((event, data));
    }
}
