//! Functions, from their registration to their typed output, on real gVisor.

use serde_json::{Value, json};

use crate::{support::Golden, tidy::repository};

/// Registers a version of `area`.
async fn register(golden: &Golden, source: &str) {
    let function = json!({
        "name": "area",
        "language": "python",
        "files": {"main.py": source},
        "schema": {"type": "object", "properties": {"w": {"type": "number"}}, "required": ["w"]},
    });
    let (status, answer) = golden.call("POST", "/v1/functions", Some(function)).await;
    assert_eq!(status, 201, "{answer}");
}

/// Calls a function, and waits for the end of its job.
async fn call(golden: &Golden, kind: &str, w: f64) -> Value {
    let job = json!({"kind": kind, "payload": {"w": w}, "max_attempts": 1});
    let id = golden.submit_with(job).await;
    golden.ended(&id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_called_by_its_name_and_by_its_version() {
    let golden = Golden::dev().await;
    register(&golden, "import json, sys\nprint('hello')\nprint(json.dumps({'area': json.load(sys.stdin)['w'] ** 2}))")
        .await;
    let first = call(&golden, "fn.area", 1.5).await;
    assert_eq!((&first["state"], &first["kind"]), (&json!("succeeded"), &json!("fn.area@1")), "{first}");
    assert_eq!((&first["result"]["output"], &first["result"]["runtime"]), (&json!({"area": 2.25}), &json!("runsc")));
    let (_, log) = golden.call("GET", &format!("/v1/jobs/{}/logs", first["id"].as_str().unwrap()), None).await;
    assert!(log.to_string().contains("hello"), "{log}");

    register(&golden, "import json, sys\nprint(json.load(sys.stdin)['w'] * 2)").await;
    assert_eq!(call(&golden, "fn.area", 3.0).await["result"]["output"], 6.0);
    assert_eq!(call(&golden, "fn.area@1", 3.0).await["result"]["output"], json!({"area": 9.0}));
    let (status, answer) = golden.call("PATCH", "/v1/functions/area", Some(json!({"live": 1}))).await;
    assert_eq!((status, &answer["live"]), (200, &json!(1)));
    assert_eq!(call(&golden, "fn.area", 3.0).await["result"]["output"], json!({"area": 9.0}));

    let refused = golden.call("POST", "/v1/jobs", Some(json!({"kind": "fn.area", "payload": {"w": "x"}}))).await;
    assert_eq!((refused.0, &refused.1["errors"][0]["pointer"]), (422, &json!("/payload/w")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_of_several_files_may_leave_its_output_in_one() {
    let golden = Golden::dev().await;
    let main = "import json, sys, shapes.area\n\
                json.dump(shapes.area.of(json.load(sys.stdin)), open('result.json', 'w'), indent=1)\n\
                print('not this')\nprint(1)";
    let function = json!({
        "name": "area",
        "language": "python",
        "entry": "main.py",
        "files": {"main.py": main, "shapes/area.py": "def of(payload):\n  return {'area': payload['w'] ** 2}"},
    });
    let (status, answer) = golden.call("POST", "/v1/functions", Some(function)).await;
    assert_eq!(status, 201, "{answer}");
    let ended = call(&golden, "fn.area", 3.0).await;
    assert_eq!(ended["result"]["output"], json!({"area": 9.0}), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_fails_or_says_nothing_is_a_job_that_says_why() {
    let golden = Golden::dev().await;
    register(&golden, "raise ValueError('too wide')").await;
    let failed = call(&golden, "fn.area", 1.0).await;
    assert_eq!((&failed["state"], &failed["error"]["code"]), (&json!("dead"), &json!("nonzero_exit")), "{failed}");
    assert!(failed["error"]["message"].as_str().unwrap().ends_with("ValueError: too wide"), "{failed}");

    register(&golden, "print('done')").await;
    let silent = call(&golden, "fn.area", 1.0).await;
    assert_eq!((&silent["state"], &silent["error"]["code"]), (&json!("dead"), &json!("no_output")), "{silent}");
}

/// README.md promises only what happens.
#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_lines_do_what_they_say() {
    let golden = Golden::dev().await;
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let mut blocks = readme.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let lines = blocks.find(|block| block.contains("golden functions create")).expect("README.md shows functions");
    assert_eq!(lines.lines().count(), 5, "{lines}");

    let (code, said) = golden.paste(lines);

    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("fn.area@1\tlive") && said.contains(r#""output":{"area":42}"#), "{said}");
}
