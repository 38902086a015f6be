//! Which settings there are, from where, and what is wrong with them.

use serde_json::{Value, json};

use super::Check;
use crate::config::{AnySetting, Layers, table};

/// A line for each setting that somebody set, and for each thing that is wrong.
pub(super) fn check(layers: &Layers) -> Vec<Check> {
    let set = table::all().filter_map(|setting| {
        let found = layers.find(setting.about())?;
        setting.check(found.value).ok()?;
        let shown = setting.about().printable(found.value).unwrap_or_else(|| "set, and not shown".to_owned());
        Some(Check::ok(setting.about().name(), format!("{shown}, {}", found.place)))
    });
    let mut checks: Vec<_> = set.collect();
    let faults = layers.faults();
    if checks.is_empty() && faults.is_empty() {
        checks.push(Check::ok("settings", "none is set; `golden --help` lists them with their defaults"));
    }
    checks.extend(faults.iter().map(|fault| Check::failure("settings", fault.to_string())));
    checks.extend(layers.warnings().into_iter().map(|warning| Check::warning("settings", warning)));
    checks
}

/// Every setting with its value and where that is from, for programs. `null` is no value, or a secret one.
pub(super) fn list(layers: &Layers) -> Vec<Value> {
    table::all()
        .map(AnySetting::about)
        .map(|about| match layers.find(about) {
            Some(found) => {
                let place = found.place.to_string();
                json!({"name": about.name(), "value": about.printable(found.value), "from": place, "set": true})
            }
            None => json!({"name": about.name(), "value": about.default(), "from": "by default", "set": false}),
        })
        .collect()
}
