//! What looks after the installation itself: its guards, and the rules that they keep to.
//!
//! A guard is about one thing that goes wrong by itself and can be mended by itself. Most are chores that every worker
//! does anyway, and are named here so that they can be seen. The others are looked at by one supervisor at a time, under
//! a lease in the [store](crate::store::Guards): a guard finds something, does something about it as often as it may in
//! an hour, and asks a human where that did not help twice in a row.
//!
//! | module | holds |
//! |---|---|
//! | [`dying`] | what is done about a kind whose jobs die fast |

use std::{fmt, str::FromStr, time::Duration};

use chrono::{DateTime, Utc};

use crate::{
    audit::{Act, Action},
    escalations::{Escalation, LONGEST, Severity, Subject},
};

pub mod dying;

/// How often a supervisor looks.
pub const LOOK: Duration = Duration::from_secs(20);
/// For how long one supervisor is the one that looks. Another takes over should it be gone.
pub const LEASE: Duration = Duration::from_secs(60);
/// Looks in a row that found what the guard could not mend, until a human is asked.
pub const FAILURES: u32 = 2;
/// Whose escalations those are that concern no one tenant: the installation's own.
pub const TENANT: &str = "golden";

/// The time over which remedies are limited.
const HOUR: Duration = Duration::from_secs(3600);

/// Who does what there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// Worker processes, whatever their roles, all of them or one at a time, as a chore that is not limited.
    Workers,
    /// One process with the role `supervisor`.
    Supervisor,
}

impl Keeper {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Supervisor => "supervisor",
        }
    }
}

macro_rules! guards {
    ($($(#[$doc:meta])* $guard:ident $name:literal $keeper:ident $limit:literal $about:literal,)*) => {
        /// One of the guards.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Guard {
            $($(#[$doc])* $guard,)*
        }

        impl Guard {
            pub const ALL: &[Self] = &[$(Self::$guard,)*];

            /// The one spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$guard => $name,)* }
            }

            pub const fn keeper(self) -> Keeper {
                match self { $(Self::$guard => Keeper::$keeper,)* }
            }

            /// Remedies of a supervisor in an hour, at most. None: it only tells.
            pub const fn limit(self) -> u32 {
                match self { $(Self::$guard => $limit,)* }
            }

            /// What it does, in a line.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$guard => $about,)* }
            }
        }
    };
}

guards! {
    LostWorkers "lost_workers" Workers 0 "Jobs of workers that fell silent run again.",
    Reservations "reservations" Workers 0 "Money that was kept back for runs that are gone is given back or settled.",
    Sandboxes "sandboxes" Workers 0 "Containers that nobody needs any more are removed.",
    RedisWindow "redis_window" Workers 0 "Hints that went astray in Redis are given anew from the store.",
    Retention "retention" Workers 0 "What has ended, and idempotency keys, are removed when their time is over.",
    Clocks "clocks" Workers 0 "A worker whose clock is far from the store's claims nothing.",
    DeadLetters "dead_letters" Supervisor 10 "A tenant's queue is paused where nearly all of a kind dies in it; a human is asked.",
    Backlog "backlog" Supervisor 0 "A human is asked where events or webhooks wait for long.",
    Breakers "breakers" Supervisor 0 "A human is asked where Docker, NATS, Redis or a model stays away for long.",
    Schedules "schedules" Supervisor 0 "A human is asked where slots have come that nobody fires.",
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not the name of a guard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no guard `{0}`")]
pub struct UnknownGuard(String);

impl FromStr for Guard {
    type Err = UnknownGuard;

    fn from_str(name: &str) -> Result<Self, UnknownGuard> {
        Self::ALL.iter().copied().find(|guard| guard.as_str() == name).ok_or_else(|| UnknownGuard(name.to_owned()))
    }
}

/// What a look came to; where something was wrong, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// All is well.
    Clear,
    /// Something was wrong, and this was done about it.
    Remedied(String),
    /// Something was wrong, and what was to be done about it failed.
    Failed(String),
    /// Something is wrong that the guard may do nothing about: it only tells, or did as much in the last hour as it may.
    /// Or it could not look.
    Told(String),
}

impl Looked {
    /// What became of it, as `guard_remediations_total` has it; nothing where there was nothing to do.
    pub const fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::Clear => None,
            Self::Remedied(_) => Some("done"),
            Self::Failed(_) => Some("failed"),
            Self::Told(_) => Some("told"),
        }
    }

    /// What is audited of it: what it did, or tried to.
    pub(crate) fn act(&self, guard: Guard) -> Option<Act> {
        let (done, what) = match self {
            Self::Remedied(what) => (true, what),
            Self::Failed(what) => (false, what),
            Self::Clear | Self::Told(_) => return None,
        };
        Some(Act::on(Action::GuardActed, guard).with("done", done).with("what", what.as_str()))
    }
}

/// How it stands with a guard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// When it did something, within the last hour.
    pub remedied: Vec<DateTime<Utc>>,
    /// Looks in a row that found what it could not mend.
    pub failures: u32,
    /// Whether a human was asked, and nothing was well since.
    pub escalated: bool,
}

/// What follows from a look beside what is on record of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Follows {
    Nothing,
    /// A human is asked.
    Ask(Escalation),
    /// Nobody needs to look any more.
    Settle,
}

impl Standing {
    /// Remedies in the hour before `now`.
    pub fn remedies(&self, now: DateTime<Utc>) -> u32 {
        let lately = self.remedied.iter().filter(|at| **at > now - HOUR).count();
        u32::try_from(lately).unwrap_or(u32::MAX)
    }

    /// Whether the guard may do something, and not only tell.
    pub fn may_act(&self, guard: Guard, now: DateTime<Utc>) -> bool {
        self.remedies(now) < guard.limit()
    }

    /// Takes down what a look came to.
    pub(crate) fn take_down(&mut self, guard: Guard, looked: &Looked, now: DateTime<Utc>) -> Follows {
        self.remedied.retain(|at| *at > now - HOUR);
        match looked {
            Looked::Clear | Looked::Remedied(_) => {
                if matches!(looked, Looked::Remedied(_)) {
                    self.remedied.push(now);
                }
                self.failures = 0;
                if std::mem::take(&mut self.escalated) { Follows::Settle } else { Follows::Nothing }
            }
            Looked::Failed(why) | Looked::Told(why) => {
                if matches!(looked, Looked::Failed(_)) {
                    self.remedied.push(now);
                }
                self.failures = self.failures.saturating_add(1);
                if self.failures < FAILURES || std::mem::replace(&mut self.escalated, true) {
                    return Follows::Nothing;
                }
                Follows::Ask(trouble(guard, why))
            }
        }
    }
}

/// The question about a guard that does not get by.
fn trouble(guard: Guard, why: &str) -> Escalation {
    let reason = format!("The guard {guard} found what it cannot mend, {FAILURES} times in a row: {why}");
    Escalation {
        about: Subject::Guard,
        subject: guard.to_string(),
        reason: reason.chars().take(LONGEST).collect(),
        severity: Severity::High,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + secs, 0).unwrap()
    }

    fn failed() -> Looked {
        Looked::Failed("no answer".to_owned())
    }

    #[test]
    fn two_failures_in_a_row_ask_once_and_what_works_again_settles() {
        let mut standing = Standing::default();
        let mut look = |looked: &Looked, secs| standing.take_down(Guard::DeadLetters, looked, at(secs));
        assert_eq!(look(&failed(), 0), Follows::Nothing);
        assert_eq!(look(&Looked::Clear, 20), Follows::Nothing, "nobody was asked");
        assert_eq!(look(&failed(), 40), Follows::Nothing, "not in a row");
        let Follows::Ask(question) = look(&Looked::Told("many".to_owned()), 60) else { panic!("nobody is asked") };
        assert_eq!((question.about, &*question.subject), (Subject::Guard, "dead_letters"));
        assert!(question.reason.contains("many"), "{question:?}");
        assert_eq!(question.check(), Ok(()));
        assert_eq!(look(&failed(), 80), Follows::Nothing, "somebody was asked");
        assert_eq!(look(&Looked::Remedied("paused".to_owned()), 100), Follows::Settle);
        assert_eq!(look(&Looked::Clear, 120), Follows::Nothing);
    }

    #[test]
    fn a_guard_acts_so_often_in_a_rolling_hour() {
        let mut standing = Standing::default();
        for n in 0..10 {
            assert!(standing.may_act(Guard::DeadLetters, at(n * 60)), "{n}");
            // What fails counts as well: it may be half done.
            let looked = if n % 2 == 0 { failed() } else { Looked::Remedied("paused".to_owned()) };
            standing.take_down(Guard::DeadLetters, &looked, at(n * 60));
        }
        assert!(!standing.may_act(Guard::DeadLetters, at(3599)));
        assert!(standing.may_act(Guard::DeadLetters, at(3600)), "the first is an hour ago");
        assert_eq!(standing.remedies(at(3600)), 9);
        assert!(!Standing::default().may_act(Guard::Backlog, at(0)), "it only tells");
    }

    #[test]
    fn a_long_reason_still_fits() {
        let question = trouble(Guard::Breakers, &"ß".repeat(3 * LONGEST));
        assert_eq!(question.check(), Ok(()));
    }

    #[test]
    fn every_guard_has_one_name_and_is_in_the_documentation() {
        let page = include_str!("../../docs/guards.md");
        for guard in Guard::ALL {
            assert_eq!(guard.as_str().parse(), Ok(*guard));
            let row = page.lines().find(|line| line.starts_with(&format!("| `{guard}` |")));
            let row = row.unwrap_or_else(|| panic!("docs/guards.md has no row for {guard}"));
            let keeper = guard.keeper().as_str();
            assert!(row.contains(keeper), "docs/guards.md does not say that {guard} is looked after by {keeper}");
        }
    }
}
