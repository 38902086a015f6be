//! JSON Schemas of the types that requests and answers are made of.

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, transform::transform_subschemas};
use serde_json::{Map, Value};
use utoipa::openapi::{
    RefOr, Schema as OpenApiSchema,
    extensions::Extensions,
    schema::{ObjectBuilder, SchemaType},
};

/// Where the document has its schemas.
const COMPONENTS: &str = "/components/schemas";

/// Gathers schemas. A type may be read otherwise than it is written (what has a default may be
/// left out of a request, and is never left out of an answer), so there are two generators.
pub(crate) struct Schemas {
    accepted: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12()
                .with(|settings| settings.definitions_path = COMPONENTS.into())
                .with_transform(plain)
        };
        Self {
            accepted: settings().for_deserialize().into_generator(),
            answered: settings().for_serialize().into_generator(),
        }
    }
}

impl Schemas {
    /// What a request must be to be read as a `T`.
    pub(crate) fn accepted<T: JsonSchema>(&mut self) -> Value {
        subschema::<T>(&mut self.accepted)
    }

    /// How a `T` is written in an answer.
    pub(crate) fn answered<T: JsonSchema>(&mut self) -> Value {
        subschema::<T>(&mut self.answered)
    }

    /// The members of a `T` in a query string: name, whether it must be there, and its schema.
    pub(crate) fn members<T: JsonSchema>(&mut self) -> Vec<(String, bool, Value)> {
        let mut schema = T::json_schema(&mut self.accepted);
        plain(&mut schema);
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(Value::Object(members)) = schema.remove("properties") else { return Vec::new() };
        let member = |(name, schema): (String, Value)| {
            let needed = required.iter().any(|required| *required == name);
            (name, needed, not_null(schema))
        };
        members.into_iter().map(member).collect()
    }

    /// Everything that was referred to, by name.
    pub(crate) fn into_components(mut self) -> Map<String, Value> {
        let mut components = self.answered.take_definitions(true);
        for (name, schema) in self.accepted.take_definitions(true) {
            match components.get(&name) {
                Some(other) if *other != schema => {
                    unreachable!("{name} is read otherwise than it is written: give requests a type of their own")
                }
                _ => drop(components.insert(name, schema)),
            }
        }
        components
    }
}

fn subschema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    let mut schema = generator.subschema_for::<T>();
    plain(&mut schema);
    schema.to_value()
}

/// A JSON Schema as it is, among utoipa's types. Its own schema types know only some keywords;
/// what they call extensions is written beside them, whatever its name.
pub(crate) fn verbatim(schema: Value) -> RefOr<OpenApiSchema> {
    let keywords = match schema {
        Value::Object(keywords) => Extensions::from_iter(keywords),
        // `true`, the schema of anything: schemars writes no `false`.
        _ => Extensions::default(),
    };
    let object = ObjectBuilder::new().schema_type(SchemaType::AnyValue).extensions(Some(keywords)).build();
    RefOr::T(OpenApiSchema::Object(object))
}

/// What schemars makes of Rust, as other languages write it.
pub(super) fn plain(schema: &mut Schema) {
    transform_subschemas(&mut plain, schema);
    plain_enum(schema);
    bounded(schema);
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = unwrapped(text);
    }
}

/// A doc comment's text without the line breaks of the code: only empty lines and lists break.
fn unwrapped(text: &str) -> String {
    let mut lines = text.lines();
    let mut unwrapped = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        let breaks = line.is_empty() || line.starts_with("- ") || unwrapped.ends_with('\n');
        unwrapped.push(if breaks { '\n' } else { ' ' });
        unwrapped.push_str(line);
    }
    unwrapped
}

/// The range of Rust's integers, where no rule is narrower: formats are only words.
fn bounded(schema: &mut Schema) {
    let (least, most): (Value, Value) = match schema.get("format").and_then(Value::as_str) {
        Some("uint16") => (0.into(), u16::MAX.into()),
        Some("uint32") => (0.into(), u32::MAX.into()),
        Some("uint64") => (0.into(), u64::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("int64") => (i64::MIN.into(), i64::MAX.into()),
        _ => return,
    };
    let keywords = schema.ensure_object();
    keywords.entry("minimum").or_insert(least);
    keywords.entry("maximum").or_insert(most);
}

/// A list of texts, each with what it means, as an enum that says so in its description: that
/// is what generators of clients understand.
fn plain_enum(schema: &mut Schema) {
    let Some(variants) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let mut values = Vec::new();
    let mut meanings = Vec::new();
    for variant in variants {
        match (variant.get("const"), variant.get("enum").and_then(Value::as_array)) {
            (Some(Value::String(value)), _) => {
                let meaning = variant.get("description").and_then(Value::as_str).unwrap_or_default();
                meanings.push(format!("- `{value}`: {}", meaning.replace('\n', " ")));
                values.push(Value::from(value.as_str()));
            }
            (None, Some(several)) if several.iter().all(Value::is_string) => {
                meanings.extend(several.iter().filter_map(Value::as_str).map(|value| format!("- `{value}`")));
                values.extend(several.iter().cloned());
            }
            _ => return,
        }
    }
    let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let about = format!("{about}\n\n{}", meanings.join("\n")).trim().to_owned();
    schema.remove("oneOf");
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), values.into());
    schema.insert("description".to_owned(), about.into());
}

/// A parameter is there or not; it is never null.
fn not_null(mut schema: Value) -> Value {
    let Some(keywords) = schema.as_object_mut() else { return schema };
    if let Some(Value::Array(types)) = keywords.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            keywords.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(variants)) = keywords.get_mut("anyOf") {
        variants.retain(|variant| variant.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(one)] = variants.as_slice() {
            let one = one.clone();
            keywords.remove("anyOf");
            keywords.extend(one);
        }
    }
    keywords.remove("default");
    schema
}
