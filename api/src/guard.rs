//! The check before every handler: may this caller do what the route does, and not too often?

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    app::App,
    auth::{Grant, Refused, Verified},
    limits::{Standing, address},
    permission::{CallerRole, Permission},
    problem::{Code, Problem},
};

/// The role of whoever shows no token, in metrics.
const ANONYMOUS: &str = "anonymous";

/// What one route asks.
#[derive(Clone)]
pub(crate) struct Gate {
    app: Arc<App>,
    needs: Permission,
    /// The route's name in metrics, for example `POST /v1/jobs`.
    route: Arc<str>,
    /// Whether it changes something.
    writes: bool,
}

impl Gate {
    /// Its denials are counted from the start: a rate over a counter that comes to be with its first count misses
    /// that count.
    pub(crate) fn new(app: Arc<App>, needs: Permission, route: Arc<str>) -> Self {
        if let Some(least) = needs.least() {
            let below = CallerRole::ALL.into_iter().filter(|role| *role < least).map(CallerRole::as_str);
            for role in below.chain([ANONYMOUS]) {
                app.metrics.permission_denied.with_label_values(&[role, &route]);
            }
        }
        let writes = !route.starts_with("GET ");
        Self { app, needs, route, writes }
    }
}

pub(crate) async fn guard(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let open = gate.needs == Permission::Probe || gate.needs == Permission::Scrape && is_local(&request);
    if open {
        return next.run(request).await;
    }
    let caller = gate.caller(request.headers()).await;
    let address = gate.address(&request);
    let standing = gate.count(address, &caller).await;
    let admitted = match gate.admit(caller, standing.as_ref()) {
        Ok(Some(caller)) => gate.serve(&caller).await.map(|()| Some(caller)),
        other => other,
    };
    let mut response = match admitted {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
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
    /// It shows one, and there are no keys yet that could tell.
    Unverified,
}

impl Gate {
    async fn caller(&self, headers: &HeaderMap) -> Result<Verified, Stranger> {
        let refused = |why: &str| Stranger::Refused(why.to_owned());
        let mut authorizations = headers.get_all(header::AUTHORIZATION).into_iter();
        let authorization = authorizations.next().ok_or(Stranger::Silent)?;
        // A proxy in between may have looked at the other one.
        if authorizations.next().is_some() {
            return Err(refused("there is more than one Authorization header"));
        }
        let token = bearer(authorization).ok_or_else(|| refused("the Authorization header is not `Bearer TOKEN`"))?;
        self.app.auth.verify(token).await.map_err(|why| match why {
            Refused::NoKeys => Stranger::Unverified,
            why => refused(&why.to_string()),
        })
    }

    /// Where a request comes from, for those who have no other name.
    fn address(&self, request: &Request) -> IpAddr {
        address::client(peer(request), request.headers(), self.app.options.trusted_proxies)
    }

    async fn count(&self, address: IpAddr, caller: &Result<Verified, Stranger>) -> Option<Standing> {
        let limits = self.app.limits.as_ref()?;
        match caller {
            Ok(_) if self.needs == Permission::Scale => None,
            Ok(caller) => Some(limits.caller(&caller.grant).await),
            // Whose fault it is not, nor is it clear whose limit it would be.
            Err(Stranger::Unverified) if self.needs.least().is_some() => None,
            Err(_) => Some(limits.anonymous(address).await),
        }
    }

    /// Whether the caller's tenant is served. While the store is away that cannot be told: then
    /// the handler says so, where it needs the store.
    async fn serve(&self, caller: &Verified) -> Result<(), Problem> {
        let tenant = &caller.grant.tenant;
        if self.needs.least().is_some() && self.app.terms.of(tenant).await.unwrap_or_default().suspended {
            return Err(Problem::new(Code::TenantSuspended, format!("the tenant {tenant} is suspended")));
        }
        Ok(())
    }

    /// Whom the request goes on for, `None` being anybody.
    fn admit(
        &self,
        caller: Result<Verified, Stranger>,
        standing: Option<&Standing>,
    ) -> Result<Option<Verified>, Problem> {
        if let Ok(caller) = &caller {
            tracing::Span::current().record("tenant", caller.grant.tenant.as_str());
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
            Ok(caller) if caller.grant.role >= least => Ok(Some(caller)),
            Ok(Verified { grant, .. }) => {
                let role = grant.role;
                denied(role.as_str());
                if self.writes {
                    self.app.denials.note(&grant, &self.route);
                }
                let detail = format!("{} needs the role {least} or above, and the token's is {role}", self.route);
                Err(Problem::new(Code::Forbidden, detail))
            }
            Err(Stranger::Unverified) => Err(keys_unavailable()),
            Err(stranger) => {
                denied(ANONYMOUS);
                Err(match stranger {
                    Stranger::Refused(why) => invalid_token(&why),
                    _ => challenge("Bearer realm=\"golden\"", "there is no Authorization header"),
                })
            }
        }
    }
}

/// The caller, as the guard let it in.
pub(crate) struct Caller(pub(crate) Grant);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    /// Without a guard before it, a handler that asks for its caller answers nobody.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Verified>();
        caller
            .map(|caller| Self(caller.grant.clone()))
            .ok_or_else(|| challenge("Bearer realm=\"golden\"", "nobody is known to be calling"))
    }
}

/// The caller, if there is one: for routes that are open to anybody.
pub(crate) struct Visitor(pub(crate) Option<Grant>);

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Verified>().map(|caller| caller.grant.clone())))
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

fn bearer(authorization: &HeaderValue) -> Option<&str> {
    let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// RFC 6750, section 3.1.
fn invalid_token(why: &str) -> Problem {
    challenge("Bearer realm=\"golden\", error=\"invalid_token\"", why)
}

/// Nobody is to throw a good token away because we cannot tell yet.
fn keys_unavailable() -> Problem {
    Problem::new(Code::KeysUnavailable, "the keys that verify tokens have not been read yet")
        .retry_after(Duration::from_secs(3))
}

fn challenge(value: &'static str, detail: &str) -> Problem {
    Problem::new(Code::Unauthenticated, detail).header(header::WWW_AUTHENTICATE, HeaderValue::from_static(value))
}
