//! JSON Schemas as tables of members.

use serde_json::{Map, Value};

use super::text::{anchor, escaped, inline, prose};

/// How deep members of members are shown in one table.
const DEEPEST: usize = 3;
/// From here on a limit is that of a type.
const TYPES: f64 = 2_147_483_647.0;

/// What a table does with members that are objects themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nested {
    /// Shows their members too.
    Shown,
    /// Says what they are: their own schema has a place on the page.
    Named,
}

/// Every schema that answers and members are made of.
pub(super) fn all(document: &Value) -> String {
    let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
    let schemas = schemas.filter(|(name, _)| !is_request(name));
    schemas
        .map(|(name, schema)| {
            let table = if schema["properties"].is_object() || schema["oneOf"].is_array() {
                table(document, schema, Nested::Named)
            } else {
                String::new()
            };
            let about = prose(schema["description"].as_str().unwrap_or_default());
            format!("<article id=\"{0}\"><div class=\"what\"><h3><a href=\"#{0}\">{1}</a></h3>{about}{table}</div></article>", place(name), escaped(name))
        })
        .collect()
}

/// What requests are made of is shown with them, and may be one of many kinds.
fn is_request(name: &str) -> bool {
    ["Submission", "Payload."].iter().any(|prefix| name.starts_with(prefix))
}

fn place(name: &str) -> String {
    format!("schema-{}", anchor(name))
}

/// The members of an object, or of each object that it can be.
pub(super) fn table(document: &Value, schema: &Value, nested: Nested) -> String {
    let schema = resolved(document, schema);
    if let Some(variants) = schema["oneOf"].as_array() {
        let tells = schema["discriminator"]["propertyName"].as_str().or_else(|| tag(variants)).unwrap_or_default();
        return variants.iter().map(|variant| self::variant(document, variant, tells, nested)).collect();
    }
    let mut rows = String::new();
    members(document, schema, "", nested, 0, &mut rows);
    if rows.is_empty() {
        return format!("<p>{}</p>", kind(document, schema));
    }
    format!("<table class=\"members\">{rows}</table>")
}

fn variant(document: &Value, variant: &Value, tells: &str, nested: Nested) -> String {
    let schema = resolved(document, variant);
    let tag = &schema["properties"][tells];
    let name = tag["const"].as_str().or(tag["examples"][0].as_str()).unwrap_or_default();
    // Of a job's kinds, what the payload is says most.
    let payload = resolved(document, &schema["properties"]["payload"]);
    let about = payload["description"].as_str().or(schema["description"].as_str()).unwrap_or_default();
    let about = about.split_inclusive(". ").next().unwrap_or_default();
    format!(
        "<details class=\"variant\"><summary><code>{}</code>: <code>{}</code> <span>{}</span></summary>{}{}</details>",
        escaped(tells),
        escaped(name),
        inline(about),
        prose(schema["description"].as_str().unwrap_or_default()),
        table(document, variant, nested)
    )
}

/// The member whose text tells the variants apart.
fn tag(variants: &[Value]) -> Option<&str> {
    let members = variants.first()?["properties"].as_object()?;
    members.iter().find(|(_, schema)| schema["const"].is_string()).map(|(name, _)| name.as_str())
}

fn members(document: &Value, schema: &Value, prefix: &str, nested: Nested, depth: usize, rows: &mut String) {
    let empty = Map::new();
    let members = schema["properties"].as_object().unwrap_or(&empty);
    let needed =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name));
    let (first, rest): (Vec<_>, Vec<_>) = members.iter().partition(|(name, _)| needed(name));
    for (name, member) in first.into_iter().chain(rest) {
        let path = format!("{prefix}{name}");
        let about = member["description"].as_str().unwrap_or_default();
        // In an answer nearly everything is always there: only requests are told what they need.
        let required = (nested == Nested::Shown).then(|| needed(name));
        rows.push_str(&row(document, &Member { name: &path, schema: member, about, required, depth }));
        let inner = resolved(document, member);
        if nested == Nested::Shown && depth < DEEPEST && inner["properties"].is_object() {
            self::members(document, inner, &format!("{path}."), nested, depth + 1, rows);
        }
    }
}

/// A member of an object, or a parameter.
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) schema: &'a Value,
    pub(super) about: &'a str,
    /// Whether a request must have it; `None` in answers.
    pub(super) required: Option<bool>,
    pub(super) depth: usize,
}

pub(super) fn row(document: &Value, member: &Member<'_>) -> String {
    let Member { name, schema, about, required, depth } = *member;
    let mut kind = kind(document, schema);
    if required.is_some() {
        // In a request, null is as good as absent.
        kind = kind.replace(" or null", "");
    }
    if required == Some(true) {
        kind += " <b class=\"required\">required</b>";
    }
    let mut rules = rules(resolved(document, schema), schema).join(" · ");
    if !rules.is_empty() {
        rules = format!("<p class=\"rules\">{rules}</p>");
    }
    format!(
        "<tr class=\"d{depth}\"><th scope=\"row\"><code>{}</code></th>\
         <td><p class=\"kind\">{kind}</p>{}{rules}</td></tr>",
        escaped(name).replace('.', ".<wbr>").replace('_', "_<wbr>"),
        prose(about),
    )
}

/// What a value is, in a few words.
pub(super) fn kind(document: &Value, schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|at| at.rsplit('/').next()) {
        let target = resolved(document, schema);
        return match is_request(name) {
            true if target["enum"].is_array() => "one of".to_owned(),
            true => "object".to_owned(),
            false => format!("<a href=\"#{}\">{}</a>", place(name), escaped(name)),
        };
    }
    for union in ["anyOf", "oneOf"] {
        if let Some(variants) = schema[union].as_array() {
            let kinds: Vec<_> = variants.iter().map(|variant| kind(document, variant)).collect();
            return kinds.join(" or ");
        }
    }
    if let Some(value) = schema.get("const") {
        return format!("<code>{}</code>", escaped(&value.to_string()));
    }
    match &schema["type"] {
        Value::Array(types) => {
            let kinds: Vec<_> =
                types.iter().filter_map(Value::as_str).map(|name| plain(document, schema, name)).collect();
            kinds.join(" or ")
        }
        Value::String(name) => plain(document, schema, name),
        _ => "anything".to_owned(),
    }
}

fn plain(document: &Value, schema: &Value, name: &str) -> String {
    match name {
        "array" => format!("array of {}", kind(document, &schema["items"])),
        "object" => match schema.get("additionalProperties").filter(|values| values.is_object()) {
            Some(values) => format!("object of {}", kind(document, values)),
            None => "object".to_owned(),
        },
        "string" => match schema["format"].as_str() {
            Some("date-time") => "time".to_owned(),
            Some("uri") => "URL".to_owned(),
            _ if schema["enum"].is_array() => "one of".to_owned(),
            _ => "string".to_owned(),
        },
        name => escaped(name),
    }
}

/// What a value must be beyond its type. `own` has what is said of it only in this place.
fn rules(schema: &Value, own: &Value) -> Vec<String> {
    let number = |name: &str| schema.get(name).filter(|limit| limit.is_number());
    let mut rules = Vec::new();
    if let Some(values) = schema["enum"].as_array() {
        let values = values.iter().filter_map(Value::as_str).map(|value| format!("<code>{}</code>", escaped(value)));
        rules.push(values.collect::<Vec<_>>().join(" "));
    }
    let mut between = |least: Option<&Value>, most: Option<&Value>, unit: &str| match (least, most) {
        (Some(least), Some(most)) => rules.push(format!("{least} to {most}{unit}")),
        // That a count is not negative is not worth a word.
        (Some(least), None) if *least != 0 => rules.push(format!("at least {least}{unit}")),
        (None, Some(most)) => rules.push(format!("at most {most}{unit}")),
        _ => {}
    };
    // The range of a type is no rule.
    let worth = |limit: &&Value| limit.as_f64().is_some_and(|limit| limit.abs() < TYPES);
    between(number("minimum").filter(worth), number("maximum").filter(worth), "");
    between(number("minLength"), number("maxLength"), " characters");
    between(number("minItems"), number("maxItems"), " entries");
    between(number("minProperties"), number("maxProperties"), " entries");
    if let Some(example) = schema["examples"][0].as_str() {
        rules.push(format!("for example <code>{}</code>", escaped(example)));
    }
    let default = own.get("default").or_else(|| schema.get("default"));
    let said = default
        .filter(|value| value.is_number() || value.is_boolean() || value.as_str().is_some_and(|text| !text.is_empty()));
    if let Some(default) = said {
        rules.push(format!("<code>{}</code> where absent", escaped(&default.to_string())));
    }
    rules
}

/// The schema, or the one that it refers to.
pub(super) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let at = schema["$ref"].as_str().and_then(|at| at.strip_prefix('#'));
    at.and_then(|at| document.pointer(at)).unwrap_or(schema)
}
