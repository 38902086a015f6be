//! The check before every handler: does this caller have what the route asks?

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    middleware::Next,
    response::Response,
};

use crate::{
    app::App,
    auth::Grant,
    permission::Permission,
    problem::{Code, Problem},
};

/// What one route asks.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) app: Arc<App>,
    pub(crate) needs: Permission,
    /// The route's name in metrics, for example `POST /v1/jobs`.
    pub(crate) route: Arc<str>,
}

pub(crate) async fn guard(State(gate): State<Gate>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let Some(least) = gate.needs.least() else { return Ok(next.run(request).await) };
    if gate.needs == Permission::Scrape && is_local(&request) {
        return Ok(next.run(request).await);
    }
    let denied = |role: &str| gate.app.metrics.permission_denied.with_label_values(&[role, &gate.route]).inc();
    let mut authorizations = request.headers().get_all(header::AUTHORIZATION).into_iter();
    let Some(authorization) = authorizations.next() else {
        denied("anonymous");
        return Err(challenge("Bearer realm=\"golden\"", "there is no Authorization header"));
    };
    // A proxy in between may have looked at the other one.
    if authorizations.next().is_some() {
        return Err(invalid_token("there is more than one Authorization header"));
    }
    let grant = match bearer(authorization) {
        Some(token) => gate.app.auth.verify(token).map_err(|refused| invalid_token(&refused.to_string()))?,
        None => return Err(invalid_token("the Authorization header is not `Bearer TOKEN`")),
    };
    tracing::Span::current().record("tenant", grant.tenant.as_str());
    if grant.role < least {
        denied(grant.role.as_str());
        let detail = format!("{} needs the role {least} or above, and the token's is {}", gate.route, grant.role);
        return Err(Problem::new(Code::Forbidden, detail));
    }
    request.extensions_mut().insert(Caller(grant));
    Ok(next.run(request).await)
}

/// The caller, as the guard let it in.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) Grant);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    /// Without a guard before it, a handler that asks for its caller answers nobody.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| challenge("Bearer realm=\"golden\"", "nobody is known to be calling"))
    }
}

/// Whether the request was made on this machine, and not passed on by a proxy that is.
fn is_local(request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback()) && !is_forwarded(request.headers())
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}

fn bearer(authorization: &HeaderValue) -> Option<&str> {
    let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// RFC 6750, section 3.1.
fn invalid_token(why: &str) -> Problem {
    challenge("Bearer realm=\"golden\", error=\"invalid_token\"", why)
}

fn challenge(value: &'static str, detail: &str) -> Problem {
    Problem::new(Code::Unauthenticated, detail).header(header::WWW_AUTHENTICATE, HeaderValue::from_static(value))
}
