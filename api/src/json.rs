//! JSON as the intake takes it: no duplicate keys, no deep nesting.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Arrays and objects inside each other, at most.
const DEPTH: usize = 64;
/// Up to here every whole number is a double (2⁵³).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads one JSON text.
///
/// A duplicate key is refused because readers disagree on which value counts (RFC 8259,
/// section 4): what one part checks must be what another part uses.
pub(crate) fn strict(text: &str) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: 0 }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth < DEPTH {
            Ok(Self { depth: self.depth + 1 })
        } else {
            Err(E::custom(format_args!("arrays and objects are nested more than {DEPTH} deep")))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    /// JSON knows one kind of number: 38.0 is the integer 38 (JSON Schema 2020-12, 6.1.1; RFC 8785 writes it so).
    #[expect(clippy::cast_possible_truncation, reason = "whole, and in the range where doubles are exact")]
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        if value.fract() == 0.0 && value.abs() <= EXACT {
            return Ok(Value::from(value as i64));
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key {key:?} is there twice")));
            }
            let value = members.next_value_seed(inner)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_written() {
        assert_eq!(strict("[38.0, 1e3, -0.0, 3.5]").unwrap(), serde_json::json!([38, 1000, 0, 3.5]));
        assert!(strict("1e300").unwrap().is_f64());
    }

    #[test]
    fn ordinary_json_is_read_as_serde_json_reads_it() {
        let text = r#" {"a": [1, -2, 3.5, 18446744073709551615, "x\u00e9", null, true], "b": {}} "#;
        assert_eq!(strict(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn a_key_twice_is_refused_at_any_depth_and_in_any_spelling() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            assert!(strict(text).unwrap_err().to_string().contains("twice at line 1"), "{text}");
        }
    }

    #[test]
    fn sixty_four_levels_are_the_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(strict(&nested(64)).is_ok());
        for depth in [65, 200, 100_000] {
            assert!(strict(&nested(depth)).unwrap_err().to_string().contains("more than 64"));
        }
        assert!(strict(&format!("{}1{}", r#"{"a":"#.repeat(65), "}".repeat(65))).is_err());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "{} {}", "{'a':1}", "NaN", "1e999", r#""\ud800""#, "[1,]", "\u{FEFF}{}", "nul"] {
            assert!(strict(text).is_err(), "{text:?}");
        }
    }
}
