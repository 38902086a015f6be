//! Values that their schema wants otherwise, where there is one way only to have them so.

use serde_json::Value;

use super::{
    Failing,
    reading::{self, REPAIRS, is_number},
    reason::Reason,
    repair::{Repair, RepairName},
    schema::AnswerSchema,
};

/// A list of numbers that came as one text takes two.
const ROUNDS: usize = 3;

/// The value as its schema wants it, and what was done for that: nothing, where it fits as it is.
pub(super) fn coerced(given: Value, schema: &AnswerSchema) -> Result<(Value, Vec<Repair>), Failing> {
    let (mut value, mut repairs) = (given, Vec::new());
    let mut first = None;
    for _ in 0..ROUNDS {
        let wrong = schema.wrong(&value);
        if wrong.is_empty() {
            return Ok((value, repairs));
        }
        let mut mend = || {
            for place in &wrong {
                let types = schema.types_at(&place.at).filter(|_| place.code == "type" && repairs.len() < REPAIRS)?;
                let here = value.pointer_mut(&place.at)?;
                let (name, better) = one_way(here, &types)?;
                if schema.is_not_to_be_repaired(&place.at) {
                    return None;
                }
                *here = better.clone();
                repairs.push(Repair::new(name, place.at.clone(), Some(better)));
            }
            Some(())
        };
        let mended = mend();
        let wrong = &*first.get_or_insert(wrong);
        if mended.is_none() {
            return Err(Failing { reason: Reason::Mismatch, wrong: wrong.clone() });
        }
    }
    Err(Failing { reason: Reason::Mismatch, wrong: first.unwrap_or_default() })
}

/// The value as one of these types, if there is exactly one way.
fn one_way(value: &Value, types: &[&str]) -> Option<(RepairName, Value)> {
    let number = match value {
        Value::String(text) if is_number(text) => reading::read(text).ok().map(|reading| reading.value),
        _ => None,
    };
    let wanted = |number: &Value| types.contains(&"number") || types.contains(&"integer") && !number.is_f64();
    let number = number.filter(wanted).map(|number| (RepairName::TextToNumber, number));
    let is_scalar = value.is_string() || value.is_number() || value.is_boolean();
    let list =
        (is_scalar && types.contains(&"array")).then(|| (RepairName::ValueToList, Value::Array(vec![value.clone()])));
    match (number, list) {
        (Some(one), None) | (None, Some(one)) => Some(one),
        _ => None,
    }
}
