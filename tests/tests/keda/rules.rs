//! What no schema says, and what goes wrong without it.

use std::{collections::BTreeSet, fs};

use golden_jobs::{Role, kinds};
use serde_json::Value;

use super::{Manifest, OVERLAYS, capacity_trigger, find, manifests};
use crate::tidy::{files, repository};

fn seconds(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    number.parse::<u64>().unwrap()
        * if unit == "m" {
            60
        } else if unit == "h" {
            3600
        } else {
            1
        }
}

/// A pod that is told to go lets its runs finish, and is not killed while it does.
#[test]
fn a_pod_has_the_time_its_runs_take() {
    let (manifests, registry) = (manifests(), kinds::registry());
    for role in Role::ALL {
        let worker = find(&manifests, "keda/base/", "Deployment", role.as_str());
        let pod = &worker["spec"]["template"]["spec"];
        let env = pod["containers"][0]["env"].as_array().unwrap();
        let drain = env.iter().find(|entry| entry["name"] == "GOLDEN_DRAIN_TIMEOUT").unwrap();
        let drain = seconds(drain["value"].as_str().unwrap());
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace >= drain + 30, "{role}: {grace} s of grace for {drain} s of draining and 10 s of giving back");
        // A no-op is a test, and takes as long as it is told to.
        let usual = registry.iter().filter(|kind| kind.role == role && kind.name != "noop");
        let longest = usual.map(|kind| kind.policy.timeout.as_secs()).max().unwrap_or(0);
        assert!(drain >= longest, "{role}: {drain} s of draining for runs of {longest} s");
        assert_eq!(worker["spec"]["replicas"], Value::Null, "{role}: a number here fights its ScaledObject");
    }
}

/// Without a figure a pool keeps its size at least, and never goes to nothing.
#[test]
fn a_pool_outlives_those_who_say_how_large_it_is() {
    let manifests = manifests();
    for role in Role::ALL {
        let spec = &find(&manifests, OVERLAYS[0], "ScaledObject", role.as_str())["spec"];
        let fallback = &spec["fallback"];
        assert_eq!(fallback["behavior"], "currentReplicasIfHigher", "{role}");
        let replicas = fallback["replicas"].as_u64().unwrap();
        assert!((role.scale().min.into()..=role.scale().max.into()).contains(&replicas), "{role}: {replicas}");
        for trigger in spec["triggers"].as_array().unwrap() {
            if trigger["type"] == "prometheus" {
                assert_eq!(trigger["metricType"], "Value", "{role}: an average over pods says nothing of a time");
                assert_eq!(trigger["metadata"]["ignoreNullValues"], "false", "{role}: no scrape is not no work");
                assert!(trigger["metadata"]["query"].as_str().unwrap().starts_with("clamp_max("), "{role}");
            }
        }
        let push = &find(&manifests, OVERLAYS[1], "ScaledObject", role.as_str())["spec"];
        assert_eq!(
            push["triggers"].as_array().unwrap().len(),
            1,
            "{role}: an external scaler freezes what is beside it"
        );
        assert_eq!(capacity_trigger(push)["type"], "external-push", "{role}");
    }
    let jobs = find(&manifests, "keda/overlays/sandbox-jobs/", "ScaledJob", "sandbox");
    assert_eq!(jobs["spec"]["rollout"]["strategy"], "gradual", "the default kills those that run");
    assert_eq!(jobs["spec"]["scalingStrategy"]["strategy"], "default", "the others count what runs twice");
    assert_eq!(jobs["spec"]["jobTargetRef"]["backoffLimit"], 0);
}

/// The metrics that a PromQL expression names: ours begin with a few words.
fn metrics_in(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("golden_") || word.starts_with("peer_review_"));
    let plain = |word: &str| {
        let endings = ["_bucket", "_count", "_sum"];
        endings.iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word).to_owned()
    };
    ours.map(plain).collect()
}

#[test]
fn queries_name_metrics_that_are_there() {
    let table = fs::read_to_string(repository().join("jobs/src/metrics.rs")).unwrap();
    let mut named = BTreeSet::new();
    for manifest in manifests() {
        for trigger in manifest.object["spec"]["triggers"].as_array().unwrap_or(&Vec::new()) {
            named.extend(trigger["metadata"]["query"].as_str().map(metrics_in).unwrap_or_default());
        }
    }
    assert!(named.len() >= 3, "{named:?}");
    for name in named {
        assert!(table.contains(&format!("\"{name}\"")), "{name} is not in jobs/src/metrics.rs");
    }
}

/// What kustomize is told to read is there, and what is there is read, but for templates.
#[test]
fn kustomizations_name_what_is_there() {
    let manifests = manifests();
    let kustomizations: Vec<&Manifest> = manifests.iter().filter(|found| found.kind() == "Kustomization").collect();
    assert_eq!(kustomizations.len(), 5);
    for Manifest { path, object } in kustomizations {
        let folder = path.strip_suffix("/kustomization.yaml").unwrap();
        let named: BTreeSet<String> = object["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|resource| resource.as_str().unwrap().to_owned())
            .filter(|resource| {
                let there = repository().join(folder).join(resource);
                assert!(there.exists(), "{path} names {resource}");
                there.is_file()
            })
            .collect();
        let there: BTreeSet<String> = files(folder, &[".yaml"])
            .iter()
            .filter_map(|file| file.strip_prefix(&format!("{folder}/")))
            .filter(|file| *file != "kustomization.yaml" && !file.ends_with(".template.yaml"))
            .map(str::to_owned)
            .collect();
        assert_eq!(named, there, "{path}");
    }
}
