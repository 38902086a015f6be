//! `golden guards`, beside a supervisor.

use std::time::{Duration, Instant};

use crate::support::Dev;

#[tokio::test]
async fn the_guards_of_a_server_are_listed_with_how_they_fare() {
    let dev = Dev::start();
    let begun = Instant::now();
    let listed = loop {
        let listed = dev.run(&["guards", "list"]).out;
        // Its supervisor looks as soon as it is there.
        if listed.lines().any(|line| line.starts_with("backlog\tsupervisor\t2")) {
            break listed;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody looks: {listed}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let line = |name: &str| listed.lines().find(|line| line.starts_with(&format!("{name}\t"))).unwrap();
    assert!(line("dead_letters").contains("\t0 of 10\twell\t"), "{listed}");
    assert!(line("lost_workers").starts_with("lost_workers\tworkers\t"), "{listed}");
    let json: serde_json::Value = serde_json::from_str(&dev.run(&["guards", "list", "--json"]).out).unwrap();
    assert_eq!(json["data"].as_array().unwrap().len(), listed.lines().count());
}
