//! `make chaos`: a cluster of real processes under load, while one part of it after another is killed, frozen, wiped or
//! restarted. It ends with the books: every job that was accepted ended exactly once, and everybody who was to be told
//! of it was. Prints one table, and fails where the books do not balance.
//!
//! `chaos [SEED [JOBS]]`: what is submitted, and what befalls whom when, follows from the seed. Interleavings do not: a
//! seed that failed is worth more than one run.

#![expect(clippy::unwrap_used, reason = "where it cannot go on, it fails")]

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

mod cluster;
mod dispatch;
mod faults;
mod ledger;
mod load;
mod plan;
mod postgres;
#[path = "../../workers/redis/tests/redis/server.rs"]
#[expect(dead_code, reason = "tests do more to it")]
mod redis;
#[path = "../../workers/nats/tests/nats/server.rs"]
#[expect(dead_code, reason = "tests wait with it, too")]
mod server;
#[path = "../tests/support.rs"]
#[expect(dead_code, reason = "tests use the rest of it")]
mod support;

use cluster::Cluster;
use faults::Fault;
use ledger::{
    Off, records,
    told::{self, Told},
};
use plan::TENANTS;
use support::Receiver;

const JOBS: usize = 20_000;

/// Over which jobs are submitted: about as long as it takes until everything has happened.
const SPAN: Duration = Duration::from_secs(110);

/// Between one fault that is mended and the next.
const PAUSE: Duration = Duration::from_secs(5);

/// Longer than it takes to find a worker lost, and what is due later to be due.
const SETTLED: Duration = Duration::from_secs(120);

/// The longest that no job may end, while there are jobs.
const STANDSTILL: f64 = 30.0;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("chaos [SEED [JOBS]]"));
    let seed = arguments.next().unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    let jobs = arguments.next().map_or(JOBS, |jobs| usize::try_from(jobs).unwrap());
    println!("seed {seed}");
    tokio::select! {
        balanced = run(seed, jobs) => if balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        // Everything that was started ends with what holds it.
        _ = tokio::signal::ctrl_c() => ExitCode::FAILURE,
    }
}

/// Whether the books balance.
async fn run(seed: u64, jobs: usize) -> bool {
    let begun = Instant::now();
    let row = |what: &str| println!("{:>7.1} s  {what}", begun.elapsed().as_secs_f64());
    // Now and then a receiver has a bad moment.
    let answer = |number: usize| if number % 7 == 3 { "500 Internal Server Error" } else { "200 OK" };
    let callbacks = Receiver::answering(answer).await;
    let endpoint = Receiver::answering(answer).await;
    let mut cluster = Cluster::start().await;
    let clients = cluster.clients();
    let endpoint_secret = cluster.listen(&endpoint.url).await;
    row("PostgreSQL, NATS and Redis, two APIs, three workers, two receivers of webhooks are up");

    let submissions = plan::submissions(seed, jobs, &callbacks.url);
    row(&format!("{jobs} jobs in {} requests are on their way, over {SPAN:?}", submissions.len()));
    let load = tokio::spawn(load::submit_all(clients.clone(), submissions, SPAN));
    let mut heard = Told::default();
    let mut dice = StdRng::seed_from_u64(seed);
    let mut faults = Fault::ALL;
    faults.shuffle(&mut dice);
    for fault in faults {
        tokio::time::sleep(PAUSE).await;
        row(&fault.befall(&mut cluster, &mut heard, &mut dice).await);
    }
    let answered = load.await.unwrap();
    row(&format!(
        "{} jobs accepted; {} requests were sent again for want of an answer, {} though there was one; {} cancels",
        answered.accepted.len(),
        answered.repeated,
        answered.sent_twice,
        answered.cancels
    ));

    let mut sql = cluster.sql().await;
    let waited = Instant::now();
    while !records::left(&mut sql).await.is_empty() && waited.elapsed() < SETTLED {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    row("nothing is left to be done, or it was waited for long enough");

    let (events, letters) = faults::streams(&cluster).await;
    heard.hear(events, letters);
    let mut off = Off(answered.wrong.clone());
    let kept = records::jobs(&mut sql).await;
    ledger::jobs(&kept, &answered, &mut off);
    records::store(&mut sql, &mut off).await;
    ledger::lists(&records::listed(&clients).await, &kept, &mut off);
    let dispatched = cluster.dispatched().await;
    ledger::dispatch(dispatched.through, &answered, &mut off);
    told::nats(&heard, &answered, &mut off);
    let mut secrets = Vec::new();
    for tenant in TENANTS {
        secrets.push(cluster.callback_secret(tenant).await);
    }
    let (called, sent) = (callbacks.received(), endpoint.received());
    told::webhooks(&called, &secrets, &sent, &endpoint_secret, &answered, &mut off);
    let (standstill, at) = records::standstill(&mut sql).await;
    if standstill > STANDSTILL {
        off.0.push(format!("no job ended for {standstill:.1} s"));
    }

    for (what, count) in records::counts(&mut sql).await {
        println!("{count:>9}  {what}");
    }
    println!("{:>9}  callbacks and {} messages to an endpoint came, repetitions included", called.len(), sent.len());
    println!("{:>9}  ends and {} dead letters were told to NATS", heard.events.len(), heard.letters.len());
    println!("{:>9}  runs came through Redis, and {} claims went past it", dispatched.through, dispatched.past);
    println!("{standstill:>7.1} s  was the longest without an end, {at:.1} s after the first job");
    match off.0.is_empty() {
        true => println!("ledger: balanced"),
        false => println!("ledger: off, with seed {seed}\n  {}", off.0.join("\n  ")),
    }
    off.0.is_empty()
}
