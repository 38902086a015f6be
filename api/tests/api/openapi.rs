//! The OpenAPI document, and whether it is true.

use std::{env, fs, path::Path};

use serde_json::Value;

/// Where the document of this build's own kinds is kept.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

pub(crate) fn document() -> Value {
    serde_json::to_value(golden_api::openapi(&golden_jobs::kinds::registry())).unwrap()
}

#[test]
fn a_change_of_the_document_shows() {
    let made = format!("{:#}\n", document());
    if env::var_os("GOLDEN_ACCEPT").is_some() {
        fs::write(KEPT, made).unwrap();
        return;
    }
    let kept = fs::read_to_string(Path::new(KEPT)).unwrap_or_default();
    let (mut made, mut kept) = (made.lines(), kept.lines());
    let changed = (1..).find_map(|number| match (kept.next(), made.next()) {
        (None, None) => Some(None),
        (kept, made) if kept == made => None,
        (kept, made) => Some(Some(format!("line {number}\n- {}\n+ {}", kept.unwrap_or(""), made.unwrap_or("")))),
    });
    if let Some(Some(change)) = changed {
        panic!(
            "docs/openapi.json is not what the code says, from {change}\nIf the change is meant: GOLDEN_ACCEPT=1 cargo \
             test -p golden-api a_change_of_the_document_shows, and read the diff before you commit it."
        );
    }
}
