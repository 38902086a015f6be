//! The OpenAPI 3.1 document, made from the table of routes.
//!
//! What it says of an operation comes from the one place that knows it: method, path and
//! permission from the table (`routes`), parameters, body and answer from the handler's own
//! types (`signature`), words, statuses and examples from its documentation (`doc`), and what
//! kinds take from the registry (`kinds`).
//!
//! utoipa has the document's types. The schemas in them are schemars', as everywhere else in
//! Golden, so that a payload is described by the very schema it is checked against.

use golden_jobs::Registry;
use serde_json::Value;
use utoipa::openapi::{
    ComponentsBuilder, Info, License, OpenApi, OpenApiBuilder, PathItem, Paths, Server,
    path::{HttpMethod, Operation, OperationBuilder},
    security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    tag::{Tag as OpenApiTag, TagBuilder},
};

use crate::{permission::Permission, problem::Code, routes};

mod content;
mod doc;
mod example;
mod kinds;
mod problems;
mod schemas;
mod signature;

pub(crate) use doc::{Answer, Doc, Tag};
pub(crate) use signature::{Signature, Sketch};

use schemas::Schemas;

const BEARER: &str = "bearer";

const ABOUT: &str = "Golden turns HTTP requests into typed jobs, runs them, and calls you back when they end.

Requests and answers are JSON in UTF-8; times are RFC 3339 in UTC; durations are numbers of seconds. Lists \
answer `{data, next_cursor}`: pass `next_cursor` as `cursor` for the next page. What belongs to another tenant is \
answered as if it did not exist.

Every answer has an `x-request-id`, the one that the request sent if it did. Every error is an RFC 9457 problem \
(`application/problem+json`) whose `code` is stable and whose `type` leads to its page.

Requests are limited by role within every minute. Every limited answer says where its caller stands, in \
`RateLimit-Policy: \"developer\";q=30;w=60` and `RateLimit: \"developer\";r=12;t=41`: of 30 requests in 60 seconds 12 \
are left, and in 41 seconds there will be one more.";

/// One row of the table of routes, as the document needs it.
pub(crate) struct Entry {
    pub(crate) method: HttpMethod,
    pub(crate) path: &'static str,
    pub(crate) needs: Permission,
    /// The handler's module and name, for example `jobs_list`: what generated clients call it.
    pub(crate) id: &'static str,
    pub(crate) tag: Tag,
    pub(crate) doc: Doc,
    /// Reads the handler's types.
    pub(crate) signature: fn(&mut Sketch<'_>),
}

/// The document of an API with these kinds, its members in the order of the alphabet.
pub fn document(registry: &Registry) -> Value {
    serde_json::to_value(assembled(registry)).unwrap_or_default()
}

fn assembled(registry: &Registry) -> OpenApi {
    let mut schemas = Schemas::default();
    let mut paths = Paths::new();
    let mut tags: Vec<OpenApiTag> = Vec::new();
    for entry in routes::entries() {
        let tag = TagBuilder::new().name(entry.tag.name).description(Some(entry.tag.about)).build();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        let (path, method) = (entry.path, entry.method.clone());
        let item = PathItem::new(method, operation(entry, &mut schemas));
        match paths.paths.get_mut(path) {
            Some(known) => known.merge_operations(item),
            None => drop(paths.paths.insert(path.to_owned(), item)),
        }
    }
    problems::describe(&mut schemas);
    let mut components = schemas.into_components();
    kinds::describe(registry, &mut components);
    example::fill(&mut paths, &components);
    let components = components.into_iter().map(|(name, schema)| (name, schemas::verbatim(schema)));

    let mut info = Info::new("Golden", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    info.license = Some(license);
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new("/")]))
        .tags(Some(tags))
        .paths(paths)
        .components(Some(
            ComponentsBuilder::new()
                .schemas_from_iter(components)
                .security_scheme(BEARER, bearer())
                .responses_from_iter(problems::components())
                .build(),
        ))
        .build()
}

fn operation(entry: Entry, schemas: &mut Schemas) -> Operation {
    let Entry { path, needs, id, tag, doc, signature, .. } = entry;
    let mut sketch = Sketch::new(path, schemas);
    signature(&mut sketch);
    let Sketch { mut parameters, body, answer, mut problems, .. } = sketch;

    problems.extend(standing(needs));
    problems.extend(&doc.problems);
    parameters.extend(doc.headers.iter().map(content::Header::parameter));
    let mut operation = OperationBuilder::new()
        .operation_id(Some(id))
        .tag(tag.name)
        .summary(Some(doc.summary))
        .description(Some(format!("{}\n\n{}", doc.description, asks(needs)).trim_start()))
        .parameters(Some(parameters))
        .request_body((!body.is_empty()).then(|| content::request(body, &doc.examples)));
    for (status, response) in content::answers(doc.answers, answer, schemas) {
        operation = operation.response(status, response);
    }
    for (status, response) in problems::responses(&problems) {
        operation = operation.response(status, response);
    }
    for requirement in security(needs) {
        operation = operation.security(requirement);
    }
    operation.build()
}

/// The problems that a route can meet because of whom it asks for, or because it is a route.
fn standing(needs: Permission) -> Vec<Code> {
    match needs {
        Permission::Probe => vec![Code::Internal],
        Permission::Anybody => vec![Code::RateLimited, Code::Internal],
        _ => vec![
            Code::Unauthenticated,
            Code::Forbidden,
            Code::TenantSuspended,
            Code::RateLimited,
            Code::StoreUnavailable,
            Code::KeysUnavailable,
            Code::Internal,
        ],
    }
}

fn asks(needs: Permission) -> String {
    match (needs, needs.least()) {
        (Permission::Scrape, Some(least)) => {
            format!("Open to callers on the server's own machine; others need a token of the role `{least}` or above.")
        }
        (_, Some(least)) => format!("Needs a token of the role `{least}` or above."),
        (Permission::Probe, _) => "Needs no token, and is never limited.".to_owned(),
        (_, None) => "Needs no token.".to_owned(),
    }
}

fn security(needs: Permission) -> Vec<SecurityRequirement> {
    let bearer = SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, []);
    match needs {
        Permission::Probe | Permission::Anybody => Vec::new(),
        Permission::Scrape => vec![SecurityRequirement::default(), bearer],
        _ => vec![bearer],
    }
}

fn bearer() -> SecurityScheme {
    let mut http = Http::new(HttpAuthScheme::Bearer);
    http.bearer_format = Some("JWT".to_owned());
    http.description = Some(
        "A JWT with the claims `tenant`, `role` and `exp`; `golden token mint` makes one, and `golden dev` prints one."
            .to_owned(),
    );
    SecurityScheme::Http(http)
}
