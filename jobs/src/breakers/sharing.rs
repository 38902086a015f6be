//! What follows from what the replicas say of a dependency.

use std::time::Duration;

use super::{
    circuit::{State, Word},
    dependency::Dependency,
};
use crate::store::breakers::{SharedBreaker, SharedBreakers};

/// How long a vote counts once its time is over. Longer than any time open, so that a dependency that nobody
/// calls meanwhile is still tried by one first.
pub const VOTE_KEPT: Duration = Duration::from_secs(600);

/// How long one process may try on behalf of all.
pub const TRIAL_LEASE: Duration = Duration::from_secs(60);

/// The longest that what an operator says of a breaker holds.
pub const WORD_LIMIT: Duration = Duration::from_secs(3600);

/// Votes it takes to open a breaker for all of so many that are alive: half of them, but two at least, unless
/// there is nobody else.
pub fn quorum(alive: u64) -> u64 {
    if alive <= 1 { 1 } else { alive.div_ceil(2).max(2) }
}

/// What holds for all replicas; where each goes by its own connection, what any of them finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub state: State,
    /// How long it stays like that, where that is known.
    pub left: Option<Duration>,
    pub votes: u64,
    /// Votes it takes.
    pub needed: u64,
}

impl Standing {
    /// Of a dependency that nobody says anything of.
    pub fn unknown(dependency: &Dependency, shared: &SharedBreakers) -> Self {
        let needed = dependency.role().map_or(1, |role| quorum(shared.alive(role)));
        Self { state: State::Closed, left: None, votes: 0, needed }
    }

    pub fn of(breaker: &SharedBreaker, shared: &SharedBreakers) -> Self {
        let unknown = Self::unknown(&breaker.dependency, shared);
        let (votes, needed) = (breaker.votes, unknown.needed);
        let (state, left) = match &breaker.said {
            Some(said) => match said.word {
                Word::ForcedOpen => (State::ForcedOpen, Some(said.left)),
                Word::Disabled => (State::Disabled, Some(said.left)),
            },
            None if votes < needed => (State::Closed, None),
            None if breaker.open_for.is_zero() => (State::HalfOpen, None),
            None => (State::Open, Some(breaker.open_for)),
        };
        Self { state, left, votes, needed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{role::Role, store::breakers::Said};

    fn shared(alive: u64, votes: u64, open_for: u64, said: Option<Word>) -> State {
        let breaker = SharedBreaker {
            dependency: Dependency::Docker,
            votes,
            mine: false,
            opened: 1,
            open_for: Duration::from_secs(open_for),
            said: said.map(|word| Said {
                word,
                left: Duration::from_secs(9),
                reason: String::new(),
                by: String::new(),
            }),
            tried_by_other: None,
        };
        let shared = SharedBreakers {
            breakers: vec![breaker.clone()],
            alive: vec![(Role::Sandbox, alive), (Role::Webhook, 90)],
        };
        Standing::of(&breaker, &shared).state
    }

    #[test]
    fn half_of_the_living_open_it_for_all_and_two_at_least() {
        let needed: Vec<u64> = [0, 1, 2, 3, 4, 5, 9, 10].into_iter().map(quorum).collect();
        assert_eq!(needed, [1, 1, 2, 2, 2, 3, 5, 5]);
        assert_eq!(shared(1, 1, 9, None), State::Open);
        assert_eq!(shared(2, 1, 9, None), State::Closed);
        assert_eq!(shared(5, 3, 9, None), State::Open);
    }

    #[test]
    fn its_time_over_it_is_tried_and_what_an_operator_says_goes_first() {
        assert_eq!(shared(1, 1, 0, None), State::HalfOpen);
        assert_eq!(shared(1, 0, 0, Some(Word::ForcedOpen)), State::ForcedOpen);
        assert_eq!(shared(1, 1, 9, Some(Word::Disabled)), State::Disabled);
    }
}
