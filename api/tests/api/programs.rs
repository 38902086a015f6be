//! Programs that are submitted, as jobs, by the clock or as functions: what is refused before anything is recorded.

use std::sync::Arc;

use golden_jobs::kinds::SandboxRun;
use serde_json::{Map, Value, json};

use crate::harness::{Answer, Golden, text};

/// An API of an operator who has these images.
async fn golden() -> Golden {
    Golden::with(|api| {
        let (languages, images) = (["python", "bash"], ["python", "bash", "python-ml"]);
        let registry = golden_jobs::kinds::registry();
        api.registry =
            Arc::new(registry.with_schema("sandbox.run", |schema| SandboxRun::offer(schema, &languages, &images)));
    })
    .await
}

/// What is wrong with one: where, and in words.
fn wrong(answer: &Answer) -> (String, String) {
    assert_eq!(answer.problem(), (422, "validation-failed"), "{}", answer.text);
    assert!(answer.text.len() < 4000, "it repeats what was sent: {}", answer.text.len());
    (text(&answer.body["errors"][0]["pointer"]), text(&answer.body["errors"][0]["detail"]))
}

fn with(base: Value, more: Value) -> Value {
    let (Value::Object(mut base), Value::Object(more)) = (base, more) else { panic!("objects") };
    base.extend(more);
    base.retain(|_, value| !value.is_null());
    Value::Object(base)
}

#[tokio::test]
async fn what_no_sandbox_would_run_is_refused_and_not_recorded() {
    let golden = golden().await;
    let many: Map<_, _> = (0..10_000).map(|n| (n.to_string(), json!(""))).collect();
    let file = |path: &str, content: Value| json!({"files": {path: content}});
    for (more, pointer, words) in [
        (json!({"language": "cobol"}), "/language", r#""cobol" is not one of "python", "bash""#),
        // Another image for a language is no language.
        (json!({"language": "python-ml"}), "/language", r#""python", "bash""#),
        (
            json!({"language": null, "image": "alpine"}),
            "/image",
            r#""alpine" is not one of "python", "bash", "python-ml""#,
        ),
        (json!({"language": null, "image": "../python"}), "/image", "is not one of"),
        (json!({"image": "bash"}), "", "give either language, or image"),
        (json!({"language": null}), "", "give either language, or image"),
        (json!({"privileged": true}), "", "'privileged' was unexpected"),
        (json!({"HostConfig": {"Privileged": true}}), "", "'HostConfig' was unexpected"),
        (json!({"runtime": "runc"}), "", "'runtime' was unexpected"),
        (json!({"user": "root"}), "", "'user' was unexpected"),
        (json!({"mounts": ["/:/host"]}), "", "'mounts' was unexpected"),
        (json!({"command": ["sh"]}), "", "'command' was unexpected"),
        (json!({"limits": {"pids": 9}}), "/limits", "'pids' was unexpected"),
        (json!({"limits": {"wall_ms": 3_600_000}}), "/limits/wall_ms", "maximum"),
        (json!({"limits": {"memory_mib": 1}}), "/limits/memory_mib", "minimum"),
        (json!({"network": "host"}), "/network", "none"),
        (json!({"env": {"A=B": "x"}}), "/env", "A=B"),
        (json!({"args": ["a\u{0}b"]}), "/args/0", ""),
        (file("../x", json!("")), "/files/..~1x", "a path is relative"),
        (file("/etc/passwd", json!("")), "/files/~1etc~1passwd", "a path is relative"),
        (file("a/./b", json!("")), "/files/a~1.~1b", "a path is relative"),
        (file(&"a/".repeat(20), json!("")), "/files/", "a path is relative"),
        (json!({"files": {"a": "", "a/b": ""}}), "/files/a~1b", "another file has the name of its folder"),
        (file("a", json!({"base64": "###"})), "/files/a/base64", "not base64"),
        (file("a", json!({"link": "/etc"})), "/files/a", ""),
        (json!({"files": many}), "/files", ""),
        (json!({"source": null}), "", "give either source, or entry and files"),
        (json!({"source": null, "entry": "b", "files": {"a": ""}}), "/entry", "name one of the files"),
    ] {
        let program = with(json!({"language": "python", "source": "1"}), more);
        let job = json!({"kind": "sandbox.run", "payload": program});
        let (of_job, told) = wrong(&golden.post("/v1/jobs", job.clone()).await);
        assert!(of_job.starts_with(&format!("/payload{pointer}")), "{of_job}: {told}");
        assert!(told.contains(words), "{pointer}: {told}");
        let (of_schedule, _) = wrong(
            &golden.post("/v1/schedules", with(json!({"name": "s", "cron": "0 3 * * *"}), json!({"job": job}))).await,
        );
        assert!(of_schedule.ends_with(&of_job), "{of_schedule}");
    }
    for kept in ["/v1/jobs", "/v1/schedules"] {
        assert_eq!(golden.get(kept).await.body["data"], json!([]));
    }
}

#[tokio::test]
async fn a_function_of_no_image_there_is_is_refused() {
    let golden = golden().await;
    let function = |more: Value| with(json!({"name": "f", "files": {"main.py": "1"}}), more);
    for (more, pointer, words) in [
        (json!({"language": "cobol"}), "/language", r#""cobol" is not one of "python", "bash""#),
        (json!({"image": "alpine"}), "/image", r#""alpine" is not one of "python", "bash", "python-ml""#),
        (json!({}), "", "give either language, or image"),
        (json!({"language": "python", "image": "python"}), "", "give either language, or image"),
        (json!({"language": "python", "files": {"../main.py": "1"}}), "/files/..~1main.py", "a path is relative"),
    ] {
        let (of, told) = wrong(&golden.post("/v1/functions", function(more)).await);
        assert_eq!(of, pointer, "{told}");
        assert!(told.contains(words), "{pointer}: {told}");
    }
    for (more, shown) in [(json!({"language": "bash"}), "bash"), (json!({"image": "python-ml"}), "python-ml")] {
        let made = golden.post("/v1/functions", function(more.clone())).await;
        assert_eq!(made.body["language"], shown, "{}", made.text);
        let version = golden.get(made.header("location")).await;
        let (name, value) = more.as_object().unwrap().iter().next().unwrap();
        assert_eq!(&version.body["definition"][name], value, "{}", version.text);
    }
    assert_eq!(
        golden.get("/v1/kinds/sandbox.run").await.body["schema"]["properties"]["language"]["enum"],
        json!(["python", "bash", null])
    );
}
