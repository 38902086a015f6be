use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

/// Where the first thing is that is wrong with a schema, and what.
fn refused(schema: &Value) -> Invalid {
    compile(schema).err().unwrap_or_else(|| panic!("{schema} compiles")).remove(0)
}

fn pointer(schema: Value) -> String {
    refused(&schema).pointer
}

#[test]
fn a_schema_says_what_is_wrong_with_a_payload() {
    let schema = json!({
        "$schema": DRAFT,
        "$id": "https://example.com/size",
        "type": "object",
        "properties": {"w": {"$ref": "#/$defs/length"}, "h": {"$ref": "#/%24defs/length"}, "tag": {"pattern": "^\\w+$"}},
        "required": ["w"],
        "$defs": {"length": {"type": "number", "minimum": 0}},
    });
    let schema = compile(&schema).unwrap();
    assert_eq!(schema.validate(&json!({"w": 1, "h": 2.5, "tag": "a_1"})), Ok(()));
    let wrong = schema.validate(&json!({"w": -1, "h": "x", "tag": "a b"})).unwrap_err();
    let mut places: Vec<_> = wrong.iter().map(|wrong| wrong.pointer.as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, ["/h", "/tag", "/w"]);
    assert!(compile(&json!(true)).is_ok() && compile(&json!({})).is_ok());
}

#[test]
fn what_is_no_schema_is_refused_where_it_is_none() {
    assert_eq!(pointer(json!({"type": "objekt"})), "/type");
    assert_eq!(pointer(json!({"properties": {"a": {"minimum": "1"}}})), "/properties/a/minimum");
    assert_eq!(pointer(json!({"properties": {"a": {"pattern": "("}}})), "/properties/a/pattern");
    assert_eq!(pointer(json!({"$schema": "http://json-schema.org/draft-07/schema#"})), "/$schema");
    assert_eq!(pointer(json!(7)), "");
}

#[test]
fn nothing_is_fetched() {
    for elsewhere in ["https://example.com/s.json", "file:///etc/passwd", "other.json#/a", "//example.com", "#name"] {
        assert_eq!(pointer(json!({"items": {"$ref": elsewhere}})), "/items/$ref", "{elsewhere}");
    }
    assert_eq!(pointer(json!({"items": {"$ref": "#/$defs/missing"}})), "/items/$ref");
    assert_eq!(pointer(json!({"items": {"$id": "https://example.com/"}})), "/items/$id");
    assert_eq!(pointer(json!({"$dynamicRef": "#meta"})), "/$dynamicRef");
}

#[test]
fn a_schema_that_refers_to_itself_is_refused() {
    for circle in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"properties": {"child": {"$ref": "#"}}}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/%24defs/a"}}}),
    ] {
        assert!(refused(&circle).detail.contains("itself"), "{circle}");
    }
}

#[test]
fn references_that_fan_out_are_counted_as_what_they_lead_to() {
    let fan = |levels: u32| {
        let definitions: serde_json::Map<_, _> = (0..levels)
            .map(|n| {
                (
                    n.to_string(),
                    json!({"allOf": [{"$ref": format!("#/$defs/{}", n + 1)}, {"$ref": format!("#/$defs/{}", n + 1)}]}),
                )
            })
            .chain([(levels.to_string(), json!({"type": "object"}))])
            .collect();
        json!({"$ref": "#/$defs/0", "$defs": definitions})
    };
    assert!(compile(&fan(4)).is_ok());
    assert!(refused(&fan(30)).detail.contains("values"));
    let chain: serde_json::Map<_, _> = (0..1000)
        .map(|n| (format!("{n:04}"), json!({"$ref": format!("#/$defs/{:04}", n + 1)})))
        .chain([("1000".to_owned(), json!(true))])
        .collect();
    assert!(refused(&json!({"$ref": "#/$defs/0000", "$defs": chain})).detail.contains("deep"));
}

#[test]
fn a_schema_is_bounded() {
    assert!(refused(&json!({"description": "x".repeat(BYTES)})).detail.contains("bytes"));
    let nested = (0..=DEPTH).fold(json!({}), |inner, _| json!({"items": inner}));
    assert!(refused(&nested).detail.contains("deep"));
    let patterns: Vec<_> = (0..=PATTERNS).map(|n| json!({"pattern": n.to_string()})).collect();
    assert!(refused(&json!({"anyOf": patterns})).detail.contains("regular expressions"));
    assert!(compile(&json!({"pattern": "(\\w{100}){100}"})).is_err());
    assert!(refused(&json!({"enum": (0..5000).collect::<Vec<_>>()})).detail.contains("values"));
}

/// With backtracking, this pattern takes time exponential in the length of the text.
#[test]
fn no_payload_takes_long() {
    let begun = Instant::now();
    let schema = compile(&json!({"pattern": "^(a+)+$"})).unwrap();
    assert!(schema.validate(&json!("a".repeat(50_000) + "!")).is_err());
    assert!(compile(&json!({"pattern": "(?=a)b"})).is_err());

    let checks: Vec<_> = (0..1000).map(|n| json!({"multipleOf": n + 1})).collect();
    let schema = compile(&json!({"items": {"allOf": checks}})).unwrap();
    let most = schema.validate(&json!(vec![0; 5000]));
    assert_eq!(most, Ok(()));
    let wrong = schema.validate(&json!(vec![0; 20_000])).unwrap_err();
    assert!(wrong[0].detail.contains("too much"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
