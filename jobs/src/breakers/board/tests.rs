use std::ops::Deref;

use super::*;
use crate::{breakers::Word, store::breakers::SharedBreaker};

const CALL: Duration = Duration::from_secs(60);

fn host() -> Dependency {
    Dependency::Http("example.com".to_owned())
}

/// A board with a clock that stands still.
struct Held {
    board: Board,
    ahead: Arc<Mutex<Duration>>,
}

impl Deref for Held {
    type Target = Board;

    fn deref(&self) -> &Board {
        &self.board
    }
}

impl Held {
    fn pass(&self, seconds: u64) {
        *self.ahead.lock().unwrap() += Duration::from_secs(seconds);
    }
}

fn board() -> Held {
    let (begin, ahead) = (Instant::now(), Arc::<Mutex<Duration>>::default());
    let clock = Arc::clone(&ahead);
    let now = move || begin + *clock.lock().unwrap();
    Held { board: Board::by(now, Options::default(), Metrics::new()), ahead }
}

fn fails(board: &Board, dependency: &Dependency, times: usize) {
    for _ in 0..times {
        board.call(dependency, CALL).unwrap().ended(true);
    }
}

fn succeeds(board: &Board, dependency: &Dependency, times: usize) {
    for _ in 0..times {
        board.call(dependency, CALL).unwrap().ended(false);
    }
}

/// What others say: so many votes of so many processes, and how long it is open.
fn said(votes: u64, mine: bool, of: u64, open_for: u64) -> SharedBreakers {
    let breaker = SharedBreaker {
        dependency: host(),
        votes,
        mine,
        opened: 1,
        open_for: Duration::from_secs(open_for),
        said: None,
        tried_by_other: None,
    };
    SharedBreakers { breakers: vec![breaker], alive: vec![(crate::Role::Orchestrator, of)] }
}

#[test]
fn five_failures_open_it_for_half_a_minute_and_three_good_calls_close_it() {
    let (board, worker) = (board(), WorkerId::new());
    fails(&board, &host(), 5);
    let refused = board.call(&host(), CALL).err().unwrap();
    assert!((24..=67).contains(&refused.wait.as_secs()) && !refused.would_be_trial, "{refused:?}");
    assert_eq!(board.state(&Dependency::webhook("https://example.com")), State::Closed, "another breaker");
    let told = board.findings(worker);
    assert!(matches!(told[..], [Vote { finding: Finding::Open { opened: 1, .. }, .. }]), "{told:?}");
    assert!(board.findings(worker).is_empty(), "it is told once");

    board.pass(36);
    succeeds(&board, &host(), 3);
    assert_eq!(board.state(&host()), State::Closed);
    assert_eq!(board.findings(worker), [Vote { dependency: host(), finding: Finding::Closed }]);
}

#[test]
fn each_process_goes_by_its_own_connection_and_tries_it_when_it_is_back() {
    let (board, worker) = (board(), WorkerId::new());
    fails(&board, &Dependency::Redis, 5);
    assert!(board.call(&Dependency::Redis, CALL).is_err());
    let mut others = said(9, false, 10, 30);
    others.breakers[0].dependency = Dependency::Nats;
    board.hear(&others);
    assert_eq!(board.state(&Dependency::Nats), State::Closed, "others find it open");

    board.try_now(&Dependency::Redis);
    assert_eq!(board.state(&Dependency::Redis), State::HalfOpen);
    succeeds(&board, &Dependency::Redis, 3);
    assert_eq!(board.state(&Dependency::Redis), State::Closed);

    // An operator's reset is heard of by the vote that is gone.
    fails(&board, &Dependency::Redis, 5);
    board.findings(worker);
    board.hear(&SharedBreakers::default());
    assert_eq!(board.state(&Dependency::Redis), State::Closed);
}

#[test]
fn a_call_that_was_cancelled_says_nothing() {
    let board = board();
    fails(&board, &host(), 4);
    drop(board.call(&host(), CALL).unwrap());
    assert_eq!(board.state(&host()), State::Closed);
    fails(&board, &host(), 1);
    assert_eq!(board.state(&host()), State::Open);
}

#[test]
fn so_many_webhooks_go_to_a_host_at_a_time() {
    let board = board();
    let hook = Dependency::webhook("https://example.com/");
    let calls: Vec<Call> = (0..10).map(|_| board.call(&hook, CALL).unwrap()).collect();
    assert!(board.call(&hook, CALL).is_err());
    assert!(board.call(&host(), CALL).is_ok());
    drop(calls);
    assert!(board.call(&hook, CALL).is_ok());
}

#[test]
fn what_half_of_the_others_find_open_is_open_here_and_tried_by_one() {
    let board = board();
    board.hear(&said(1, false, 4, 30));
    assert_eq!(board.state(&host()), State::Closed, "one of four is not enough");
    board.hear(&said(2, false, 4, 30));
    assert_eq!(board.state(&host()), State::Open);
    assert!(board.findings(WorkerId::new()).is_empty(), "what others found is not told back");

    board.pass(30);
    let refused = board.call(&host(), CALL).err().unwrap();
    assert!(refused.would_be_trial && refused.wait <= Duration::from_secs(3), "{refused:?}");
    board.may_try(&host(), false, CALL);
    assert!(!board.call(&host(), CALL).err().unwrap().would_be_trial, "the answer stands for a moment");
    board.pass(2);
    assert!(board.call(&host(), CALL).err().unwrap().would_be_trial);
    board.may_try(&host(), true, CALL);
    succeeds(&board, &host(), 3);
    assert_eq!(board.findings(WorkerId::new()), [Vote { dependency: host(), finding: Finding::Works }]);
}

#[test]
fn what_somebody_closed_for_all_is_closed_here() {
    let (board, worker) = (board(), WorkerId::new());
    fails(&board, &host(), 5);
    board.hear(&SharedBreakers::default());
    assert_eq!(board.state(&host()), State::Open, "the others do not know of it yet");
    board.findings(worker);
    board.hear(&said(1, true, 4, 30));
    assert_eq!(board.state(&host()), State::Open, "a process decides for itself");
    board.hear(&SharedBreakers::default());
    assert_eq!(board.state(&host()), State::Closed);

    board.hear(&said(2, false, 4, 30));
    board.hear(&SharedBreakers::default());
    assert_eq!(board.state(&host()), State::Closed);
}

#[test]
fn what_could_not_be_told_is_told_later() {
    let (board, worker) = (board(), WorkerId::new());
    fails(&board, &host(), 5);
    let findings = board.findings(worker);
    board.keep(findings.clone());
    board.hear(&SharedBreakers::default());
    assert_eq!(board.state(&host()), State::Open);
    assert_eq!(board.findings(worker), findings);
    board.pass(40);
    succeeds(&board, &host(), 3);
    let findings = board.findings(worker);
    board.keep(findings.clone());
    assert_eq!(board.findings(worker), findings);
}

#[test]
fn an_operators_word_is_heard_and_calls_stay_away_for_five_minutes_at_a_time() {
    let board = board();
    let word = |word| {
        let mut shared = said(0, false, 1, 0);
        let (reason, by) = (String::new(), String::new());
        shared.breakers[0].said =
            Some(crate::store::breakers::Said { word, left: Duration::from_secs(3600), reason, by });
        shared
    };
    board.hear(&word(Word::ForcedOpen));
    let refused = board.call(&host(), CALL).err().unwrap();
    assert!((300..400).contains(&refused.wait.as_secs()), "{refused:?}");
    board.hear(&word(Word::Disabled));
    fails(&board, &host(), 30);
    board.hear(&SharedBreakers::default());
    assert_eq!(board.state(&host()), State::Closed);
}

#[test]
fn thousands_of_hosts_are_forgotten_and_those_that_are_open_last() {
    let (board, worker) = (board(), WorkerId::new());
    fails(&board, &host(), 5);
    board.findings(worker);
    for n in 0..10_000 {
        fails(&board, &Dependency::Http(format!("{n}.example")), 1);
    }
    assert!(board.entries().all.len() <= REMEMBERED);
    assert_eq!(board.state(&host()), State::Open);
    for n in 0..500 {
        fails(&board, &Dependency::Http(format!("{n}.dead")), 5);
    }
    assert!(board.findings(worker).len() <= VOTES, "each is a row");

    board.pass(700);
    board.hear(&SharedBreakers::default());
    board.hear(&SharedBreakers::default());
    assert!(board.entries().all.len() < 1000, "those that were not called for long are gone");
}
