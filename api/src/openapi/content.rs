//! From schemas and words to the bodies and headers of the document.

use serde_json::{Value, json};
use utoipa::openapi::{
    ContentBuilder, RefOr, Required, Response, ResponseBuilder,
    example::ExampleBuilder,
    header::{Header as OpenApiHeader, HeaderBuilder},
    path::{Parameter, ParameterBuilder, ParameterIn},
    request_body::{RequestBody, RequestBodyBuilder},
};

use super::{
    doc::Answer,
    schemas::{Schemas, verbatim},
};
use crate::live::wire::EVENT_STREAM;

pub(crate) type SchemaOf = fn(&mut Schemas) -> Value;

/// What an answer holds.
pub(crate) struct Body {
    pub(crate) media: &'static str,
    pub(crate) schema: SchemaOf,
    pub(crate) example: Option<Value>,
}

/// A header of a request or an answer.
pub(crate) struct Header {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) example: Value,
    /// What its value must match.
    pub(crate) pattern: Option<&'static str>,
}

impl Header {
    fn schema(&self) -> Value {
        match self.pattern {
            Some(pattern) => json!({"type": "string", "pattern": pattern}),
            None => json!({"type": "string"}),
        }
    }

    pub(super) fn parameter(&self) -> Parameter {
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(self.about))
            .schema(Some(verbatim(self.schema())))
            .example(Some(self.example.clone()))
            .build()
    }

    fn response(self) -> OpenApiHeader {
        HeaderBuilder::new()
            .schema(Some(verbatim(self.schema())))
            .description(Some(self.about))
            .example(Some(self.example))
            .build()
    }
}

/// The request's body, by media type. What is shown of an array is shown line by line where the
/// body is one.
pub(super) fn request(bodies: Vec<(&'static str, Value)>, examples: &[(&'static str, Value)]) -> RequestBody {
    let request = RequestBodyBuilder::new().required(Some(Required::True));
    let contents = bodies.into_iter().map(|(media, schema)| {
        let examples = examples.iter().enumerate().map(|(number, (title, body))| {
            let body = if media == JSON { body.clone() } else { lines(body).into() };
            let example = ExampleBuilder::new().summary(*title).value(Some(body)).build();
            (format!("{}", number + 1), RefOr::T(example))
        });
        (media, ContentBuilder::new().schema(Some(verbatim(schema))).examples_from_iter(examples).build())
    });
    contents.fold(request, |request, (media, content)| request.content(media, content)).build()
}

fn lines(array: &Value) -> String {
    array.as_array().into_iter().flatten().map(|one| format!("{one}\n")).collect()
}

pub(super) const JSON: &str = "application/json";

/// The answers that are no problems, by status. `told` is what the handler's type says.
pub(super) fn answers(mut answers: Vec<Answer>, told: Option<Value>, schemas: &mut Schemas) -> Vec<(String, Response)> {
    if answers.is_empty() {
        answers.push(Answer::new(200, "OK"));
    }
    let described = answers.into_iter().map(|Answer { status, about, headers, bodies, example }| {
        let mut contents: Vec<_> =
            bodies.into_iter().map(|body| (body.media, (body.schema)(schemas), body.example)).collect();
        if contents.is_empty() {
            contents.extend(told.clone().map(|schema| (JSON, schema, None)));
        }
        let mut response = ResponseBuilder::new().description(about);
        for (media, schema, own) in contents {
            let example = own.or_else(|| example.clone());
            // A stream has no end, so that nothing could be held against a schema of all of it.
            let schema = (media != EVENT_STREAM).then(|| verbatim(schema));
            response = response.content(media, ContentBuilder::new().schema(schema).example(example).build());
        }
        for header in headers {
            response = response.header(header.name, header.response());
        }
        (status.to_string(), response.build())
    });
    described.collect()
}
