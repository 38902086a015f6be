//! A Docker that dies, that hangs, and that never had what it takes.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::dockerd::Dockerd;
use crate::support::{Golden, PATIENCE, TestStore};

/// By when nothing is left of sandboxes, from when Docker answers again: the longest stays what it made and could
/// not tell anybody of.
const BOUND: Duration = Duration::from_secs(90);

async fn golden(docker: &Dockerd) -> Golden {
    let settings = [
        ("DOCKER_HOST", docker.host()),
        ("GOLDEN_SANDBOX_WARM", "min=1,max=1".to_owned()),
        ("GOLDEN_BREAKER_OPEN", "5s".to_owned()),
        ("GOLDEN_CONCURRENCY", "8".to_owned()),
    ];
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Golden::start(TestStore::sqlite(), "dev", &settings).await
}

fn program(source: &str) -> Value {
    json!({"kind": "sandbox.run", "payload": {"language": "bash", "source": source, "limits": {"wall_ms": 6000}}})
}

async fn submit(golden: &Golden, source: &str, max_attempts: u32) -> String {
    let mut job = program(source);
    job["max_attempts"] = json!(max_attempts);
    golden.submit_with(job).await
}

async fn until_it_prints(golden: &Golden, id: &str) {
    let mut events = golden.stream(&format!("/v1/jobs/{id}/events")).await;
    while events.next().await.expect("it runs").0 != "log" {}
}

/// The line of a metric.
async fn metric(golden: &Golden, name: &str) -> String {
    let (_, metrics) = golden.call("GET", "/metrics", None).await;
    metrics.as_str().unwrap().lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
}

async fn until_metric(golden: &Golden, line: &str) {
    let name = line.split(' ').next().unwrap();
    let begun = Instant::now();
    while metric(golden, name).await != line {
        assert!(begun.elapsed() < PATIENCE, "{line}: {}", metric(golden, name).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

const BASH: &str = "golden-sandbox-bash:local";
const BREAKER: &str = "circuit_breaker_state{name=\"docker\"}";
const WARM: &str = "golden_sandbox_warm";

/// SIGKILL in mid-run. What ran is tried again or has used up its attempts, what comes meanwhile waits, and nothing is
/// left of the containers that went on without anybody.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes its time, and root: make hostile"]
async fn a_killed_docker_loses_no_job_and_leaves_nothing() {
    let mut docker = Dockerd::start(&["runsc"]).await;
    docker.bring(BASH);
    let golden = golden(&docker).await;
    until_metric(&golden, &format!("{WARM} 1")).await;
    let again = submit(&golden, "echo begun; sleep 3; echo done", 20).await;
    let once = submit(&golden, "echo begun; while :; do :; done", 1).await;
    let unwanted = submit(&golden, "echo begun; sleep 5", 20).await;
    for id in [&again, &once, &unwanted] {
        until_it_prints(&golden, id).await;
    }
    // One of them was taken by a program, and another may be about to wait.
    let containers = docker.containers();
    assert!(containers.len() >= 3, "{containers:?}");

    docker.kill().await;
    let ended = golden.ended(&once).await;
    assert_eq!((&ended["state"], &ended["error"]["code"]), (&json!("dead"), &json!("sandbox_unavailable")), "{ended}");
    golden.call("POST", &format!("/v1/jobs/{unwanted}/cancel"), None).await;
    assert_eq!(golden.ended(&unwanted).await["state"], "cancelled");
    let meanwhile: Vec<_> = futures_util::future::join_all((0..6).map(|_| submit(&golden, "echo late", 20))).await;
    until_metric(&golden, &format!("{BREAKER} 2")).await;
    let waits = golden.until(&submit(&golden, "echo late", 1).await, &["scheduled"]).await;
    assert_eq!(waits["attempt"], 0, "{waits}");

    docker.again().await;
    for id in meanwhile.iter().map(String::as_str).chain([again.as_str(), waits["id"].as_str().unwrap()]) {
        let ended = golden.ended(id).await;
        assert_eq!((&ended["state"], &ended["result"]["cause"]), (&json!("succeeded"), &json!("exited")), "{ended}");
    }
    assert_eq!(golden.job(&again).await["result"]["stdout"], "begun\ndone\n");
    until_metric(&golden, &format!("{BREAKER} 0")).await;
    until_metric(&golden, &format!("{WARM} 1")).await;
    docker.until_gone(&containers, BOUND).await;

    assert_eq!(golden.api.terminate().await, Some(0));
    docker.leaves_nothing(&containers, BOUND).await;
}

/// SIGSTOP: connections are taken and nothing is ever answered.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes its time, and root: make hostile"]
async fn a_docker_that_hangs_holds_nobody_up() {
    let docker = Dockerd::start(&["runsc"]).await;
    docker.bring(BASH);
    let golden = golden(&docker).await;
    until_metric(&golden, &format!("{WARM} 1")).await;
    let running = submit(&golden, "echo begun; sleep 3; echo done", 20).await;
    until_it_prints(&golden, &running).await;
    until_metric(&golden, &format!("{WARM} 1")).await;
    let containers = docker.containers();

    docker.signal("-STOP");
    let meanwhile: Vec<_> = futures_util::future::join_all((0..5).map(|_| submit(&golden, "echo late", 20))).await;
    until_metric(&golden, &format!("{BREAKER} 2")).await;
    let waits = golden.until(&submit(&golden, "echo late", 1).await, &["scheduled"]).await;
    assert_eq!(waits["attempt"], 0, "{waits}");

    docker.signal("-CONT");
    for id in meanwhile.iter().map(String::as_str).chain([running.as_str(), waits["id"].as_str().unwrap()]) {
        let ended = golden.ended(id).await;
        assert_eq!((&ended["state"], &ended["result"]["cause"]), (&json!("succeeded"), &json!("exited")), "{ended}");
    }
    // It had printed its last word, and nobody heard: that it took its time is not said of it.
    assert!(golden.job(&running).await["attempt"].as_u64() > Some(1));
    until_metric(&golden, &format!("{BREAKER} 0")).await;
    until_metric(&golden, &format!("{WARM} 1")).await;

    // Who is to end does, and leaves what it has to others.
    let mut left = docker.containers();
    docker.signal("-STOP");
    let told = Instant::now();
    assert_eq!(golden.api.terminate().await, Some(0));
    assert!(told.elapsed() < Duration::from_secs(30), "{:?}", told.elapsed());
    docker.signal("-CONT");
    let other = self::golden(&docker).await;
    docker.until_gone(&left, BOUND).await;
    assert_eq!(other.api.terminate().await, Some(0));
    left.extend(containers);
    docker.leaves_nothing(&left, BOUND).await;
}

/// A Docker with nothing in it: what is missing is said, and made.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes its time, and root: make hostile"]
async fn what_a_new_docker_lacks_is_said_and_built() {
    let refused = async |docker: &Dockerd| {
        let golden = golden(docker).await;
        let (status, problem) = golden.call("POST", "/v1/jobs", Some(program("echo 1"))).await;
        assert_eq!((status, &problem["code"]), (503, &json!("sandbox-unavailable")), "{problem}");
        let fine = golden.submit("noop", json!({})).await;
        assert_eq!(golden.ended(&fine).await["state"], "succeeded");
        (golden, problem["detail"].as_str().unwrap().to_owned())
    };
    let docker = Dockerd::start(&[]).await;
    let (_, told) = refused(&docker).await;
    assert!(told.contains("no runtime `runsc`") && told.contains("apt-get install runsc"), "{told}");
    drop(docker);

    let docker = Dockerd::start(&["runsc"]).await;
    let (golden, told) = refused(&docker).await;
    assert!(told.contains("golden sandbox build-images"), "{told}");
    // The same packages make the same image, in whichever Docker.
    let harness = Command::new("docker").args(["inspect", "--format", "{{.Id}}", BASH]).output().unwrap();
    for now in [true, false] {
        let (status, printed) = golden.cli(&["sandbox", "build-images", "bash", "--json"]);
        assert_eq!(status, Some(0), "{printed}");
        let built: Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
        let image = &built["images"][0];
        assert_eq!((&image["image"], &image["built"]), (&json!(BASH), &json!(now)), "{built}");
        assert_eq!(image["id"], String::from_utf8_lossy(&harness.stdout).trim(), "{built}");
    }
    drop(golden);
    let golden = self::golden(&docker).await;
    let id = submit(&golden, "echo $((6 * 7))", 1).await;
    assert_eq!(golden.ended(&id).await["result"]["stdout"], "42\n");
    assert_eq!(golden.api.terminate().await, Some(0));
    docker.leaves_nothing(&[], BOUND).await;
}
