use proptest::prelude::*;

use super::*;

const FIRST: Duration = Duration::from_secs(30);
const CALL: Duration = Duration::from_secs(60);
const GOOD: Seen = Seen { failed: false, slow: false };
const BAD: Seen = Seen { failed: true, slow: false };

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn go(asked: Asked) -> Permit {
    match asked {
        Asked::Go(permit) => permit,
        other => panic!("{other:?}"),
    }
}

fn call(circuit: &mut Circuit, seen: Seen, now: Instant) {
    let permit = go(circuit.ask(now, CALL, true));
    circuit.tell(permit, seen, now);
}

/// In the middle of its jitter, and opened now.
fn opened(now: Instant) -> Circuit {
    let mut circuit = Circuit::new(FIRST, 0.5, now);
    (0..5).for_each(|_| call(&mut circuit, BAD, now));
    assert_eq!(circuit.state(now), State::Open);
    circuit
}

#[test]
fn it_opens_for_longer_each_time_and_closes_after_three_good_trials() {
    let mut now = Instant::now();
    let mut circuit = opened(now);
    for lasts in [30, 60, 120, 240, 300, 300] {
        assert_eq!(circuit.ask(now, CALL, true), Asked::Wait(now + secs(lasts)));
        assert_eq!(circuit.state(now + secs(lasts) - Duration::from_millis(1)), State::Open);
        now += secs(lasts);
        assert_eq!(circuit.state(now), State::HalfOpen);
        call(&mut circuit, BAD, now);
    }
    now += secs(300);
    for state in [State::HalfOpen, State::HalfOpen, State::Closed] {
        call(&mut circuit, GOOD, now);
        assert_eq!(circuit.state(now), state);
    }
    assert_eq!((circuit.opened(), circuit.open_until()), (0, None));
}

#[test]
fn the_time_open_is_jittered_by_a_fifth() {
    let now = Instant::now();
    for (chance, millis) in [(0.0, 24_000), (1.0, 36_000)] {
        let mut circuit = Circuit::new(FIRST, chance, now);
        (0..5).for_each(|_| call(&mut circuit, BAD, now));
        assert_eq!(circuit.open_until(), Some(now + Duration::from_millis(millis)));
    }
}

#[test]
fn half_open_it_lets_three_try_at_a_time_and_those_who_may() {
    let begin = Instant::now();
    let mut circuit = opened(begin);
    let now = begin + FIRST;
    assert_eq!(circuit.ask(now, CALL, false), Asked::Trial);
    let permits: Vec<Permit> = (0..3).map(|_| go(circuit.ask(now, CALL, true))).collect();
    assert_eq!(circuit.ask(now, CALL, true), Asked::Later);

    circuit.give_back(permits[0], now);
    let again = go(circuit.ask(now, CALL, true));
    circuit.tell(permits[1], GOOD, now);
    assert_eq!(circuit.ask(now, CALL, true), Asked::Later, "one succeeded, two are under way");
    circuit.tell(again, BAD, now);
    assert_eq!(circuit.ask(now, CALL, true), Asked::Wait(now + secs(60)));
    circuit.tell(permits[2], GOOD, now + secs(60));
    assert_eq!(circuit.state(now + secs(60)), State::HalfOpen, "what was let through before says nothing now");
}

#[test]
fn a_trial_that_is_never_heard_of_again_is_a_failed_one() {
    let begin = Instant::now();
    let mut circuit = opened(begin);
    let now = begin + FIRST;
    let lost = go(circuit.ask(now, CALL, true));
    assert_eq!(circuit.state(now + CALL), State::Open);
    // Open for a minute since the permit lapsed, whenever somebody looks.
    assert_eq!(circuit.state(now + CALL + secs(59)), State::Open);
    assert_eq!(circuit.state(now + CALL + secs(60)), State::HalfOpen);
    circuit.tell(lost, GOOD, now + CALL + secs(61));
    assert!(!circuit.is_tried());
}

#[test]
fn what_others_found_opens_it_and_interrupts_no_trial() {
    let now = Instant::now();
    let mut circuit = Circuit::new(FIRST, 0.5, now);
    circuit.open_until_at_least(now + secs(40), 2, now);
    assert_eq!((circuit.state(now + secs(39)), circuit.opened()), (State::Open, 2));
    circuit.open_until_at_least(now + secs(20), 1, now);
    assert_eq!(circuit.open_until(), Some(now + secs(40)), "it is not opened for less");

    let then = now + secs(40);
    let permit = go(circuit.ask(then, CALL, true));
    circuit.open_until_at_least(then + secs(99), 3, then);
    assert_eq!(circuit.state(then), State::HalfOpen);
    circuit.tell(permit, BAD, then);
    assert_eq!(circuit.open_until(), Some(then + secs(120)), "it goes on from where the others were");
}

#[test]
fn an_operators_word_goes_first_and_ends_by_itself() {
    let now = Instant::now();
    let mut circuit = Circuit::new(FIRST, 0.5, now);
    circuit.set_word(Some((Word::ForcedOpen, now + secs(100))));
    assert_eq!(circuit.ask(now, CALL, true), Asked::Wait(now + secs(100)));
    assert_eq!(circuit.state(now + secs(100)), State::Closed);

    circuit.set_word(Some((Word::Disabled, now + secs(100))));
    (0..50).for_each(|_| call(&mut circuit, BAD, now));
    assert_eq!(circuit.state(now), State::Disabled);
    circuit.set_word(None);
    assert_eq!(circuit.state(now), State::Closed, "nothing was counted meanwhile");
}

/// Something that happens to a circuit.
#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    Ask {
        lasts: u64,
        may_try: bool,
    },
    /// One of those that are under way ends; `None` is cancelled.
    End(usize, Option<Seen>),
    Others {
        lasts: u64,
        opened: u32,
    },
    Word(Option<(Word, u64)>),
    Close,
}

fn event() -> impl Strategy<Value = Event> {
    let seen = (any::<bool>(), any::<bool>()).prop_map(|(failed, slow)| Seen { failed, slow });
    let word = prop_oneof![Just(Word::ForcedOpen), Just(Word::Disabled)];
    prop_oneof![
        4 => (0_u64..90_000).prop_map(Event::Pass),
        8 => (1_u64..120_000, any::<bool>()).prop_map(|(lasts, may_try)| Event::Ask { lasts, may_try }),
        8 => (any::<prop::sample::Index>(), prop_oneof![1 => Just(None), 6 => seen.prop_map(Some)])
            .prop_map(|(which, seen)| Event::End(which.index(64), seen)),
        1 => (0_u64..300_000, 0_u32..40).prop_map(|(lasts, opened)| Event::Others { lasts, opened }),
        1 => prop::option::of((word, 0_u64..3_600_000)).prop_map(Event::Word),
        1 => Just(Event::Close),
    ]
}

const UTMOST: Duration = secs_const(360);
const HOUR: Duration = secs_const(3600);

const fn secs_const(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

proptest! {
    /// Whatever happens to it, at most three trials are under way at a time; it lets somebody through within
    /// six minutes once what an operator said, and every call that was let through, is over; and three good trials
    /// close it.
    #[test]
    fn it_is_never_stuck(chance in 0.0..1.0_f64, events in prop::collection::vec(event(), 0..120)) {
        let begin = Instant::now();
        let mut now = begin;
        let mut circuit = Circuit::new(FIRST, chance, now);
        let mut under_way: Vec<Permit> = Vec::new();
        for event in events {
            match event {
                Event::Pass(millis) => now += Duration::from_millis(millis),
                Event::Ask { lasts, may_try } => {
                    let before = circuit.state(now);
                    match circuit.ask(now, Duration::from_millis(lasts), may_try) {
                        Asked::Go(permit) => {
                            prop_assert!(!matches!(before, State::Open | State::ForcedOpen));
                            under_way.push(permit);
                        }
                        Asked::Wait(until) => {
                            prop_assert!(matches!(before, State::Open | State::ForcedOpen));
                            prop_assert!(until > now && until <= now + HOUR);
                        }
                        Asked::Later | Asked::Trial => prop_assert_eq!(before, State::HalfOpen),
                    }
                }
                Event::End(_, _) if under_way.is_empty() => {}
                Event::End(which, seen) => {
                    let permit = under_way.swap_remove(which % under_way.len());
                    match seen {
                        Some(seen) => circuit.tell(permit, seen, now),
                        None => circuit.give_back(permit, now),
                    }
                }
                Event::Others { lasts, opened } => {
                    circuit.open_until_at_least(now + Duration::from_millis(lasts), opened, now);
                }
                Event::Word(word) => {
                    circuit.set_word(word.map(|(word, millis)| (word, now + Duration::from_millis(millis))));
                }
                Event::Close => circuit.close(now),
            }
            if let Phase::Trying { trials, succeeded, .. } = &circuit.phase {
                prop_assert!(trials.len() + succeeded <= TRIALS);
            }
            prop_assert_eq!(circuit.state(now), circuit.state(now), "looking changes nothing");
        }

        // Nobody tells it anything any more.
        now += HOUR + Duration::from_secs(120);
        let mut waited = Duration::ZERO;
        while let Asked::Wait(until) = circuit.ask(now, CALL, true) {
            waited += until - now;
            now = until;
            prop_assert!(waited <= UTMOST);
        }
        // The one that was just let through is never heard of again, and still it closes.
        now += CALL + UTMOST;
        for _ in 0..3 {
            let permit = go(circuit.ask(now, CALL, true));
            circuit.tell(permit, GOOD, now);
        }
        prop_assert_eq!(circuit.state(now), State::Closed);
    }

    /// Two that saw the same are in the same state, whenever each is looked at.
    #[test]
    fn looking_more_often_makes_no_difference(
        failures in 0_usize..8,
        lasts in 1_u64..300,
        looks in prop::collection::vec(0_u64..400, 0..20),
    ) {
        let begin = Instant::now();
        let mut circuit = Circuit::new(FIRST, 0.3, begin);
        (0..failures.min(5)).for_each(|_| call(&mut circuit, BAD, begin));
        let trial = begin + secs(40);
        let _lost = circuit.ask(trial, secs(lasts), true);
        let mut looked_at = circuit.clone();
        let mut looks: Vec<Instant> = looks.into_iter().map(|after| trial + secs(after)).collect();
        looks.sort();
        for look in &looks {
            looked_at.pass(*look);
            prop_assert_eq!(looked_at.state(*look), circuit.state(*look));
        }
    }
}
