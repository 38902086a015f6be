//! Untrusted programs through the API, on real gVisor.

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
async fn a_cancelled_program_is_gone_in_seconds() {
    let golden = Golden::dev().await;
    let source = "import time\ntime.sleep(40)";
    let payload = json!({"language": "python", "source": source, "limits": {"wall_ms": 45_000}});
    let id = golden.submit("sandbox.run", payload).await;
    golden.until(&id, &["running"]).await;
    golden.call("POST", &format!("/v1/jobs/{id}/cancel"), None).await;
    assert_eq!(golden.ended(&id).await["state"], "cancelled");
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
