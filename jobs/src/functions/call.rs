//! Names of functions, and kinds that mean one.

use std::{borrow::Cow, fmt, num::NonZeroU32, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What kinds that mean a function begin with.
const PREFIX: &str = "fn.";
/// Characters of a name.
const LONGEST: usize = 64;
/// What a name is, as JSON Schema says it.
pub const NAME: &str = "^[a-z][a-z0-9_-]{0,63}$";
/// What a kind is that means a function, likewise.
pub const KIND: &str = "^fn\\.[a-z][a-z0-9_-]{0,63}(@[1-9][0-9]{0,8})?$";

/// The name of a function: lower-case letters, digits, `-` and `_`, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct FunctionName(String);

/// The number of a version, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Version(#[schemars(range(min = 1, max = LAST))] NonZeroU32);

/// As many digits as any database's integer has room for.
const LAST: u32 = 999_999_999;

/// A kind that means a function: `fn.NAME`, or `fn.NAME@VERSION`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    pub name: FunctionName,
    /// `None` is the live one.
    pub version: Option<Version>,
}

/// Not the name of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a function's name is 1 to {LONGEST} lower-case letters, digits, - and _, and begins with a letter")]
pub struct NotAName;

/// Not the number of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("versions are numbered from 1")]
pub struct NotAVersion;

impl FunctionName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind that means the live version.
    pub fn kind(&self) -> String {
        format!("{PREFIX}{self}")
    }

    /// The kind that means this version.
    pub fn kind_at(&self, version: Version) -> String {
        format!("{PREFIX}{self}@{version}")
    }
}

impl Version {
    pub fn new(number: u32) -> Result<Self, NotAVersion> {
        NonZeroU32::new(number).filter(|number| number.get() <= LAST).map(Self).ok_or(NotAVersion)
    }

    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl Call {
    /// `None` where the kind means no function.
    pub fn of(kind: &str) -> Option<Self> {
        let call = kind.strip_prefix(PREFIX)?;
        let (name, version) = match call.split_once('@') {
            Some((name, version)) => (name, Some(version.parse().ok()?)),
            None => (call, None),
        };
        Some(Self { name: name.parse().ok()?, version })
    }
}

/// Whether jobs of `kind` are among those that a filter by `wanted` means: `fn.NAME` means those of
/// all versions.
pub fn is_of(kind: &str, wanted: &str) -> bool {
    kind.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

impl FromStr for FunctionName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let named = text.len() <= LONGEST && text.starts_with(|c: char| c.is_ascii_lowercase());
        if named && text.bytes().all(plain) { Ok(Self(text.to_owned())) } else { Err(NotAName) }
    }
}

impl TryFrom<String> for FunctionName {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<FunctionName> for String {
    fn from(name: FunctionName) -> Self {
        name.0
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl JsonSchema for FunctionName {
    fn schema_name() -> Cow<'static, str> {
        "FunctionName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": NAME, "examples": ["area"] })
    }
}

impl FromStr for Version {
    type Err = NotAVersion;

    /// One number has one spelling.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        text.parse().ok().filter(|_| plain).ok_or(NotAVersion).and_then(Self::new)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_means_the_live_version_or_a_numbered_one() {
        let call = |kind| Call::of(kind).map(|call| (call.name.to_string(), call.version.map(Version::get)));
        assert_eq!(call("fn.area"), Some(("area".to_owned(), None)));
        assert_eq!(call("fn.a-b_3@12"), Some(("a-b_3".to_owned(), Some(12))));
        for kind in [
            "noop",
            "fn",
            "fn.",
            "fn.A",
            "fn.a@",
            "fn.a@0",
            "fn.a@01",
            "fn.a@+1",
            "fn.a@1@2",
            "fn.3",
            "fn.a@9999999999",
        ] {
            assert_eq!(call(kind), None, "{kind}");
        }
        assert_eq!(call(&format!("fn.{}", "a".repeat(65))), None);
        let name: FunctionName = "area".parse().unwrap();
        assert_eq!((name.kind(), name.kind_at(Version::new(3).unwrap())), ("fn.area".into(), "fn.area@3".into()));
    }

    #[test]
    fn the_patterns_say_the_same() {
        let (name, kind) = (regex::Regex::new(NAME).unwrap(), regex::Regex::new(KIND).unwrap());
        let longest = "a".repeat(64);
        for text in ["a", "a-b_3", "", "A", "3a", "a b", "ä", "a@1", &longest, &format!("{longest}a")] {
            assert_eq!(name.is_match(text), text.parse::<FunctionName>().is_ok(), "{text}");
            for version in ["", "@1", "@0", "@01", "@999999999", "@1000000000", "@"] {
                let text = format!("fn.{text}{version}");
                assert_eq!(kind.is_match(&text), Call::of(&text).is_some(), "{text}");
            }
        }
    }

    #[test]
    fn a_filter_by_a_function_means_all_of_its_versions() {
        for (kind, wanted, is) in [
            ("fn.a@3", "fn.a", true),
            ("fn.a@3", "fn.a@3", true),
            ("fn.a@31", "fn.a@3", false),
            ("fn.ab@3", "fn.a", false),
            ("noop", "noop", true),
            ("noop", "no", false),
        ] {
            assert_eq!(is_of(kind, wanted), is, "{kind} {wanted}");
        }
    }
}
