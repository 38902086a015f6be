//! Panels of agents judge work, and humans what they could not.

use std::time::Duration;

use golden_jobs::{
    JobId, ReviewId, Role, State,
    escalations::{Escalation, Resolution, Severity, Subject},
    models::exchange::AgentRole,
    outcome::Verdict,
    reviews::{Ballot, Cast, NoFurtherRound, NotDecided, Opening, Panel, Review, ReviewState, Risk, Vote, abstention},
    store::{
        Keep, LOOK, NewJob, Page,
        reviews::{Decided, Decision, Opened, ReviewFilter},
    },
};

use crate::{
    bed::{ALL, Bed, Sql},
    both_stores,
    given::{TENANT, by, everything, job, succeeded},
};

both_stores! {
    a_job_begins_one_round_however_often_it_asks
    of_two_votes_at_once_both_count_and_a_seat_has_one
    what_comes_after_the_end_changes_nothing
    a_ballot_about_other_work_counts_as_an_abstention
    the_silent_are_replaced_and_then_a_human_decides_once
    whoever_had_the_work_made_does_not_decide
    nor_does_whoever_had_either_round_made
    a_decision_answers_whoever_asked_for_it
    other_work_has_a_second_round_and_no_third
    a_review_is_cancelled_with_its_job
    another_tenants_reviews_are_not_there
    reviews_are_listed_by_state_and_risk
    what_is_to_be_decided_is_found_behind_any_number
    events_tell_what_became_of_it
    panels_are_counted_while_they_collect_and_timed_when_they_are_done
    a_review_goes_with_its_job
}

fn of(job: JobId) -> Opening {
    Opening {
        id: ReviewId(job.0),
        again: false,
        tenant_id: TENANT.into(),
        job_id: job,
        title: "A parser".into(),
        risk: Risk::Normal,
        author: AgentRole::Developer,
        submitted_by: Some("ada".into()),
        digest: "d1".into(),
        panel: Panel::of(Risk::Normal, AgentRole::Developer, None).unwrap(),
    }
}

fn work() -> NewJob {
    NewJob { kind: "review".into(), role: Role::PeerHub, ..job() }
}

async fn opened(store: &Bed, opening: &Opening) -> Review {
    match store.open_review(opening).await.unwrap() {
        Opened::Open(review) => *review,
        other => panic!("{other:?}"),
    }
}

/// A review whose job waits.
async fn open(store: &Bed) -> Review {
    let job = store.submit(work()).await;
    opened(store, &of(job)).await
}

fn ballot(review: &Review, seat: u32, verdict: Vote) -> Ballot {
    let seat = review.panel.seat(seat).unwrap();
    Ballot { verdict, reason: None, ..abstention(seat, review.round, &review.digest, "", review.opened_at) }
}

async fn cast(store: &Bed, review: &Review, seat: u32, verdict: Vote) -> Cast {
    let cast = store.cast(TENANT, review.id, &ballot(review, seat, verdict)).await.unwrap();
    cast.expect("the review is there").0
}

async fn all_say(store: &Bed, review: &Review, verdict: Vote) -> Review {
    for seat in 1..=3 {
        assert_eq!(cast(store, review, seat, verdict).await, Cast::Counted);
    }
    advance(store, review).await
}

async fn advance(store: &Bed, review: &Review) -> Review {
    store.advance_review(TENANT, review.id).await.unwrap().expect("the review is there")
}

async fn find(store: &Bed, id: ReviewId) -> Review {
    store.review(TENANT, id).await.unwrap().expect("the review is there")
}

async fn escalated(store: &Bed) -> Review {
    let review = open(store).await;
    for seconds in [90, 60] {
        store.clock.advance(Duration::from_secs(seconds));
        advance(store, &review).await;
    }
    find(store, review.id).await
}

fn decision(id: ReviewId, approve: bool) -> Decision {
    Decision { tenant_id: TENANT.into(), id, approve, reason: "I read it.".into() }
}

async fn a_job_begins_one_round_however_often_it_asks(store: Bed) {
    let job = store.submit(work()).await;
    let first = opened(&store, &of(job)).await;
    store.clock.advance(Duration::from_secs(10));
    let again = opened(&store, &of(job)).await;
    assert_eq!(first, again);
    let found = find(&store, first.id).await;
    assert_eq!(found, first);
    assert_eq!((found.state, found.round, found.digest.as_str()), (ReviewState::Collecting, 1, "d1"));
    assert_eq!((found.title.as_str(), found.submitted_by.as_deref()), ("A parser", Some("ada")));
    assert_eq!((found.panel.0.len(), found.author, found.risk), (3, AgentRole::Developer, Risk::Normal));
}

async fn of_two_votes_at_once_both_count_and_a_seat_has_one(store: Bed) {
    let review = open(&store).await;
    let (one, other) = (ballot(&review, 1, Vote::Approve), ballot(&review, 3, Vote::Approve));
    let contrary = ballot(&review, 1, Vote::Reject);
    let (a, b, c) = tokio::join!(
        store.cast(TENANT, review.id, &one),
        store.cast(TENANT, review.id, &other),
        store.cast(TENANT, review.id, &contrary),
    );
    let mut said: Vec<_> = [a, c].into_iter().map(|cast| cast.unwrap().unwrap().0).collect();
    said.sort_by_key(|cast| *cast != Cast::Counted);
    assert_eq!(said, [Cast::Counted, Cast::Before]);
    assert_eq!(b.unwrap().unwrap().0, Cast::Counted);
    let found = find(&store, review.id).await;
    let seats: Vec<_> = found.of_this_round().map(|ballot| ballot.seat).collect();
    assert_eq!((seats.len(), seats.contains(&1), seats.contains(&3)), (2, true, true));
    // One advances however many do so.
    assert_eq!(cast(&store, &review, 2, Vote::Approve).await, Cast::Counted);
    let (x, y) = tokio::join!(advance(&store, &review), advance(&store, &review));
    assert_eq!(x, y);
}

async fn what_comes_after_the_end_changes_nothing(store: Bed) {
    let review = open(&store).await;
    cast(&store, &review, 1, Vote::Reject).await;
    cast(&store, &review, 3, Vote::Reject).await;
    let ended = advance(&store, &review).await;
    assert_eq!(ended.state, ReviewState::Rejected);
    assert_eq!(cast(&store, &review, 2, Vote::Approve).await, Cast::Late);
    assert_eq!(advance(&store, &review).await, ended);
    assert_eq!(find(&store, review.id).await, ended);
}

async fn a_ballot_about_other_work_counts_as_an_abstention(store: Bed) {
    let review = open(&store).await;
    let wrong = Ballot { digest: "d0".into(), confidence: Some(0.5), ..ballot(&review, 1, Vote::Approve) };
    store.cast(TENANT, review.id, &wrong).await.unwrap();
    let kept = find(&store, review.id).await.ballots.remove(0);
    assert_eq!((kept.verdict, kept.reason.as_deref()), (Vote::Abstain, Some("wrong_digest")));
    assert_eq!((kept.digest.as_str(), kept.cast_at), ("d0", store.clock.now()));
}

async fn the_silent_are_replaced_and_then_a_human_decides_once(store: Bed) {
    let review = open(&store).await;
    store.clock.advance(Duration::from_secs(89));
    assert_eq!(advance(&store, &review).await, review, "there is time left");
    store.clock.advance(Duration::from_secs(1));
    let replaced = advance(&store, &review).await;
    assert_eq!((replaced.state, replaced.panel.sitting().count()), (ReviewState::Collecting, 3));
    assert!(replaced.panel.sitting().all(|seat| seat.replaces.is_some()));
    assert_eq!(replaced.of_this_round().count(), 3);
    store.clock.advance(Duration::from_secs(60));
    let escalated = advance(&store, &review).await;
    assert_eq!((escalated.state, escalated.took()), (ReviewState::Escalated, Some(Duration::from_secs(150))));
    store.clock.advance(Duration::from_secs(3600));
    assert_eq!(advance(&store, &review).await.state, ReviewState::Escalated, "time approves nothing");

    let ops = by("ops");
    let (approve, reject) = (decision(review.id, true), decision(review.id, false));
    let (one, other) = tokio::join!(store.decide_review(&approve, &ops), store.decide_review(&reject, &ops));
    let done = [one.unwrap(), other.unwrap()];
    assert_eq!(done.iter().filter(|decided| matches!(decided, Decided::Done(_))).count(), 1, "{done:?}");
    let decided = find(&store, review.id).await;
    let ruling = decided.ruling.clone().unwrap();
    assert_eq!((ruling.by.as_str(), ruling.reason.as_str()), ("ops", "I read it."));
    assert_eq!(decided.state == ReviewState::Approved, ruling.approve);
}

async fn whoever_had_the_work_made_does_not_decide(store: Bed) {
    let review = escalated(&store).await;
    let refused = store.decide_review(&decision(review.id, true), &by("ada")).await.unwrap();
    assert_eq!(refused, Decided::Refused(NotDecided::Author));
    assert_eq!(find(&store, review.id).await, review);
    assert!(matches!(store.decide_review(&decision(review.id, false), &by("ops")).await.unwrap(), Decided::Done(_)));
    let collecting = open(&store).await;
    let refused = store.decide_review(&decision(collecting.id, true), &by("ops")).await.unwrap();
    assert_eq!(refused, Decided::Refused(NotDecided::NotEscalated(ReviewState::Collecting)));
}

async fn nor_does_whoever_had_either_round_made(store: Bed) {
    let first = open(&store).await;
    all_say(&store, &first, Vote::RequestChanges).await;
    let job = store.submit(work()).await;
    let (digest, submitted_by) = ("d2".into(), Some("bob".into()));
    let second = Opening { id: first.id, again: true, digest, submitted_by, ..of(job) };
    let second = opened(&store, &second).await;
    assert_eq!(all_say(&store, &second, Vote::RequestChanges).await.state, ReviewState::Escalated);
    for name in ["ada", "bob"] {
        let refused = store.decide_review(&decision(first.id, true), &by(name)).await.unwrap();
        assert_eq!(refused, Decided::Refused(NotDecided::Author), "{name}");
    }
    assert_eq!(find(&store, first.id).await.submitted_by.as_deref(), Some("bob"));
    assert!(matches!(store.decide_review(&decision(first.id, true), &by("ops")).await.unwrap(), Decided::Done(_)));
}

async fn a_decision_answers_whoever_asked_for_it(store: Bed) {
    let review = escalated(&store).await;
    let asks = store.start(NewJob { kind: "escalation".into(), role: Role::Supervisor, ..job() }).await;
    let what = Escalation {
        about: Subject::Review,
        subject: review.id.to_string(),
        reason: "The panel cannot tell.".into(),
        severity: Severity::Medium,
    };
    let asked = store.open_escalation(asks.run, &what).await.unwrap();
    let until = Some(Duration::from_secs(3600));
    store.end(&asks, Verdict::Await { children: vec![], checkpoint: None, until }).await;

    assert!(matches!(store.decide_review(&decision(review.id, true), &by("ops")).await.unwrap(), Decided::Done(_)));
    let end = store.escalation(TENANT, asked.id).await.unwrap().unwrap().end.expect("it is answered");
    assert_eq!((end.by.as_str(), end.answer.resolution), ("ops", Resolution::Approved));
    assert_eq!((end.answer.note.as_deref(), store.state(asks.run.id).await), (Some("I read it."), State::Queued));
}

async fn other_work_has_a_second_round_and_no_third(store: Bed) {
    let review = open(&store).await;
    let next = async |digest: &str| {
        let job = store.submit(work()).await;
        let opening = Opening { id: review.id, again: true, digest: digest.into(), ..of(job) };
        store.open_review(&opening).await.unwrap()
    };
    let refused = NoFurtherRound::NotAsked(ReviewState::Collecting);
    assert_eq!(next("d2").await, Opened::Refused(refused));
    assert_eq!(all_say(&store, &review, Vote::RequestChanges).await.state, ReviewState::ChangesRequested);
    assert_eq!(next("d1").await, Opened::Refused(NoFurtherRound::SameWork));

    let Opened::Open(second) = next("d2").await else { panic!("it is a second round") };
    assert_eq!((second.round, second.state, second.earlier.len()), (2, ReviewState::Collecting, 1));
    let again = Opening { id: review.id, again: true, digest: "d2".into(), ..of(second.job_id) };
    assert_eq!(opened(&store, &again).await, *second, "the job asks again");
    assert_eq!(all_say(&store, &second, Vote::Approve).await.state, ReviewState::Approved);
    let found = find(&store, review.id).await;
    assert_eq!((found.ballots.len(), found.of_this_round().count()), (6, 3));
    assert_eq!(found.earlier[0].state, ReviewState::ChangesRequested);
    assert_eq!(next("d3").await, Opened::Refused(NoFurtherRound::Last));
}

async fn a_review_is_cancelled_with_its_job(store: Bed) {
    let review = open(&store).await;
    let human = escalated(&store).await;
    for review in [&review, &human] {
        store.cancel(TENANT, review.job_id, &by("ops")).await.unwrap();
        assert_eq!(find(&store, review.id).await.state, ReviewState::Cancelled);
        assert_eq!(advance(&store, review).await.state, ReviewState::Cancelled);
    }
    assert_eq!(cast(&store, &review, 1, Vote::Approve).await, Cast::Late);
    let refused = store.decide_review(&decision(human.id, true), &by("ops")).await.unwrap();
    assert_eq!(refused, Decided::Refused(NotDecided::NotEscalated(ReviewState::Cancelled)));
    assert_eq!(store.depths().await.unwrap().consensus.open, 0);
}

async fn another_tenants_reviews_are_not_there(store: Bed) {
    let review = escalated(&store).await;
    assert_eq!(store.review("globex", review.id).await.unwrap(), None);
    assert_eq!(store.cast("globex", review.id, &ballot(&review, 1, Vote::Approve)).await.unwrap(), None);
    assert_eq!(store.advance_review("globex", review.id).await.unwrap(), None);
    let theirs = Decision { tenant_id: "globex".into(), ..decision(review.id, true) };
    assert_eq!(store.decide_review(&theirs, &by("ops")).await.unwrap(), Decided::NoSuchReview);
    let filter = ReviewFilter { tenant_id: "globex".into(), ..ReviewFilter::default() };
    assert_eq!(store.reviews(&filter, everything()).await.unwrap().reviews, []);
    let second = Opening { id: review.id, again: true, tenant_id: "globex".into(), ..of(JobId::new()) };
    assert_eq!(store.open_review(&second).await.unwrap(), Opened::NoSuchReview);
    assert_eq!(find(&store, review.id).await, review);
}

async fn reviews_are_listed_by_state_and_risk(store: Bed) {
    let first = open(&store).await;
    let high = store.submit(work()).await;
    let panel = Panel::of(Risk::High, AgentRole::Developer, None).unwrap();
    let high = opened(&store, &Opening { risk: Risk::High, panel, ..of(high) }).await;
    let gone = open(&store).await;
    store.cancel(TENANT, gone.job_id, &by("ops")).await.unwrap();
    all_say(&store, &first, Vote::Approve).await;

    let ids = async |state, risk, page| {
        let filter = ReviewFilter { tenant_id: TENANT.into(), state, risk };
        let found = store.reviews(&filter, page).await.unwrap().reviews;
        found.into_iter().map(|review| review.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, None, everything()).await, [gone.id, high.id, first.id]);
    assert_eq!(ids(None, None, Page { before: Some(gone.id), limit: 1 }).await, [high.id]);
    assert_eq!(ids(Some(ReviewState::Approved), None, everything()).await, [first.id]);
    assert_eq!(ids(Some(ReviewState::Collecting), None, everything()).await, [high.id]);
    assert_eq!(ids(Some(ReviewState::Cancelled), None, everything()).await, [gone.id]);
    assert_eq!(ids(None, Some(Risk::High), everything()).await, [high.id]);
    assert_eq!(ids(Some(ReviewState::Pending), None, everything()).await, []);
}

/// Else whoever looks for what needs a human waits for a look at all that ever was.
async fn what_is_to_be_decided_is_found_behind_any_number(store: Bed) {
    let human = escalated(&store).await;
    // Of 10,000 later ones, which is as many as are looked at for a page.
    let many = match &store.sql {
        Sql::Postgres(_) => {
            "INSERT INTO peer_reviews (id, tenant_id, job_id, title, risk, author, state, round, digest, panel, opened_at,
                                       closed_at)
             SELECT ('ff' || lpad(to_hex(n), 30, '0'))::uuid, tenant_id, uuid_v7(), title, risk, author, 'APPROVED', round,
                    digest, panel, opened_at, closed_at
             FROM peer_reviews CROSS JOIN generate_series(1, 10000) AS n"
        }
        Sql::Sqlite(_) => {
            "WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 10000)
             INSERT INTO peer_reviews (id, tenant_id, job_id, title, risk, author, state, round, digest, panel, opened_at,
                                       closed_at)
             SELECT unhex(printf('ff%030x', n)), tenant_id, unhex(printf('ff%030x', n)), title, risk, author, 'APPROVED',
                    round, digest, panel, opened_at, closed_at
             FROM peer_reviews CROSS JOIN many"
        }
    };
    assert_eq!(store.sql.execute(many).await.unwrap(), u64::from(LOOK));
    let page = async |state, before| {
        let filter = ReviewFilter { tenant_id: TENANT.into(), state: Some(state), risk: None };
        let page = store.reviews(&filter, Page { before, limit: 10 }).await.unwrap();
        (page.reviews.iter().map(|review| review.id).collect::<Vec<_>>(), page.looked_to)
    };
    assert_eq!(page(ReviewState::Escalated, None).await, (vec![human.id], None));
    let (found, looked_to) = page(ReviewState::Rejected, None).await;
    assert_eq!((found, looked_to.is_some()), (vec![], true));
    assert_eq!(page(ReviewState::Rejected, looked_to).await, (vec![], None));
    store.cancel(TENANT, human.job_id, &by("ops")).await.unwrap();
    assert_eq!(page(ReviewState::Cancelled, None).await, (vec![human.id], None));
}

async fn events_tell_what_became_of_it(store: Bed) {
    let told = "SELECT count(*) FROM outbox WHERE event LIKE 'review.%'";
    open(&store).await;
    assert_eq!(store.sql.number(told).await, 0, "nobody listens");

    let hour = Duration::from_secs(3600);
    store.listen(TENANT, hour).await.unwrap();
    let review = open(&store).await;
    all_say(&store, &review, Vote::Approve).await;
    advance(&store, &review).await;
    let human = escalated(&store).await;
    store.decide_review(&decision(human.id, false), &by("ops")).await.unwrap();
    assert_eq!(store.sql.number(told).await, 5);
    for (event, count) in [
        ("SELECT count(*) FROM outbox WHERE event = 'review.opened'", 2),
        ("SELECT count(*) FROM outbox WHERE event = 'review.approved'", 1),
        ("SELECT count(*) FROM outbox WHERE event = 'review.escalated'", 1),
        ("SELECT count(*) FROM outbox WHERE event = 'review.rejected'", 1),
    ] {
        assert_eq!(store.sql.number(event).await, count, "{event}");
    }
}

async fn panels_are_counted_while_they_collect_and_timed_when_they_are_done(store: Bed) {
    let consensus = async || store.depths().await.unwrap().consensus;
    let none = consensus().await;
    assert_eq!((none.open, none.oldest_open, none.p95), (0, Duration::ZERO, None));
    for seconds in [10, 20, 30] {
        let review = open(&store).await;
        let other = open(&store).await;
        store.clock.advance(Duration::from_secs(seconds));
        let now = consensus().await;
        assert_eq!((now.open, now.oldest_open), (2, Duration::from_secs(seconds)));
        all_say(&store, &review, Vote::Approve).await;
        store.cancel(TENANT, other.job_id, &by("ops")).await.unwrap();
    }
    let now = consensus().await;
    assert_eq!((now.open, now.oldest_open, now.p95), (0, Duration::ZERO, Some(Duration::from_secs(30))));
    store.clock.advance(Duration::from_secs(601));
    assert_eq!(consensus().await.p95, None);
}

async fn a_review_goes_with_its_job(store: Bed) {
    let run = store.start(work()).await;
    let review = opened(&store, &of(run.run.id)).await;
    all_say(&store, &review, Vote::Approve).await;
    store.end(&run, succeeded()).await;
    store.clock.advance(Duration::from_secs(100_000));
    let day = Duration::from_secs(86_400);
    let keep = Keep { succeeded: Some(day), cancelled: Some(day), dead: Some(day), ledger: None };
    store.sql.execute("DELETE FROM outbox").await.unwrap();
    assert_eq!(store.prune_jobs(&keep, None, ALL).await.unwrap().succeeded, 1);
    assert_eq!(store.review(TENANT, review.id).await.unwrap(), None);
    assert_eq!(store.sql.rows("SELECT 1 FROM peer_ballots").await.unwrap(), 0);
}
