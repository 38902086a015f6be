use super::*;
use crate::reviews::{Severity, Vote};

fn then() -> DateTime<Utc> {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn after(seconds: i64) -> DateTime<Utc> {
    then() + TimeDelta::seconds(seconds)
}

fn opening(digest: &str) -> Opening {
    Opening {
        id: ReviewId::new(),
        again: false,
        tenant_id: "acme".to_owned(),
        job_id: JobId::new(),
        title: "A parser".to_owned(),
        risk: Risk::Normal,
        author: AgentRole::Developer,
        submitted_by: Some("ada".to_owned()),
        digest: digest.to_owned(),
        panel: Panel::of(Risk::Normal, AgentRole::Developer, None).unwrap(),
    }
}

fn review() -> Review {
    Review::opened(opening("d1"), then())
}

fn ballot(review: &Review, seat: u32, verdict: Vote) -> Ballot {
    let seat = review.panel.seat(seat).unwrap();
    Ballot { verdict, reason: None, ..abstention(seat, review.round, &review.digest, "", then()) }
}

fn vote(review: &mut Review, seat: u32, verdict: Vote, now: DateTime<Utc>) {
    assert_eq!(review.cast(ballot(review, seat, verdict), now), Cast::Counted);
}

#[test]
fn a_round_ends_when_its_outcome_is_certain_and_not_before() {
    let mut review = review();
    vote(&mut review, 1, Vote::Reject, after(1));
    assert!(!review.advance(after(2)));
    assert_eq!(review.standing(after(2)), Standing::Waiting(after(90)));
    vote(&mut review, 3, Vote::Reject, after(3));
    assert!(review.advance(after(4)));
    assert_eq!((review.state, review.closed_at), (ReviewState::Rejected, Some(after(4))));
    assert_eq!(review.took(), Some(Duration::from_secs(4)));
    assert_eq!(review.of_this_round().count(), 2, "nobody is made to abstain who was not needed");

    let late = ballot(&review, 2, Vote::Approve);
    assert_eq!(review.cast(late, after(5)), Cast::Late);
    assert!(!review.advance(after(1000)));
}

#[test]
fn silence_is_replaced_once_and_then_a_humans_to_decide() {
    let mut review = review();
    vote(&mut review, 1, Vote::Approve, after(1));
    assert!(!review.advance(after(89)));
    assert!(review.advance(after(90)));
    assert_eq!((review.state, review.due()), (ReviewState::Collecting, after(150)));
    let reasons: Vec<_> = review.ballots.iter().filter_map(|ballot| ballot.reason.as_deref()).collect();
    assert_eq!(reasons, ["timeout", "timeout"]);
    assert_eq!(review.missing().map(|seat| seat.replaces).collect::<Vec<_>>(), [Some(2), Some(3)]);
    assert_eq!(review.panel.total(), 3);

    let replaced = ballot(&review, 2, Vote::Approve);
    assert_eq!(review.cast(replaced, after(91)), Cast::Before);
    vote(&mut review, 4, Vote::Approve, after(100));
    assert!(!review.advance(after(149)));
    assert!(review.advance(after(150)));
    assert_eq!(review.state, ReviewState::Escalated, "two thirds approve, and security was silent");

    let ruling = |by: &str, approve| Ruling { by: by.to_owned(), approve, reason: String::new(), at: after(200) };
    assert_eq!(review.rule(ruling("ada", true)), Err(NotDecided::Author));
    assert_eq!(review.rule(ruling("grace", true)), Ok(()));
    assert_eq!(review.state, ReviewState::Approved);
    assert_eq!(review.rule(ruling("grace", false)), Err(NotDecided::NotEscalated(ReviewState::Approved)));
}

#[test]
fn a_wave_of_replacements_begins_as_soon_as_it_is_needed() {
    let mut review = review();
    vote(&mut review, 1, Vote::Abstain, after(1));
    vote(&mut review, 3, Vote::Abstain, after(2));
    assert!(review.advance(after(3)));
    assert_eq!(review.due(), after(90), "the second may still say something");
    assert_eq!(review.missing().map(|seat| seat.seat).collect::<Vec<_>>(), [2, 4, 5]);
    for seat in [2, 4, 5] {
        vote(&mut review, seat, Vote::Approve, after(10));
    }
    assert!(review.advance(after(11)));
    assert_eq!(review.state, ReviewState::Approved);
}

#[test]
fn a_ballot_about_other_work_is_an_abstention() {
    let mut review = review();
    let wrong = Ballot { digest: "d0".to_owned(), severity: Severity::Critical, ..ballot(&review, 1, Vote::Approve) };
    assert_eq!(review.cast(wrong, after(1)), Cast::Counted);
    let kept = &review.ballots[0];
    assert_eq!((kept.verdict, kept.severity), (Vote::Abstain, Severity::None));
    assert_eq!((kept.reason.as_deref(), kept.digest.as_str()), (Some("wrong_digest"), "d0"));
    let second = ballot(&review, 1, Vote::Approve);
    assert_eq!(review.cast(second, after(2)), Cast::Before);
    let strangers = Ballot { role: AgentRole::Architect, ..ballot(&review, 2, Vote::Approve) };
    assert_eq!(review.cast(strangers, after(2)), Cast::Late);
    let of_no_seat = Ballot { seat: 9, ..ballot(&review, 2, Vote::Approve) };
    assert_eq!(review.cast(of_no_seat, after(2)), Cast::Late);
    let too_late = ballot(&review, 2, Vote::Approve);
    assert_eq!(review.cast(too_late, after(91)), Cast::Late);
}

#[test]
fn other_work_has_a_second_round_and_there_is_no_third() {
    let mut review = review();
    assert_eq!(review.again(&opening("d2"), after(1)), Err(NoFurtherRound::NotAsked(ReviewState::Collecting)));
    for seat in 1..=3 {
        vote(&mut review, seat, Vote::RequestChanges, after(1));
    }
    assert!(review.advance(after(2)));
    assert_eq!(review.state, ReviewState::ChangesRequested);
    assert_eq!(review.again(&opening("d1"), after(3)), Err(NoFurtherRound::SameWork));

    let other = Opening { author: AgentRole::Tester, ..opening("d2") };
    assert_eq!(review.again(&other, after(3)), Err(NoFurtherRound::OtherAuthor(AgentRole::Developer)));

    let second = opening("d2");
    assert_eq!(review.again(&second, after(10)), Ok(()));
    assert_eq!((review.state, review.round, review.job_id), (ReviewState::Collecting, 2, second.job_id));
    assert_eq!((review.due(), review.earlier[0].digest.as_str()), (after(100), "d1"));
    assert_eq!(review.missing().count(), 3);
    for seat in 1..=3 {
        vote(&mut review, seat, Vote::RequestChanges, after(11));
    }
    assert!(review.advance(after(12)));
    assert_eq!(review.state, ReviewState::Escalated, "the last round has no changes to request");
    assert_eq!(review.again(&opening("d3"), after(13)), Err(NoFurtherRound::Last));
}

#[test]
fn nothing_is_approved_by_time_passing() {
    for votes in [&[][..], &[Vote::Approve], &[Vote::Approve, Vote::Approve]] {
        let mut review = review();
        for (seat, vote_of) in (1..).zip(votes) {
            vote(&mut review, seat, *vote_of, after(1));
        }
        for minute in 1..10 {
            review.advance(after(60 * minute));
        }
        assert_eq!(review.state, ReviewState::Escalated, "{votes:?}");
    }
}
