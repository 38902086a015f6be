//! What is seen of a job while it goes.

use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::support::Dev;

#[test]
fn a_job_is_watched_with_its_log_and_progress_to_its_end() {
    let dev = Dev::start();
    // Long enough for the second program to be there before the end, on a busy machine, too.
    let id = dev.submit(&["noop", r#"{"steps": 5, "sleep_ms": 1500}"#]);

    let ran = dev.run(&["jobs", "watch", &id]);

    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].starts_with("state\t"), "{}", ran.out);
    let logged: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("log\tlog\t")).collect();
    assert_eq!(logged, [1, 2, 3, 4, 5].map(|step| format!("step {step} of 5")));
    assert!(lines.iter().any(|line| line.starts_with("progress\t") && line.ends_with("/5")), "{}", ran.out);
    assert_eq!(*lines.last().unwrap(), "state\tsucceeded\tattempt 1 of 5");

    let events: Vec<Value> = dev
        .run(&["jobs", "watch", &id, "--json"])
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["state", "log", "log", "log", "log", "log", "end"]);
    assert_eq!(events[0]["data"]["progress"], serde_json::json!({"done": 5, "total": 5}));
}

#[test]
fn the_end_of_a_watched_job_is_the_exit_status() {
    let dev = Dev::start();
    let dead = dev.submit(&["noop", r#"{"fail": 9, "steps": 1}"#, "--max-attempts", "1"]);
    let ran = dev.run(&["jobs", "watch", &dead]);
    assert_eq!(ran.code, 1);
    let last = ran.out.lines().last().unwrap();
    assert_eq!(last, "state\tdead\tattempt 1 of 1\tattempt 1 of the first 9 fails as asked");

    let ran = dev.run(&["jobs", "watch", "job_01a20679-0709-767e-ac5e-a72fdc96b2e7"]);
    assert_eq!((ran.code, ran.out.as_str()), (4, ""));
}

#[test]
fn a_log_is_printed_and_followed() {
    let dev = Dev::start();
    let id = dev.submit(&["noop", r#"{"steps": 3, "sleep_ms": 300}"#]);
    let steps = "step 1 of 3\nstep 2 of 3\nstep 3 of 3\n";

    let followed = dev.run(&["jobs", "logs", &id, "--follow"]);
    assert_eq!((followed.code, followed.out.as_str()), (0, steps), "{}", followed.err);
    assert_eq!(dev.run(&["jobs", "logs", &id]).out, steps);
    assert_eq!(dev.run(&["jobs", "logs", &id, "--attempt", "2"]).out, "");
    let stamped = dev.run(&["jobs", "logs", &id, "--timestamps"]).out;
    let columns: Vec<Vec<&str>> = stamped.lines().map(|line| line.split('\t').collect()).collect();
    assert!(columns.iter().all(|line| line[0].ends_with('Z') && line[1] == "log"), "{stamped}");
    let json: Vec<Value> =
        dev.run(&["jobs", "logs", &id, "--json"]).out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((json.len(), &json[2]["seq"]), (3, &3.into()));
}

#[test]
fn a_watch_goes_on_over_a_restart_of_the_server() {
    let mut dev = Dev::start_with(&["--drain-timeout", "100ms"]);
    let id = dev.submit(&["noop", r#"{"steps": 30, "sleep_ms": 3000}"#]);
    let mut watch = dev.golden(&["jobs", "watch", &id]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut seen = BufReader::new(watch.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    assert!(seen.any(|line| line == "log\tlog\tstep 3 of 30"));

    dev.interrupt();
    assert!(dev.child.wait().unwrap().success());
    let address = dev.server().trim_start_matches("http://").to_owned();
    let mut again = dev.dir.golden(&["dev", "--listen", &address]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();

    let rest: Vec<String> = seen.collect();
    let status = watch.wait().unwrap();
    let mut said = String::new();
    watch.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let _ = again.as_mut().map(|child| (child.kill(), child.wait()));
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("trying again"), "{said}");
    assert_eq!(rest.last().unwrap(), "state\tsucceeded\tattempt 1 of 5");
    // The run that was given back, and the one that went on: no line twice, none missing.
    let first = rest.iter().filter(|line| *line == "log\tlog\tstep 4 of 30").count();
    assert_eq!(first, 2, "{rest:?}");
}

#[test]
fn all_that_ends_is_watched_without_an_id() {
    let dev = Dev::start();
    let told = |flags: &[&str]| {
        let args = [&["jobs", "watch", "--kind", "noop"], flags].concat();
        let mut child = dev.golden(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, told) = mpsc::channel();
        thread::spawn(move || lines.for_each(|line| drop(sender.send(line.unwrap()))));
        // It takes a moment until it listens: jobs die until one is told of.
        let line = loop {
            dev.submit(&["noop", r#"{"fail": 9}"#, "--max-attempts", "1"]);
            let line = told.recv_timeout(Duration::from_millis(500));
            if let Ok(line) = line
                && line.contains("job.dead")
            {
                break line;
            }
        };
        child.kill().unwrap();
        child.wait().unwrap();
        line
    };

    let plain = told(&[]);
    let columns: Vec<&str> = plain.split('\t').collect();
    assert!(columns[0].ends_with('Z') && columns[2].starts_with("job_"), "{plain}");
    assert_eq!([columns[1], columns[3], columns[4]], ["job.dead", "noop", "attempt 1 of the first 9 fails as asked"]);
    let json: Value = serde_json::from_str(&told(&["--json"])).unwrap();
    assert_eq!((&json["event"], &json["data"]["data"]["kind"]), (&"job.dead".into(), &"noop".into()));
}
