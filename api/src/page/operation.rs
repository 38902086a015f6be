//! One operation on the page: what it is on the left, what it looks like on the right.

use serde_json::Value;

use super::{
    curl, json, schema,
    text::{escaped, inline, prose},
};
use crate::problem::{Code, MEDIA_TYPE};

/// The operation as an article whose anchor is its id.
pub(super) fn article(document: &Value, method: &str, path: &str, operation: &Value) -> String {
    let text = |name: &str| operation[name].as_str().unwrap_or_default();
    let body = &operation["requestBody"]["content"]["application/json"];
    let mut html = format!(
        "<article id=\"{id}\"><div class=\"what\"><h3><a href=\"#{id}\">{}</a></h3>\
         <p class=\"route\"><span class=\"method\">{method}</span> <code>{}</code></p>{}",
        escaped(text("summary")),
        escaped(path).replace('/', "/<wbr>"),
        prose(text("description")),
        id = text("operationId"),
    );
    html += &parameters(document, operation);
    if body.is_object() {
        html += &format!("<h4>Body</h4>{}", schema::table(document, &body["schema"], schema::Nested::Shown));
    }
    html += &answers(document, operation);
    html += "</div><div class=\"shown\">";
    let examples = examples(body);
    if examples.is_empty() {
        html += &paste(None, &curl::line(document, method, path, operation, None));
    }
    for (title, example) in examples {
        html += &paste(title, &curl::line(document, method, path, operation, Some(example)));
    }
    html += &answered(document, operation);
    html + "</div></article>"
}

fn paste(title: Option<&str>, line: &str) -> String {
    let title = title.map(|title| format!("<figcaption>{}</figcaption>", inline(title))).unwrap_or_default();
    format!("<figure>{title}<pre class=\"paste\"><code>{}</code></pre></figure>", escaped(line))
}

fn parameters(document: &Value, operation: &Value) -> String {
    let mut html = String::new();
    for (place, title) in [("path", "In the path"), ("query", "In the query"), ("header", "Headers")] {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let rows: String = parameters
            .filter(|parameter| parameter["in"] == place)
            .map(|parameter| {
                let text = |key: &str| parameter[key].as_str().unwrap_or_default();
                let required = Some(parameter["required"] == true && place != "path");
                let (name, about, schema) = (text("name"), text("description"), &parameter["schema"]);
                schema::row(document, &schema::Member { name, schema, about, required, depth: 0 })
            })
            .collect();
        if !rows.is_empty() {
            html += &format!("<h4>{title}</h4><table class=\"members\">{rows}</table>");
        }
    }
    html
}

/// What it answers, and the problems it can meet.
fn answers(document: &Value, operation: &Value) -> String {
    let mut rows = String::new();
    let mut problems = String::new();
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let answer = schema::resolved(document, answer);
        if let Some(codes) = codes(answer) {
            problems.extend(codes.map(|code| problem(status, code)));
            continue;
        }
        let kinds = answer["content"].as_object().into_iter().flatten();
        let kinds = kinds.map(|(media, content)| match media.as_str() {
            "application/json" => schema::kind(document, &content["schema"]),
            media => format!("<code>{}</code>", escaped(media.split(';').next().unwrap_or_default())),
        });
        let kinds: Vec<_> = kinds.collect();
        rows += &format!(
            "<tr><td>{}</td><td>{}</td><td>{}{}</td></tr>",
            badge(status),
            kinds.join(" or "),
            inline(answer["description"].as_str().unwrap_or_default()),
            headers(answer),
        );
    }
    format!("<h4>Answers</h4><table class=\"answers\">{rows}</table><p class=\"problems\">Problems: {problems}</p>")
}

fn headers(answer: &Value) -> String {
    let headers = answer["headers"].as_object().into_iter().flatten();
    let headers: String = headers
        .map(|(name, header)| {
            let about = header["description"].as_str().unwrap_or_default();
            format!("<li><code>{}</code>: {}</li>", escaped(name), inline(about))
        })
        .collect();
    if headers.is_empty() { headers } else { format!("<ul>{headers}</ul>") }
}

fn problem(status: &str, code: &str) -> String {
    let title = Code::ALL.iter().find(|known| known.as_str() == code).map_or("", |code| code.title());
    format!("<a href=\"/docs/problems/{0}\" title=\"{1}\">{status} {0}</a> ", escaped(code), escaped(title))
}

/// The bodies of its answers.
fn answered(document: &Value, operation: &Value) -> String {
    let answers = operation["responses"].as_object().into_iter().flatten();
    let answers = answers.map(|(status, answer)| (status, schema::resolved(document, answer)));
    let mut html = String::new();
    for (status, answer) in answers.filter(|(_, answer)| codes(answer).is_none()) {
        for (media, content) in answer["content"].as_object().into_iter().flatten().take(1) {
            for (_, example) in examples(content) {
                let example = match example {
                    Value::String(text) if !media.contains("json") => text.clone(),
                    value => json::pretty(value, 0),
                };
                html += &format!(
                    "<figure><details><summary>{} with a body like this</summary><pre><code>{}</code></pre></details></figure>",
                    badge(status),
                    escaped(&example)
                );
            }
        }
    }
    html
}

fn badge(status: &str) -> String {
    format!("<span class=\"status s{}\">{}</span>", &status[..1], escaped(status))
}

/// The examples of a body, with their titles.
fn examples(content: &Value) -> Vec<(Option<&str>, &Value)> {
    let many = content["examples"].as_object().into_iter().flatten();
    let many = many.map(|(_, example)| (example["summary"].as_str(), &example["value"]));
    many.chain(content.get("example").map(|example| (None, example))).collect()
}

fn codes(answer: &Value) -> Option<impl Iterator<Item = &str>> {
    let schema = answer["content"].get(MEDIA_TYPE)?;
    let codes = schema["schema"]["properties"]["code"]["enum"].as_array();
    Some(codes.into_iter().flatten().filter_map(Value::as_str))
}
