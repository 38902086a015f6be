//! What follows from the ballots.

use super::ballot::Vote;

/// What a sitting seat's ballot comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voice {
    pub weight: u32,
    /// Whether nothing is approved without its seat's vote.
    pub veto: bool,
    pub vote: Vote,
    /// Whether it says that something is critical.
    pub critical: bool,
    /// Whether it rejects for something critical, and shows it.
    pub fatal: bool,
}

/// How far a review has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    pub last_round: bool,
    /// Whether the places of silent seats were given to others already.
    pub replaced: bool,
}

/// What a round comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    Approved,
    Rejected,
    ChangesRequested,
    Escalated,
    /// Too many were silent: others are asked in their places, once.
    Replace,
}

/// What the ballots of a whole panel come to; the first that holds:
///
/// 1. One with a veto rejects for something critical and shows it: changes are requested.
/// 2. Fewer than two thirds voted: the silent are replaced.
/// 3. Two thirds approve, two or more of them, and nobody says that something is critical: approved. Where one with a
///    veto was silent, it is replaced first: nobody's silence is consent.
/// 4. Two thirds reject: rejected.
/// 5. Changes are requested.
///
/// Two thirds are of all weight, not of those who voted: else silencing a dissenter could approve. A second wave of
/// replacements, like a third round, is a human's to decide instead.
pub fn decide(voices: &[Voice], total: u32, stage: Stage) -> Label {
    let weight = |counts: &dyn Fn(&Voice) -> bool| -> u32 {
        voices.iter().filter(|voice| counts(voice)).map(|voice| voice.weight).sum()
    };
    let approve = weight(&|voice| voice.vote == Vote::Approve);
    let reject = weight(&|voice| voice.vote == Vote::Reject);
    let voted = weight(&|voice| voice.vote != Vote::Abstain);
    let again = if stage.last_round { Label::Escalated } else { Label::ChangesRequested };
    let replace = if stage.replaced { Label::Escalated } else { Label::Replace };

    if voices.iter().any(|voice| voice.veto && voice.fatal) {
        again
    } else if 3 * voted < 2 * total {
        replace
    } else if 3 * approve >= 2 * total
        && voices.iter().filter(|voice| voice.vote == Vote::Approve).count() >= 2
        && !voices.iter().any(|voice| voice.critical)
    {
        let silent_veto = voices.iter().any(|voice| voice.veto && voice.vote == Vote::Abstain);
        if silent_veto { replace } else { Label::Approved }
    } else if 3 * reject >= 2 * total {
        Label::Rejected
    } else {
        again
    }
}

/// What a round comes to whatever the seats in `missing` (weight and veto of each) will say; `None` while it depends
/// on them.
pub fn certain(voices: &[Voice], missing: &[(u32, bool)], total: u32, stage: Stage) -> Option<Label> {
    let mut all = voices.to_vec();
    let mut found = None;
    completions(&mut all, missing, &mut |whole| {
        let label = decide(whole, total, stage);
        *found.get_or_insert(label) == label
    })
    .then_some(found)
    .flatten()
}

/// Shows every completion until one is not wanted. Answers whether all were.
fn completions(voices: &mut Vec<Voice>, missing: &[(u32, bool)], wanted: &mut impl FnMut(&[Voice]) -> bool) -> bool {
    let Some((&(weight, veto), rest)) = missing.split_first() else { return wanted(voices) };
    for said in sayable(weight, veto) {
        voices.push(said);
        let all = completions(voices, rest, wanted);
        voices.pop();
        if !all {
            return false;
        }
    }
    true
}

/// Everything a seat may say, as far as it makes a difference.
fn sayable(weight: u32, veto: bool) -> impl Iterator<Item = Voice> {
    let voted = [Vote::Approve, Vote::RequestChanges, Vote::Reject].into_iter();
    let voted = voted.flat_map(|vote| [(vote, false, false), (vote, true, false)]);
    let all = voted.chain([(Vote::Abstain, false, false)]).chain(veto.then_some((Vote::Reject, true, true)));
    all.map(move |(vote, critical, fatal)| Voice { weight, veto, vote, critical, fatal })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: Stage = Stage { last_round: false, replaced: false };

    fn plain(vote: Vote) -> Voice {
        Voice { weight: 1, veto: false, vote, critical: false, fatal: false }
    }

    /// Every way in which a panel of so many can vote.
    fn panels(seats: u32) -> Vec<Vec<Voice>> {
        let mut all = vec![Vec::new()];
        for _ in 0..seats {
            all = all
                .into_iter()
                .flat_map(|panel| {
                    Vote::ALL.iter().map(move |vote| panel.iter().copied().chain([plain(*vote)]).collect())
                })
                .collect();
        }
        all
    }

    /// The cases in which a dissenter's silence approves what its vote did not, if two thirds are of `whole`.
    fn silencings(whole: impl Fn(&[Voice]) -> u32) -> usize {
        let approves = |panel: &[Voice]| {
            let sum = |vote: Option<Vote>| {
                panel.iter().filter(|voice| vote.map_or(voice.vote != Vote::Abstain, |vote| voice.vote == vote)).count()
                    as u32
            };
            let approve = sum(Some(Vote::Approve));
            3 * sum(None) >= 2 * panel.len() as u32 && 3 * approve >= 2 * whole(panel) && approve >= 2
        };
        let mut found = 0;
        for panel in (3..=5).flat_map(panels).filter(|panel| !approves(panel)) {
            for dissenter in 0..panel.len() {
                if matches!(panel[dissenter].vote, Vote::RequestChanges | Vote::Reject) {
                    let mut silenced = panel.clone();
                    silenced[dissenter].vote = Vote::Abstain;
                    found += usize::from(approves(&silenced));
                }
            }
        }
        found
    }

    #[test]
    fn two_thirds_are_of_all_since_of_those_who_voted_silence_could_approve() {
        let voted = |panel: &[Voice]| panel.iter().filter(|voice| voice.vote != Vote::Abstain).count() as u32;
        assert_eq!(silencings(voted), 128);
        assert_eq!(silencings(|panel| panel.len() as u32), 0);
        // And so it is with the rule itself, whatever the stage.
        for panel in (3..=5).flat_map(panels) {
            let total = panel.len() as u32;
            for dissenter in (0..panel.len()).filter(|at| panel[*at].vote != Vote::Approve) {
                let mut silenced = panel.clone();
                silenced[dissenter].vote = Vote::Abstain;
                for (last_round, replaced) in [(false, false), (false, true), (true, false), (true, true)] {
                    let of = |panel: &[Voice]| decide(panel, total, Stage { last_round, replaced });
                    assert!(of(&silenced) != Label::Approved || of(&panel) == Label::Approved, "{panel:?}");
                }
            }
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        use Vote::{Abstain, Approve, Reject, RequestChanges};
        let security = |vote| Voice { veto: true, ..plain(vote) };
        let fatal = Voice { critical: true, fatal: true, ..security(Reject) };
        let critical = |vote| Voice { critical: true, ..plain(vote) };
        let [a, c, r, x] = [Approve, RequestChanges, Reject, Abstain].map(plain);
        let last = Stage { last_round: true, ..FIRST };
        let replaced = Stage { replaced: true, ..FIRST };
        for (voices, stage, expected) in [
            (vec![a, a, fatal], FIRST, Label::ChangesRequested),
            (vec![x, x, fatal], FIRST, Label::ChangesRequested),
            (vec![r, r, fatal], last, Label::Escalated),
            (vec![a, x, x], FIRST, Label::Replace),
            (vec![a, x, x], replaced, Label::Escalated),
            (vec![a, a, x], FIRST, Label::Approved),
            (vec![a, a, r], FIRST, Label::Approved),
            (vec![a, a, security(Abstain)], FIRST, Label::Replace),
            (vec![a, a, security(Abstain)], replaced, Label::Escalated),
            (vec![a, a, critical(Approve)], FIRST, Label::ChangesRequested),
            (vec![a, a, critical(Reject)], last, Label::Escalated),
            (vec![r, r, a], FIRST, Label::Rejected),
            (vec![r, r, security(Reject)], last, Label::Rejected),
            (vec![a, c, r], FIRST, Label::ChangesRequested),
            (vec![a, c, x], FIRST, Label::ChangesRequested),
            (vec![a, c, r], last, Label::Escalated),
            (vec![a, a, a, c, r], FIRST, Label::ChangesRequested),
            (vec![a, a, a, a, r], FIRST, Label::Approved),
        ] {
            let total = voices.len() as u32;
            assert_eq!(decide(&voices, total, stage), expected, "{voices:?} {stage:?}");
        }
        // Half of all weight in one seat is not enough with nobody else for it.
        let heavy = Voice { weight: 4, ..a };
        assert_eq!(decide(&[heavy, x, c], 6, FIRST), Label::ChangesRequested);
    }

    #[test]
    fn an_early_word_is_the_word_that_every_completion_has() {
        use Vote::{Abstain, Approve, Reject, RequestChanges};
        let security = |vote| Voice { veto: true, ..plain(vote) };
        let fatal = Voice { critical: true, fatal: true, ..security(Reject) };
        let [a, c, r, x] = [Approve, RequestChanges, Reject, Abstain].map(plain);
        let out = [(1, false)];
        for (voices, missing, expected) in [
            (vec![fatal], &[(1, false), (1, false)][..], Some(Label::ChangesRequested)),
            (vec![a, security(Approve)], &out[..], None),
            (vec![a, a], &[(1, true)][..], None),
            (vec![r, security(Reject)], &out[..], Some(Label::Rejected)),
            (vec![r, r], &[(1, true)][..], None),
            (vec![c, security(RequestChanges)], &out[..], Some(Label::ChangesRequested)),
            (vec![x, security(Abstain)], &out[..], Some(Label::Replace)),
            (vec![a, a, security(Approve)], &[][..], Some(Label::Approved)),
        ] {
            let total = (voices.len() + missing.len()) as u32;
            assert_eq!(certain(&voices, missing, total, FIRST), expected, "{voices:?}");
        }
    }

    fn any_voice() -> impl Strategy<Value = Voice> {
        (1..4u32, any::<bool>()).prop_flat_map(|(weight, veto)| {
            let all: Vec<Voice> = sayable(weight, veto).collect();
            prop::sample::select(all)
        })
    }

    proptest! {
        #[test]
        fn what_was_certain_early_is_what_the_whole_panel_comes_to(
            voices in prop::collection::vec(any_voice(), 3..=5), cast in 0..5usize, last_round: bool, replaced: bool,
        ) {
            let total: u32 = voices.iter().map(|voice| voice.weight).sum();
            let stage = Stage { last_round, replaced };
            let (cast, rest) = voices.split_at(cast.min(voices.len()));
            let missing: Vec<_> = rest.iter().map(|voice| (voice.weight, voice.veto)).collect();
            let early = certain(cast, &missing, total, stage);
            prop_assert!(early.is_none_or(|early| early == decide(&voices, total, stage)));
            if missing.iter().any(|(_, veto)| *veto) {
                prop_assert_ne!(early, Some(Label::Approved));
            }
        }
    }
}
