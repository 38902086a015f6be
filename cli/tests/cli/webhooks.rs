//! `golden webhooks` against a running server, and a receiver.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use serde_json::Value;

use crate::support::Dev;

/// A receiver that takes everything; its address.
fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut piece) = (String::new(), [0; 4096]);
            while !request.contains(r#""type":"#) {
                let length = stream.read(&mut piece).unwrap();
                request.push_str(std::str::from_utf8(&piece[..length]).unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nthanks").unwrap();
        }
    });
    url
}

#[test]
fn an_endpoint_is_made_changed_rotated_and_deleted() {
    let dev = Dev::start();
    let endpoints = |args: &[&str]| dev.run(&[&["webhooks", "endpoints"], args].concat());
    let made =
        endpoints(&["create", "https://example.com/a", "--events", "job.*,endpoint.disabled", "--kinds", "noop"]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.err.contains("shown this once"), "{}", made.err);
    let [id, url, secret] = made.out.trim_end().split('\t').collect::<Vec<_>>()[..] else { panic!("{}", made.out) };
    assert!(id.starts_with("hook_") && url == "https://example.com/a" && secret.starts_with("whsec_"), "{}", made.out);

    let changed = endpoints(&[
        "change",
        id,
        "--url",
        "https://example.com/b",
        "--all-kinds",
        "--format",
        "cloudevents",
        "--thin",
        "--json",
    ]);
    let changed: Value = serde_json::from_str(&changed.out).unwrap();
    assert_eq!((&changed["url"], &changed["thin"]), (&"https://example.com/b".into(), &true.into()));
    assert_eq!((&changed["kinds"], &changed["format"]), (&serde_json::json!([]), &"cloudevents".into()));
    endpoints(&["change", id, "--thin=false", "--description", "all that happens"]);
    let shown = endpoints(&["show", id]).out;
    for line in ["events            endpoint.disabled,job.*", "thin              false", "takes events      yes"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert!(!shown.contains("whsec_") && !shown.contains("disabled   "), "{shown}");

    let rotated = endpoints(&["rotate", id, "--overlap", "2d"]);
    assert!(
        rotated.err.contains("shown this once") && rotated.err.contains("signs as well until 20"),
        "{}",
        rotated.err
    );
    assert_ne!(rotated.out.split('\t').nth(2).unwrap().trim_end(), secret);
    let again = endpoints(&["rotate", id]);
    assert_eq!((again.code, again.out.as_str()), (4, ""), "{}", again.err);
    assert_eq!(endpoints(&["revoke-old", id]).code, 0);
    assert!(!endpoints(&["show", id]).out.contains("old secret until"));

    assert!(endpoints(&["disable", id]).out.ends_with("\tno, disabled\n"));
    let some = endpoints(&["enable", "hook_01981d2c-1a5b-7f3e-a9d4-6c2e8b0f5d13", id]);
    assert_eq!((some.code, some.out.ends_with("\tyes\n")), (4, true), "one that is not there is no obstacle to others");
    let listed = endpoints(&["list"]).out;
    assert_eq!(listed, format!("{id}\thttps://example.com/b\tendpoint.disabled,job.*\t\tyes\tall that happens\n"));
    let gone = endpoints(&["delete", id]);
    assert_eq!((gone.code, gone.out.as_str()), (0, ""), "{}", gone.err);
    assert_eq!(endpoints(&["list"]).err, "There are none.\n");

    for (wrong, said) in [
        (&["create", "https://example.com/a"][..], "--events"),
        (&["change", id], "say what to change"),
        (&["create", "https://example.com/a", "--events", "*", "--format", "xml"], "cloudevents"),
    ] {
        let ran = endpoints(wrong);
        assert!(ran.code == 2 && ran.err.contains(said), "{}", ran.err);
    }
    let refused = endpoints(&["create", "https://10.0.0.1/", "--events", "jobs.*"]);
    assert_eq!(refused.code, 4);
    assert!(refused.err.contains("/url: ") && refused.err.contains("/events/0: "), "{}", refused.err);
    assert!(dev.run(&["webhooks", "events"]).out.contains("job.dead\tA job failed for good"));
}

#[test]
fn what_failed_is_looked_at_and_replayed() {
    let dev = Dev::start();
    let deliveries = |args: &[&str]| dev.run(&[&["webhooks", "deliveries"], args].concat());
    let made = dev.run(&["webhooks", "endpoints", "create", "http://127.0.0.1:9/", "--events", "job.*"]).out;
    let endpoint = made.split('\t').next().unwrap();
    let test = || dev.run(&["webhooks", "endpoints", "test", endpoint]);
    for _ in 0..3 {
        let failed = test();
        assert_eq!(failed.code, 1, "{}{}", failed.out, failed.err);
        assert!(failed.out.contains("status        failed") && failed.out.contains("cannot connect"), "{}", failed.out);
    }
    assert!(dev.run(&["webhooks", "endpoints", "show", endpoint]).out.contains("yes, failing"));
    let listed = deliveries(&["list", "--endpoint", endpoint, "--status", "failed", "--since", "1h"]).out;
    let ids: Vec<&str> = listed.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(ids.len(), 3, "{listed}");
    assert!(listed.lines().all(|line| line.contains("\twebhook.test\tfailed\t1/1\t20")), "{listed}");
    assert_eq!(deliveries(&["list", "--until", "1h"]).err, "Nothing matches.\n");

    let url = receiver();
    dev.run(&["webhooks", "endpoints", "change", endpoint, "--url", &url]);
    let taken = test();
    assert_eq!(taken.code, 0, "{}{}", taken.out, taken.err);
    assert!(taken.out.contains("\t200\t") && taken.out.contains("\tthanks\t"), "{}", taken.out);

    let one = deliveries(&["replay", ids[0]]);
    assert!(one.code == 0 && one.out.starts_with(ids[0]), "{}", one.err);
    let taken = || deliveries(&["list", "--status", "delivered"]).out.lines().count();
    while taken() < 2 {}
    let shown = deliveries(&["show", ids[0]]).out;
    assert!(shown.contains("status        delivered") && shown.lines().count() > 10, "both attempts: {shown}");

    let nobody = "msg_01981d2a-8e3c-7a90-b1d7-4f6e2c9a5b38";
    let some = deliveries(&["replay", ids[1], nobody, "--dry-run"]);
    assert_eq!((some.code, some.out.as_str()), (0, "1 delivery would be replayed\n"), "{}", some.err);
    assert!(some.err.contains("1 of the 2 named are not there"), "{}", some.err);
    let some = deliveries(&["replay", ids[1], nobody]);
    assert_eq!((some.code, some.out.as_str()), (1, "replayed 1 of 1 delivery\n"), "{}", some.err);
    while taken() < 3 {}

    let all = ["replay", "--all", "--event", "webhook.test", "--rate", "1000/s", "--json"];
    let dry = deliveries(&[&all[..], &["--dry-run"]].concat()).out;
    assert_eq!(dry.trim(), r#"{"dry_run":true,"matched":1,"replayed":0}"#);
    assert_eq!(deliveries(&all).out.trim(), r#"{"dry_run":false,"matched":1,"replayed":1}"#);
    while taken() < 4 {}

    assert_eq!(deliveries(&["replay", nobody]).code, 4);
    for wrong in [&["replay"][..], &["replay", ids[0], "--all"], &["replay", ids[0], "--status", "failed"]] {
        assert_eq!(deliveries(wrong).code, 2, "{wrong:?}");
    }
}
