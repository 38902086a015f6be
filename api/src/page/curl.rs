//! A line for the shell that makes an operation's request.

use serde_json::Value;

use super::{json, schema};

/// The request with this body as it is pasted into a shell. Ids are variables, set before.
pub(super) fn line(document: &Value, method: &str, path: &str, operation: &Value, body: Option<&Value>) -> String {
    let mut variables = String::new();
    let mut target = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (Some(name), Some(place)) = (parameter["name"].as_str(), parameter["in"].as_str()) else { continue };
        let example = example(document, parameter);
        match place {
            "path" => {
                let variable = name.to_ascii_uppercase();
                variables += &format!("{variable}={example}\n");
                target = target.replace(&format!("{{{name}}}"), &format!("${variable}"));
            }
            "query" if parameter["required"] == true => query.push(format!("{name}={example}")),
            _ => {}
        }
    }
    if !query.is_empty() {
        target = format!("{target}?{}", query.join("&"));
    }
    let mut line = format!("{variables}curl -sS \"$GOLDEN_SERVER{target}\"");
    // What curl takes it for without being told.
    let implied = if body.is_some() { "POST" } else { "GET" };
    if method != implied {
        line += &format!(" \\\n  -X {method}");
    }
    if operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty()) {
        line += " \\\n  -H \"Authorization: Bearer $GOLDEN_TOKEN\"";
    }
    if let Some(body) = body {
        line += &format!(" \\\n  -H 'Content-Type: application/json' \\\n  -d {}", quoted(&json::pretty(body, 2)));
    }
    line
}

/// What a parameter may be, so that the line works as it stands where nothing of one's own is asked for: its example, the
/// first word of a closed list, or the least number.
fn example(document: &Value, parameter: &Value) -> String {
    let schema = schema::resolved(document, &parameter["schema"]);
    let least = schema["minimum"].as_u64().map(|least| Value::from(least.max(1)));
    let examples =
        [&schema["examples"][0], &parameter["example"], &schema["enum"][0]].into_iter().cloned().chain(least);
    match examples.into_iter().find(|example| !example.is_null()) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// A text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_quote_in_a_body_stays_a_quote() {
        let operation = json!({"security": [{"bearer": []}]});
        assert_eq!(
            line(&Value::Null, "POST", "/x", &operation, Some(&json!({"a": "it's"}))),
            r#"curl -sS "$GOLDEN_SERVER/x" \
  -H "Authorization: Bearer $GOLDEN_TOKEN" \
  -H 'Content-Type: application/json' \
  -d '{"a": "it'\''s"}'"#
        );
    }

    #[test]
    fn variables_have_a_value_where_there_is_one() {
        let document = json!({"components": {"schemas": {"Role": {"enum": ["architect", "developer"]}}}});
        let parameter = |name, schema| json!({"name": name, "in": "path", "schema": schema});
        let operation = json!({"parameters": [
            parameter("id", json!({"examples": ["job_1"]})),
            parameter("role", json!({"$ref": "#/components/schemas/Role"})),
            parameter("version", json!({"type": "integer", "minimum": 0})),
            parameter("name", json!({"type": "string"})),
        ]});
        let line = line(&document, "GET", "/x/{id}/{role}/{version}/{name}", &operation, None);
        assert_eq!(
            line,
            "ID=job_1\nROLE=architect\nVERSION=1\nNAME=\ncurl -sS \"$GOLDEN_SERVER/x/$ID/$ROLE/$VERSION/$NAME\""
        );
    }

    #[test]
    fn curl_is_told_the_method_that_it_would_not_guess() {
        for (method, body, told) in [
            ("GET", None, false),
            ("POST", Some(json!({})), false),
            ("POST", None, true),
            ("PATCH", Some(json!({})), true),
            ("DELETE", None, true),
        ] {
            let line = line(&Value::Null, method, "/x", &json!({}), body.as_ref());
            assert_eq!(line.contains(&format!("-X {method}")), told, "{line}");
        }
    }
}
