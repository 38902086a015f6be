//! Bodies to show, made of the examples that types have.

use serde_json::{Map, Value, json};
use utoipa::openapi::{Content, Paths, RefOr, path::Operation};

/// Gives every JSON body without an example one that its schema's own examples add up to.
pub(super) fn fill(paths: &mut Paths, components: &Map<String, Value>) {
    for item in paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            contents(operation).for_each(|content| complete(content, components));
        }
    }
}

fn contents(operation: &mut Operation) -> impl Iterator<Item = &mut Content> {
    let body = operation.request_body.iter_mut().filter_map(|body| match body {
        RefOr::T(body) => Some(body.content.values_mut()),
        RefOr::Ref(_) => None,
    });
    let answers = operation.responses.responses.values_mut().filter_map(|response| match response {
        RefOr::T(response) => Some(response.content.values_mut()),
        RefOr::Ref(_) => None,
    });
    body.flatten().chain(answers.flatten()).filter_map(|content| match content {
        RefOr::T(content) => Some(content),
        RefOr::Ref(_) => None,
    })
}

fn complete(content: &mut Content, components: &Map<String, Value>) {
    if content.example.is_some() || !content.examples.is_empty() {
        return;
    }
    let schema = serde_json::to_value(&content.schema).unwrap_or_default();
    content.example = of(&schema, components);
}

/// An example of a schema, or `None` where it holds a text of which nothing is known.
pub(crate) fn of(schema: &Value, components: &Map<String, Value>) -> Option<Value> {
    let first = |keyword: &str| schema.get(keyword)?.as_array()?.first().cloned();
    let known = first("examples").or_else(|| schema.get("const").cloned()).or_else(|| schema.get("default").cloned());
    if let Some(example) = known.or_else(|| first("enum")) {
        return Some(example);
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|at| at.rsplit('/').next()) {
        return of(components.get(name)?, components);
    }
    for union in ["oneOf", "anyOf"] {
        if let Some(variants) = schema.get(union).and_then(Value::as_array) {
            let nullable = variants.iter().any(|variant| variant.get("type").is_some_and(|name| name == "null"));
            return if nullable { Some(Value::Null) } else { of(variants.first()?, components) };
        }
    }
    match schema.get("type")? {
        Value::Array(types) if types.iter().any(|name| name == "null") => Some(Value::Null),
        Value::String(name) => match name.as_str() {
            "object" => members(schema, components),
            "array" => Some(Value::Array(vec![of(schema.get("items")?, components)?])),
            "string" if schema.get("format").is_some_and(|format| format == "date-time") => {
                Some("2026-01-02T03:04:05Z".into())
            }
            "boolean" => Some(false.into()),
            "integer" => Some(schema.get("minimum").cloned().unwrap_or_else(|| 1.into())),
            "number" => Some(json!(1.0)),
            _ => None,
        },
        _ => None,
    }
}

fn members(schema: &Value, components: &Map<String, Value>) -> Option<Value> {
    let Some(members) = schema.get("properties").and_then(Value::as_object) else { return Some(json!({})) };
    let members = members.iter().map(|(name, schema)| Some((name.clone(), of(schema, components)?)));
    members.collect::<Option<Map<_, _>>>().map(Value::Object)
}
