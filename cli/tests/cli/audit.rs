//! A chain is exported, and whatever is done to the export is found.

use std::{fs, io::Write, process::Stdio};

use serde_json::Value;

use crate::support::{Dev, Ran, run};

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
    let cases: [(Spoil<'_>, u64, &str); 7] = [
        (&|all| all[2] = all[2].replace("paused", "resumed"), 2, "entry 3 (line 3): its payload"),
        (&|all| drop(all.remove(3)), 3, "entry 5 (line 4): entry 5 comes where entry 4 should"),
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
    let mut verify = dev.dir.golden(&["audit", "verify", "--from", "-", "--json"]);
    let mut child = verify.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(tail.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success());
    assert_eq!((&told["good"], &told["first"], &told["wrong"]), (&2.into(), &5.into(), &Value::Null), "{told}");
}
