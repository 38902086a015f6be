//! A kind whose jobs die fast: what is done about it.
//!
//! A queue is a role's, or a tenant's share of one; a kind has none of its own. To pause a whole role because of one kind
//! would stop the other kinds and the other tenants, which did nothing wrong. So a queue is paused only where one tenant's
//! jobs are nearly all that die, and most of what that tenant has in the role dies: then a pause saves attempts and costs
//! it nothing. Everywhere else a human is told.

use std::time::Duration;

use super::{Guard, TENANT};
use crate::{
    escalations::{Escalation, Severity, Subject},
    role::Role,
    store::{QueueName, guards::Dying},
};

/// Letters of one kind within [`WINDOW`] that are still nothing. More of them are something once it has gone on for three
/// times that: a batch of bad jobs that has died is over, and a pause would only hold up what comes after it.
pub const MOST: u32 = 10;
/// The time that letters are counted over.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Kinds that are seen to in one look, at most.
const KINDS: usize = 3;
/// How long a human who answered is not asked again about a kind of which nothing is paused.
pub const ASKED: Duration = Duration::from_secs(3600);

/// What to do about a kind whose jobs die.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    pub kind: String,
    /// Who is asked.
    pub tenant_id: String,
    /// What is paused, if anything is.
    pub pause: Option<QueueName>,
    /// What happened and what is done, in words for people.
    pub reason: String,
}

/// What to do, a measure for each kind. Nothing about what dies in a queue that is paused already: what still runs
/// there ends as it ends.
pub fn measures(dying: &[Dying]) -> Vec<Measure> {
    dying.chunk_by(|one, next| one.kind == next.kind).filter_map(measure).take(KINDS).collect()
}

/// Of one kind, the worst first.
fn measure(of_kind: &[Dying]) -> Option<Measure> {
    let worst = of_kind.first()?;
    let Dying { kind, tenant_id, role, letters, lasting, dead, succeeded, paused } = worst;
    let all: u64 = of_kind.iter().map(|dying| dying.letters).sum();
    if *paused || !lasting {
        return None;
    }
    let counted = format!("{all} jobs of {kind} died within the last minute, and as fast before");
    // Nine in ten.
    if letters * 10 < all * 9 {
        let reason =
            format!("{counted}, of several tenants, most of them ({letters}) of {tenant_id}. Nothing is paused.");
        return Some(Measure { kind: kind.clone(), tenant_id: TENANT.to_owned(), pause: None, reason });
    }
    let pauses = may_pause(*role) && dead > succeeded;
    let reason = match pauses {
        true => format!(
            "{counted}, and most jobs before them in {role}, so that queue of yours is paused: jobs still come in, and \
             none is lost. Find out why they die (`golden dlq list --kind {kind}`), then let it go on (`golden queues \
             resume {role}`) and replay what died."
        ),
        false => format!(
            "{counted}. Nothing is paused, since others of your jobs in {role} go on. Find out why these die (`golden \
             dlq list --kind {kind}`)."
        ),
    };
    let queue = QueueName { role: *role, tenant_id: Some(tenant_id.clone()) };
    Some(Measure { kind: kind.clone(), tenant_id: tenant_id.clone(), pause: pauses.then_some(queue), reason })
}

/// Whether a pause helps anybody. A receiver of webhooks that is away must not hold up those that are not, and is left
/// alone by its breaker; and a supervisor's jobs are the questions themselves.
const fn may_pause(role: Role) -> bool {
    match role {
        Role::Orchestrator | Role::PeerHub | Role::Sandbox => true,
        Role::Supervisor | Role::Webhook => false,
    }
}

impl Measure {
    /// What a human is asked.
    pub fn question(&self) -> Escalation {
        let subject: String = format!("{} {}", Guard::DeadLetters, self.kind).chars().take(128).collect();
        let severity = if self.pause.is_some() { Severity::High } else { Severity::Medium };
        Escalation { about: Subject::Guard, subject, reason: self.reason.clone(), severity }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dying(tenant: &str, letters: u64) -> Dying {
        Dying {
            kind: "sandbox.run".to_owned(),
            tenant_id: tenant.to_owned(),
            role: Role::Sandbox,
            letters,
            lasting: true,
            dead: 60,
            succeeded: 40,
            paused: false,
        }
    }

    fn one(dying: &[Dying]) -> Measure {
        let [measure] = measures(dying).try_into().unwrap();
        assert_eq!(measure.question().check(), Ok(()));
        measure
    }

    #[test]
    fn the_queue_is_paused_of_the_tenant_whose_jobs_nearly_all_die() {
        let queue = QueueName { role: Role::Sandbox, tenant_id: Some("acme".to_owned()) };
        assert_eq!(one(&[dying("acme", 90), dying("corp", 10)]).pause, Some(queue.clone()));
        assert_eq!(one(&[dying("acme", 11)]).pause, Some(queue));
    }

    #[test]
    fn nobodys_queue_is_paused_for_what_others_do() {
        let shared = one(&[dying("acme", 89), dying("corp", 11)]);
        assert_eq!((shared.pause, &*shared.tenant_id), (None, TENANT));
    }

    #[test]
    fn a_queue_in_which_as_many_succeed_goes_on() {
        let busy = one(&[Dying { dead: 50, succeeded: 50, ..dying("acme", 20) }]);
        assert_eq!((busy.pause, &*busy.tenant_id), (None, "acme"));
    }

    #[test]
    fn webhooks_and_questions_are_never_paused() {
        for role in [Role::Webhook, Role::Supervisor] {
            assert_eq!(one(&[Dying { role, ..dying("acme", 20) }]).pause, None);
        }
    }

    #[test]
    fn what_died_at_once_is_over() {
        assert_eq!(measures(&[Dying { lasting: false, ..dying("acme", 900) }]), []);
    }

    #[test]
    fn what_dies_in_a_paused_queue_is_known() {
        assert_eq!(measures(&[Dying { paused: true, ..dying("acme", 20) }]), []);
    }

    #[test]
    fn each_kind_is_seen_to_and_few_at_a_time() {
        let kinds: Vec<Dying> = (0..9).map(|n| Dying { kind: format!("fn.f{n}"), ..dying("acme", 20) }).collect();
        let seen: Vec<String> = measures(&kinds).into_iter().map(|measure| measure.kind).collect();
        assert_eq!(seen, ["fn.f0", "fn.f1", "fn.f2"]);
    }
}
