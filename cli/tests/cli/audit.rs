//! A chain is exported, and whatever is done to the export is found.

use std::{fs, io::Write, process::Stdio, time::Duration};

use golden_jobs::{
    audit::{Act, Action, Actor, Head, SigningKey, signing::sign_due},
    store::{self, ConnectOptions, SharedStore, audit::ChainName},
};
use serde_json::{Value, json};

use crate::support::{Dev, Dir, Ran, run};

/// What `verify` says of these lines, without a server.
fn verified(dev: &Dev, lines: &[String]) -> Ran {
    let file = dev.dir.path("chain.ndjson");
    fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    run(&mut dev.dir.golden(&["audit", "verify", "--from", "chain.ndjson"]))
}

#[test]
fn an_export_is_good_and_whatever_is_done_to_it_is_named() {
    let dev = Dev::start();
    for _ in 0..3 {
        for what in ["pause", "resume"] {
            let role = ["queues", what, "sandbox", "--all-tenants"];
            assert_eq!(dev.run(&role).code, 0);
        }
    }
    let whose = "--installation";
    let listed = dev.run(&["audit", "list", whose, "--action", "queue.paused"]);
    assert_eq!(listed.out.lines().count(), 3, "{}{}", listed.out, listed.err);
    let exported = dev.run(&["audit", "export", whose]);
    assert_eq!(exported.code, 0, "{}", exported.err);
    let lines: Vec<String> = exported.out.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 7, "{}", exported.out);

    let good = verified(&dev, &lines);
    assert_eq!(good.code, 0, "{}{}", good.out, good.err);
    assert!(good.out.starts_with("6 entries of the installation are as they were written, 1 to 6"), "{}", good.out);
    let online = dev.run(&["audit", "verify", whose]);
    assert_eq!((online.code, online.out), (0, good.out));

    let spoiled = |spoil: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        spoil(&mut lines);
        let ran = verified(&dev, &lines);
        assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
        ran
    };
    type Spoil<'a> = &'a dyn Fn(&mut Vec<String>);
    let cases: [(Spoil<'_>, u64, &str); 9] = [
        (&|all| all[2] = all[2].replace("paused", "resumed"), 2, "entry 3 (line 3): its payload"),
        (&|all| drop(all.remove(3)), 3, "entry 5 (line 4): entry 5 comes where entry 4 should"),
        (&|all| drop(all.drain(..2)), 0, "entry 3 (line 1): entry 3 comes where entry 1 should"),
        (&|all| drop(all.drain(..6)), 0, "line 1: the export says that it ends with entry 6"),
        (&|all| all.swap(1, 2), 1, "entry 3 (line 2): entry 3 comes where entry 2 should"),
        (&|all| all.truncate(4), 4, "line 5: the last line of an export is missing"),
        (&|all| drop(all.drain(4..6)), 4, "line 5: the export says that it ends with entry 6"),
        (&|all| all[0] = "{}".to_owned(), 0, "line 1: it is no entry"),
        (&|all| all.push(all[0].clone()), 6, "line 8: something comes after the last line"),
    ];
    for (spoil, good, says) in cases {
        let ran = spoiled(spoil);
        assert!(ran.err.contains(says), "{says}: {}", ran.err);
        assert!(ran.out.starts_with(&format!("{good} entries")), "{says}: {}", ran.out);
    }

    // From somewhere in it, as a program reads it, from standard input.
    let tail = dev.run(&["audit", "export", whose, "--first", "5"]).out;
    let mut verify = dev.dir.golden(&["audit", "verify", "--from", "-", "--first", "5", "--json"]);
    let mut child = verify.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(tail.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success());
    assert_eq!((&told["good"], &told["first"], &told["wrong"]), (&2.into(), &5.into(), &Value::Null), "{told}");
}

/// What an export has of a chain with these entries and no more.
async fn export_of(store: &SharedStore, entries: u32) -> Vec<String> {
    let chain = store.audit_chain(&chain(), 0, entries).await.unwrap();
    let last = chain.last().map_or(Head::EMPTY, |last| Head { seq: last.seq, hash: last.hash });
    let end = json!({"end": {"seq": last.seq, "hash": last.hash, "tenant": "acme"}}).to_string();
    chain.iter().map(|entry| serde_json::to_string(entry).unwrap()).chain([end]).collect()
}

fn chain() -> ChainName {
    ChainName::of("acme")
}

async fn store_with(dir: &Dir, name: &str, who: &str, acts: u32) -> SharedStore {
    let url = format!("sqlite://{}", dir.path(name).display());
    store::migrate(&url).await.unwrap();
    let store = store::connect(ConnectOptions::new(url)).await.unwrap();
    for n in 0..acts {
        let act = (Actor::caller(who, "acme", "admin"), Act::on(Action::JobRetried, n));
        store.record_acts(&chain(), &[act]).await.unwrap();
    }
    store
}

#[tokio::test]
async fn a_chain_that_was_cut_or_written_anew_shows_against_a_signed_head() {
    let dir = Dir::new();
    let seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    let public = run(dir.golden(&["audit", "key"]).env("GOLDEN_AUDIT_KEY", seed)).out.trim().to_owned();
    assert_eq!(public, "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    let store = store_with(&dir, "true.db", "kim", 4).await;
    assert_eq!(sign_due(&store, &SigningKey::read(seed).unwrap(), 1, Duration::ZERO).await.unwrap(), 1);
    let heads = store.signed_heads(&chain(), 0, 10).await.unwrap();
    fs::write(dir.path("api.log"), format!("INFO audit: signed head={}\n", heads[0])).unwrap();

    let verify = |lines: &[String], more: &[&str]| {
        fs::write(dir.path("chain.ndjson"), lines.join("\n") + "\n").unwrap();
        run(&mut dir.golden(&[&["audit", "verify", "--from", "chain.ndjson"], more].concat()))
    };
    let against = ["--heads", "api.log", "--key", &public];
    let whole = export_of(&store, 10).await;
    let good = verify(&whole, &against);
    assert_eq!(good.code, 0, "{}", good.err);
    assert!(good.out.contains("1 signed heads fit, the last of entry 4 from "), "{}", good.out);

    // As whoever owns the database can make them: only what was signed before tells.
    let (cut, none) = (export_of(&store, 3).await, export_of(&store, 0).await);
    let anew = export_of(&store_with(&dir, "false.db", "mallory", 4).await, 10).await;
    for (lines, says) in [
        (&cut, "the chain was cut after entry 3"),
        (&none, "the chain was cut after entry 0"),
        (&anew, "entry 4 (line 4): the signed head of entry 4"),
    ] {
        assert_eq!(verify(lines, &[]).code, 0);
        let ran = verify(lines, &against);
        assert!(ran.code == 1 && ran.err.contains(says), "{says}: {}{}", ran.out, ran.err);
    }
    // Heads of another chain are held against nothing, and that is said.
    let globex = heads[0].to_string().replace("acme", "globex");
    fs::write(dir.path("other.log"), globex + "\n").unwrap();
    let ran = verify(&whole, &["--heads", "other.log"]);
    assert!(ran.code == 1 && ran.err.contains("none of the signed heads that were given"), "{}{}", ran.out, ran.err);
    let other = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    let ran = verify(&whole, &["--heads", "api.log", "--key", other]);
    assert!(ran.code == 1 && ran.err.contains("signed by another key"), "{}", ran.err);
    let forged = heads[0].to_string().replace(r#""seq":4"#, r#""seq":3"#);
    let in_place = [&whole[..3], &[format!(r#"{{"head":{forged}}}"#)], &whole[3..]].concat();
    let ran = verify(&in_place, &[]);
    assert!(ran.code == 1 && ran.err.contains("entry 3 (line 4): the signed head of entry 3"), "{}", ran.err);
}
