//! The check before every handler: may this caller do what the route does, and not too often?

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    app::App,
    auth::Grant,
    limits::{Standing, address},
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

pub(crate) async fn guard(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let open = gate.needs == Permission::Probe || gate.needs == Permission::Scrape && is_local(&request);
    if open {
        return next.run(request).await;
    }
    let caller = gate.caller(request.headers());
    let standing = gate.count(&request, &caller);
    let mut response = match gate.admit(caller, standing.as_ref()) {
        Ok(grant) => {
            if let Some(grant) = grant {
                request.extensions_mut().insert(Caller(grant));
            }
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    if let Some(standing) = standing {
        response.extensions_mut().insert(standing);
    }
    response
}

/// Why a request counts as anonymous.
enum Stranger {
    /// It shows no token.
    Silent,
    /// It shows one that does not count.
    Refused(String),
}

impl Gate {
    fn caller(&self, headers: &HeaderMap) -> Result<Grant, Stranger> {
        let refused = |why: &str| Stranger::Refused(why.to_owned());
        let mut authorizations = headers.get_all(header::AUTHORIZATION).into_iter();
        let authorization = authorizations.next().ok_or(Stranger::Silent)?;
        // A proxy in between may have looked at the other one.
        if authorizations.next().is_some() {
            return Err(refused("there is more than one Authorization header"));
        }
        let token = bearer(authorization).ok_or_else(|| refused("the Authorization header is not `Bearer TOKEN`"))?;
        self.app.auth.verify(token).map_err(|why| refused(&why.to_string()))
    }

    fn count(&self, request: &Request, caller: &Result<Grant, Stranger>) -> Option<Standing> {
        let limits = self.app.limits.as_ref()?;
        Some(match caller {
            Ok(grant) => limits.caller(grant),
            Err(_) => {
                let proxies = self.app.options.trusted_proxies;
                limits.anonymous(address::client(peer(request), request.headers(), proxies))
            }
        })
    }

    /// Whom the request goes on for, `None` being anybody.
    fn admit(&self, caller: Result<Grant, Stranger>, standing: Option<&Standing>) -> Result<Option<Grant>, Problem> {
        if let Ok(grant) = &caller {
            tracing::Span::current().record("tenant", grant.tenant.as_str());
        }
        if let Some(standing) = standing {
            let because = match &caller {
                Err(Stranger::Refused(why)) => Some(why.as_str()),
                _ => None,
            };
            if let Some(problem) = standing.refused(because) {
                self.app.metrics.rate_limited.with_label_values(&[standing.policy(), &self.route]).inc();
                return Err(problem);
            }
        }
        let Some(least) = self.needs.least() else { return Ok(caller.ok()) };
        let denied = |role: &str| self.app.metrics.permission_denied.with_label_values(&[role, &self.route]).inc();
        match caller {
            Ok(grant) if grant.role >= least => Ok(Some(grant)),
            Ok(grant) => {
                denied(grant.role.as_str());
                let detail =
                    format!("{} needs the role {least} or above, and the token's is {}", self.route, grant.role);
                Err(Problem::new(Code::Forbidden, detail))
            }
            Err(stranger) => {
                denied("anonymous");
                Err(match stranger {
                    Stranger::Silent => challenge("Bearer realm=\"golden\"", "there is no Authorization header"),
                    Stranger::Refused(why) => invalid_token(&why),
                })
            }
        }
    }
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
    peer(request).is_some_and(|peer| peer.to_canonical().is_loopback()) && !is_forwarded(request.headers())
}

fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}

/// The token of a request, as the guard let it in.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    bearer(headers.get(header::AUTHORIZATION)?)
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
