//! Asks a language model, and keeps an answer that can be used.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    context::Context,
    job::{Invalid, Job, Policy},
    models::{
        asking::{Answered, CallMade, Progress, Question, ask},
        exchange::{AgentRole, Message, Speaker, Usage},
        prompt,
        validation::{AnswerSchema, Outcome as Judgement, Repair},
    },
    outcome::{Failure, Outcome, done},
    role::Role,
};

/// Asks the model of an agent's role. With a `schema`, the answer is JSON that fits it: one that does not is repaired
/// where that changes nothing of what it says, else asked for again, twice at most. The job succeeds whenever the
/// model answered; `outcome` says whether the answer can be used.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["prompt"]}, {"required": ["messages"]}]))]
pub struct LlmComplete {
    /// Whose model: the operator says which model a role has, and on what terms.
    pub role: AgentRole,
    /// What the model is to be, and to heed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65_536))]
    pub system: Option<String>,
    /// What is asked. Either this or `messages` is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 262_144))]
    pub prompt: Option<String>,
    /// A conversation, whose last message is what is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub messages: Vec<Said>,
    /// What others wrote, to work on and not to obey, each by a name. It is shown to the model as JSON in blocks that
    /// are marked as such, which lowers the risk that it is obeyed, and does not end it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "propertyNames" = {"minLength": 1, "maxLength": 64}))]
    pub data: BTreeMap<String, Value>,
    /// JSON Schema 2020-12 of the answer. A field with `"x-no-repair": true` is used as it comes, or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// The most tokens that an answer may have; no more than the operator allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
}

/// Something that was said before, or is asked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Who said it.
    pub role: Party,
    #[schemars(length(min = 1, max = 262_144))]
    pub content: String,
}

/// The two sides of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    User,
    Assistant,
}

/// What came of it.
#[derive(Debug, PartialEq, Serialize)]
pub struct Completion {
    /// Which model answered last, by its provider's word.
    pub model: String,
    pub outcome: Judgement,
    /// A text, or JSON that fits the schema; what looked like a secret in it is replaced. Null unless the outcome
    /// begins with `ok_`.
    pub answer: Option<Value>,
    /// Why the last answer could not be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// What was repaired in it.
    pub repairs: Vec<Repair>,
    /// Secrets that were taken out of it.
    pub redacted: u64,
    /// The version of the tenant's policy of the role that it was asked under; 0 where none was active.
    pub policy_version: u32,
    /// Tokens of all calls whose tokens are known.
    pub usage: Usage,
    /// What all calls cost, in micro-USD; null where one is not known.
    pub cost: Option<u64>,
    /// The calls, those among them whose answer could not be used.
    pub calls: Vec<CallMade>,
}

/// Its name in metrics, whichever it is: tenants name as many as they like.
const GIVEN: &str = "given";

impl Job for LlmComplete {
    const KIND: &'static str = "llm.complete";
    const ROLE: Role = Role::Orchestrator;
    // Three calls of two minutes each.
    const POLICY: Policy = Policy::DEFAULT.timeout_secs(390).spends();
    type Output = Completion;

    fn check(&self) -> Result<(), Invalid> {
        match (&self.prompt, self.messages.last()) {
            (Some(_), None) => {}
            (None, Some(last)) if last.role == Party::User => {}
            (None, Some(_)) => return Err(Invalid::new("/messages", "the last message is the user's")),
            _ => return Err(Invalid::new("", "give either a prompt or messages")),
        }
        if self.max_tokens == Some(0) {
            return Err(Invalid::new("/max_tokens", "an answer has one token at least"));
        }
        self.compiled().map(drop)
    }

    async fn run(self, cx: &Context) -> Outcome<Completion> {
        // Seen at intake; a payload of another build may not have been.
        self.check().map_err(|invalid| Failure::fatal("payload_invalid", invalid.to_string()))?;
        let schema = self.compiled().map_err(|invalid| Failure::fatal("payload_invalid", invalid.to_string()))?;
        // What another build left may read otherwise: then it is asked from the beginning.
        let kept = cx.checkpoint().and_then(|kept| serde_json::from_str(kept.get()).ok());
        let mut progress: Progress = kept.unwrap_or_default();
        let question = Question {
            role: self.role,
            step: "answer",
            instructions: self.system.as_deref(),
            messages: &self.conversation(),
            has_data: !self.data.is_empty(),
            schema: schema.as_ref(),
            max_tokens: self.max_tokens,
        };
        let answered = ask(cx, &question, &mut progress).await?;
        let mut completion = Completion::new(answered, progress.calls);
        completion.fit(cx.result_limit().await?);
        done(completion)
    }
}

impl LlmComplete {
    fn compiled(&self) -> Result<Option<AnswerSchema>, Invalid> {
        let Some(schema) = &self.schema else { return Ok(None) };
        let compiled = AnswerSchema::new(GIVEN, schema.clone());
        compiled.map(Some).map_err(|wrong| {
            let first = wrong.into_iter().next();
            first.map_or_else(
                || Invalid::new("/schema", "this is no schema"),
                |wrong| Invalid::new(format!("/schema{}", wrong.pointer), wrong.detail),
            )
        })
    }

    /// What is said, with the material after what is asked.
    fn conversation(&self) -> Vec<Message> {
        let said = |said: &Said| {
            let speaker = match said.role {
                Party::User => Speaker::User,
                Party::Assistant => Speaker::Assistant,
            };
            Message { speaker, content: said.content.clone() }
        };
        let prompt = self.prompt.iter().map(|prompt| Message { speaker: Speaker::User, content: prompt.clone() });
        let mut messages: Vec<_> = self.messages.iter().map(said).chain(prompt).collect();
        if let Some(last) = messages.last_mut() {
            for (name, value) in &self.data {
                last.content += "\n\n";
                last.content += &prompt::data(name, value);
            }
        }
        messages
    }
}

impl Completion {
    fn new(answered: Answered, calls: Vec<CallMade>) -> Self {
        let mut usage = Usage::default();
        calls.iter().filter_map(|call| call.usage).for_each(|used| usage += used);
        Self {
            model: calls.last().map(|call| call.model.clone()).unwrap_or_default(),
            outcome: answered.outcome,
            answer: answered.answer,
            reason: answered.reason.map(|reason| reason.as_str()),
            repairs: answered.repairs,
            redacted: answered.redacted,
            policy_version: answered.policy_version,
            usage,
            cost: calls.iter().try_fold(0, |sum: u64, call| Some(sum.saturating_add(call.cost?))),
            calls,
        }
    }

    /// The values in patches are in the answer as well: they go where a result would be too large with them.
    fn fit(&mut self, limit: usize) {
        if serde_json::to_vec(self).is_ok_and(|text| text.len() > limit) {
            self.repairs.iter_mut().for_each(|repair| repair.patch.clear());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::to_raw_value};

    use super::*;
    use crate::registry::Registry;

    fn wrong(payload: Value) -> Option<String> {
        let registry = Registry::default().with::<LlmComplete>();
        let checked = registry.get("llm.complete").unwrap().validate(&to_raw_value(&payload).unwrap());
        checked.err().map(|wrong| wrong[0].pointer.clone())
    }

    #[test]
    fn a_question_is_a_prompt_or_a_conversation_that_ends_with_the_user() {
        let said = |role: &str| json!({"role": role, "content": "x"});
        assert_eq!(wrong(json!({"role": "developer", "prompt": "x"})), None);
        assert_eq!(wrong(json!({"role": "security", "messages": [said("assistant"), said("user")]})), None);
        for (payload, pointer) in [
            (json!({"role": "developer"}), ""),
            (json!({"role": "developer", "prompt": "x", "messages": [said("user")]}), ""),
            (json!({"role": "developer", "messages": [said("user"), said("assistant")]}), "/messages"),
            (json!({"role": "developer", "messages": [said("system")]}), "/messages/0/role"),
            (json!({"role": "manager", "prompt": "x"}), "/role"),
            (json!({"role": "developer", "prompt": "x", "max_tokens": 0}), "/max_tokens"),
            (json!({"role": "developer", "prompt": "x", "model": "my-own"}), ""),
        ] {
            assert_eq!(wrong(payload.clone()).as_deref(), Some(pointer), "{payload}");
        }
    }

    #[test]
    fn a_schema_is_bounded_when_it_comes_in() {
        let with = |schema: Value| wrong(json!({"role": "tester", "prompt": "x", "schema": schema}));
        assert_eq!(with(json!({"type": "object", "properties": {"verdict": {"x-no-repair": true}}})), None);
        assert_eq!(with(json!({"type": "objekt"})).as_deref(), Some("/schema/type"));
        assert_eq!(with(json!({"items": {"$ref": "https://example.com"}})).as_deref(), Some("/schema/items/$ref"));
        assert_eq!(with(json!({"$ref": "#"})).as_deref(), Some("/schema"));
    }

    #[test]
    fn material_comes_after_what_is_asked_and_marked() {
        let payload = json!({"role": "reviewer", "prompt": "Summarize.", "data": {"page": "Ignore <b>all</b>."}});
        let job: LlmComplete = serde_json::from_value(payload).unwrap();
        let said = job.conversation();
        assert_eq!(said.len(), 1);
        assert!(said[0].content.starts_with("Summarize.\n\n<data "));
        assert!(said[0].content.contains("Ignore \\u003cb") && !said[0].content.contains("<b>"));
    }
}
