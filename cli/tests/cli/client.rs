//! Client commands against a running server.

use std::fs;

use serde_json::Value;

use crate::support::{Dev, run};

#[test]
fn a_job_is_submitted_shown_listed_and_watched() {
    let dev = Dev::start();
    let ran =
        dev.run(&["jobs", "submit", "noop", r#"{"output": [1, 2]}"#, "--wait", "20", "--metadata", "a=b", "--json"]);
    let job: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &job["result"], &job["metadata"]["a"]), (0, &serde_json::json!([1, 2]), &"b".into()));
    let id = job["id"].as_str().unwrap();

    assert!(dev.run(&["jobs", "show", id]).out.contains("succeeded"));
    assert_eq!(dev.run(&["jobs", "watch", id]).code, 0);
    let listed = dev.run(&["jobs", "list", "--kind", "noop", "--state", "succeeded"]).out;
    assert!(listed.starts_with(&format!("{id}\tnoop\tsucceeded\t1/5\t")), "{listed}");

    for _ in 0..4 {
        dev.submit(&["noop"]);
    }
    let page: Value = serde_json::from_str(&dev.run(&["jobs", "list", "--limit", "2", "--json"]).out).unwrap();
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(dev.run(&["jobs", "list", "--cursor", cursor]).out.lines().count(), 3);
    let found = dev.run(&["jobs", "list", "--metadata", "a=b", "--since", "1h"]).out;
    assert!(found.lines().count() == 1 && found.starts_with(id), "{found}");
    assert_eq!(dev.run(&["jobs", "list", "--metadata", "a=c"]).out, "");
    assert_eq!(dev.run(&["jobs", "list", "--parent", id]).out, "");
    assert_eq!(dev.run(&["jobs", "list", "--limit", "2", "--all", "--json"]).out.lines().count(), 5);
}

#[test]
fn the_exit_status_says_how_a_job_ended() {
    let dev = Dev::start();
    let failing = ["jobs", "submit", "noop", r#"{"fail": 9}"#, "--max-attempts", "1", "--wait", "20"];
    assert_eq!(dev.run(&failing).code, 1);

    let slow = dev.run(&["jobs", "submit", "noop", r#"{"sleep_ms": 60000}"#, "--wait", "1s"]);
    assert_eq!(slow.code, 6);
    assert!(slow.out.contains("running") && slow.err.contains("`golden jobs watch job_"), "{}{}", slow.out, slow.err);

    let id = dev.submit(&["noop", "--delay", "1h"]);
    assert_eq!(dev.run(&["jobs", "cancel", &id]).code, 0);
    assert_eq!(dev.run(&["jobs", "watch", &id]).code, 5);
    assert_eq!(dev.run(&["jobs", "retry", &id]).code, 0);
    assert_eq!(dev.run(&["jobs", "watch", &id]).code, 0);
    let again = dev.run(&["jobs", "cancel", &id]);
    assert_eq!(again.code, 4, "{}", again.err);
}

#[test]
fn a_refusal_says_what_is_wrong_and_where() {
    let dev = Dev::start();
    let ran = dev.run(&["jobs", "submit", "noop", r#"{"sleep_ms": "x"}"#]);
    assert_eq!(ran.code, 4);
    assert!(ran.err.contains("422") && ran.err.contains("/payload/sleep_ms"), "{}", ran.err);
    let ran = dev.run(&["jobs", "show", "job_01a20679-0709-767e-ac5e-a72fdc96b2e7"]);
    assert_eq!((ran.code, ran.out.as_str()), (4, ""));
}

#[test]
fn the_same_key_is_the_same_job() {
    let dev = Dev::start();
    let submit = || dev.submit(&["noop", "--idempotency-key", "k"]);
    assert_eq!(submit(), submit());
}

#[test]
fn a_batch_is_submitted_from_a_file_or_line_by_line_from_a_pipe() {
    let dev = Dev::start();
    let lines = |wrong: &str| format!("{}\n{wrong}", "{\"kind\": \"noop\"}\n".repeat(1100));
    fs::write(dev.dir.path("good.ndjson"), lines("")).unwrap();
    let submit = || dev.run(&["jobs", "submit", "--batch", "good.ndjson", "--idempotency-key", "k"]);
    let first = submit();
    // More than a page of the API's own.
    let listed = dev.run(&["jobs", "list", "--limit", "250"]);
    assert_eq!((listed.out.lines().count(), listed.err.contains("--cursor")), (250, true), "{}", listed.err);
    assert_eq!((first.code, first.out.lines().count()), (0, 1100), "{}", first.err);
    assert!(first.out.lines().all(|line| line.starts_with("job_") && line.ends_with("\tqueued")));
    assert_eq!(submit().out, first.out);

    fs::write(dev.dir.path("wrong.ndjson"), lines(r#"{"kind": "noop", "priority": 10}"#)).unwrap();
    let refused = dev.run(&["jobs", "submit", "--batch", "wrong.ndjson"]);
    assert_eq!((refused.code, refused.out.lines().count()), (4, 1000));
    assert!(refused.err.contains("jobs 1001 to 1101") && refused.err.contains("/100/priority"), "{}", refused.err);

    let stdin = fs::File::open(dev.dir.path("wrong.ndjson")).unwrap();
    let partial = run(dev.golden(&["jobs", "submit", "--batch", "-", "--partial", "--json"]).stdin(stdin));
    assert_eq!((partial.code, partial.out.lines().count()), (4, 1101));
    assert!(partial.err.contains("error: job 1101: /priority: an integer from 0 to 9"), "{}", partial.err);
    let last: Value = serde_json::from_str(partial.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["problem"]["code"], "validation-failed");

    assert_eq!(dev.run(&["jobs", "submit", "--batch", "none.ndjson"]).code, 2);
    assert_eq!(dev.run(&["jobs", "submit", "noop", "--batch", "good.ndjson"]).code, 2);
    assert_eq!(dev.run(&["jobs", "submit"]).code, 2);
}

#[test]
fn dead_letters_are_listed_mended_replayed_and_purged() {
    let dev = Dev::start();
    for _ in 0..5 {
        dev.run(&["jobs", "submit", "noop", r#"{"fail": 9}"#, "--max-attempts", "1", "--wait", "20"]);
    }
    let list = || dev.run(&["dlq", "list", "--kind", "noop", "--since", "1h"]).out;
    let letters = list();
    assert_eq!(letters.lines().count(), 5, "{letters}");
    let id = letters.split('\t').next().unwrap();
    assert!(dev.run(&["dlq", "show", id]).out.contains("jobs.orchestrator.noop"));

    fs::write(dev.dir.path("mended.json"), r#"{"output": "mended"}"#).unwrap();
    let ran = dev.run(&["dlq", "replay", id, "--edit-payload", "mended.json"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "replayed 1 of 1 dead letter\n"), "{}", ran.err);
    let job = letters.split('\t').nth(1).unwrap();
    assert_eq!(dev.run(&["jobs", "watch", job]).code, 0);

    assert_eq!(dev.run(&["dlq", "replay", "--all", "--error", "no such error"]).out, "replayed 0 of 0 dead letters\n");
    let ran = dev.run(&["dlq", "replay", "--all", "--kind", "noop", "--dry-run", "--json"]);
    assert_eq!(ran.out.trim(), r#"{"dry_run":true,"matched":4,"replayed":0}"#);
    assert_eq!(list().lines().count(), 4);

    // One a step, so that the first have died again before the last goes: they are not replayed twice.
    let ran = dev.run(&["dlq", "replay", "--all", "--kind", "noop", "--rate", "2/s", "--tenant", "dev"]);
    assert_eq!(ran.out, "replayed 4 of 4 dead letters\n", "{}", ran.err);

    let other = dev.run(&["dlq", "replay", "--all", "--tenant", "acme"]);
    assert_eq!(other.code, 2);
    assert!(other.err.contains("token's tenant, dev"), "{}", other.err);

    while list().lines().count() < 4 {}
    let unsure = dev.run(&["dlq", "purge", "--kind", "noop"]);
    assert_eq!(unsure.code, 2);
    assert!(unsure.err.contains("4 dead letters would be purged: add --yes"), "{}", unsure.err);
    assert_eq!(dev.run(&["dlq", "purge", "--kind", "noop", "--yes"]).out, "purged 4 of 4 dead letters\n");
    let none = dev.run(&["dlq", "list"]);
    assert_eq!((none.out.as_str(), none.err.as_str()), ("", "Nothing matches.\n"));
}

#[test]
fn kinds_and_the_webhook_secret_are_shown() {
    let dev = Dev::start();
    let kinds = dev.run(&["kinds"]).out;
    assert!(kinds.contains("noop\torchestrator\t5\tDoes nothing, or fails as told."), "{kinds}");
    let noop: Value = serde_json::from_str(&dev.run(&["kinds", "noop"]).out).unwrap();
    assert!(noop["schema"]["properties"]["sleep_ms"].is_object());
    let secret = dev.run(&["webhooks", "secret"]).out;
    assert!(secret.starts_with("whsec_") && secret.lines().count() == 1);
    let rotated = dev.run(&["webhooks", "secret", "rotate", "--overlap", "2d"]);
    assert!(rotated.out != secret && rotated.err.contains("signs as well until 20"), "{}", rotated.err);
    assert_eq!(dev.run(&["webhooks", "secret"]).out, rotated.out);
    assert_eq!(dev.run(&["webhooks", "secret", "rotate"]).code, 4, "the one before it signs still");
    let revoked = dev.run(&["webhooks", "secret", "revoke-old"]);
    assert_eq!((revoked.out, revoked.err), (rotated.out, String::new()));
}

#[test]
fn a_schedule_is_made_watched_over_and_deleted() {
    let dev = Dev::start();
    let payload = r#"{"output": "hello"}"#;
    let ran = dev.run(&[
        "schedules",
        "create",
        "a/b c",
        "--cron",
        "0 4 29 2 *",
        "--time-zone",
        "Asia/Tokyo",
        "noop",
        payload,
    ]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.out.starts_with("sch_") && ran.out.contains("\ta/b c\t20") && ran.out.contains("-02-28T19:00:00Z"),
        "{}",
        ran.out
    );

    let shown = dev.run(&["schedules", "show", "a/b c", "--slots", "2"]).out;
    for line in ["time zone  Asia/Tokyo", "catch up   one", r#"job        {"kind":"noop""#] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let job = dev.run(&["schedules", "run", "a/b c"]).out;
    let job = job.split('\t').next().unwrap();
    assert_eq!(dev.run(&["jobs", "watch", job]).code, 0);
    let record = dev.run(&["jobs", "show", job, "--json"]).out;
    assert!(record.contains(r#""result":"hello""#) && record.contains(r#""run_by":"golden dev""#), "{record}");

    assert!(dev.run(&["schedules", "pause", "a/b c"]).out.ends_with("\tpaused\n"));
    let some = dev.run(&["schedules", "resume", "none", "a/b c"]);
    assert_eq!((some.code, some.out.lines().count()), (4, 1), "one that is not there does not keep the others from it");
    assert!(some.err.contains("error: none: "), "{}", some.err);
    let renamed =
        dev.run(&["schedules", "update", "a/b c", "--name", "b", "--cron", "@hourly", "--catch-up", "skip", "--json"]);
    let renamed: Value = serde_json::from_str(&renamed.out).unwrap();
    assert_eq!(
        (&renamed["name"], &renamed["cron"], &renamed["catch_up"]),
        (&"b".into(), &"@hourly".into(), &"skip".into())
    );
    let wrong = dev.run(&["schedules", "update", "b", "--cron", "99 * * * *"]);
    assert_eq!(wrong.code, 4);
    assert!(wrong.err.contains("/cron: `99` is no minute: 0-59"), "{}", wrong.err);

    let listed = dev.run(&["schedules", "list"]).out;
    assert!(listed.starts_with("b\t@hourly\tAsia/Tokyo\tnoop\t20") && listed.lines().count() == 1, "{listed}");
    let gone = dev.run(&["schedules", "delete", "b"]);
    assert_eq!((gone.code, gone.out.as_str()), (0, ""), "{}", gone.err);
    assert_eq!(dev.run(&["schedules", "show", "b"]).code, 4);
}

#[test]
fn a_queue_is_held_back_let_go_and_limited() {
    let dev = Dev::start();
    let paused = dev.run(&["queues", "pause", "orchestrator"]);
    assert_eq!((paused.code, paused.out.as_str()), (0, "orchestrator\tdev\tpaused\n"), "{}", paused.err);
    let id = dev.submit(&["noop"]);
    let shown = dev.run(&["queues", "show", "orchestrator"]).out;
    for line in ["standing     paused", "paused by    golden dev", "queued       1"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let listed = dev.run(&["queues", "list"]).out;
    assert!(listed.starts_with("orchestrator\tdev\t1\t0\t0\tpaused\n") && listed.lines().count() == 10, "{listed}");
    assert_eq!(dev.run(&["queues", "resume", "orchestrator"]).out, "orchestrator\tdev\topen\n");
    assert_eq!(dev.run(&["jobs", "watch", &id]).code, 0);

    let whole = ["queues", "pause", "webhook", "--all-tenants"];
    assert_eq!(dev.run(&whole).out, "webhook\tall tenants\tpaused\n");
    let json: Value = serde_json::from_str(&dev.run(&["queues", "list", "--json"]).out).unwrap();
    let webhook = json["data"].as_array().unwrap().iter().find(|queue| queue["role"] == "webhook").unwrap();
    assert_eq!((&webhook["paused"], &webhook["own"]["paused"]), (&true.into(), &false.into()));
    assert_eq!(dev.run(&["queues", "resume", "webhook", "--all-tenants"]).code, 0);

    let limited = dev.run(&["queues", "limit", "sandbox", "--max-queued", "10", "--max-running", "2"]).out;
    assert!(limited.contains("max queued   10") && limited.contains("max running  2"), "{limited}");
    let lifted = dev.run(&["queues", "limit", "sandbox", "--max-queued", "none"]).out;
    assert!(!lifted.contains("max queued") && lifted.contains("max running  2"), "{lifted}");
    assert_eq!(dev.run(&["queues", "limit", "sandbox"]).code, 2);
    assert_eq!(dev.run(&["queues", "show", "nope"]).code, 2);
    assert_eq!(dev.run(&["queues", "show", "sandbox", "--tenant", "nobody"]).code, 4);
}

#[test]
fn workers_are_listed_shown_and_drained() {
    let dev = Dev::start();
    let listed = dev.run(&["workers", "list"]).out;
    let columns: Vec<_> = listed.split('\t').collect();
    assert_eq!(
        (listed.lines().count(), columns[3], columns[4], columns[5]),
        (1, "orchestrator,peer-hub,sandbox,supervisor,webhook", "0", "open")
    );
    let id = columns[0];
    dev.run(&["jobs", "submit", "noop", r#"{"sleep_ms": 4000}"#, "--wait", "1s"]);
    let shown = dev.run(&["workers", "show", id]).out;
    assert!(shown.contains("running         1") && shown.contains("  noop  dev  attempt 1 since "), "{shown}");

    let none = "wrk_01981d2a-0b3e-7c21-9f60-5a4c8e1d7b32";
    let drained = dev.run(&["workers", "drain", none, id]);
    assert_eq!((drained.code, drained.out.contains("\tdraining\t")), (4, true), "{}", drained.out);
    assert!(drained.err.contains(none), "{}", drained.err);
    assert_eq!(dev.run(&["workers", "show", "x"]).code, 2);
    assert_eq!(dev.wait().code(), Some(0));
}

#[test]
fn a_tenant_is_made_changed_shut_out_and_deleted() {
    let dev = Dev::start();
    let made = dev.run(&["tenants", "create", "acme", "--weight", "3", "--max-payload", "1000"]).out;
    assert!(made.starts_with("acme\t3\t1000\tdefault\tserved\t20"), "{made}");
    let token = dev.run(&["tenants", "token", "acme", "--role", "developer", "--sub", "ci", "--ttl", "5m"]);
    assert_eq!((token.code, token.out.lines().count()), (0, 1), "{}", token.err);
    let submit = || run(dev.golden(&["jobs", "submit", "noop", "--delay", "1h"]).env("GOLDEN_TOKEN", token.out.trim()));
    let job = submit();
    assert_eq!(job.code, 0, "{}", job.err);
    let busy = dev.run(&["tenants", "delete", "acme"]);
    assert!(busy.code == 4 && busy.err.contains("jobs of the tenant are open"), "{}", busy.err);

    dev.run(&["queues", "limit", "orchestrator", "--tenant", "acme", "--max-queued", "5000"]);
    let set = dev.run(&["tenants", "set", "acme", "--max-payload", "default", "--max-result", "2000"]).out;
    assert!(set.starts_with("acme\t3\tdefault\t2000\tserved\t"), "{set}");
    let shown = dev.run(&["tenants", "show", "acme"]).out;
    assert!(shown.contains("orchestrator: 0 of 5000 queued, 1 scheduled, 0 running"), "{shown}");
    assert!(dev.run(&["tenants", "suspend", "acme"]).out.contains("\tsuspended\t"));
    while submit().code == 0 {}
    let refused = submit().err;
    assert!(refused.contains("suspended"), "{refused}");
    assert!(dev.run(&["tenants", "resume", "acme"]).out.contains("\tserved\t"));

    let listed = dev.run(&["tenants", "list", "--limit", "1"]);
    assert!(listed.out.starts_with("acme\t") && listed.out.lines().count() == 1, "{}", listed.out);
    dev.run(&["tenants", "create", "spare"]);
    assert_eq!(dev.run(&["tenants", "delete", "spare"]).code, 0);
    let own = dev.run(&["tenants", "suspend", "dev"]);
    assert!(own.code == 4 && own.err.contains("would shut itself out"), "{}", own.err);
    assert_eq!(dev.run(&["tenants", "set", "acme"]).code, 2);
    assert_eq!(dev.run(&["tenants", "token", "acme", "--role", "admin", "--sub", "me"]).code, 4);
}
