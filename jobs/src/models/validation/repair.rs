//! What was repaired in an answer, by its name and as a patch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The repairs that there are. The first eight are of how values are written, the last two of values that their
/// schema wants otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairName {
    /// The value was in a block of code.
    CodeFence,
    /// There was prose round the one object or array.
    OutermostValue,
    /// A comma with nothing after it.
    TrailingComma,
    /// A text or a name in single quotes.
    SingleQuotes,
    /// A name without quotes.
    BareKey,
    /// `True`, `False` or `None`.
    PythonLiteral,
    /// `//`, `#` or `/* */`.
    Comment,
    /// A line break in a text that was not written as `\n`.
    RawNewline,
    /// A number in quotes, where a number belongs.
    TextToNumber,
    /// One value, where a list of them belongs.
    ValueToList,
}

impl RepairName {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::CodeFence,
        Self::OutermostValue,
        Self::TrailingComma,
        Self::SingleQuotes,
        Self::BareKey,
        Self::PythonLiteral,
        Self::Comment,
        Self::RawNewline,
        Self::TextToNumber,
        Self::ValueToList,
    ];

    /// Its name in metrics and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CodeFence => "code_fence",
            Self::OutermostValue => "outermost_value",
            Self::TrailingComma => "trailing_comma",
            Self::SingleQuotes => "single_quotes",
            Self::BareKey => "bare_key",
            Self::PythonLiteral => "python_literal",
            Self::Comment => "comment",
            Self::RawNewline => "raw_newline",
            Self::TextToNumber => "text_to_number",
            Self::ValueToList => "value_to_list",
        }
    }
}

/// One repair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Repair {
    pub name: RepairName,
    /// A JSON pointer to what it was done to, or round which.
    pub at: String,
    /// What it came to, as RFC 6902 has it: nothing where only what stands between values changed. One after
    /// the other, the patches of an answer make of its values what they are.
    pub patch: Vec<Operation>,
}

/// The one operation of RFC 6902 that a repair needs: none adds or removes a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename = "replace")]
pub struct Operation {
    pub path: String,
    pub value: Value,
}

impl Repair {
    pub(super) fn new(name: RepairName, at: String, value: Option<Value>) -> Self {
        let patch = value.map(|value| Operation { path: at.clone(), value }).into_iter().collect();
        Self { name, at, patch }
    }

    /// Whether it changed how a value reads, and not merely what stands round it.
    pub(super) fn is_of_a_value(&self) -> bool {
        !self.patch.is_empty()
    }
}
