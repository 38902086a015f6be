//! What deploys and scales Golden: strictly valid, and the roles' table in manifests and code alike.
//!
//! Nothing here talks to Kubernetes. `keda/schemas.json` is what Kubernetes 1.36 and KEDA 2.20.2 say of the kinds that
//! are used, with every field that is not theirs refused.

use std::fs;

use golden_jobs::Role;
use serde_json::Value;

use crate::tidy::{files, repository};

mod hpa;
mod pods;
mod rules;
mod schema;

/// A manifest, and where it stands.
struct Manifest {
    path: String,
    object: Value,
}

impl Manifest {
    fn kind(&self) -> &str {
        self.object["kind"].as_str().unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }
}

/// Every manifest below keda/.
fn manifests() -> Vec<Manifest> {
    let manifests: Vec<_> = files("keda", &[".yaml"])
        .into_iter()
        .flat_map(|path| {
            let text = fs::read_to_string(repository().join(&path)).unwrap();
            let objects: Vec<Value> =
                serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
            objects.into_iter().map(move |object| Manifest { path: path.clone(), object })
        })
        .collect();
    assert!(manifests.len() > 30, "keda/ is hardly there");
    manifests
}

/// The one manifest of a kind and name below a folder.
fn find<'a>(manifests: &'a [Manifest], folder: &str, kind: &str, name: &str) -> &'a Value {
    let found: Vec<_> = manifests
        .iter()
        .filter(|manifest| manifest.path.starts_with(folder) && (manifest.kind(), manifest.name()) == (kind, name))
        .collect();
    assert_eq!(found.len(), 1, "{kind} {name} in {folder}");
    &found[0].object
}

/// The trigger of a ScaledObject's spec that says how much there is, as opposed to how long it takes.
fn capacity_trigger(spec: &Value) -> &Value {
    let triggers = spec["triggers"].as_array().unwrap();
    triggers.iter().find(|trigger| trigger["type"] != "prometheus").unwrap()
}

const OVERLAYS: [&str; 2] = ["keda/overlays/metrics-api/", "keda/overlays/external-push/"];

#[test]
fn manifests_have_the_table_of_roles() {
    let manifests = manifests();
    for (overlay, role) in OVERLAYS.into_iter().flat_map(|overlay| Role::ALL.map(|role| (overlay, role))) {
        let place = format!("{role} in {overlay}");
        let scaled = find(&manifests, overlay, "ScaledObject", role.as_str());
        let scale = role.scale();
        assert_eq!(scaled["spec"]["scaleTargetRef"]["name"], role.as_str(), "{place}");
        assert_eq!(scaled["spec"]["minReplicaCount"], scale.min, "{place}");
        assert_eq!(scaled["spec"]["maxReplicaCount"], scale.max, "{place}");
        let trigger = capacity_trigger(&scaled["spec"]);
        let metadata = &trigger["metadata"];
        assert_eq!(trigger["metricType"], "AverageValue", "{place}");
        assert_eq!(metadata["targetValue"], scale.target.to_string(), "{place}");
        match trigger["type"].as_str().unwrap() {
            "metrics-api" => {
                assert_eq!(metadata["valueLocation"], format!("roles.{role}.{}", scale.figure), "{place}");
            }
            "external-push" => {
                assert_eq!((&metadata["role"], &metadata["metric"]), (&role.as_str().into(), &scale.figure.into()));
            }
            other => panic!("{place} scales on {other}"),
        }
        let worker = find(&manifests, "keda/base/", "Deployment", role.as_str());
        let args = worker["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
        assert_eq!(args[..3], ["worker", "--role", role.as_str()], "{place}");
    }
    let scaled = manifests.iter().filter(|manifest| manifest.kind() == "ScaledObject").count();
    assert_eq!(scaled, OVERLAYS.len() * Role::ALL.len(), "one for each role in each overlay, and no other");
}
