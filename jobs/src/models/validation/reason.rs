//! Why an answer cannot be used, and which look at it found so.

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The model will not answer.
    Refused,
    /// Its provider withheld the answer.
    Filtered,
    /// The answer ends where its tokens did.
    Truncated,
    /// It has what was in its instructions and is to be in no answer.
    CanaryLeak,
    /// There is no text.
    Empty,
    /// A NUL character, which no text of ours has.
    Nul,
    /// Two members of one name: which of them was meant is not for us to say.
    DuplicateKey,
    /// More than sixteen arrays and objects within each other.
    TooDeep,
    /// It ends before its value does.
    Unfinished,
    /// More than one value, or what may begin one.
    TwoValues,
    /// A number that would change by being kept.
    NumberRange,
    /// Nothing that can be read as JSON.
    NotJson,
    /// It would take too many repairs to be JSON.
    TooManyRepairs,
    /// A value would have to be repaired that its schema says is not to be.
    NotToBeRepaired,
    /// It would have to be repaired while [repair is off](super::super::RepairSwitch).
    RepairIsOff,
    /// It does not fit its schema.
    Mismatch,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Refused,
        Self::Filtered,
        Self::Truncated,
        Self::CanaryLeak,
        Self::Empty,
        Self::Nul,
        Self::DuplicateKey,
        Self::TooDeep,
        Self::Unfinished,
        Self::TwoValues,
        Self::NumberRange,
        Self::NotJson,
        Self::TooManyRepairs,
        Self::NotToBeRepaired,
        Self::RepairIsOff,
        Self::Mismatch,
    ];

    /// Its name in metrics, results and what a model is told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Filtered => "filtered",
            Self::Truncated => "truncated",
            Self::CanaryLeak => "canary_leak",
            Self::Empty => "empty",
            Self::Nul => "nul",
            Self::DuplicateKey => "duplicate_key",
            Self::TooDeep => "too_deep",
            Self::Unfinished => "unfinished",
            Self::TwoValues => "two_values",
            Self::NumberRange => "number_range",
            Self::NotJson => "not_json",
            Self::TooManyRepairs => "too_many_repairs",
            Self::NotToBeRepaired => "not_to_be_repaired",
            Self::RepairIsOff => "repair_is_off",
            Self::Mismatch => "mismatch",
        }
    }

    /// Which look at the answer finds it.
    pub const fn stage(self) -> &'static str {
        match self {
            Self::Refused | Self::Filtered | Self::Truncated => "finish",
            Self::CanaryLeak => "safety",
            Self::NotToBeRepaired | Self::RepairIsOff | Self::TooManyRepairs => "repair",
            Self::Mismatch => "schema",
            Self::Empty
            | Self::Nul
            | Self::DuplicateKey
            | Self::TooDeep
            | Self::Unfinished
            | Self::TwoValues
            | Self::NumberRange
            | Self::NotJson => "parse",
        }
    }
}
