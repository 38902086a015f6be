//! The documentation of `/v1/functions`.

use serde_json::json;

use crate::{
    openapi::{Answer, Doc, Tag},
    problem::Code,
    resource::functions::VersionResource,
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Functions",
    about: "Programs to be called as the kind `fn.NAME`, each in a sandbox of its own. A function has versions, which \
        never change; one of them is live, and is what `fn.NAME` means when a job comes in. `fn.NAME@2` is always the \
        second one.",
};

pub(in crate::routes) fn create() -> Doc {
    Doc::new(
        "Register a function",
        "Makes a function, or a new version of it, which is live at once unless `live` is false.\n\n\
         A call's payload is checked against the schema when it is submitted, and is what the program reads on \
         standard input, as JSON. The last line of JSON that it prints is the job's `result.output`, unless it leaves \
         a file `result.json`, which is then. What it prints is in the job's log. An exit status other than 0 is a \
         failed attempt, and an end without any JSON is the end of the job, which dies of `no_output`.\n\n\
         Registering what the newest version is already records nothing, so that it can be asked for again. A tenant \
         has at most 200 functions, and keeps at most 100 versions of each.",
    )
    .example(
        "The area of a rectangle",
        json!({
            "name": "area",
            "language": "python",
            "files": {"main.py": "import json, sys\np = json.load(sys.stdin)\nprint(json.dumps({\"area\": p[\"w\"] * p[\"h\"]}))\n"},
            "schema": {
                "type": "object",
                "properties": {"w": {"type": "number"}, "h": {"type": "number"}},
                "required": ["w", "h"],
            },
            "limits": {"wall_ms": 5000},
        }),
    )
    .answer(
        Answer::new(201, "The version is recorded.").json::<VersionResource>().header(
            "Location",
            "Where the version is read.",
            "/v1/functions/area/versions/3",
        ),
    )
    .answer(
        Answer::new(200, "It is what the newest version is already.").json::<VersionResource>().header(
            "Location",
            "Where the version is read.",
            "/v1/functions/area/versions/3",
        ),
    )
    .problems(&[Code::LimitReached, Code::NotFound])
}

pub(in crate::routes) fn list() -> Doc {
    Doc::new("List functions", "The tenant's functions, the newest first.")
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read a function", "The function with its versions, the newest first.")
}

pub(in crate::routes) fn change() -> Doc {
    Doc::new(
        "Say which version is live",
        "`fn.NAME` means this version for jobs that come in from now on, also those of schedules. Jobs that were \
         accepted before run the version they were accepted for.",
    )
    .example("Back to the first version", json!({"live": 1}))
}

pub(in crate::routes) fn delete() -> Doc {
    Doc::new(
        "Delete a function",
        "All its versions go, unless jobs of it are open. Ended jobs stay; put back to work, they die of \
         `function_gone`. Should a function of that name be registered again, its numbers go on where these ended.",
    )
    .answer(Answer::new(204, "The function is gone."))
    .problems(&[Code::Conflict])
}
