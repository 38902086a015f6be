//! Parameters in the URL.

use std::{error::Error, str::FromStr};

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The query string. A parameter that the route does not know is an error: a misspelt
/// filter that is ignored would show what was not asked for.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            // The cause names the parameter; around it is only that this was a query string.
            Err(rejection) => {
                Err(Problem::malformed(rejection.source().map_or_else(|| rejection.body_text(), ToString::to_string)))
            }
        }
    }
}

/// The id or name in the path. What has not even the form of one names nothing.
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(id)| id.parse().ok());
        id.map(Self).ok_or_else(|| Problem::not_found("id"))
    }
}
