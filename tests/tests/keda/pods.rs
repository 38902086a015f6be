//! What runs in the pods: the commands of the manifests, by the real binary.

use std::time::Duration;

use serde_json::json;

use super::{find, manifests};
use crate::support::{Golden, TestStore};

/// Where a process says in its log that it listens.
fn address(log: &str, what: &str) -> String {
    let line = log.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no `{what}` in\n{log}"));
    line.split("address=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// The arguments of the worker that a ScaledJob starts, but for what takes a port or a sandbox.
fn scaled_jobs_worker() -> Vec<String> {
    let manifests = manifests();
    let job = find(&manifests, "keda/overlays/sandbox-jobs/", "ScaledJob", "sandbox");
    let args = job["spec"]["jobTargetRef"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    let here = |arg: &str| match arg {
        "0.0.0.0:9100" => "127.0.0.1:0".to_owned(),
        "15s" => "2s".to_owned(),
        arg => arg.to_owned(),
    };
    assert_eq!(args[..3], ["worker", "--role", "sandbox"]);
    args[3..].iter().map(|arg| here(arg.as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_worker_that_was_started_for_the_work_there_is_shows_itself_and_ends_with_it() {
    let golden = Golden::start(TestStore::sqlite(), "api", &[("GOLDEN_SCALER_LISTEN", "127.0.0.1:0")]).await;
    let scaler = address(&golden.api.log(), "the external scaler listens");
    tokio::net::TcpStream::connect(scaler).await.unwrap();
    let noop = json!({"kind": "noop", "payload": {"sleep_ms": 1500}});
    let (_, job) = golden.call("POST", "/v1/jobs", Some(noop)).await;

    let args = scaled_jobs_worker();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut worker = golden.worker_with("orchestrator", &args);
    worker.says("worker started").await;
    let probes = address(&worker.log(), "probes are answered");
    let get = async |path: &str| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("http://{probes}{path}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/livez").await.0, 200);
    let (status, ready) = get("/readyz").await;
    assert!(status == 200 && ready.contains(r#""status":"ready""#), "{status}: {ready}");
    let (_, metrics) = get("/metrics").await;
    assert!(metrics.contains(r#"golden_worker_capacity{role="orchestrator"} 1"#), "{metrics}");
    let (_, told) = golden.call("GET", "/v1/scaling", None).await;
    assert_eq!(told["roles"]["orchestrator"]["capacity"], 1, "{told}");

    let ended = tokio::time::timeout(Duration::from_secs(20), worker.ended()).await.unwrap();
    assert_eq!(ended, Some(0));
    let (_, job) = golden.call("GET", &format!("/v1/jobs/{}", job["id"].as_str().unwrap()), None).await;
    assert_eq!(job["state"], "succeeded", "idle is after the work, not before: {job}");
}

#[tokio::test]
async fn manifests_call_commands_that_there_are() {
    let golden = Golden::start(TestStore::sqlite(), "api", &[]).await;
    let mut commands = vec![vec!["api".to_owned(), "--scaler-listen".into(), "0.0.0.0:9090".into()]];
    for manifest in manifests() {
        for pod in ["/spec/template/spec", "/spec/jobTargetRef/template/spec"] {
            let Some(pod) = manifest.object.pointer(pod) else { continue };
            for containers in ["initContainers", "containers"] {
                for container in pod[containers].as_array().unwrap_or(&Vec::new()) {
                    let args = container["args"].as_array().unwrap();
                    commands.push(args.iter().map(|arg| arg.as_str().unwrap().to_owned()).collect());
                }
            }
        }
    }
    assert_eq!(commands.len(), 9);
    for command in commands {
        // Help is given for what can be parsed, and for nothing else.
        let args: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let (code, text) = golden.cli(&args);
        assert_eq!(code, Some(0), "{command:?}: {text}");
    }
}
