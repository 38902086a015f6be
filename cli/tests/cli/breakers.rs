//! The runbook of docs/breakers.md, as its readers follow it.

use std::{
    io::{Read, Write},
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::Dev;

/// Answers every request with 200, on a port that nobody listened on before.
fn come_back(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
}

fn state(dev: &Dev, name: &str) -> Option<String> {
    let list: Value = serde_json::from_str(&dev.run(&["breakers", "list", "--json"]).out).unwrap();
    let found = list["data"].as_array().unwrap().iter().find(|breaker| breaker["name"] == name);
    found.map(|breaker| breaker["state"].as_str().unwrap().to_owned())
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn five_failures_open_a_breaker_jobs_wait_and_it_closes_by_itself() {
    let dev = Dev::start_set(&[("GOLDEN_BREAKER_OPEN", "3s")]);
    // Nobody listens on it now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let name = format!("http:127.0.0.1:{port}");
    let call = format!(r#"{{"url": "http://127.0.0.1:{port}/"}}"#);
    for _ in 0..5 {
        dev.run(&["jobs", "submit", "http.call", &call, "--max-attempts", "1", "--wait", "20s"]);
    }
    until("it is open", || state(&dev, &name).as_deref() == Some("open")).await;
    let listed = dev.run(&["breakers", "list"]).out;
    assert!(listed.contains(&format!("{name}\topen\t")) && listed.contains("docker\tclosed\t"), "{listed}");

    let waits = dev.submit(&["http.call", &call]);
    let show = || -> Value { serde_json::from_str(&dev.run(&["jobs", "show", &waits, "--json"]).out).unwrap() };
    until("the job waits", || show()["state"] == "scheduled").await;
    assert_eq!(show()["attempt"], 0);
    come_back(port);
    until("the job ends", || show()["state"] == "succeeded").await;
    assert_eq!(show()["attempt"], 1);
    // One success is not enough: two more trials.
    for _ in 0..2 {
        dev.submit(&["http.call", &call]);
    }
    until("it is closed", || state(&dev, &name).is_none()).await;

    let forced = dev.run(&["breakers", "force-open", &name, "--for", "5m", "--reason", "maintenance"]);
    assert!(forced.out.starts_with(&format!("{name}\tforced_open\t")) && forced.out.contains("maintenance"));
    let disabled = dev.run(&["breakers", "disable", "docker", "--reason", "looking into it"]).out;
    assert!(disabled.contains("docker\tdisabled\t"), "{disabled}");
    let reset = dev.run(&["breakers", "reset", &name]).out;
    assert!(reset.starts_with(&format!("{name}\tclosed\t")), "{reset}");
    assert!(dev.run(&["breakers", "reset", "--all"]).out.contains("docker\tclosed\t"));
    for wrong in [&["reset"][..], &["reset", "disk"], &["disable", "docker", "--for", "2h", "--reason", "x"]] {
        assert_eq!(dev.run(&[&["breakers"], wrong].concat()).code, 2, "{wrong:?}");
    }
}
