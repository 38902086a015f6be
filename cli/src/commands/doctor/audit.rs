//! The audit log: whether its heads are signed.

use super::Check;
use crate::{config::Settings, exit::describe};

pub(super) fn check(settings: &Settings) -> Vec<Check> {
    let Some(key) = &settings.audit_key else {
        let found = "its heads are not signed: set GOLDEN_AUDIT_KEY, so that a chain that was written anew shows";
        return vec![Check::ok("audit", found)];
    };
    vec![match key.read() {
        Ok(key) => Check::ok("audit", format!("its heads are signed; the public key is {}", key.public())),
        Err(error) => Check::failure("audit", format!("no head can be signed: {}", describe(&error))),
    }]
}
