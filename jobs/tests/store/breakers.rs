//! What processes say of their dependencies.

use std::time::Duration;

use golden_jobs::{
    WorkerId,
    breakers::{Dependency, Standing, State, VOTE_KEPT, Word},
    store::{
        WorkerInfo,
        breakers::{Finding, Said, SharedBreaker, SharedBreakers, Vote},
    },
};

use crate::{
    bed::Bed,
    both_stores,
    given::{by, worker},
};

both_stores! {
    a_vote_counts_while_its_voter_lives
    a_vote_is_its_voters_to_take_back_until_one_tried_for_all
    a_vote_outlives_its_time_by_a_while
    one_process_tries_at_a_time
    what_an_operator_says_holds_for_a_while_beside_the_votes
    a_reset_forgets_what_was_said_of_one_or_of_all
    nothing_said_is_nothing_told
}

const OPEN: Duration = Duration::from_secs(30);

fn http(host: &str) -> Dependency {
    Dependency::Http(host.to_owned())
}

async fn alive(store: &Bed) -> WorkerInfo {
    let info = worker();
    store.heartbeat(&info).await.unwrap();
    info
}

async fn finds(store: &Bed, voter: &WorkerInfo, dependency: Dependency, finding: Finding) {
    store.vote(voter.id, &[Vote { dependency, finding }]).await.unwrap();
}

async fn finds_open(store: &Bed, voter: &WorkerInfo, dependency: Dependency) {
    finds(store, voter, dependency, Finding::Open { lasts: OPEN, opened: 1 }).await;
}

async fn shared(store: &Bed) -> SharedBreakers {
    store.breakers(None).await.unwrap()
}

async fn only(store: &Bed, voter: Option<WorkerId>) -> SharedBreaker {
    let shared = store.breakers(voter).await.unwrap();
    let [breaker] = shared.breakers.try_into().unwrap();
    breaker
}

async fn state(store: &Bed) -> State {
    let shared = shared(store).await;
    Standing::of(&shared.breakers[0], &shared).state
}

async fn a_vote_counts_while_its_voter_lives(store: Bed) {
    let (first, second, third) = (alive(&store).await, alive(&store).await, alive(&store).await);
    finds_open(&store, &first, http("a")).await;
    let told = only(&store, Some(first.id)).await;
    let expected = SharedBreaker {
        dependency: http("a"),
        votes: 1,
        mine: true,
        opened: 1,
        open_for: OPEN,
        said: None,
        tried_by_other: None,
    };
    assert_eq!(told, expected);
    assert_eq!(state(&store).await, State::Closed, "one of three");

    finds(&store, &second, http("a"), Finding::Open { lasts: 2 * OPEN, opened: 3 }).await;
    let told = only(&store, Some(third.id)).await;
    assert_eq!((told.votes, told.mine, told.opened, told.open_for), (2, false, 3, 2 * OPEN));
    assert_eq!(state(&store).await, State::Open);
    store.later(2 * OPEN).await;
    assert_eq!(state(&store).await, State::HalfOpen);

    store.drain(second.id, &by("ops")).await.unwrap();
    let told = only(&store, Some(second.id)).await;
    assert_eq!((told.votes, told.mine), (1, true), "it knows its own, though it does not count");
    store.retire(first.id).await.unwrap();
    assert_eq!(only(&store, None).await.votes, 0);
}

async fn a_vote_is_its_voters_to_take_back_until_one_tried_for_all(store: Bed) {
    let (first, second) = (alive(&store).await, alive(&store).await);
    finds_open(&store, &first, http("a")).await;
    finds_open(&store, &second, http("a")).await;
    finds_open(&store, &second, http("b")).await;
    finds(&store, &first, http("a"), Finding::Closed).await;
    let votes: Vec<_> = shared(&store).await.breakers.into_iter().map(|b| (b.dependency, b.votes)).collect();
    assert_eq!(votes, [(http("a"), 1), (http("b"), 1)]);

    finds_open(&store, &first, http("a")).await;
    finds(&store, &first, http("a"), Finding::Works).await;
    assert_eq!(only(&store, None).await.dependency, http("b"));
}

async fn a_vote_outlives_its_time_by_a_while(store: Bed) {
    let voter = alive(&store).await;
    finds_open(&store, &voter, http("a")).await;
    store.later(OPEN + VOTE_KEPT - Duration::from_secs(1)).await;
    assert_eq!((only(&store, None).await.open_for, state(&store).await), (Duration::ZERO, State::HalfOpen));
    store.later(Duration::from_secs(1)).await;
    assert_eq!(shared(&store).await.breakers, []);

    finds_open(&store, &voter, http("b")).await;
    assert_eq!(store.sql.number("SELECT count(*) FROM circuit_breaker_votes").await, 1, "it was removed by then");
}

async fn one_process_tries_at_a_time(store: Bed) {
    let (first, second) = (alive(&store).await, alive(&store).await);
    for voter in [&first, &second] {
        finds_open(&store, voter, http("a")).await;
    }
    let a = http("a");
    let leased = async |worker: &WorkerInfo, of: &Dependency| store.lease_trial(worker.id, of, OPEN).await.unwrap();
    assert!(leased(&first, &a).await);
    assert!(!leased(&second, &a).await);
    assert!(leased(&second, &http("b")).await);
    assert!(leased(&first, &a).await, "its own it may renew");
    assert_eq!(only(&store, Some(first.id)).await.tried_by_other, None);
    assert_eq!(only(&store, Some(second.id)).await.tried_by_other, Some(OPEN));

    // It failed: whoever is next may try.
    finds_open(&store, &first, a.clone()).await;
    assert!(leased(&second, &a).await);
    // It was never heard of again.
    store.later(OPEN).await;
    assert!(leased(&first, &a).await);
}

async fn what_an_operator_says_holds_for_a_while_beside_the_votes(store: Bed) {
    let voter = alive(&store).await;
    let said = Said { word: Word::ForcedOpen, left: OPEN, reason: "migration".to_owned(), by: "kim".to_owned() };
    store.say(&Dependency::Docker, &said, &by("ops")).await.unwrap();
    assert_eq!(only(&store, None).await.said, Some(said.clone()));
    assert_eq!(state(&store).await, State::ForcedOpen);

    finds_open(&store, &voter, Dependency::Docker).await;
    let disabled = Said { word: Word::Disabled, ..said };
    store.say(&Dependency::Docker, &disabled, &by("ops")).await.unwrap();
    let told = only(&store, None).await;
    assert_eq!((told.said, told.votes), (Some(disabled), 1));

    store.later(OPEN).await;
    let told = only(&store, None).await;
    assert_eq!((told.said, told.votes), (None, 1));
    finds(&store, &voter, Dependency::Docker, Finding::Closed).await;
    assert_eq!(store.sql.number("SELECT count(*) FROM circuit_breakers").await, 0, "what is over is removed");
}

async fn a_reset_forgets_what_was_said_of_one_or_of_all(store: Bed) {
    let voter = alive(&store).await;
    let said = Said { word: Word::Disabled, left: OPEN, reason: String::new(), by: String::new() };
    for dependency in [Dependency::Docker, http("a"), http("b")] {
        finds_open(&store, &voter, dependency.clone()).await;
        store.say(&dependency, &said, &by("ops")).await.unwrap();
    }
    store.reset_breakers(Some(&http("b")), &by("ops")).await.unwrap();
    let left: Vec<_> = shared(&store).await.breakers.into_iter().map(|breaker| breaker.dependency).collect();
    assert_eq!(left, [Dependency::Docker, http("a")]);
    store.reset_breakers(None, &by("ops")).await.unwrap();
    assert_eq!(shared(&store).await.breakers, []);
}

async fn nothing_said_is_nothing_told(store: Bed) {
    let voter = alive(&store).await;
    store.vote(voter.id, &[]).await.unwrap();
    assert_eq!(store.breakers(Some(voter.id)).await.unwrap(), SharedBreakers::default());
    let shared = shared(&store).await;
    assert_eq!(
        (shared.breakers.len(), shared.alive(voter.pools[0].role)),
        (0, 1),
        "who asks for all is told who is alive"
    );
    assert_eq!(Standing::unknown(&Dependency::Docker, &shared).state, State::Closed);
}
