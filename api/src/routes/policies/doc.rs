//! The documentation of `/v1/policies`.

use serde_json::json;

use crate::{
    openapi::{Doc, Tag},
    problem::Code,
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Policies",
    about: "What a tenant's agents are told, and on what terms: versions that never change, one of which is active for \
        each agent role. How often that may be another one, and who has to approve it, is the rule of the role; a \
        version is on trial in a tenth of the role's jobs before it is active for all.",
};

pub(in crate::routes) fn list() -> Doc {
    Doc::new("List policies", "One for each agent role, with what is active, on trial or frozen.")
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read a policy", "What is active, and when something else may be.")
}

pub(in crate::routes) fn versions() -> Doc {
    Doc::new("List versions", "The versions of a role's policy, the newest first, whatever became of them.")
}

pub(in crate::routes) fn version() -> Doc {
    Doc::new("Read a version", "What agents are told under it. It never changes.")
}

pub(in crate::routes) fn rollback() -> Doc {
    Doc::new(
        "Roll back",
        "Ends the trial of the version that is on trial; where none is, makes the version active that was so before. \
         No approval is needed and no quota or cooldown counts. The next cooldown is twice as long, and two rollbacks \
         within seven days freeze the role.",
    )
    .example("Back", json!({"reason": "answers became longer and no better"}))
    .problems(&[Code::Conflict])
}

pub(in crate::routes) fn freeze() -> Doc {
    Doc::new("Freeze a policy", "No version is activated any more until an admin unfreezes the role. Rollbacks are.")
        .example("Hold", json!({"reason": "we compare two models this week"}))
}

pub(in crate::routes) fn unfreeze() -> Doc {
    Doc::new("Unfreeze a policy", "Versions may be activated again. Rollbacks before that do not count any more.")
        .example("Go on", json!({"reason": "looked at what was rolled back"}))
        .problems(&[Code::Conflict])
}
