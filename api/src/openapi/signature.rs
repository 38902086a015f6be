//! What a handler's types say of its operation.
//!
//! A handler is a function of extractors. Each extractor here says what it takes from the
//! request and which problems it refuses requests with, and each type of answer what it is
//! made of, so that no doc function repeats them and none can be wrong about them.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use schemars::JsonSchema;
use serde_json::{Value, json};
use utoipa::openapi::{
    Required,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

use super::{
    content::JSON,
    schemas::{Schemas, verbatim},
};
use crate::{
    body::JsonObject,
    guard::{Caller, Visitor},
    lines::{LINES_LIMIT, Lines, NDJSON},
    live::opening::Opening,
    problem::{Code, Problem},
    query::{Filtered, Id, Params, Within},
};

/// What is known of an operation from its types.
pub(crate) struct Sketch<'a> {
    path: &'static str,
    schemas: &'a mut Schemas,
    pub(super) parameters: Vec<Parameter>,
    /// The request's body, by media type.
    pub(super) body: Vec<(&'static str, Value)>,
    pub(super) answer: Option<Value>,
    pub(super) problems: Vec<Code>,
}

impl<'a> Sketch<'a> {
    pub(super) fn new(path: &'static str, schemas: &'a mut Schemas) -> Self {
        Self { path, schemas, parameters: Vec::new(), body: Vec::new(), answer: None, problems: Vec::new() }
    }

    /// The path's placeholder of this number, from 0, names a `T`.
    fn placeholder<T: JsonSchema>(&mut self, number: usize) {
        let name = self.path.split(['{', '}']).nth(2 * number + 1).unwrap_or_default();
        let schema = self.schemas.accepted::<T>();
        self.parameter(name, ParameterIn::Path, true, schema);
        self.problems.push(Code::NotFound);
    }

    fn parameter(&mut self, name: &str, place: ParameterIn, required: bool, mut schema: Value) {
        let about = schema.as_object_mut().and_then(|keywords| keywords.remove("description"));
        let about = about.as_ref().and_then(Value::as_str).map(str::to_owned);
        self.parameters.push(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(place)
                .required(if required { Required::True } else { Required::False })
                .description(about)
                .schema(Some(verbatim(schema)))
                .build(),
        );
    }
}

/// Something a handler takes.
pub(crate) trait Input {
    fn describe(sketch: &mut Sketch<'_>);
}

/// Something a handler answers.
pub(crate) trait Output {
    fn describe(sketch: &mut Sketch<'_>);
}

/// A handler whose types say what it takes and answers. `T` is axum's tuple of them.
pub(crate) trait Signature<T> {
    fn describe(sketch: &mut Sketch<'_>);
}

macro_rules! signatures {
    ($(($($input:ident),*))*) => {$(
        impl<F, Fut, Answer, M, $($input: Input,)*> Signature<(M, $($input,)*)> for F
        where
            F: FnOnce($($input),*) -> Fut,
            Fut: Future<Output = Answer>,
            Answer: Output,
        {
            fn describe(sketch: &mut Sketch<'_>) {
                $($input::describe(sketch);)*
                Answer::describe(sketch);
            }
        }
    )*};
}

signatures! { () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) }

impl<S> Input for State<S> {
    fn describe(_: &mut Sketch<'_>) {}
}

/// The permission in the table says what a caller needs.
impl Input for Caller {
    fn describe(_: &mut Sketch<'_>) {}
}

/// What is different with a token is for the doc function to say.
impl Input for Visitor {
    fn describe(_: &mut Sketch<'_>) {}
}

/// Which headers a handler reads is for its doc function to say.
impl Input for HeaderMap {
    fn describe(_: &mut Sketch<'_>) {}
}

/// As of other headers.
impl Input for Opening {
    fn describe(_: &mut Sketch<'_>) {}
}

impl<T: JsonSchema> Input for Id<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.placeholder::<T>(0);
    }
}

impl<A: JsonSchema, B: JsonSchema> Input for Within<A, B> {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.placeholder::<A>(0);
        sketch.placeholder::<B>(1);
    }
}

impl<T: JsonSchema> Input for Params<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        for (name, required, schema) in sketch.schemas.members::<T>() {
            sketch.parameter(&name, ParameterIn::Query, required, schema);
        }
        sketch.problems.push(Code::Malformed);
    }
}

const OF_BODIES: [Code; 5] =
    [Code::Malformed, Code::RequestTimeout, Code::TooLarge, Code::UnsupportedMediaType, Code::Invalid];

impl<T: JsonSchema> Input for Filtered<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        Params::<T>::describe(sketch);
        let about = "Only entries whose metadata has this text under `NAME`. Several of these must all match.";
        let schema = json!({"type": "string", "description": about});
        sketch.parameter("metadata.NAME", ParameterIn::Query, false, schema);
    }
}

impl<T: JsonSchema> Input for JsonObject<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.body = vec![(JSON, sketch.schemas.accepted::<T>())];
        sketch.problems.extend(OF_BODIES);
    }
}

impl<T: JsonSchema> Input for Lines<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        let one = sketch.schemas.accepted::<T>();
        let array = json!({"type": "array", "items": one, "minItems": 1, "maxItems": LINES_LIMIT});
        let text = json!({"type": "string", "description": "One object of that array a line."});
        sketch.body = vec![(JSON, array), (NDJSON, text)];
        sketch.problems.extend(OF_BODIES);
    }
}

impl<T: JsonSchema> Output for Json<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.answer = Some(sketch.schemas.answered::<T>());
    }
}

/// Which statuses is for the doc function to say.
impl<T: Output> Output for (StatusCode, T) {
    fn describe(sketch: &mut Sketch<'_>) {
        T::describe(sketch);
    }
}

impl<T: Output> Output for Result<T, Problem> {
    fn describe(sketch: &mut Sketch<'_>) {
        T::describe(sketch);
    }
}

/// Says nothing: what is in it is for the doc function to say.
impl Output for Response {
    fn describe(_: &mut Sketch<'_>) {}
}

/// In which media type is for the doc function to say.
impl Output for String {
    fn describe(_: &mut Sketch<'_>) {}
}

/// An answer without a body.
impl Output for StatusCode {
    fn describe(_: &mut Sketch<'_>) {}
}
