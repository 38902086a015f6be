//! A model that is built in: it needs no network, costs nothing, and answers by rule.
//!
//! It makes the whole of Golden run on a laptop and in tests. Of what it is asked it understands the schema: to a question
//! of ours it gives small real content, to any other the smallest value that fits, the same for the same question. It
//! does not think, and says whose word it is.

use async_trait::async_trait;

use super::{
    exchange::{Finish, Reply, Request, Speaker, Usage},
    port::{Model, ModelError},
    validation::AnswerSchema,
};
use crate::breakers::Dependency;

mod ours;
mod smallest;

/// Its name, where a model's is asked for and in every result that it makes.
pub const OFFLINE: &str = "offline";

/// The built-in model.
pub struct Offline;

#[async_trait]
impl Model for Offline {
    fn provider(&self) -> Option<&Dependency> {
        None
    }

    async fn complete(&self, request: &Request) -> Result<Reply, ModelError> {
        let text = match &request.schema {
            None => format!("The offline model answers by rule. It was asked: {}", topic(request)),
            Some(schema) => {
                let found = ours::answer(schema, request).or_else(|| smallest::fitting(schema, &topic(request)));
                let compiled = AnswerSchema::new(OFFLINE, schema.clone()).ok();
                let fits = found.filter(|value| compiled.is_some_and(|schema| schema.fits(value)));
                fits.ok_or(ModelError::Unable("the offline model finds no value that fits this schema"))?.to_string()
            }
        };
        let words = |text: &str| text.split_whitespace().count() as u64;
        let usage = Usage {
            input_tokens: request.messages.iter().map(|message| words(&message.content)).sum(),
            output_tokens: words(&text),
        };
        // As any model, it stops where its tokens are used up.
        let finish = if words(&text) > u64::from(request.max_tokens) { Finish::Length } else { Finish::Stop };
        Ok(Reply { model: OFFLINE.to_owned(), text, finish, usage: Some(usage) })
    }
}

/// The first line of what was asked first, shortened: texts in answers are about it.
fn topic(request: &Request) -> String {
    let asked = request.messages.iter().find(|message| message.speaker == Speaker::User);
    let line = asked.and_then(|message| message.content.lines().find(|line| !line.trim().is_empty()));
    line.unwrap_or("nothing").trim().chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::models::exchange::Message;

    async fn answer(schema: Option<Value>) -> Result<Reply, ModelError> {
        let said = |speaker, content: &str| Message { speaker, content: content.to_owned() };
        let request = Request {
            model: OFFLINE.to_owned(),
            messages: vec![
                said(Speaker::System, "You are terse."),
                said(Speaker::User, "\nAdd two numbers\nin Python"),
            ],
            schema,
            temperature: None,
            max_tokens: 1000,
            timeout: Duration::from_secs(1),
        };
        Offline.complete(&request).await
    }

    #[tokio::test]
    async fn it_answers_the_same_and_says_that_it_is_offline() {
        let (one, other) = (answer(None).await.unwrap(), answer(None).await.unwrap());
        assert_eq!(one, other);
        assert_eq!((one.model.as_str(), one.finish), ("offline", Finish::Stop));
        assert!(one.text.contains("Add two numbers"));
    }

    #[tokio::test]
    async fn it_answers_every_schema_that_says_what_it_wants() {
        let review = json!({
            "type": "object",
            "required": ["verdict", "severity", "findings", "confidence", "at", "by", "plan", "size", "extra", "kept"],
            "additionalProperties": false,
            "properties": {
                "verdict": {"enum": ["approve", "reject"]},
                "severity": {"const": "none"},
                "findings": {"type": "array", "minItems": 2, "uniqueItems": true, "items": {"$ref": "#/$defs/finding"}},
                "confidence": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                "at": {"type": "string", "format": "date-time"},
                "by": {"type": "string", "minLength": 100, "maxLength": 120},
                "plan": {"anyOf": [{"type": "object", "required": ["x"], "properties": {"x": false}}, {"type": "null"}]},
                "size": {"allOf": [{"type": "integer"}, {"minimum": 3}, {"multipleOf": 5}]},
                "extra": {"type": ["null", "boolean"]},
                "kept": {"type": "string", "pattern": "^[a-z]{3}-[0-9]+$", "examples": ["abc-1"]},
                "optional": {"type": "string"},
            },
            "$defs": {"finding": {
                "type": "object",
                "required": ["claim"],
                "properties": {"claim": {"type": "string"}, "n": {"type": "integer"}},
            }},
        });
        for schema in [review, json!({"type": "integer", "minimum": 7}), json!({"type": "boolean"}), json!({})] {
            let reply = answer(Some(schema.clone())).await.unwrap_or_else(|error| panic!("{schema}: {error}"));
            let value: Value = serde_json::from_str(&reply.text).unwrap();
            assert!(AnswerSchema::new("test", schema.clone()).unwrap().fits(&value), "{schema}: {value}");
        }
        let cannot = answer(Some(json!({"type": "string", "pattern": "^(x|y){7}$"}))).await;
        assert!(matches!(cannot, Err(ModelError::Unable(_))));
    }
}
