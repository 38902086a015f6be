//! What is written by hand of an operation: words, statuses, headers, examples, and the problems
//! that nothing but its handler knows of.

use schemars::JsonSchema;
use serde_json::Value;

use super::{
    content::{Body, Header, SchemaOf},
    schemas::Schemas,
};
use crate::{problem::Code, submission::IDEMPOTENCY_KEY};

/// A resource: one module of `routes`.
#[derive(Clone, Copy)]
pub(crate) struct Tag {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
}

/// The documentation of one handler. Texts are CommonMark, of which the pages under `/docs`
/// show paragraphs, lists that begin with `- `, and `code`.
pub(crate) struct Doc {
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) headers: Vec<Header>,
    pub(super) answers: Vec<Answer>,
    pub(super) problems: Vec<Code>,
    pub(super) examples: Vec<(&'static str, Value)>,
}

impl Doc {
    /// `summary` is what it does, as an order without a full stop; `description` is what one
    /// has to know to use it. Who may call is said by the table of routes.
    pub(crate) fn new(summary: &'static str, description: &'static str) -> Self {
        let (headers, answers, problems, examples) = Default::default();
        Self { summary, description, headers, answers, problems, examples }
    }

    /// A request header that the handler reads.
    pub(crate) fn header(mut self, name: &'static str, about: &'static str, example: impl Into<Value>) -> Self {
        self.headers.push(Header { name, about, example: example.into(), pattern: None });
        self
    }

    /// The last request header is refused unless it matches this.
    pub(crate) fn matching(mut self, pattern: &'static str) -> Self {
        if let Some(header) = self.headers.last_mut() {
            header.pattern = Some(pattern);
        }
        self
    }

    /// The header by which the request can be sent again without harm.
    pub(crate) fn idempotent(self, example: &'static str) -> Self {
        self.header("Idempotency-Key", "1 to 255 visible ASCII characters that name this request.", example)
            .matching(IDEMPOTENCY_KEY)
    }

    /// An answer. Without any, it is one with status 200 and what the handler's type says.
    pub(crate) fn answer(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// Problems that this handler makes itself. What the permission, parameters and the body
    /// can meet is known without.
    pub(crate) fn problems(mut self, codes: &[Code]) -> Self {
        self.problems.extend(codes);
        self
    }

    /// A request body, with the words that say what it shows. Without any, it is made of the
    /// examples of the body's type.
    pub(crate) fn example(mut self, title: &'static str, body: Value) -> Self {
        self.examples.push((title, body));
        self
    }
}

/// One answer that is no problem.
pub(crate) struct Answer {
    pub(super) status: u16,
    pub(super) about: &'static str,
    pub(super) headers: Vec<Header>,
    /// One for each media type; none is what the handler's type says.
    pub(super) bodies: Vec<Body>,
    pub(super) example: Option<Value>,
}

impl Answer {
    pub(crate) fn new(status: u16, about: &'static str) -> Self {
        Self { status, about, headers: Vec::new(), bodies: Vec::new(), example: None }
    }

    pub(crate) fn header(mut self, name: &'static str, about: &'static str, example: impl Into<Value>) -> Self {
        self.headers.push(Header { name, about, example: example.into(), pattern: None });
        self
    }

    /// The body's type, where the handler's own does not say (it answers a `Response`).
    pub(crate) fn json<T: JsonSchema>(self) -> Self {
        self.of("application/json", Schemas::answered::<T>, None)
    }

    /// A body of text, in this media type.
    pub(crate) fn text(self, media: &'static str, example: &str) -> Self {
        self.of(media, Schemas::answered::<String>, Some(example.into()))
    }

    fn of(mut self, media: &'static str, schema: SchemaOf, example: Option<Value>) -> Self {
        self.bodies.push(Body { media, schema, example });
        self
    }

    /// A JSON body to show. Without one, it is made of the examples of the body's type.
    pub(crate) fn example(mut self, body: impl Into<Value>) -> Self {
        self.example = Some(body.into());
        self
    }
}
