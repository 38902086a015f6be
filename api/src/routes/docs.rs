//! `/openapi.json`, `/docs`, and what the `type` of a problem resolves to.

use std::sync::{Arc, LazyLock};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    app::App,
    cursor::List,
    page,
    problem::{Code, Problem},
    query::Id,
};

pub(super) mod doc;

const HTML: &str = "text/html; charset=utf-8";

/// Nothing from anywhere, and no scripts: the one style is the one with this hash.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(page::STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
});

pub(super) async fn openapi(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.documents().openapi.clone()).into_response()
}

pub(super) async fn index(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    html(app.documents().page.at(&page::server(&headers)))
}

/// A kind of problem.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProblemPage", example = ProblemPage::from(Code::NotFound))]
struct ProblemPage {
    code: &'static str,
    /// The status of answers with it.
    status: u16,
    title: &'static str,
    /// What to do about it.
    remedy: &'static str,
}

impl From<Code> for ProblemPage {
    fn from(code: Code) -> Self {
        Self { code: code.as_str(), status: code.status().as_u16(), title: code.title(), remedy: code.remedy() }
    }
}

pub(super) async fn problems(headers: HeaderMap) -> Response {
    if wants_html(&headers) {
        return html(page::problems());
    }
    varying(Json(List::whole(Code::ALL.iter().map(|code| ProblemPage::from(*code)).collect())).into_response())
}

pub(super) async fn problem(headers: HeaderMap, Id(name): Id<String>) -> Result<Response, Problem> {
    let code = Code::ALL.iter().copied().find(|code| code.as_str() == name);
    let code = code.ok_or_else(|| Problem::not_found("problem"))?;
    Ok(match wants_html(&headers) {
        true => html(page::problem(code)),
        false => varying(Json(ProblemPage::from(code)).into_response()),
    })
}

/// Browsers name HTML; programs take anything, or name JSON.
fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| range.trim().starts_with("text/html"))
}

fn html(page: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HTML),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ];
    varying((headers, page).into_response())
}

fn varying(mut response: Response) -> Response {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}
