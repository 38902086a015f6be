//! How often callers ask, counted by all processes together.

use std::{collections::HashMap, time::Duration};

use golden_jobs::{
    breakers::{self, Board, Dependency, State, Word},
    metrics::Metrics,
    store::breakers::{Said, SharedBreaker, SharedBreakers},
};
use golden_redis::{Taken, Uncounted, Windows};
use rand::{Rng, SeedableRng, rngs::StdRng};
use redis::{Script, aio::MultiplexedConnection};

use crate::{
    kept::{Kept, PATIENCE, until},
    server::Server,
};

const MINUTE: Duration = Duration::from_secs(60);

async fn keys(client: &mut MultiplexedConnection) -> Vec<String> {
    redis::cmd("KEYS").arg("*").query_async(client).await.unwrap()
}

/// Against the plain definition: fewer than the quota within the 60 s before.
#[tokio::test]
async fn random_traffic_is_let_through_exactly_as_the_definition_says() {
    let server = Server::start();
    let mut client = server.client().await;
    let script = Script::new(include_str!("../../src/windows/take.lua"));
    let seed = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut through: HashMap<u32, Vec<u64>> = HashMap::new();
    let mut now = 1_767_000_000_000_000_u64;
    for _ in 0..3_000 {
        // Long silences too, after which many are over together.
        let (long, short) = (random.random_range(0..100_000_000), random.random_range(0..400_000));
        now += if random.random_ratio(1, 100) { long } else { short };
        let owner = random.random_range(0..5);
        // Of tokens of one subject one may have a smaller limit than another.
        let quota = random.random_range(1..=20 * (owner + 1));
        let before = through.entry(owner).or_default();
        before.retain(|at| now - at < 60_000_000);
        let admitted = before.len() < quota as usize;
        if admitted {
            before.push(now);
        }
        let first = before.len().saturating_sub(quota as usize);
        let expected =
            (admitted, u64::from(quota).saturating_sub(before.len() as u64), before[first] + 60_000_000 - now);
        let taken: (bool, u64, u64) =
            script.key(owner).arg(quota).arg(60_000_000).arg(now).invoke_async(&mut client).await.unwrap();
        assert_eq!(taken, expected, "seed {seed}, at {now}, {quota}");
    }
    let kept: usize = redis::cmd("LLEN").arg(4).query_async(&mut client).await.unwrap();
    assert_eq!(kept, through[&4].len(), "no more is kept than counts");

    // A clock that is set back a little lets nobody through twice; after much, it begins anew.
    server.wipe();
    for (at, admitted) in [(100_000_000, true), (99_000_000, false), (160_000_000, true), (1_000_000, true)] {
        let taken: (bool, u64, u64) =
            script.key("back").arg(1).arg(60_000_000).arg(at).invoke_async(&mut client).await.unwrap();
        assert_eq!(taken.0, admitted, "{at}");
        assert!(taken.2 <= 60_000_000);
    }
}

fn board(open: Duration) -> Board {
    Board::new(breakers::Options { open, ..breakers::Options::default() }, Metrics::new())
}

#[tokio::test]
async fn two_processes_let_exactly_the_quota_through_and_a_wiped_redis_begins_anew() {
    let server = Server::start();
    let mut client = server.client().await;
    let processes = [Kept::to(&server.url()), Kept::to(&server.url())];
    for _ in 0..2 {
        let mut asking = Vec::new();
        for process in &processes {
            process.redis.connected().await;
            let windows = Windows::new(&process.redis, board(MINUTE), MINUTE, PATIENCE);
            asking.extend((0..4).map(|_| {
                let windows = windows.clone();
                tokio::spawn(async move {
                    let mut admitted = 0;
                    for _ in 0..25 {
                        admitted += usize::from(windows.take("acme/ci", 50).await.unwrap().admitted);
                    }
                    admitted
                })
            }));
        }
        let mut admitted = 0;
        for asked in asking {
            admitted += asked.await.unwrap();
        }
        assert_eq!(admitted, 50);
        let keys = keys(&mut client).await;
        let [key] = &keys[..] else { panic!("{keys:?}") };
        assert!(key.starts_with("golden:limit:{") && !key.contains("acme"), "{key}");
        let lives: u64 = redis::cmd("PTTL").arg(key).query_async(&mut client).await.unwrap();
        assert!((1..=60_000).contains(&lives), "{lives}");
        server.wipe();
        let _: () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut client).await.unwrap();
    }
}

/// What a process hears when an operator has forced the breaker open.
pub(crate) fn forced_open() -> SharedBreakers {
    let said =
        Said { word: Word::ForcedOpen, left: MINUTE, reason: "maintenance".to_owned(), by: "somebody".to_owned() };
    let breaker = SharedBreaker {
        dependency: Dependency::Redis,
        votes: 0,
        mine: false,
        opened: 0,
        open_for: Duration::ZERO,
        said: Some(said),
        tried_by_other: None,
    };
    SharedBreakers { breakers: vec![breaker], alive: Vec::new() }
}

#[tokio::test]
async fn a_redis_that_is_away_is_left_alone_until_it_is_back() {
    let mut server = Server::start();
    let board = board(MINUTE);
    let kept = Kept::with(&server.url(), board.clone());
    kept.redis.connected().await;
    let windows = Windows::new(&kept.redis, board.clone(), MINUTE, Duration::from_secs(1));
    let first = windows.take("acme", 2).await.unwrap();
    assert_eq!((first.admitted, first.remaining), (true, 1));
    assert!(first.wait > Duration::from_secs(59) && first.wait <= MINUTE);

    board.hear(&forced_open());
    assert!(matches!(windows.take("acme", 2).await, Err(Uncounted::LeftAlone(_))));
    board.hear(&SharedBreakers::default());
    assert!(windows.take("acme", 2).await.unwrap().admitted);
    assert!(matches!(windows.take("acme", 2).await, Ok(Taken { admitted: false, remaining: 0, .. })));

    server.kill();
    for _ in 0..5 {
        assert!(matches!(windows.take("acme", 2).await, Err(Uncounted::Failed(_))));
    }
    assert!(matches!(windows.take("acme", 2).await, Err(Uncounted::LeftAlone(_))));
    assert_eq!(board.state(&Dependency::Redis), State::Open);

    // Long before its time is over.
    server.start_again();
    until("it is asked again", async || windows.take("acme", 9).await.is_ok()).await;
    until("it is as before", async || {
        windows.take("acme", 9).await.is_ok() && board.state(&Dependency::Redis) == State::Closed
    })
    .await;
}
