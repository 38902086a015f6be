//! The documentation of `/v1/budgets`.

use serde_json::json;

use crate::openapi::{Doc, Tag};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Budgets",
    about: "What tenants may spend on calls that cost money, and what they have spent. What a call may cost at worst is \
        kept back before it is made, so that a limit holds whatever is under way. Where a budget is gone, new jobs of \
        kinds that spend are refused with `budget-exhausted`, and those that run wait without losing an attempt.",
};

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List budgets",
        "Every tenant for which something was set or reserved, in the order of their names: the others have the \
         installation's default, and have spent nothing.",
    )
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read a budget", "A tenant's own, as of now; an admin reads every tenant's.")
}

pub(in crate::routes) fn set() -> Doc {
    Doc::new(
        "Set a budget",
        "Sets limit and period, and holds at once; what the body does not name is the installation's default again. \
         Jobs that wait for money go on within a few seconds. It is in the audit log.",
    )
    .example("Twenty-five dollars a month", json!({"limit_micros": 25_000_000, "period": "month"}))
}
