use proptest::prelude::*;
use serde_json::json;

use super::{reading::read, *};

fn schema() -> AnswerSchema {
    let text = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "count": {"type": "integer"},
            "share": {"type": ["number", "null"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "sizes": {"type": "array", "items": {"type": "integer"}},
            "either": {"type": ["integer", "array"]},
            "choice": {"anyOf": [{"type": "integer"}, {"type": "array"}]},
            "verdict": {"$ref": "#/$defs/verdict"},
            "tools": {"type": "array", "items": {"type": "string"}, "x-no-repair": true},
            "ok": {"type": "boolean"},
        },
        "additionalProperties": false,
        "$defs": {"verdict": {"enum": ["approve", "reject"], "x-no-repair": true}},
    });
    AnswerSchema::new("test", text).unwrap()
}

fn reply(text: &str) -> Reply {
    Reply { model: "m".to_owned(), text: text.to_owned(), finish: Finish::Stop, usage: None }
}

fn judged(text: &str) -> Result<Fitting, Failing> {
    judge(&reply(text), Some(&schema()), &Canary::fresh(), true)
}

/// The answer as text, and the names of what was repaired.
fn repaired(text: &str) -> (String, Vec<&'static str>) {
    let Fitting { answer, repairs } = judged(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
    (answer.to_string(), repairs.iter().map(|repair| repair.name.as_str()).collect())
}

#[test]
fn what_can_be_read_in_one_way_is() {
    for (text, value, names) in [
        (r#"{"name": "a", "count": 1}"#, r#"{"count":1,"name":"a"}"#, &[][..]),
        (r#" {"name":"\u00fc\ud83d\ude00\/\n"} "#, r#"{"name":"ü😀/\n"}"#, &[]),
        ("```json\n{\"count\": 1}\n```", r#"{"count":1}"#, &["code_fence"]),
        ("```\n{\"name\": \"```\"}\n```\n", r#"{"name":"```"}"#, &["code_fence"]),
        ("Here you go:\n\n{\"count\": 1}\n\nAnything else?", r#"{"count":1}"#, &["outermost_value"]),
        ("Sure!\n```json\n{\"count\": 1}\n```\nDone.", r#"{"count":1}"#, &["outermost_value"]),
        (r#"{"tags": ["a", "b",], }"#, r#"{"tags":["a","b"]}"#, &["trailing_comma", "trailing_comma"]),
        ("{'name': 'it\\'s \"x\"'}", r#"{"name":"it's \"x\""}"#, &["single_quotes", "single_quotes"]),
        (r#"{name: "a", $x_1: 1}"#, "", &["unknown"]),
        (r#"{name: "a"}"#, r#"{"name":"a"}"#, &["bare_key"]),
        (r#"{"ok": True, "share": None}"#, r#"{"ok":true,"share":null}"#, &["python_literal", "python_literal"]),
        ("{\"count\": 1 // one\n, /* two */ \"ok\": false # three\n}", r#"{"count":1,"ok":false}"#, &["comment"; 3]),
        ("{\"name\": \"a\nb\"}", r#"{"name":"a\nb"}"#, &["raw_newline"]),
        (r#"{"count": "5", "share": "0.5"}"#, r#"{"count":5,"share":0.5}"#, &["text_to_number", "text_to_number"]),
        (r#"{"tags": "a"}"#, r#"{"tags":["a"]}"#, &["value_to_list"]),
        (r#"{"sizes": "5"}"#, r#"{"sizes":[5]}"#, &["value_to_list", "text_to_number"]),
        (r#"{"name": "5"}"#, r#"{"name":"5"}"#, &[]),
        ("{verdict: \"approve\",}", r#"{"verdict":"approve"}"#, &["bare_key", "trailing_comma"]),
    ] {
        if names == ["unknown"] {
            assert_eq!(judged(text).unwrap_err().reason, Reason::Mismatch, "{text}");
            continue;
        }
        let (found, of) = repaired(text);
        assert_eq!((found.as_str(), of.as_slice()), (value, names), "{text}");
    }
}

#[test]
fn what_would_have_to_be_completed_invented_or_chosen_is_not() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (text, reason) in [
        (r#"{"name": "a"#, Reason::Unfinished),
        (r#"{"name": "a", "tags": ["b""#, Reason::Unfinished),
        (r#"{"count": "#, Reason::Unfinished),
        ("```json\n{\"name\": \"a\"", Reason::Unfinished),
        ("{\"count\": 1 /* one", Reason::Unfinished),
        (r#"{"count": 1} {"count": 2}"#, Reason::TwoValues),
        ("either {\"count\": 1} or {\"count\": 2}", Reason::TwoValues),
        ("see [1]: {\"count\": 1}", Reason::TwoValues),
        ("```json\n{\"count\": 1}\n```\n```json\n{\"count\": 2}\n```", Reason::TwoValues),
        (r#"{"count": 1, "count": 1}"#, Reason::DuplicateKey),
        (r#"{"count": 1, 'count': 2}"#, Reason::DuplicateKey),
        (r#"{"count": }"#, Reason::NotJson),
        (r#"{"count": 1 "name": "a"}"#, Reason::NotJson),
        (r#"{"tags": [,]}"#, Reason::NotJson),
        (r#"{"tags": ["a",,"b"]}"#, Reason::NotJson),
        (r#"{"count": NaN}"#, Reason::NotJson),
        (r#"{"count": 01}"#, Reason::NotJson),
        (r#"{"count": 0x10}"#, Reason::NotJson),
        (r#"{"name": 'it's'}"#, Reason::NotJson),
        (r#"{"name": "\ud83d"}"#, Reason::NotJson),
        ("{\"name\": \"a\tb\"}", Reason::NotJson),
        (r#"{"count": 123456789012345678901234567890}"#, Reason::NumberRange),
        (r#"{"share": 1e999}"#, Reason::NumberRange),
        ("{\"name\": \"a\0\"}", Reason::Nul),
        (r#"{"name": "a\u0000"}"#, Reason::Nul),
        ("I cannot say.", Reason::NotJson),
        (" \n", Reason::Empty),
        (&deep(17), Reason::TooDeep),
        (&deep(16), Reason::Mismatch),
        (&format!("[{}]", "1,/**/".repeat(101)), Reason::TooManyRepairs),
        (r#"{"verdict": 'approve'}"#, Reason::NotToBeRepaired),
        (r#"{"tools": ['a']}"#, Reason::NotToBeRepaired),
        (r#"{"tools": "a"}"#, Reason::Mismatch),
        (r#"{"either": "5"}"#, Reason::Mismatch),
        (r#"{"choice": "5"}"#, Reason::Mismatch),
        (r#"{"count": "5.5"}"#, Reason::Mismatch),
        (r#"{"count": " 5"}"#, Reason::Mismatch),
        (r#"{"count": true}"#, Reason::Mismatch),
        (r#"{"ok": "true"}"#, Reason::Mismatch),
        (r#"{"name": 5}"#, Reason::Mismatch),
        (r#"{"tags": null}"#, Reason::Mismatch),
        (r#"{"other": 1}"#, Reason::Mismatch),
    ] {
        assert_eq!(judged(text).map_err(|wrong| wrong.reason), Err(reason), "{text}");
    }
}

#[test]
fn refused_and_truncated_answers_are_not_looked_at_and_leaks_are_discarded() {
    let canary = Canary::fresh();
    let of = |finish, text: &str| {
        let reply = Reply { finish, ..reply(text) };
        judge(&reply, Some(&schema()), &canary, true).map_err(|wrong| wrong.reason)
    };
    for (finish, reason) in [
        (Finish::Length, Reason::Truncated),
        (Finish::Refusal, Reason::Refused),
        (Finish::ContentFilter, Reason::Filtered),
    ] {
        assert_eq!(of(finish, r#"{"count": 1}"#), Err(reason));
        assert!(!Outcome::of(reason).may_be_reasked());
    }
    let word = canary.instruction().split(' ').nth(2).unwrap().to_owned();
    let (upper, apart) = (word.to_uppercase(), word.chars().map(|c| format!("{c}-")).collect::<String>());
    let escaped: String = word.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    for leak in [&word, &upper, &apart, &escaped] {
        assert_eq!(of(Finish::Stop, &format!(r#"{{"name": "{leak}"}}"#)), Err(Reason::CanaryLeak));
    }
    assert!(!Outcome::Unsafe.may_be_reasked() && !format!("{canary:?}").contains(&word));

    let text = |text: &str| judge(&reply(text), None, &canary, true);
    assert_eq!(text("Hello {\"a\": ").unwrap().answer, json!("Hello {\"a\": "));
    assert_eq!(text("a\0").unwrap_err().reason, Reason::Nul);
    assert_eq!(text(&word).unwrap_err().reason, Reason::CanaryLeak);
}

#[test]
fn while_repair_is_off_only_what_fits_as_it_is_fits() {
    let judged = |text: &str| judge(&reply(text), Some(&schema()), &Canary::fresh(), false);
    assert!(judged(r#"{"count": 1}"#).is_ok());
    for text in [r#"{"count": 1,}"#, r#"{"count": "1"}"#] {
        assert_eq!(judged(text).unwrap_err().reason, Reason::RepairIsOff);
    }
    assert_eq!(judged("{").unwrap_err().reason, Reason::Unfinished, "what repair would not have mended either");
}

#[test]
fn a_model_is_told_places_and_keywords_and_nothing_that_it_wrote() {
    let told = judged(r#"{"count": "many", "tags": ["a", 7], "hunter2": 1}"#).unwrap_err().told();
    assert!(told.contains("\"/count\" type") && told.contains("\"/tags/1\" type"), "{told}");
    assert!(told.contains("\"\" additionalProperties") && !told.contains("many") && !told.contains("hunter2"));
    let long = (0..500).map(|n| Wrong { at: format!("/{n}/{}", "ü".repeat(300)), code: "type".to_owned() });
    let told = Failing { reason: Reason::Mismatch, wrong: long.collect() }.told();
    assert!(told.len() <= 2048 && told.lines().count() > 5, "{} bytes", told.len());
    assert!(judged("{").unwrap_err().told().ends_with("\"\" unfinished"));
}

/// Puts the values of all patches where they say, one after the other.
fn patched(mut value: Value, repairs: &[Repair]) -> Value {
    for operation in repairs.iter().flat_map(|repair| &repair.patch) {
        *value.pointer_mut(&operation.path).unwrap() = operation.value.clone();
    }
    value
}

/// Whether two readers read the same: all but fractions, of which one may be off by its last bit.
fn says_the_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| says_the_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, one)| other.get(name).is_some_and(|other| says_the_same(one, other));
            one.len() == other.len() && one.iter().all(same)
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs() * 1e-12
        }
        (one, other) => one == other,
    }
}

/// JSON as models write it, and what comes of it when it is cut, doubled or garbled.
fn written() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("-0.1e3".to_owned()),
        Just("\"5\"".to_owned()),
        Just("'it'".to_owned()),
        Just("True".to_owned()),
        Just("null".to_owned()),
        Just("\"a\nb\"".to_owned()),
        Just("\"\\u00e9\"".to_owned()),
        any::<f64>().prop_map(|number| number.to_string()),
        "[ -~]{0,4}".prop_map(|text| format!("\"{text}\"")),
    ];
    let value = leaf.prop_recursive(4, 32, 4, |inner| {
        let names = prop_oneof![Just("\"count\""), Just("tags"), Just("'sizes'"), Just("\"ok\""), Just("name")];
        let end = prop_oneof![Just(""), Just(","), Just(" // x\n"), Just("/**/")];
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), end.clone())
                .prop_map(|(items, end)| format!("[{}{end}]", items.join(", "))),
            (prop::collection::vec((names, inner), 0..4), end).prop_map(|(members, end)| {
                let members: Vec<_> = members.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
                format!("{{{}{end}}}", members.join(",\n"))
            }),
        ]
    });
    (value, 0..8_usize, any::<prop::sample::Index>(), "[ -~]{0,3}").prop_map(|(text, how, at, noise)| match how {
        0 => format!("```json\n{text}\n```"),
        1 => format!("Here: {text} {noise}"),
        2 => text.chars().take(at.index(text.chars().count() + 1)).collect(),
        3 => format!("{text}{noise}{text}"),
        4 => {
            let place = at.index(text.chars().count() + 1);
            let (before, after): (String, String) =
                (text.chars().take(place).collect(), text.chars().skip(place).collect());
            format!("{before}{noise}{after}")
        }
        _ => text,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What was repaired needs no repair, and says the same.
    #[test]
    fn repairing_twice_is_repairing_once(text in written()) {
        if let Ok(reading) = read(&text) {
            let again = read(&reading.value.to_string()).unwrap();
            prop_assert_eq!(&again.value, &reading.value);
            prop_assert!(again.repairs.is_empty());
            prop_assert_eq!(patched(reading.value.clone(), &reading.repairs), reading.value);
        }
        if let Ok(Fitting { answer, repairs }) = judged(&text) {
            prop_assert!(schema().fits(&answer));
            prop_assert_eq!(patched(answer.clone(), &repairs), answer.clone());
            prop_assert_eq!(judged(&answer.to_string()), Ok(Fitting { answer, repairs: Vec::new() }));
        }
    }

    /// Without repairs, what is read is what any reader of JSON reads; and what others cannot read is not read without.
    #[test]
    fn without_repairs_it_is_json(text in written()) {
        let read = read(&text);
        match serde_json::from_str::<Value>(&text) {
            Ok(value) => match read {
                Ok(read) => {
                    prop_assert!(read.repairs.is_empty());
                    prop_assert!(says_the_same(&read.value, &value), "{} {}", read.value, value);
                }
                Err(reason) => prop_assert!(matches!(reason, Reason::DuplicateKey | Reason::NumberRange | Reason::Nul)),
            },
            Err(_) => prop_assert!(read.map_or(true, |read| !read.repairs.is_empty())),
        }
    }

    /// Whatever bytes come: an end, and no panic.
    #[test]
    fn any_text_is_judged(text in any::<String>()) {
        let _ = judged(&text);
    }
}
