//! The OpenAPI document, and whether it is true.

use std::{env, fs, sync::LazyLock};

use golden_api::problem::Code;
use golden_jobs::{Context, Job, Outcome, Registry, Role, done};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Where the document of this build's own kinds is kept.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| golden_api::openapi(&golden_jobs::kinds::registry()));

#[test]
fn a_change_of_the_document_shows() {
    let made = format!("{:#}\n", *DOCUMENT);
    if env::var_os("GOLDEN_ACCEPT").is_some() {
        fs::write(KEPT, made).unwrap();
        return;
    }
    let kept = fs::read_to_string(KEPT).unwrap_or_default();
    let (mut made, mut kept) = (made.lines(), kept.lines());
    for number in 1.. {
        let (kept, made) = (kept.next(), made.next());
        if kept.is_none() && made.is_none() {
            return;
        }
        assert!(
            kept == made,
            "docs/openapi.json is not what the code says, from line {number}\n- {}\n+ {}\nIf the change is meant: \
             GOLDEN_ACCEPT=1 cargo test -p golden-api a_change_of_the_document_shows, and look at the difference.",
            kept.unwrap_or_default(),
            made.unwrap_or_default(),
        );
    }
}

#[test]
fn every_operation_says_what_it_is() {
    for (name, operation) in operations() {
        let summary = operation["summary"].as_str().unwrap();
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{name}: {summary}");
        let description = operation["description"].as_str().unwrap();
        assert!(description.ends_with('.') && !description.contains("[`"), "{name}: {description}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let told = parameter["description"].is_string() || parameter["in"] == "path";
            assert!(told, "{name}: {} has no doc comment", parameter["name"]);
        }
    }
}

#[test]
fn every_body_has_examples_and_they_fit_its_schema() {
    for (name, operation) in operations() {
        let answers = operation["responses"].as_object().unwrap().iter();
        let bodies = answers.map(|(status, answer)| (format!("{name} {status}"), resolved(answer)));
        for (name, body) in bodies.chain([(name.clone(), &operation["requestBody"])]) {
            for (media, content) in body["content"].as_object().into_iter().flatten() {
                let many = content["examples"].as_object().into_iter().flatten();
                let examples: Vec<_> = many
                    .map(|(_, one)| &one["value"])
                    .chain(Some(&content["example"]).filter(|one| !one.is_null()))
                    .collect();
                assert!(!examples.is_empty(), "{name} {media} has no example: #[schemars(example = …)]");
                for example in examples.into_iter().filter(|_| content["schema"].is_object()) {
                    assert_eq!(wrong(&content["schema"], example), "", "{name} {media}: {example:#}");
                }
            }
        }
    }
}

#[test]
fn every_problem_is_documented_where_it_can_happen() {
    // What no operation answers, because there is none.
    let homeless = [Code::MethodNotAllowed];
    for code in Code::ALL.iter().filter(|code| !homeless.contains(code)) {
        let told = operations().any(|(_, operation)| {
            let mut answers = operation["responses"].as_object().unwrap().values().map(resolved);
            answers.any(|answer| codes(answer).any(|known| known == code.as_str()))
        });
        assert!(told, "no operation says that it can answer {}", code.as_str());
    }
}

/// Holds an answer against the document. Answers of no route are not in it.
pub(crate) fn check(method: &str, path: &str, status: u16, media: &str, text: &str) {
    let path = path.split('?').next().unwrap();
    let Some(operation) = operation(method, path) else { return };
    let answer = resolved(&operation["responses"][status.to_string()]);
    let place = format!("{method} {path} answered {status} {media}: {text}");
    assert!(answer.is_object(), "the document has no such status: {place}");
    let Some(contents) = answer["content"].as_object() else {
        assert_eq!(text, "", "the document has no body here: {place}");
        return;
    };
    let content = contents.get(media).unwrap_or_else(|| panic!("the document has no such media type: {place}"));
    // Lines are texts, each of which is JSON.
    if media.contains("json") && !media.contains("ndjson") {
        let body: Value = serde_json::from_str(text).unwrap();
        assert_eq!(wrong(&content["schema"], &body), "", "{place}");
        let code = body["code"].as_str().filter(|_| media == "application/problem+json");
        assert!(code.is_none_or(|code| codes(answer).any(|known| known == code)), "an undocumented code: {place}");
    }
}

fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let fits = |pattern: &str| {
        let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
        pattern.len() == path.len() && pattern.iter().zip(&path).all(|(a, b)| a == b || a.starts_with('{'))
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let mut fitting: Vec<_> = paths.iter().filter(|(pattern, _)| fits(pattern)).collect();
    // As the router does: what is written out goes before what is a parameter.
    fitting.sort_by_key(|(pattern, _)| pattern.matches('{').count());
    fitting.first()?.1.get(method.to_ascii_lowercase())
}

fn operations() -> impl Iterator<Item = (String, &'static Value)> {
    DOCUMENT["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}

fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(at) => DOCUMENT.pointer(at.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

fn codes(answer: &Value) -> impl Iterator<Item = &str> {
    let codes = answer["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"].as_array();
    codes.into_iter().flatten().filter_map(Value::as_str)
}

/// What is wrong with a value for a schema of the document. Members that it does not have are.
fn wrong(schema: &Value, value: &Value) -> String {
    static CLOSED: LazyLock<Value> = LazyLock::new(|| {
        let mut components = DOCUMENT["components"].clone();
        close(&mut components["schemas"]);
        components
    });
    let mut schema = schema.clone();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("components".to_owned(), CLOSED.clone());
    }
    let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
    let validator = options.build(&schema).unwrap();
    let errors = validator.iter_errors(value).map(|error| format!("{}: {error}\n", error.instance_path()));
    errors.collect()
}

/// Makes a member that a schema does not name an error, unless it says what others are.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            keywords.values_mut().for_each(close);
            let open = !keywords.contains_key("additionalProperties") && !keywords.contains_key("$ref");
            if open && keywords.get("properties").is_some_and(Value::is_object) && keywords.contains_key("type") {
                keywords.insert("additionalProperties".to_owned(), false.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn what_is_not_documented_is_found() {
    let schema = json!({"$ref": "#/components/schemas/Live"});
    assert_eq!(wrong(&schema, &json!({"status": "ok"})), "");
    for body in [json!({}), json!({"status": 1}), json!({"status": "ok", "more": 1}), json!(Map::new())] {
        assert_ne!(wrong(&schema, &body), "", "{body}");
    }
}

#[test]
fn a_kind_of_ones_own_is_in_the_document() {
    let document = golden_api::openapi(&Registry::default().with::<Plant>());
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["Submission"]["discriminator"]["mapping"]["plant"], "#/components/schemas/Submission.plant");
    assert_eq!(schemas["Submission"]["oneOf"].as_array().unwrap().len(), 1);
    let submission = &schemas["Submission.plant"];
    assert_eq!(submission["properties"]["payload"]["$ref"], "#/components/schemas/Payload.plant");
    assert_eq!(submission["required"], json!(["kind", "payload"]));
    assert_eq!(submission["properties"]["max_attempts"]["maximum"], 100);
    for at in references(&document) {
        assert!(document.pointer(at.trim_start_matches('#')).is_some(), "{at} leads nowhere");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let all = references(&DOCUMENT);
    assert!(all.len() > 50);
    for at in all {
        assert!(DOCUMENT.pointer(at.trim_start_matches('#')).is_some(), "{at} leads nowhere");
    }
}

fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str);
            own.into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// A kind whose schema refers to itself and to others.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Plant {
    soil: Soil,
    offshoots: Vec<Plant>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Soil {
    acid: bool,
}

impl Job for Plant {
    const KIND: &'static str = "plant";
    const ROLE: Role = Role::Orchestrator;
    type Output = ();

    async fn run(self, _: &Context) -> Outcome<()> {
        done(())
    }
}
