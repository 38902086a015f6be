//! A line for the shell that makes an operation's request.

use serde_json::Value;

use super::json;

/// The request with this body as it is pasted into a shell. Ids are variables, set before.
pub(super) fn line(method: &str, path: &str, operation: &Value, body: Option<&Value>) -> String {
    let mut variables = String::new();
    let mut target = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (Some(name), Some(place)) = (parameter["name"].as_str(), parameter["in"].as_str()) else { continue };
        let schema = &parameter["schema"];
        let example = schema["examples"][0].as_str().or_else(|| parameter["example"].as_str()).unwrap_or_default();
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
            line("POST", "/x", &operation, Some(&json!({"a": "it's"}))),
            r#"curl -sS "$GOLDEN_SERVER/x" \
  -H "Authorization: Bearer $GOLDEN_TOKEN" \
  -H 'Content-Type: application/json' \
  -d '{"a": "it'\''s"}'"#
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
            let line = line(method, "/x", &json!({}), body.as_ref());
            assert_eq!(line.contains(&format!("-X {method}")), told, "{line}");
        }
    }
}
