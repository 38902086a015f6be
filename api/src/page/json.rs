//! JSON for readers: what a thing is comes first, and what is short stays on a line.

use serde_json::Value;

/// Members that say what an object is, in the order in which one asks.
const FIRST: [&str; 8] = ["id", "type", "kind", "name", "title", "status", "state", "payload"];
/// What fits into so many characters is not broken.
const WIDTH: usize = 60;

/// The value over as many lines as it needs, each but the first indented by `indent` spaces.
pub(super) fn pretty(value: &Value, indent: usize) -> String {
    let line = short(value);
    if line.len() + indent <= WIDTH {
        return line;
    }
    let inner = indent + 2;
    let (open, entries, close) = match value {
        Value::Object(members) => {
            let members = ordered(members).into_iter();
            ('{', members.map(|(name, value)| format!("{}: {}", quoted(name), pretty(value, inner))).collect(), '}')
        }
        Value::Array(items) => ('[', items.iter().map(|item| pretty(item, inner)).collect::<Vec<_>>(), ']'),
        _ => return line,
    };
    let margin = format!("\n{}", " ".repeat(inner));
    format!("{open}{margin}{}\n{}{close}", entries.join(&format!(",{margin}")), " ".repeat(indent))
}

fn short(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = ordered(members).into_iter();
            let members: Vec<_> = members.map(|(name, value)| format!("{}: {}", quoted(name), short(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(short).collect::<Vec<_>>().join(", ")),
        value => value.to_string(),
    }
}

fn ordered(members: &serde_json::Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = members.iter().collect();
    let place = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    members.sort_by_key(|(name, _)| place(name));
    members
}

fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_the_same_json_with_what_it_is_first() {
        let value = json!({"after": ["x".repeat(40), {"b": 1, "id": 2}, null], "kind": "noop"});
        let text = pretty(&value, 0);
        assert!(text.starts_with("{\n  \"kind\": \"noop\",\n  \"after\": [\n    \"xxx"), "{text}");
        assert!(text.contains("{\"id\": 2, \"b\": 1},\n"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
