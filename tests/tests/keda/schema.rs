//! Every manifest against the schema of its kind.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{Manifest, manifests};

static SCHEMAS: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("schemas.json")).unwrap());

fn validator(manifest: &Manifest) -> Option<Validator> {
    let api = manifest.object["apiVersion"].as_str().unwrap_or_default();
    let name = SCHEMAS["kinds"][format!("{api}/{}", manifest.kind())].as_str()?;
    let schema = json!({"$ref": format!("#/$defs/{name}"), "$defs": SCHEMAS["$defs"]});
    Some(jsonschema::draft202012::new(&schema).unwrap())
}

fn breaches(manifest: &Manifest) -> Vec<String> {
    let place = format!("{}, {} {}", manifest.path, manifest.kind(), manifest.name());
    let Some(validator) = validator(manifest) else {
        return vec![format!("{place}: schemas.json has no such kind in {}", manifest.object["apiVersion"])];
    };
    validator
        .iter_errors(&manifest.object)
        .map(|error| format!("{place}: {}: {error}", error.instance_path()))
        .collect()
}

/// What kustomize reads itself is tried by whoever runs it, and by `rules`.
fn for_the_server(manifest: &Manifest) -> bool {
    manifest.kind() != "Kustomization"
}

#[test]
fn manifests_are_strictly_valid() {
    let breaches: Vec<_> = manifests().iter().filter(|manifest| for_the_server(manifest)).flat_map(breaches).collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn what_is_not_valid_is_found() {
    let valid = || {
        json!({
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": "x"},
            "spec": {
                "scaleTargetRef": {"name": "x"},
                "triggers": [{"type": "metrics-api", "metadata": {"targetValue": "5"}}],
            },
        })
    };
    let found = |pointer: &str, member: &str, value: Value| {
        let mut object = valid();
        object.pointer_mut(pointer).unwrap()[member] = value;
        breaches(&Manifest { path: "x.yaml".into(), object }).len()
    };
    assert_eq!(found("", "kind", json!("ScaledObject")), 0);
    assert_eq!(found("/spec", "minReplicas", json!(1)), 1, "an unknown field");
    assert_eq!(found("/spec", "minReplicaCount", json!("1")), 1, "a text for a number");
    assert_eq!(found("/spec/triggers/0/metadata", "targetValue", json!(5)), 1, "a number for a text");
    assert_eq!(found("", "spec", json!({"triggers": []})), 2, "nothing to scale, and by nothing");
    assert_eq!(found("", "kind", json!("ScaledThing")), 1, "an unknown kind");
    assert_eq!(found("/metadata", "names", json!("y")), 1);
}
