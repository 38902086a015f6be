//! Parameters in the URL.

use std::{collections::BTreeMap, error::Error, str::FromStr};

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{Uri, request::Parts},
};
use golden_jobs::text;
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};

use crate::problem::Problem;

/// The query string. A parameter that the route does not know is an error: a misspelt
/// filter that is ignored would show what was not asked for.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(&parts.uri).map(Self)
    }
}

/// The query string of a list whose entries have metadata: `metadata.NAME=VALUE`, as many as one
/// likes, beside the parameters of `T`.
pub(crate) struct Filtered<T> {
    pub(crate) params: T,
    pub(crate) metadata: BTreeMap<String, String>,
}

const METADATA: &str = "metadata.";

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Filtered<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = read(&parts.uri)?;
        // As they were written, since `T` reads numbers and times from a query string of its own.
        let written = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let (mut metadata, mut others) = (BTreeMap::new(), Vec::new());
        for ((name, value), written) in pairs.into_iter().zip(written) {
            let Some(of) = name.strip_prefix(METADATA) else {
                others.push(written);
                continue;
            };
            // Names and texts were kept in this form, so this is how they are found.
            let of = text::name(of).map_err(|rule| Problem::malformed(format!("`{name}`: {rule}")))?;
            if metadata.insert(of, text::free_text(&value)).is_some() {
                return Err(Problem::malformed(format!("`{name}` is there twice")));
            }
        }
        let rest: Uri = format!("/?{}", others.join("&"))
            .parse()
            .map_err(|error| Problem::malformed(format!("the query string cannot be read: {error}")))?;
        Ok(Self { params: read(&rest)?, metadata })
    }
}

fn read<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    match Query::try_from_uri(uri) {
        Ok(Query(params)) => Ok(params),
        // The cause names the parameter; around it is only that this was a query string.
        Err(rejection) => {
            Err(Problem::malformed(rejection.source().map_or_else(|| rejection.body_text(), ToString::to_string)))
        }
    }
}

/// A text to look for. It has no NUL, which PostgreSQL's text cannot have either.
#[derive(Debug, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Text(#[schemars(regex(pattern = r"^[^\x00]*$"))] pub(crate) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains('\0') { Err(D::Error::custom("a text with a NUL is nowhere")) } else { Ok(Self(text)) }
    }
}

/// The id or name in the path. What has not even the form of one names nothing.
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        // No name has a NUL, and PostgreSQL would not even look for it.
        let id = path.ok().filter(|Path(id)| !id.contains('\0')).and_then(|Path(id)| id.parse().ok());
        id.map(Self).ok_or_else(|| Problem::not_found("id"))
    }
}

/// A thing within another: what the first and the second placeholder of the path name.
pub(crate) struct Within<A, B>(pub(crate) A, pub(crate) B);

impl<S: Send + Sync, A: FromStr, B: FromStr> FromRequestParts<S> for Within<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let named = path.ok().filter(|Path((outer, inner))| !outer.contains('\0') && !inner.contains('\0'));
        let named = named.and_then(|Path((outer, inner))| Some(Self(outer.parse().ok()?, inner.parse().ok()?)));
        named.ok_or_else(|| Problem::not_found("id"))
    }
}
