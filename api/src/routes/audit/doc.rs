//! The documentation of `/v1/audit`.

use serde_json::json;

use super::resource::payload;
use crate::{
    live::wire::NDJSON,
    openapi::{Answer, Doc, Tag},
    problem::Code,
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Audit",
    about: "Who changed what: a chain of entries for each tenant, in which none can be changed, left out or put in without \
        its being seen. Entries are kept for good.",
};

pub(in crate::routes) fn list() -> Doc {
    Doc::new(
        "List audit entries",
        "Newest first, of the caller's tenant. An admin may name another `tenant`, or the `installation`, whose chain has \
         what concerns all tenants.",
    )
    .problems(&[Code::NotFound])
}

pub(in crate::routes) fn head() -> Doc {
    Doc::new(
        "Read where the audit log ends",
        "The number and the hash of the last entry, and the head that was signed last. Whoever keeps them sees later whether \
         the chain was written anew.",
    )
    .problems(&[Code::NotFound])
}

pub(in crate::routes) fn export() -> Doc {
    let entry = json!({"seq": 1, "prev_hash": "00".repeat(32), "hash": "1f".repeat(32), "payload": payload()});
    let end = json!({"end": {"seq": 1, "hash": "1f".repeat(32), "tenant": "acme"}});
    Doc::new(
        "Export the audit log",
        "The chain in order, one entry a line, a line with `head` behind each entry whose head was signed, and a last line \
         with `end`: where it is missing, the export broke off. `golden audit verify` holds an export against itself.",
    )
    .problems(&[Code::NotFound])
    .answer(Answer::new(200, "The entries.").text(NDJSON, &format!("{entry}\n{end}\n")))
}
