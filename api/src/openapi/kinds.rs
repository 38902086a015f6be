//! What may be submitted, kind by kind: generated clients know the payloads of this build.

use std::time::Duration;

use golden_jobs::{Job, Registry, functions::call, kinds::FunctionCall, registry::Kind};
use schemars::Schema;
use serde_json::{Map, Value, json};

use super::schemas::plain;

/// The schema of a submission whatever its kind.
const SUBMISSION: &str = "Submission";

/// Makes the submission one of many, by its kind.
pub(super) fn describe(registry: &Registry, components: &mut Map<String, Value>) {
    let Some(common) = components.remove(SUBMISSION) else { return };
    let mut variants = Vec::new();
    let mut mapping = Map::new();
    for kind in registry.iter().filter(|kind| kind.public) {
        let name = format!("{SUBMISSION}.{}", component(kind.name));
        let at = format!("#/components/schemas/{name}");
        variants.push(json!({"$ref": at}));
        mapping.insert(kind.name.to_owned(), at.into());
        let payload = payload(kind, components);
        components.insert(name, submission(kind, &common, &payload));
    }
    if let Some(kind) = registry.get(FunctionCall::KIND) {
        let name = format!("{SUBMISSION}.{}", kind.name);
        variants.push(json!({"$ref": format!("#/components/schemas/{name}")}));
        let payload = payload(kind, components);
        let mut schema = submission(kind, &common, &payload);
        schema["description"] = "A call of a function, which its own schema describes.".into();
        let about = "`fn.NAME` is the live version, `fn.NAME@VERSION` that one.";
        schema["properties"]["kind"] =
            json!({"type": "string", "pattern": call::KIND, "description": about, "examples": ["fn.area"]});
        components.insert(name, schema);
    }
    let mut union = json!({
        "oneOf": variants,
        "discriminator": {"propertyName": "kind", "mapping": mapping},
    });
    for keyword in ["description", "examples"] {
        if let Some(value) = common.get(keyword) {
            union[keyword] = value.clone();
        }
    }
    components.insert(SUBMISSION.to_owned(), union);
}

fn submission(kind: &Kind, common: &Value, payload: &str) -> Value {
    let mut schema = common.clone();
    schema["description"] = format!("A job of the kind `{}`, run by the role `{}`.", kind.name, kind.role).into();
    let members = &mut schema["properties"];
    members["kind"] = json!({"const": kind.name, "type": "string", "description": members["kind"]["description"]});
    let payload = json!({"$ref": format!("#/components/schemas/{payload}")});
    let optional = kind.payload_may_be_empty();
    // As everywhere in a submission, null is as good as absent.
    members["payload"] = if optional { json!({"anyOf": [payload, {"type": "null"}]}) } else { payload };
    members["max_attempts"]["maximum"] = kind.policy.max_attempts_limit.into();
    members["max_attempts"]["default"] = kind.policy.max_attempts.into();
    members["timeout"]["maximum"] = seconds(kind.policy.timeout_limit);
    members["timeout"]["default"] = seconds(kind.policy.timeout);
    if !optional {
        schema["required"] = json!(["kind", "payload"]);
    }
    if let Some(keywords) = schema.as_object_mut() {
        keywords.remove("examples");
    }
    schema
}

/// A whole number where it is one, as a person would write it.
fn seconds(time: Duration) -> Value {
    if time.subsec_nanos() == 0 { time.as_secs().into() } else { time.as_secs_f64().into() }
}

/// Adds the payload's schema, and what it defines, to the components. Answers its name there.
fn payload(kind: &Kind, components: &mut Map<String, Value>) -> String {
    let name = format!("Payload.{}", component(kind.name));
    let mut schema = kind.schema.clone();
    let defined = schema.as_object_mut().and_then(|keywords| {
        keywords.remove("$schema");
        keywords.remove("$defs")
    });
    if let Some(Value::Object(defined)) = defined {
        for (inner, schema) in defined {
            components.insert(format!("{name}.{}", component(&inner)), at_home(schema, &name));
        }
    }
    components.insert(name.clone(), at_home(schema, &name));
    name
}

/// A kind's own schema as the document has it, its references pointing to where its definitions
/// are now.
fn at_home(mut schema: Value, name: &str) -> Value {
    moved(&mut schema, name);
    match Schema::try_from(schema) {
        Ok(mut schema) => {
            plain(&mut schema);
            schema.to_value()
        }
        // No schema is anything but an object, `true` or `false`.
        Err(_) => true.into(),
    }
}

fn moved(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, value) in keywords {
                match value {
                    Value::String(at) if keyword == "$ref" => {
                        let inner = at.strip_prefix("#/$defs/").map(|inner| format!("{name}.{}", component(inner)));
                        let target = inner.or_else(|| (at == "#").then(|| name.to_owned()));
                        if let Some(target) = target {
                            *at = format!("#/components/schemas/{target}");
                        }
                    }
                    value => moved(value, name),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| moved(item, name)),
        _ => {}
    }
}

/// A name as components may have it (OpenAPI 3.1, 4.8.7): kinds of other builds are named by others.
fn component(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
}
