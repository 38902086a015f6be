//! What the built-in model answers to the questions that Golden itself asks.
//!
//! The smallest value that fits says nothing of what was asked. These rules make small real content of it, so that all
//! that follows from an answer can be seen without any other model. Which question it is, the title of its schema says.

use serde_json::Value;

use crate::{
    models::exchange::{Request, Speaker},
    reviews::BALLOT_SCHEMA,
    tasks::answers,
};

mod ballot;
mod task;

/// What is answered to a question, made of the material that is in it.
type Rule = fn(&Material<'_>) -> Option<Value>;

/// The rules, by the titles of schemas.
const RULES: [(&str, Rule); 5] = [
    (BALLOT_SCHEMA, ballot::ballot),
    (answers::PLAN, task::plan),
    (answers::PROGRAM, task::program),
    (answers::TESTS, task::tests),
    (answers::REPAIR, task::repair),
];

/// The answer to a question of ours, if it is one.
pub(super) fn answer(schema: &Value, request: &Request) -> Option<Value> {
    let title = schema["title"].as_str()?;
    let (_, rule) = RULES.iter().find(|(ours, _)| *ours == title)?;
    rule(&Material(request))
}

/// What is there to work on in a question.
pub(super) struct Material<'a>(&'a Request);

impl Material<'_> {
    /// What is in the [block](crate::models::prompt::data) of this name.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let said = self.0.messages.iter().filter(|message| message.speaker == Speaker::User);
        let begin = format!(" name={}>", Value::from(name));
        said.filter_map(|message| {
            let mut lines = message.content.lines();
            lines.find(|line| line.starts_with("<data ") && line.ends_with(&begin))?;
            serde_json::from_str(lines.next()?).ok()
        })
        .next()
    }
}
