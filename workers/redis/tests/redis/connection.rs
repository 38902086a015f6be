//! What is there while Redis is, and what while it is not.

use std::time::{Duration, Instant};

use golden_jobs::{
    breakers::{self, Board, Dependency, State},
    metrics::Metrics,
};
use golden_redis::{Address, Connection, Redis};
use redis::{AsyncCommands, RedisResult};

use crate::{
    kept::{Kept, PATIENCE, until},
    server::Server,
};

const SOON: Duration = Duration::from_millis(300);

async fn counts(connection: &mut Connection) -> RedisResult<u64> {
    connection.incr("golden:{test}:count", 1).await
}

#[tokio::test]
async fn it_comes_back_by_itself_and_never_waits_for_a_server_that_is_away() {
    let mut server = Server::start();
    server.kill();
    let kept = Kept::to(&server.url());
    let mut connection = kept.redis.connection(SOON);
    assert!(counts(&mut connection).await.unwrap_err().is_io_error());
    assert!(kept.redis.ready().is_err());

    server.start_again();
    tokio::time::timeout(PATIENCE, kept.redis.connected()).await.unwrap();
    assert_eq!(counts(&mut connection).await.unwrap(), 1);
    assert_eq!(kept.redis.ready(), Ok(()));

    // It takes requests, and does not answer them.
    server.signal("-STOP");
    let asked = Instant::now();
    let error = counts(&mut connection).await.unwrap_err();
    assert!(error.is_timeout() && asked.elapsed() < SOON * 4, "{error} after {:?}", asked.elapsed());
    server.signal("-CONT");
    until("it answers again", async || counts(&mut connection).await.is_ok()).await;

    server.kill();
    until("its end is noticed", async || kept.redis.ready().is_err()).await;
    let asked = Instant::now();
    assert!(counts(&mut connection).await.is_err());
    assert!(asked.elapsed() < SOON, "it is known that it is away");
    server.start_again();
    let back = Instant::now();
    until("it is there again", async || counts(&mut connection).await.is_ok()).await;
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    assert_eq!(counts(&mut connection).await.unwrap(), 2, "what was counted is gone with the server");
}

/// What takes connections, answers what is asked of a new one, and drops it is not connected to again and again, nor is
/// its breaker tried ahead of its time.
#[tokio::test]
async fn a_server_that_drops_every_connection_is_left_alone_for_longer_each_time() {
    const CONNECTIONS: usize = 5;
    let server = Server::start();
    server.client().await;
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let board = Board::new(breakers::Options::default(), Metrics::new());
    for _ in 0..5 {
        board.call(&Dependency::Redis, PATIENCE).unwrap().ended(true);
    }
    let kept = Kept::with(&format!("redis://{}", door.local_addr().unwrap()), board.clone());

    let begun = Instant::now();
    for _ in 0..CONNECTIONS {
        let (mut client, _) = tokio::time::timeout(PATIENCE, door.accept()).await.unwrap().unwrap();
        let mut there = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut client, &mut there) => {}
            () = kept.redis.connected() => {}
        }
        drop(client);
        until("its end is noticed", async || kept.redis.ready().is_err()).await;
    }

    // 50 + 100 + 200 + 400 ms at least.
    assert!(begun.elapsed() > Duration::from_millis(700), "{:?}", begun.elapsed());
    assert_eq!(board.state(&Dependency::Redis), State::Open);
}

#[tokio::test]
async fn a_server_that_is_demoted_is_left_and_one_that_evicts_is_warned_of() {
    let server = Server::start();
    let mut client = server.client().await;
    let address: Address = server.url().parse().unwrap();
    let found = Redis::inspect(&address).await.unwrap();
    assert!(found.version.contains('.') && found.warning().is_none(), "{found:?}");
    let set: &[[&str; 2]] = &[["maxmemory", "100mb"], ["maxmemory-policy", "allkeys-lru"]];
    for [name, value] in set {
        let _: () = redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query_async(&mut client).await.unwrap();
    }
    assert!(Redis::inspect(&address).await.unwrap().warning().unwrap().contains("allkeys-lru"));

    let kept = Kept::to(&server.url());
    kept.redis.connected().await;
    let mut connection = kept.redis.connection(PATIENCE);
    let of: &[[&str; 2]] = &[["127.0.0.1", "1"], ["NO", "ONE"]];
    let _: () = redis::cmd("REPLICAOF").arg(&of[0]).query_async(&mut client).await.unwrap();
    assert!(counts(&mut connection).await.is_err());
    let said = kept.redis.ready().unwrap_err().to_string();
    assert!(said.to_lowercase().contains("read"), "{said}");
    assert!(Redis::inspect(&address).await.unwrap_err().to_string().contains("replica"));
    let _: () = redis::cmd("REPLICAOF").arg(&of[1]).query_async(&mut client).await.unwrap();
    until("it takes writes again", async || counts(&mut connection).await.is_ok()).await;
}

#[tokio::test]
async fn a_wrong_password_is_said_and_a_right_one_is_shown() {
    let server = Server::start_with(&["--requirepass", "hun@ter"]);
    let address = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port);
    let kept = Kept::to(&address("hun%40ter"));
    tokio::time::timeout(PATIENCE, kept.redis.connected()).await.unwrap();
    for (wrong, said) in [(address("other"), "password"), (server.url(), "authentication")] {
        let error = Redis::inspect(&wrong.parse().unwrap()).await.unwrap_err().to_string();
        assert!(error.to_lowercase().contains(said) && !error.contains("other"), "{error}");
    }
}

#[tokio::test]
async fn a_cluster_and_a_master_that_a_sentinel_names_are_reached() {
    let node = Server::start_with(&["--cluster-enabled", "yes"]);
    let mut client = node.client().await;
    let _: () = redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16383).query_async(&mut client).await.unwrap();
    let master = Server::start();
    master.client().await;
    let sentinel = Server::sentinel(&master);
    for address in [
        format!("redis+cluster://127.0.0.1:{},127.0.0.1:1", node.port),
        format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{}/main/1", sentinel.port),
    ] {
        let kept = Kept::to(&address);
        tokio::time::timeout(PATIENCE, kept.redis.connected()).await.unwrap_or_else(|_| panic!("{address}"));
        let mut connection = kept.redis.connection(PATIENCE);
        until("it counts", async || counts(&mut connection).await.is_ok()).await;
        let script = redis::Script::new("return redis.call('INCR', KEYS[1])");
        let count: u64 = script.key("golden:{test}:count").invoke_async(&mut connection).await.unwrap();
        assert_eq!(count, 2, "{address}");
        assert!(Redis::inspect(&address.parse().unwrap()).await.unwrap().version.contains('.'));
    }
}
