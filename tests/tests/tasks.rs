//! Tasks through the API, with the model that is built in, on real gVisor.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::Golden;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_ends_with_a_program_that_was_tested_in_gvisor_and_approved() {
    let golden = Golden::dev().await;
    let languages = ["python", "javascript", "bash"];
    let goal = "Print \"hello\", o'clock & $HOME: a friendly greeting";
    let task = |language| json!({"name": "greeting", "goal": goal, "language": language, "request_id": language});
    let mut ids = Vec::new();
    for language in languages {
        let (status, job) = golden.call("POST", "/tasks", Some(task(language))).await;
        assert_eq!((status, &job["kind"]), (202, &json!("task")), "{job}");
        ids.push(job["id"].as_str().unwrap().to_owned());
    }
    let (_, again) = golden.call("POST", "/v1/tasks", Some(task("python"))).await;
    assert_eq!(again["id"], ids[0].as_str());

    for (language, id) in languages.into_iter().zip(&ids) {
        let job = golden.ended(id).await;
        let result = &job["result"];
        assert_eq!((&job["state"], &job["attempt"]), (&json!("succeeded"), &json!(1)), "{job}");
        assert_eq!(result["test_report"]["passed"], true, "{job}");
        assert_eq!(
            (&result["verdict"]["state"], &result["models"]),
            (&json!("APPROVED"), &json!(["offline"])),
            "{job}"
        );
        let entry = result["artifact"]["entry"].as_str().unwrap();
        assert!(result["artifact"]["files"][entry].as_str().unwrap().contains("friendly greeting"));

        let (_, task) = golden.call("GET", &format!("/v1/tasks/{id}"), None).await;
        let steps: BTreeSet<_> = task["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str()).collect();
        assert_eq!(steps, ["plan", "program", "review", "run", "tests"].map(Some).into(), "{language}");
        let (_, log) = golden.call("GET", &format!("/v1/jobs/{id}/logs"), None).await;
        assert!(log.to_string().contains("the tests pass; asking for a review"), "{log}");
    }
}
