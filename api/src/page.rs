//! The pages under `/docs`: the OpenAPI document and the problems, readable in a browser.
//!
//! Plain HTML with its style in it, rendered here: no scripts, nothing from other servers, and one
//! request a page, since anonymous ones are few.

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};
use golden_jobs::Registry;
use serde_json::Value;

use crate::{openapi, problem::Code, routes::routes};

mod curl;
mod json;
mod operation;
mod schema;
mod text;

use text::{anchor, escaped, inline, prose};

/// The style of every page, which is allowed by its hash.
pub(crate) const STYLE: &str = include_str!("page/style.css");

/// Where the address of the server goes in a page that is kept.
const SERVER: &str = "\u{0}server\u{0}";

/// The OpenAPI document of one intake, for programs and for people.
pub(crate) struct Documents {
    pub(crate) openapi: Bytes,
    pub(crate) page: Page,
}

impl Documents {
    pub(crate) fn of(registry: &Registry) -> Self {
        let document = openapi::document(registry);
        Self { openapi: format!("{document:#}\n").into(), page: Page(index(&document)) }
    }
}

/// A page that names the server it is read from.
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn at(&self, server: &str) -> String {
        self.0.replace(SERVER, &escaped(server))
    }
}

/// The address that the reader used, as far as it can be told and shown.
pub(crate) fn server(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST.as_str()).filter(|host| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte))
    });
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    format!("{scheme}://{}", host.unwrap_or("localhost:8000"))
}

fn index(document: &Value) -> String {
    let mut nav = String::new();
    let mut main = format!("<header><h1>Golden API</h1>{}</header>", introduction(document));
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = tag["name"].as_str().unwrap_or_default();
        let about = tag["description"].as_str().unwrap_or_default();
        let (mut links, mut articles) = (String::new(), String::new());
        // The table of routes has the order that is meant for readers.
        for (method, path) in routes() {
            let operation = &document["paths"][path][method.to_ascii_lowercase()];
            if operation["tags"][0] == *name {
                let [id, summary] = ["operationId", "summary"].map(|key| operation[key].as_str().unwrap_or_default());
                links += &format!("<li><a href=\"#{id}\">{}</a></li>", escaped(summary));
                articles += &operation::article(document, method, path, operation);
            }
        }
        let (id, name) = (anchor(name), escaped(name));
        nav += &format!("<li><a href=\"#{id}\">{name}</a><ul>{links}</ul></li>");
        main += &format!("<section id=\"{id}\"><h2>{name}</h2>{}{articles}</section>", prose(about));
    }
    nav += "<li><a href=\"#schemas\">Schemas</a></li><li><a href=\"/docs/problems\">Problems</a></li>";
    main += &format!("<section id=\"schemas\"><h2>Schemas</h2>{}</section>", schema::all(document));
    page("Golden API", &format!("<ul>{nav}</ul>"), &main)
}

fn introduction(document: &Value) -> String {
    let about = document["info"]["description"].as_str().unwrap_or_default();
    let version = document["info"]["version"].as_str().unwrap_or_default();
    format!(
        "<p class=\"version\">Version {} · <a href=\"/openapi.json\">OpenAPI 3.1</a> · \
         <a href=\"/docs/problems\">Problems</a></p>{}\
         <p>The lines to paste below take the server and your token from the environment \
         (<code>golden dev</code> prints such a line, with a token in it):</p>\
         <pre class=\"paste\"><code>export GOLDEN_SERVER={SERVER} GOLDEN_TOKEN=…</code></pre>",
        escaped(version),
        prose(about),
    )
}

/// The page of every problem.
pub(crate) fn problems() -> String {
    let rows: String = Code::ALL
        .iter()
        .map(|code| {
            format!(
                "<tr><td>{}</td><td><a href=\"{}\"><code>{}</code></a></td><td>{}</td></tr>",
                code.status().as_u16(),
                code.page(),
                code.as_str(),
                escaped(code.title())
            )
        })
        .collect();
    let main = format!(
        "<h1>Problems</h1><p>Every error is <a href=\"https://www.rfc-editor.org/rfc/rfc9457\" rel=\"noreferrer\">RFC 9457</a>’s \
         <code>application/problem+json</code>. Its <code>code</code> is one of these, and stays the same over \
         versions.</p><table><thead><tr><th>Status</th><th>Code</th><th>What it is</th></tr></thead>\
         <tbody>{rows}</tbody></table>"
    );
    page("Problems – Golden API", BACK, &main)
}

/// The page of one problem.
pub(crate) fn problem(code: Code) -> String {
    let main = format!(
        "<h1>{}</h1><p><span class=\"status s{}\">{}</span> <code>{}</code></p><p>{}</p>",
        escaped(code.title()),
        code.status().as_u16() / 100,
        escaped(&code.status().to_string()),
        code.as_str(),
        inline(code.remedy()),
    );
    page(&format!("{} – Golden API", code.title()), BACK, &main)
}

const BACK: &str = "<ul><li><a href=\"/docs\">Golden API</a></li><li><a href=\"/docs/problems\">Problems</a></li></ul>";

fn page(title: &str, nav: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head>\
         <body><nav aria-label=\"Contents\">{nav}</nav><main>{main}</main></body></html>\n",
        escaped(title)
    )
}
