//! `/v1/functions`, and jobs that call them.

use axum::http::{Method, StatusCode};
use golden_api::CallerRole;
use golden_jobs::{
    Role,
    outcome::{JobError, Verdict},
};
use serde_json::{Value, json};

use crate::harness::{Answer, Golden, request, succeeded, text, token};

/// A function whose program differs with `source`.
fn area(source: &str) -> Value {
    json!({
        "name": "area",
        "language": "python",
        "files": {"main.py": source},
        "schema": {
            "type": "object",
            "properties": {"w": {"type": "number", "minimum": 0}},
            "required": ["w"],
        },
    })
}

async fn register(golden: &Golden, function: Value) -> Value {
    let answer = golden.post("/v1/functions", function).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.body
}

async fn patch(golden: &Golden, body: Value) -> Answer {
    golden.send(request(Method::PATCH, "/v1/functions/area").json(&body)).await
}

async fn delete(golden: &Golden, path: &str) -> Answer {
    golden.send(request(Method::DELETE, path).empty()).await
}

/// What a call of `kind` is recorded as.
async fn called(golden: &Golden, kind: &str) -> String {
    text(&golden.submit(json!({"kind": kind, "payload": {"w": 1}})).await["kind"])
}

/// Where the first thing is that is wrong with a request, and what.
fn refusal(answer: &Answer) -> (String, String) {
    assert_eq!(answer.problem(), (422, "validation-failed"), "{}", answer.text);
    (text(&answer.body["errors"][0]["pointer"]), text(&answer.body["errors"][0]["detail"]))
}

#[tokio::test]
async fn a_function_is_registered_shown_listed_and_deleted() {
    let golden = Golden::start().await;
    let answer = golden.post("/v1/functions", area("print(1)")).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::CREATED, "/v1/functions/area/versions/1"));
    let made = answer.body.clone();
    assert_eq!((&made["kind"], &made["live"], &made["size"]), (&json!("fn.area@1"), &json!(true), &json!(8)));
    assert_eq!(made["created_by"], "tester");

    let again = golden.post("/v1/functions", area("print(1)")).await;
    assert_eq!((again.status, &again.body), (StatusCode::OK, &made), "the same is not registered twice");
    register(&golden, area("print(2)")).await;

    let shown = golden.get("/v1/functions/area").await.body;
    assert_eq!((&shown["kind"], &shown["live"], &shown["newest"]), (&json!("fn.area"), &json!(2), &json!(2)));
    let versions = shown["versions"].as_array().unwrap();
    assert_eq!(versions.iter().map(|version| &version["live"]).collect::<Vec<_>>(), [true, false]);
    let version = golden.get(answer.header("location")).await.body;
    assert_eq!(version["definition"]["files"], json!({"main.py": "print(1)"}));
    assert_eq!(version["definition"]["entry"], "main.py", "the only file is what is run");
    assert_eq!((&version["live"], &version["digest"]), (&json!(false), &made["digest"]));

    register(&golden, json!({"name": "b", "language": "python", "files": {"b.py": "1"}})).await;
    let page = golden.get("/v1/functions?limit=1").await;
    assert_eq!((&page.body["data"][0]["name"], &page.body["data"][0]["versions"]), (&json!("b"), &Value::Null));
    let cursor = text(&page.body["next_cursor"]);
    assert_eq!(golden.get(&format!("/v1/functions?cursor={cursor}")).await.body["data"][0]["name"], "area");

    assert_eq!(delete(&golden, "/v1/functions/area").await.status, StatusCode::NO_CONTENT);
    for path in
        ["/v1/functions/area", "/v1/functions/area/versions/1", "/v1/functions/area/versions/x", "/v1/functions/A"]
    {
        assert_eq!(golden.get(path).await.problem(), (404, "not-found"), "{path}");
    }
    assert_eq!(delete(&golden, "/v1/functions/area").await.problem(), (404, "not-found"));
    assert_eq!(register(&golden, area("print(1)")).await["version"], 3, "numbers go on");
}

#[tokio::test]
async fn a_job_is_of_the_version_that_its_kind_meant_when_it_came() {
    let golden = Golden::start().await;
    register(&golden, area("print(1)")).await;
    assert_eq!(called(&golden, "fn.area").await, "fn.area@1");
    register(&golden, area("print(2)")).await;
    assert_eq!(called(&golden, "fn.area").await, "fn.area@2");
    assert_eq!(called(&golden, "fn.area@1").await, "fn.area@1");

    assert_eq!(patch(&golden, json!({"live": 1})).await.body["live"], 1);
    assert_eq!(called(&golden, "fn.area").await, "fn.area@1");
    let waiting = json!({"live": false});
    let mut next = area("print(3)");
    next["live"] = waiting["live"].clone();
    assert_eq!(register(&golden, next).await["live"], false);
    assert_eq!(called(&golden, "fn.area").await, "fn.area@1");

    let first = golden.claim(Role::Sandbox).await;
    assert_eq!((first.kind.as_str(), first.payload.get()), ("fn.area@1", r#"{"w":1}"#));
    let listed = golden.get("/v1/jobs?kind=fn.area").await;
    assert_eq!(listed.ids().len(), 5);
    assert_eq!(golden.get("/v1/jobs?kind=fn.area@2").await.ids().len(), 1);

    let refused = patch(&golden, json!({"live": 9})).await;
    assert_eq!(refusal(&refused), ("/live".into(), "there is no version 9".into()));
    let nowhere = golden.send(request(Method::PATCH, "/v1/functions/none").json(&json!({"live": 1}))).await;
    assert_eq!(nowhere.problem(), (404, "not-found"));
    for body in [json!({}), json!({"live": 0}), json!({"live": 1, "name": "b"})] {
        assert_eq!(patch(&golden, body).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}

#[tokio::test]
async fn a_payload_is_held_against_the_schema_of_its_version() {
    let golden = Golden::start().await;
    register(&golden, area("print(1)")).await;
    let anything = json!({"name": "anything", "language": "python", "files": {"a.py": "1"}});
    register(&golden, anything).await;
    for (kind, payload, pointer) in [
        ("fn.area", json!({"w": -1}), "/payload/w"),
        ("fn.area@1", json!({}), "/payload"),
        ("fn.area", json!([1]), "/payload"),
    ] {
        let answer = golden.post("/v1/jobs", json!({"kind": kind, "payload": payload})).await;
        assert_eq!(refusal(&answer).0, pointer, "{kind} {payload}");
    }
    for payload in [json!([1, "two"]), json!(null), json!("text"), json!({})] {
        golden.submit(json!({"kind": "fn.anything", "payload": payload})).await;
    }
    for kind in ["fn.none", "fn.area@2", "fn.AREA", "fn.area@x", "fn.", "fn", "fn.NAME"] {
        let answer = golden.post("/v1/jobs", json!({"kind": kind, "payload": {"w": 1}})).await;
        assert_eq!(answer.problem(), (422, "unknown-kind"), "{kind}");
        assert_eq!(answer.body["errors"][0]["pointer"], "/kind");
    }
    // Registered again without a schema, it takes anything.
    register(&golden, json!({"name": "area", "language": "python", "files": {"a.py": "1"}})).await;
    golden.submit(json!({"kind": "fn.area"})).await;
}

#[tokio::test]
async fn every_rule_of_a_definition_is_told_where_it_is_broken() {
    let golden = Golden::start().await;
    let with = |name: &str, value: Value| {
        let mut function = area("print(1)");
        function[name] = value;
        function
    };
    for (function, pointer) in [
        (with("name", json!("Area")), "/name"),
        (with("language", json!("")), "/language"),
        (with("files", json!({})), "/files"),
        (with("files", json!({"../a.py": "1"})), "/files/..~1a.py"),
        (with("files", json!({"a.py": {"base64": "!"}})), "/files/a.py/base64"),
        (with("files", json!({"result.json": "1"})), "/files/result.json"),
        (with("files", json!({"a.py": 1})), "/files/a.py"),
        (with("files", json!({"a.py": "1", "b.py": "2"})), "/entry"),
        (with("files", json!({"a.py": "x".repeat(513 * 1024)})), "/files"),
        (with("entry", json!("b.py")), "/entry"),
        (with("schema", json!({"type": "objekt"})), "/schema/type"),
        (with("schema", json!({"properties": {"a": {"pattern": "("}}})), "/schema/properties/a/pattern"),
        (with("schema", json!({"$ref": "https://example.com/schema.json"})), "/schema/$ref"),
        (with("schema", json!({"properties": {"a": {"$ref": "#"}}})), "/schema"),
        (with("schema", json!({"description": "x".repeat(65 * 1024)})), "/schema"),
        (with("limits", json!({"wall_ms": 3_600_000})), "/limits/wall_ms"),
        (with("limits", json!({"privileged": true})), "/limits"),
        (with("more", json!(1)), "/more"),
    ] {
        let answer = golden.post("/v1/functions", function).await;
        assert_eq!(refusal(&answer).0, pointer, "{}", answer.text);
    }
    assert!(golden.get("/v1/functions").await.body["data"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_open_jobs_need_is_not_deleted() {
    let golden = Golden::start().await;
    for source in ["print(1)", "print(2)"] {
        register(&golden, area(source)).await;
    }
    let job = golden.submit(json!({"kind": "fn.area@1", "payload": {"w": 1}})).await;
    for path in ["/v1/functions/area/versions/1", "/v1/functions/area/versions/2", "/v1/functions/area"] {
        assert_eq!(delete(&golden, path).await.problem(), (409, "conflict"), "{path}");
    }
    golden.send(request(Method::POST, job["links"]["cancel"].as_str().unwrap()).empty()).await;
    assert_eq!(delete(&golden, "/v1/functions/area/versions/1").await.status, StatusCode::NO_CONTENT);
    let answer = golden.post("/v1/jobs", json!({"kind": "fn.area@1", "payload": {"w": 1}})).await;
    assert_eq!(answer.problem(), (422, "unknown-kind"), "what was called before is gone as well");
}

#[tokio::test]
async fn a_batch_names_functions_as_one_job_does() {
    let golden = Golden::start().await;
    register(&golden, area("print(1)")).await;
    let line = |kind: &str, w: i32| json!({"kind": kind, "payload": {"w": w}});
    let good = [line("fn.area", 1), line("fn.area@1", 2), json!({"kind": "noop"})];
    let answer = golden.post("/v1/jobs/batch", json!(good)).await;
    let kinds: Vec<_> = answer.body["data"].as_array().unwrap().iter().map(|job| text(&job["kind"])).collect();
    assert_eq!(kinds, ["fn.area@1", "fn.area@1", "noop"]);

    let bad = json!([line("fn.area", 1), line("fn.area", -1), line("fn.none", 1)]);
    let refused = golden.post("/v1/jobs/batch", bad.clone()).await;
    assert_eq!(refusal(&refused).0, "/1/payload/w");
    assert_eq!(refused.body["errors"][1]["pointer"], "/2/kind");
    let partial = golden.post("/v1/jobs/batch?partial=true", bad).await;
    let statuses: Vec<_> = partial.body["data"].as_array().unwrap().iter().map(|line| &line["status"]).collect();
    assert_eq!(statuses, [202, 422, 422]);
}

/// The first answer comes again, whatever `fn.NAME` means by now.
#[tokio::test]
async fn a_key_stands_for_the_job_of_the_version_of_that_time() {
    let golden = Golden::start().await;
    register(&golden, area("print(1)")).await;
    let submit = || request(Method::POST, "/v1/jobs").header("idempotency-key", "k");
    let job = json!({"kind": "fn.area", "payload": {"w": 1}});
    let first = golden.send(submit().json(&job)).await;
    register(&golden, area("print(2)")).await;
    let second = golden.send(submit().json(&job)).await;
    assert_eq!(second.header("idempotent-replayed"), "true");
    assert_eq!(first.body, second.body);
    assert_eq!(second.body["kind"], "fn.area@1");
}

#[tokio::test]
async fn a_dead_call_is_replayed_as_the_version_it_was() {
    let golden = Golden::start().await;
    register(&golden, area("print(1)")).await;
    golden.submit(json!({"kind": "fn.area", "payload": {"w": 1}})).await;
    let claimed = golden.claim(Role::Sandbox).await;
    golden.finish(&claimed, Verdict::Dead { error: JobError::new("nonzero_exit", "no") }).await;
    register(&golden, json!({"name": "area", "language": "python", "files": {"a.py": "2"}})).await;

    let letter = golden.get("/v1/dlq?kind=fn.area").await.body["data"][0].clone();
    assert_eq!(letter["original_subject"], "jobs.sandbox.fn.area@1");
    let replay =
        async |payload: Value| golden.post("/v1/dlq/replay", json!({"ids": [letter["id"]], "payload": payload})).await;
    assert_eq!(refusal(&replay(json!({"w": "wide"})).await).0, "/payload/w", "by the schema of that version");
    assert_eq!(replay(json!({"w": 2})).await.body["replayed"].as_array().unwrap().len(), 1);
    let again = golden.claim(Role::Sandbox).await;
    assert_eq!((again.kind.as_str(), again.payload.get()), ("fn.area@1", r#"{"w":2}"#));
    golden.finish(&again, succeeded(r#"{"output": 4}"#)).await;
}

#[tokio::test]
async fn a_schedule_submits_what_is_live_at_its_time() {
    let golden = Golden::start().await;
    register(&golden, area("print(1)")).await;
    let schedule = |name: &str, kind: &str, w: i32| json!({"name": name, "cron": "@daily", "job": {"kind": kind, "payload": {"w": w}}});
    let made = golden.post("/v1/schedules", schedule("live", "fn.area", 1)).await;
    assert_eq!((made.status, &made.body["job"]["kind"]), (StatusCode::CREATED, &json!("fn.area")));
    golden.post("/v1/schedules", schedule("first", "fn.area@1", 1)).await;
    for (kind, w, pointer) in [("fn.area", -1, "/job/payload/w"), ("fn.none", 1, "/job/kind")] {
        assert_eq!(refusal(&golden.post("/v1/schedules", schedule("bad", kind, w)).await).0, pointer);
    }
    register(&golden, area("print(2)")).await;

    let run = async |name: &str| golden.send(request(Method::POST, &format!("/v1/schedules/{name}/run")).empty()).await;
    assert_eq!(run("live").await.body["kind"], "fn.area@2");
    assert_eq!(run("first").await.body["kind"], "fn.area@1");
    let mut strict = area("print(3)");
    strict["schema"]["properties"]["w"]["minimum"] = json!(5);
    register(&golden, strict).await;
    assert_eq!(run("live").await.problem(), (409, "conflict"));
}

#[tokio::test]
async fn kinds_tell_where_functions_are() {
    let golden = Golden::start().await;
    register(&golden, area("print(1)")).await;
    let list = golden.send(request(Method::GET, "/v1/kinds").token(None).empty()).await;
    let kinds = list.body["data"].as_array().unwrap();
    assert!(kinds.iter().all(|kind| kind["name"] != "fn"));
    let functions = kinds.iter().find(|kind| kind["name"] == "fn.NAME").unwrap();
    assert!(functions["schema"]["description"].as_str().unwrap().contains("/v1/functions"));
    assert_eq!(&golden.get("/v1/kinds/fn.NAME").await.body, functions);

    let shown = golden.get("/v1/kinds/fn.area").await.body;
    assert_eq!((&shown["name"], &shown["role"]), (&json!("fn.area@1"), &json!("sandbox")));
    assert_eq!(shown["schema"], area("")["schema"]);
    let stranger = token("globex", CallerRole::Admin);
    for token in [None, Some(stranger)] {
        let answer = golden.send(request(Method::GET, "/v1/kinds/fn.area").token(token).empty()).await;
        assert_eq!(answer.problem(), (404, "not-found"));
    }
}

#[tokio::test]
async fn another_tenants_function_is_nobodys() {
    let golden = Golden::start().await;
    register(&golden, area("print(1)")).await;
    let stranger = || Some(token("globex", CallerRole::Admin));
    let ask = async |method: Method, path: &str, body: Value| {
        golden.send(request(method, path).token(stranger()).json(&body)).await
    };
    let call = ask(Method::POST, "/v1/jobs", json!({"kind": "fn.area", "payload": {"w": 1}})).await;
    assert_eq!(call.problem(), (422, "unknown-kind"));
    for (method, path) in [
        (Method::GET, "/v1/functions/area"),
        (Method::DELETE, "/v1/functions/area"),
        (Method::GET, "/v1/functions/area/versions/1"),
        (Method::DELETE, "/v1/functions/area/versions/1"),
    ] {
        assert_eq!(ask(method, path, json!({})).await.problem(), (404, "not-found"), "{path}");
    }
    assert_eq!(ask(Method::PATCH, "/v1/functions/area", json!({"live": 1})).await.problem(), (404, "not-found"));
    let own = ask(Method::POST, "/v1/functions", area("print(2)")).await;
    assert_eq!((own.status, &own.body["version"]), (StatusCode::CREATED, &json!(1)));
}

#[tokio::test]
async fn an_endpoint_takes_events_of_all_versions_of_a_function() {
    let golden = Golden::start().await;
    let endpoint = |kind: &str| json!({"url": "https://example.com/", "events": ["job.*"], "kinds": [kind]});
    for kind in ["fn.area", "fn.area@3"] {
        assert_eq!(golden.post("/v1/webhooks/endpoints", endpoint(kind)).await.status, StatusCode::CREATED);
    }
    assert_eq!(refusal(&golden.post("/v1/webhooks/endpoints", endpoint("fn.A")).await).0, "/kinds/0");
}
