//! Untrusted programs through the API, on real gVisor.

mod docker_away;
mod dockerd;
mod leaks;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::Golden;

#[tokio::test(flavor = "multi_thread")]
async fn a_program_runs_in_gvisor_and_its_end_is_reported() {
    let golden = Golden::dev().await;
    let source = "import sys, subprocess\n\
                  print('in:', sys.stdin.read())\n\
                  print(subprocess.run(['dmesg'], capture_output=True, text=True).stdout)\n\
                  print('oops', file=sys.stderr)\n\
                  sys.exit(3)\n";
    let payload = json!({"language": "python", "source": source, "stdin": "hello"});
    let id = golden.submit("sandbox.run", payload).await;
    let job = golden.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let report = &job["result"];
    assert_eq!(
        (&report["cause"], &report["exit_code"], &report["runtime"]),
        (&json!("exited"), &json!(3), &json!("runsc"))
    );
    let stdout = report["stdout"].as_str().unwrap();
    assert!(stdout.contains("in: hello") && stdout.to_lowercase().contains("gvisor"), "{stdout}");
    assert_eq!(report["stderr"], "oops\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_the_operators_is_named_checked_and_run_within_its_tenants_limits() {
    let images = json!([{"name": "shell", "language": "bash", "image": "golden-sandbox-bash:local"}]).to_string();
    let golden =
        Golden::start(crate::support::TestStore::sqlite(), "dev", &[("GOLDEN_SANDBOX_IMAGES", images.as_str())]).await;
    let id = golden.submit("sandbox.run", json!({"image": "shell", "source": "echo $((6 * 7))"})).await;
    let job = golden.ended(&id).await;
    assert_eq!((&job["result"]["stdout"], &job["result"]["cause"]), (&json!("42\n"), &json!("exited")), "{job}");

    let wrong = json!({"kind": "sandbox.run", "payload": {"image": "golden-sandbox-bash:local", "source": "1"}});
    let (status, problem) = golden.call("POST", "/v1/jobs", Some(wrong)).await;
    assert_eq!(status, 422, "{problem}");
    let told = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(told.ends_with(r#"is not one of "python", "javascript", "bash", "shell""#), "{told}");

    // Its tenant may have less than is asked for, in a function as well.
    let (status, tenant) =
        golden.call("PATCH", "/v1/tenants/acme", Some(json!({"sandbox_limits": {"wall_ms": 500}}))).await;
    assert_eq!((status, &tenant["sandbox_limits"]), (200, &json!({"wall_ms": 500})));
    let asked = json!({"wall_ms": 40_000});
    let slow = golden.submit("sandbox.run", json!({"image": "shell", "source": "sleep 30", "limits": asked})).await;
    let function = json!({"name": "slow", "image": "shell", "files": {"slow.sh": "sleep 30"}, "limits": asked});
    assert_eq!(golden.call("POST", "/v1/functions", Some(function)).await.0, 201);
    let call = json!({"kind": "fn.slow", "max_attempts": 1});
    let (_, call) = golden.call("POST", "/v1/jobs", Some(call)).await;
    assert_eq!(golden.ended(&slow).await["result"]["cause"], "timeout");
    assert_eq!(golden.ended(call["id"].as_str().unwrap()).await["error"]["code"], "timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_read_along_with_and_gone_two_seconds_after_its_cancellation() {
    let golden = Golden::dev().await;
    let source =
        "import sys, time\nprint('begun', flush=True)\nprint('an error', file=sys.stderr, flush=True)\ntime.sleep(40)";
    let payload = json!({"language": "python", "source": source, "limits": {"wall_ms": 45_000}});
    let id = golden.submit("sandbox.run", payload).await;

    for stream in ["events", "logs?follow=1"] {
        let mut events = golden.stream(&format!("/v1/jobs/{id}/{stream}")).await;
        let mut lines = Vec::new();
        while lines.len() < 2 {
            let (name, data) = events.next().await.expect("it runs");
            if name == "log" {
                lines.push((data["stream"].as_str().unwrap().to_owned(), data["text"].as_str().unwrap().to_owned()));
            }
        }
        lines.sort();
        assert_eq!(lines, [("stderr", "an error"), ("stdout", "begun")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
    assert_eq!(containers_of(&id), 1);

    let cancelled = Instant::now();
    golden.call("POST", &format!("/v1/jobs/{id}/cancel"), None).await;
    while containers_of(&id) > 0 {
        assert!(cancelled.elapsed() < Duration::from_secs(2), "its container is still there");
    }
    assert_eq!(golden.ended(&id).await["state"], "cancelled");
}

/// Running or not.
fn containers_of(job: &str) -> usize {
    let label = format!("label=golden.job={job}");
    let listed = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &label]).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    String::from_utf8_lossy(&listed.stdout).lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_docker_the_role_is_off_and_says_how_to_get_it() {
    let golden =
        Golden::start(crate::support::TestStore::sqlite(), "dev", &[("DOCKER_HOST", "unix:///nonexistent.sock")]).await;
    let payload = json!({"language": "python", "source": "print(1)"});
    let (status, problem) =
        golden.call("POST", "/v1/jobs", Some(json!({"kind": "sandbox.run", "payload": payload}))).await;
    assert_eq!(status, 503, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("docker"), "{problem}");
    let fine = golden.submit("noop", json!({})).await;
    assert_eq!(golden.ended(&fine).await["state"], "succeeded");
}
