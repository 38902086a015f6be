//! What the pages show is what there is.

use golden_api::{Quotas, RateLimits};

use crate::support::{Dev, Dir, run};

const PAGE: &str = include_str!("../../../docs/auth.md");

#[test]
fn the_limits_are_those_of_the_code() {
    let Quotas { admin, operator, developer, observer, anonymous, .. } = Quotas::default();
    for (role, quota) in [
        ("admin", admin),
        ("operator", operator),
        ("developer", developer),
        ("observer", observer),
        ("anonymous", anonymous),
    ] {
        assert!(PAGE.contains(&format!("| `{role}` | {quota} |")), "{role} has {quota} requests a minute");
    }
    for limits in ["admin=1000,developer=300", "service=6000", "off", "on"] {
        assert!(PAGE.contains(&format!("`{limits}`")) && limits.parse::<RateLimits>().is_ok(), "{limits}");
    }
}

#[test]
fn its_commands_run() {
    let dir = Dir::new();
    let minted = PAGE.lines().filter(|line| line.starts_with("golden token mint"));
    let commands: Vec<_> = minted.collect();
    assert_eq!(commands.len(), 2);
    for command in commands {
        let args: Vec<_> = command.split_whitespace().skip(1).collect();
        let ran = run(dir.golden(&args).env("JWT_SECRET", "0123456789abcdef0123456789abcdef"));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command}");
    }
}

#[test]
fn its_settings_are_known() {
    let help = run(&mut Dir::new().golden(&["--help"])).out;
    let words = PAGE.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
    let settings: Vec<_> = words.filter(|word| word.starts_with("GOLDEN_") || word.starts_with("JWT_")).collect();
    assert!(settings.len() > 3);
    for setting in settings {
        assert!(help.contains(setting), "`golden --help` does not know {setting}");
    }
}

#[test]
fn the_commands_about_webhooks_are_commands() {
    let dir = Dir::new();
    let page = include_str!("../../../docs/webhooks.md");
    let commands: Vec<_> = page.lines().filter(|line| line.starts_with("golden ")).collect();
    assert!(commands.len() > 10);
    for command in commands {
        let args: Vec<_> = command.split(" #").next().unwrap().split_whitespace().skip(1).chain(["--help"]).collect();
        let ran = run(&mut dir.golden(&args));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command}");
    }
}

#[test]
fn the_question_to_a_model_is_answered_by_the_one_that_is_built_in() {
    let page = include_str!("../../../docs/models.md");
    let (_, rest) = page.split_once("golden jobs submit llm.complete ").unwrap();
    let (flags, rest) = rest.split_once(" '").unwrap();
    let (payload, _) = rest.split_once("'\n```").unwrap();
    let dev = Dev::start();
    let args: Vec<_> =
        ["jobs", "submit", "llm.complete", payload, "--json"].into_iter().chain(flags.split(' ')).collect();
    let ran = dev.run(&args);
    let job: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let result = &job["result"];
    assert_eq!((&result["model"], &result["outcome"]), (&"offline".into(), &"ok_strict".into()), "{job}");
    assert!(result["answer"]["tested"].is_array() && result["cost"] == 0, "{job}");
    a_review_goes_as_its_page_says(&dev);
}

/// As the page about reviews goes on one's own machine: changes are asked for, and in the end a human decides.
#[expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]
fn a_review_goes_as_its_page_says(dev: &Dev) {
    let page = include_str!("../../../docs/reviews.md");
    let dir = Dir::new();
    let wrong = dir.path("add.py");
    std::fs::write(&wrong, "def add(a, b):\n    return a - b\n").unwrap();
    let report = dir.path("report.txt");
    std::fs::write(&report, "1 failed, 2 passed").unwrap();
    let submit = |more: &[&str]| {
        let work = ["reviews", "submit", wrong.to_str().unwrap(), "--author", "developer", "--json"];
        let about = ["--title", "Adds two numbers", "--goal", "add(a, b) is the sum.", "--evidence"];
        let args = work.into_iter().chain(about).chain([report.to_str().unwrap()]).chain(more.iter().copied());
        dev.run(&args.collect::<Vec<_>>())
    };
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();

    let ran = submit(&["--wait", "30s"]);
    let review = read(&ran.out);
    assert_eq!((ran.code, &review["state"]), (1, &"CHANGES_REQUESTED".into()), "{review} {}", ran.err);
    let id = review["id"].as_str().unwrap();
    let refused = submit(&["--wait", "30s", "--round-of", id]);
    assert_eq!(refused.code, 4);
    assert!(refused.err.contains("nothing of the work has changed"), "{}", refused.err);
    std::fs::write(&wrong, "def add(a, b):\n    return b - a\n").unwrap();
    let left_to_a_human = submit(&["--wait", "3s", "--round-of", id]);
    assert_eq!(left_to_a_human.code, 6, "{} {}", left_to_a_human.out, left_to_a_human.err);

    // Who submitted it does not decide, and somebody else does.
    let decision = ["reviews", "decide", id, "--approve", "--reason", "I ran it."];
    let own = dev.run(&decision);
    assert_eq!(own.code, 4);
    assert!(own.err.contains("self-approval"), "{}", own.err);
    let shown = dev.run(&["reviews", "show", id]);
    assert!(shown.out.contains("ESCALATED") && shown.out.contains("request_changes"), "{}", shown.out);
    let listed = dev.run(&["reviews", "list", "--state", "escalated"]);
    assert!(listed.out.contains(id), "{}", listed.out);

    for word in ["CHANGES_REQUESTED", "ESCALATED", "no_further_round", "self-approval", "wrong_digest"] {
        assert!(page.contains(word), "{word}");
    }
}
