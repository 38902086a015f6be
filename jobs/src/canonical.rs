//! Canonical JSON (RFC 8785): one text for all ways to write the same value.

use std::fmt::Write;

use serde_json::{Number, Value};
use sha2::{Digest, Sha256};

/// SHA-256 of a value in canonical form: the same for every spelling of the same request.
pub fn fingerprint(value: &Value) -> [u8; 32] {
    Sha256::digest(canonical(value)).into()
}

/// The canonical text of a value.
///
/// One departure from the RFC, on values it tells people not to send: an integer that a
/// double cannot hold is written in full rather than rounded, or two requests that differ
/// in the last digit of a 64-bit id would pass for the same one.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // By UTF-16 code units (3.2.3), which differs from code points beyond the BMP.
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (i, (name, member)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(out, name);
                out.push(':');
                write_value(out, member);
            }
            out.push('}');
        }
    }
}

/// Escapes what must be escaped and nothing else (3.2.2.2).
fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{C}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1F}' => push(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The largest integer below which every integer is a double, 2⁵³.
const EXACT: u64 = 1 << 53;

fn write_number(out: &mut String, number: &Number) {
    if let Some(n) = number.as_i64().filter(|n| n.unsigned_abs() > EXACT) {
        push(out, format_args!("{n}"));
    } else if let Some(n) = number.as_u64().filter(|n| *n > EXACT) {
        push(out, format_args!("{n}"));
    } else {
        write_double(out, number.as_f64().unwrap_or_default());
    }
}

/// ECMAScript's `Number::toString` (ECMA-262, 6.1.6.1.20), which the RFC refers to. Rust's
/// own formatting gives other digits where two are equally near.
fn write_double(out: &mut String, x: f64) {
    out.push_str(ryu_js::Buffer::new().format(x));
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn of(text: &str) -> String {
        canonical(&serde_json::from_str(text).unwrap())
    }

    /// RFC 8785, 3.2.2 and 3.2.4.
    #[test]
    fn the_example_of_the_rfc() {
        let text = r#"{
          "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
          "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
          "literals": [null, true, false]
        }"#;
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
                        \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(of(text), expected);
    }

    /// RFC 8785, 3.2.3.
    #[test]
    fn members_are_in_the_order_of_utf_16() {
        let text = r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#;
        let order: String = of(text).chars().filter(char::is_ascii_digit).collect();
        // The member named "1" adds a digit of its own.
        assert_eq!(order, "21467153".to_owned());
    }

    /// RFC 8785, appendix B, but for the values that are no JSON.
    #[test]
    fn doubles_are_written_as_ecmascript_does() {
        for (bits, expected) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            let mut text = String::new();
            write_double(&mut text, f64::from_bits(bits));
            assert_eq!(text, expected, "{bits:x}");
        }
    }

    #[test]
    fn one_value_has_one_fingerprint_however_it_is_written() {
        let a: Value = serde_json::from_str(r#"{"a": 1.0, "b": [1e2, "\u0041"]}"#).unwrap();
        assert_eq!(fingerprint(&a), fingerprint(&json!({"b": [100, "A"], "a": 1})));
        assert_ne!(fingerprint(&a), fingerprint(&json!({"b": [100, "B"], "a": 1})));
    }

    #[test]
    fn ids_beyond_a_doubles_reach_stay_apart() {
        assert_ne!(of("9007199254740993"), of("9007199254740992"));
        assert_eq!(of("18446744073709551615"), "18446744073709551615");
    }

    proptest! {
        #[test]
        fn a_double_reads_back_as_itself(x in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            let mut text = String::new();
            write_double(&mut text, x);
            prop_assert_eq!(text.parse::<f64>().unwrap(), x);
        }
    }
}
