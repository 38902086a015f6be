//! What watches Golden, held against Golden: rules, dashboards and triggers name metrics that are there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use regex::Regex;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::support::{Golden, TestStore};

/// Of others than Golden, which a rule or a trigger may name.
const NOT_OURS: [&str; 2] = ["up", "kube_horizontalpodautoscaler_status_current_replicas"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn files(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, ending, found);
            } else if path.to_string_lossy().ends_with(ending) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&repository().join(folder), ending, &mut found);
    found.sort();
    found
}

/// Every expression of the rules, the dashboards and the triggers, by where it stands.
fn expressions() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (path, text) in files("docker/prometheus", "rules.yml") {
        let rules: Value = serde_saphyr::from_str(&text).unwrap();
        for group in rules["groups"].as_array().unwrap() {
            for rule in group["rules"].as_array().unwrap() {
                let name = rule["record"].as_str().or(rule["alert"].as_str()).unwrap();
                all.push((format!("{}: {name}", path.display()), rule["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    for (path, text) in files("docker/grafana/dashboards", ".json") {
        let board: Value = serde_json::from_str(&text).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let at = format!("{}: {}", path.display(), panel["title"]);
                all.push((at, target["expr"].as_str().unwrap().replace("$__rate_interval", "1m")));
            }
        }
    }
    for (path, text) in files("keda", ".yaml") {
        for document in text.split("\n---\n").filter(|document| document.contains("query:")) {
            let object: Value = serde_saphyr::from_str(document).unwrap();
            for trigger in object["spec"]["triggers"].as_array().into_iter().flatten() {
                let query = trigger["metadata"]["query"].as_str().map(str::to_owned);
                all.extend(query.map(|query| (path.display().to_string(), query)));
            }
        }
    }
    for folder in ["docker/prometheus/", "docker/grafana/", "keda/"] {
        assert!(all.iter().any(|(at, _)| at.contains(folder)), "nothing is read of {folder}");
    }
    all
}

/// The metrics that an expression names: words that are no function, keyword or label.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    let labels = Regex::new(r#"\{[^}]*\}|"[^"]*"|\[[^\]]*\]|(by|on|ignoring|without|group_left) *\([^)]*\)"#).unwrap();
    let word = Regex::new(r"[a-zA-Z_:][a-zA-Z0-9_:]*").unwrap();
    let bare = labels.replace_all(expression, " ");
    let words = word.find_iter(&bare).filter(|found| {
        let after = bare[found.end()..].trim_start();
        let before = bare[..found.start()].chars().next_back();
        !after.starts_with('(') && !before.is_some_and(|c| c.is_ascii_digit())
    });
    const KEYWORDS: [&str; 9] = ["group_left", "and", "or", "unless", "by", "on", "offset", "bool", "without"];
    words.map(|found| found.as_str().to_owned()).filter(|word| !KEYWORDS.contains(&word.as_str())).collect()
}

/// The names that a scrape shows, by the family they are of.
fn scraped(text: &str) -> BTreeSet<String> {
    let name = |line: &str| line.split(['{', ' ']).next().unwrap().to_owned();
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(name).collect()
}

async fn scrape(address: &str) -> String {
    get(address, "/metrics").await.1
}

async fn get(address: &str, path: &str) -> (u16, String) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).redirect(Policy::none()).build().unwrap();
    let answer = client.get(format!("{address}{path}")).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_dashboards_and_triggers_name_metrics_that_are_there() {
    // Whose labels cannot be known before is counted once it happened: kinds, limits and languages.
    let limits = [("GOLDEN_RATE_LIMITS", "admin=100000,anonymous=1")];
    let golden = Golden::start(TestStore::sqlite(), "dev", &limits).await;
    let ran = golden.submit("sandbox.run", json!({"language": "python", "source": "print(1)"})).await;
    golden.until(&ran, &["succeeded"]).await;
    golden.until(&golden.submit("noop", json!({})).await, &["succeeded"]).await;
    while get(&golden.url, "/v1/kinds").await.0 != 429 {}

    let there = scraped(&scrape(&golden.url).await);
    let rules = files("docker/prometheus", "rules.yml");
    let recorded = Regex::new(r"(?m)^ *- record: ([^ \n]+)").unwrap();
    let recorded: BTreeSet<_> =
        rules.iter().flat_map(|(_, text)| recorded.captures_iter(text).map(|found| found[1].to_owned())).collect();

    let mut missing = BTreeMap::new();
    for (at, expression) in expressions() {
        for name in metrics_of(&expression) {
            if !there.contains(&name) && !recorded.contains(&name) && !NOT_OURS.contains(&name.as_str()) {
                missing.insert(name, at.clone());
            }
        }
    }
    assert!(missing.is_empty(), "not in a scrape: {missing:#?}");
}

#[test]
fn metrics_are_told_from_what_else_is_in_an_expression() {
    let names = |text: &str| metrics_of(text).into_iter().collect::<Vec<_>>();
    assert_eq!(
        names(r#"sum by (le) (rate(a_bucket{role="x"}[5m])) / on () group_left b offset 10m > 0 or vector(0)"#),
        ["a_bucket", "b"]
    );
    assert_eq!(names("1 - golden:dead:ratio_rate6h > 14.4 * 0.001"), ["golden:dead:ratio_rate6h"]);
}

/// Prometheus's own tool reads the rules, runs their unit tests, and reads what dashboards and triggers ask.
#[test]
fn prometheus_takes_the_rules_and_they_do_as_they_should() {
    let folder = repository().join("docker/prometheus");
    promtool(&["check", "rules", "rules.yml"], &folder);
    promtool(&["test", "rules", "rules.test.yml"], &folder);

    let rules: Vec<_> = expressions()
        .into_iter()
        .enumerate()
        .map(|(n, (_, expr))| json!({"record": format!("expression_{n}"), "expr": expr}))
        .collect();
    let asked = json!({"groups": [{"name": "asked", "rules": rules}]});
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::write(scratch.join("asked.yml"), asked.to_string()).unwrap();
    promtool(&["check", "rules", "asked.yml"], scratch);
}

fn promtool(args: &[&str], folder: &Path) {
    let output = Command::new("promtool").args(args).current_dir(folder).output();
    let output = output.expect("promtool, of Debian's package prometheus: tests/services brings it");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn alerts_lead_to_sections_that_are_there() {
    let page = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let anchors: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')))
        .map(|title| title.to_lowercase().replace(' ', "-"))
        .collect();
    let rules = &files("docker/prometheus", "rules.yml")[0].1;
    let runbook = Regex::new(r"runbook: docs/operations\.md#([^ \n]+)").unwrap();
    let mut found = 0;
    for link in runbook.captures_iter(rules) {
        assert!(anchors.contains(&link[1]), "docs/operations.md has no section for #{}: {anchors:?}", &link[1]);
        found += 1;
    }
    assert_eq!(found, rules.matches("- alert:").count(), "an alert has no runbook");
}

#[test]
fn dashboards_are_as_grafana_reads_them() {
    let boards = files("docker/grafana/dashboards", ".json");
    let mut uids = BTreeSet::new();
    for (path, text) in &boards {
        let at = path.display();
        let board: Value = serde_json::from_str(text).unwrap();
        assert!(uids.insert(board["uid"].as_str().unwrap().to_owned()), "{at}: its uid is another's");
        assert!(board["schemaVersion"].as_u64().unwrap() >= 39, "{at}");
        let panels = board["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{at}: two panels have one id");
        for panel in panels {
            let place = &panel["gridPos"];
            assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{at}: {}", panel["title"]);
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{at}: {}", panel["title"]);
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["type"], "prometheus", "{at}: {}", panel["title"]);
            }
        }
    }
    assert!(boards.len() >= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_says_how_it_is_at_an_address_of_its_own() {
    let golden = Golden::api_only().await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let worker = golden.worker_with("orchestrator", &["--probes-listen", &address, "--drain-timeout", "20s"]);
    let url = format!("http://{address}");
    golden.until(&golden.submit("noop", json!({})).await, &["succeeded"]).await;

    let counted = scrape(&url).await;
    assert!(
        counted.contains(r#"golden_jobs_total{kind="noop",outcome="succeeded",role="orchestrator"} 1"#),
        "{counted}"
    );
    assert!(counted.contains("process_resident_memory_bytes"), "{counted}");
    let (status, printed) = golden.cli(&["health", "--server", &url]);
    assert_eq!(status, Some(0), "{printed}");
    assert!(printed.contains("store\tok"), "{printed}");

    // It still lives while it drains, and is not ready.
    let busy = golden.submit("noop", json!({"sleep_ms": 3000})).await;
    golden.until(&busy, &["running"]).await;
    worker.signal("-TERM");
    let until = std::time::Instant::now() + Duration::from_secs(2);
    loop {
        assert_eq!(get(&url, "/livez").await.0, 200);
        if get(&url, "/readyz").await.0 == 503 {
            break;
        }
        assert!(std::time::Instant::now() < until, "it is ready though it drains");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(worker.ended().await, Some(0));
    golden.until(&busy, &["succeeded"]).await;
}
