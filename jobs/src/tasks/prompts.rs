//! What models are told in the steps of a task: a file for each.
//!
//! What a tenant or a model wrote is shown as [material](crate::models::prompt::data), and is in no instruction.

use serde_json::{Value, json};

use super::{answers, language::Language};
use crate::{
    kinds::{LlmComplete, Task},
    models::{
        exchange::AgentRole,
        validation::{Failing, Reason, Wrong},
    },
};

/// Who is asked in a step, and in which words.
pub(super) struct Prompt {
    role: AgentRole,
    instructions: &'static str,
    asked: &'static str,
    schema: fn() -> Value,
}

pub(super) const PLAN: Prompt = Prompt {
    role: AgentRole::Architect,
    instructions: include_str!("prompts/plan.md"),
    asked: "Plan the task.",
    schema: answers::plan,
};
pub(super) const PROGRAM: Prompt = Prompt {
    role: AgentRole::Developer,
    instructions: include_str!("prompts/program.md"),
    asked: "Write the program.",
    schema: answers::program,
};
pub(super) const TESTS: Prompt = Prompt {
    role: AgentRole::Tester,
    instructions: include_str!("prompts/tests.md"),
    asked: "Write the tests.",
    schema: answers::tests,
};
pub(super) const REPAIR: Prompt = Prompt {
    role: AgentRole::Developer,
    instructions: include_str!("prompts/repair.md"),
    asked: "Mend what the findings say.",
    schema: answers::repair,
};

impl Prompt {
    /// The question about a task, with what else there is to work on. What was wrong with the answer before this is
    /// said by place and code.
    pub(super) fn about(
        &self,
        task: &Task,
        language: &Language,
        data: Vec<(&str, Value)>,
        wrong: &[Wrong],
    ) -> LlmComplete {
        let task = json!({"name": task.name, "goal": task.goal, "context": task.context});
        let layout = json!({
            "language": language.name,
            "program": language.program,
            "tests": language.tests,
            "customs": language.customs,
        });
        let all = [("task", task), ("layout", layout)].into_iter().chain(data);
        let mut asked = self.asked.to_owned();
        if !wrong.is_empty() {
            asked += "\n\n";
            asked += &Failing { reason: Reason::Mismatch, wrong: wrong.to_vec() }.told();
        }
        LlmComplete {
            role: self.role,
            system: Some(self.instructions.trim_end().to_owned()),
            prompt: Some(asked),
            messages: Vec::new(),
            data: all.map(|(name, value)| (name.to_owned(), value)).collect(),
            schema: Some((self.schema)()),
            max_tokens: None,
        }
    }
}
