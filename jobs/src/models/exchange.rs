//! What is said to a model, and what comes back.

use std::{fmt, str::FromStr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an agent does. Each has a model of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentRole {
    Architect,
    Developer,
    Reviewer,
    Tester,
    Security,
}

impl AgentRole {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Architect, Self::Developer, Self::Reviewer, Self::Tester, Self::Security];

    /// Its one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Architect => "architect",
            Self::Developer => "developer",
            Self::Reviewer => "reviewer",
            Self::Tester => "tester",
            Self::Security => "security",
        }
    }
}

impl fmt::Display for AgentRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the role of an agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the role of an agent: expected architect, developer, reviewer, tester or security")]
pub struct UnknownAgentRole(String);

impl FromStr for AgentRole {
    type Err = UnknownAgentRole;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == name);
        role.ok_or_else(|| UnknownAgentRole(name.to_owned()))
    }
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// Whoever gives the instructions.
    System,
    /// Whoever asks.
    User,
    /// The model itself, in what went before.
    Assistant,
}

/// Something that is said.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    #[serde(rename = "role")]
    pub speaker: Speaker,
    pub content: String,
}

/// What is said to models is logged nowhere, neither on purpose nor by accident.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} bytes", self.speaker, self.content.len())
    }
}

/// One call of a model.
#[derive(Debug, Clone)]
pub struct Request {
    /// The model's name at its provider.
    pub model: String,
    pub messages: Vec<Message>,
    /// What the answer is to fit, as JSON Schema.
    pub schema: Option<Value>,
    /// The provider's own, where absent.
    pub temperature: Option<f64>,
    /// The most that the answer may have.
    pub max_tokens: u32,
    /// From connecting to the last byte of the answer.
    pub timeout: Duration,
}

/// What a model answers.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// Which model it was, by its provider's word.
    pub model: String,
    pub text: String,
    pub finish: Finish,
    /// `None` where the provider does not say.
    pub usage: Option<Usage>,
}

/// Nor is what they answer.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, text, finish, usage } = self;
        write!(f, "{model}, {} bytes, {finish:?}, {usage:?}", text.len())
    }
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It is complete.
    Stop,
    /// Its tokens were used up.
    Length,
    /// The model declined.
    Refusal,
    /// The provider withheld it.
    ContentFilter,
}

/// Tokens of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
    }
}
