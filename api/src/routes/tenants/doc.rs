//! The documentation of `/v1/tenants`.

use serde_json::json;

use super::resource::{TenantResource, TokenResource};
use crate::{
    openapi::{Answer, Doc, Tag},
    problem::Code,
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Tenants",
    about: "Whose jobs these are, and on what terms each is served: for those who run the installation. A tenant \
        appears with its first job, on the usual terms, or is created before. Its quotas are those of its queues.",
};

pub(in crate::routes) fn list() -> Doc {
    Doc::new("List tenants", "Every tenant, in the order of their names.")
}

pub(in crate::routes) fn create() -> Doc {
    Doc::new("Create a tenant", "Makes a tenant known before its first job, on terms of its own.")
        .example("Three times the share of others", json!({"id": "acme", "weight": 3}))
        .answer(Answer::new(201, "The tenant is known.").json::<TenantResource>().header(
            "Location",
            "Where the tenant is read.",
            "/v1/tenants/acme",
        ))
        .problems(&[Code::NameTaken])
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read a tenant", "A tenant's terms, and its figures and quotas in each role.")
}

pub(in crate::routes) fn change() -> Doc {
    Doc::new(
        "Change a tenant's terms",
        "Changes what the body names, and nothing else. The API keeps to it within a second, workers within ten; a \
         weight counts from the next job on.",
    )
    .example("A larger share, and the usual payloads", json!({"weight": 5, "max_payload": null}))
}

pub(in crate::routes) fn suspend() -> Doc {
    Doc::new(
        "Suspend a tenant",
        "Within a second its requests are refused with `tenant-suspended`, and its schedules wait. Jobs that were \
         accepted still run: pause its queues to hold them back. One's own tenant cannot be suspended. Asking again is \
         harmless, and keeps the time of the first.",
    )
    .problems(&[Code::Conflict])
}

pub(in crate::routes) fn resume() -> Doc {
    Doc::new("Resume a tenant", "Its requests are served again, within a second. Asking again is harmless.")
}

pub(in crate::routes) fn delete() -> Doc {
    Doc::new(
        "Delete a tenant",
        "Forgets a tenant with its queues, schedules and webhook endpoints, unless jobs of it are open. Its ended jobs \
         stay until they are past their time. Tokens are not withdrawn: with one that still counts, it appears again \
         with its next job; suspend it instead to keep it out. One's own tenant cannot be deleted.",
    )
    .answer(Answer::new(204, "The tenant is gone."))
    .problems(&[Code::Conflict])
}

pub(in crate::routes) fn token() -> Doc {
    Doc::new(
        "Make a token",
        "Makes a token that speaks for the tenant, and shows it once. Nothing of it is kept, and it cannot be withdrawn \
         but with the secret: make it good for no longer than it is needed. An admin's token is only made by \
         `golden token mint`. With GOLDEN_JWKS, the identity provider makes tokens.",
    )
    .example("For a program, for twelve hours", json!({"role": "developer", "sub": "ci", "ttl": 43200}))
    .answer(Answer::new(201, "The token is made.").json::<TokenResource>())
    .problems(&[Code::TokensMadeElsewhere])
}
