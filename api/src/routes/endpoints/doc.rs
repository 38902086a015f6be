//! The documentation of `/v1/webhooks/endpoints`.

use serde_json::json;

use crate::{
    openapi::{Answer, Doc, Tag},
    problem::Code,
    resource::webhooks::EndpointWithSecret,
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Webhook endpoints",
    about: "Where a tenant wants its events sent, of all its jobs. Messages are signed as the Standard Webhooks \
        specification says, with a secret of the endpoint's own, delivered at least once, and retried for three days.",
};

pub(in crate::routes) fn list() -> Doc {
    Doc::new("List webhook endpoints", "All that the tenant has, the oldest first. Secrets are not shown.")
}

pub(in crate::routes) fn create() -> Doc {
    Doc::new(
        "Create a webhook endpoint",
        "From then on the events that it chooses are posted to its URL. The answer holds the secret that signs them, \
         and is the only one that does. A tenant has at most 20 endpoints.",
    )
    .example(
        "All that happens to jobs of one kind",
        json!({"url": "https://example.com/golden", "events": ["job.*"], "kinds": ["http.call"]}),
    )
    .example(
        "CloudEvents with ids and links alone",
        json!({"url": "https://example.com/events", "events": ["*"], "format": "cloudevents", "thin": true}),
    )
    .answer(Answer::new(201, "The endpoint takes events from now on.").json::<EndpointWithSecret>().header(
        "Location",
        "Where the endpoint is read.",
        "/v1/webhooks/endpoints/hook_01981d2c-1a5b-7f3e-a9d4-6c2e8b0f5d13",
    ))
    .problems(&[Code::LimitReached])
}

pub(in crate::routes) fn show() -> Doc {
    Doc::new("Read a webhook endpoint", "What it takes, and how it fares. Its secret is not shown.")
}

pub(in crate::routes) fn change() -> Doc {
    Doc::new(
        "Change a webhook endpoint",
        "What the request does not name stays as it is. Messages that are under way go to the new URL at their next \
         attempt.",
    )
    .example("Another URL", json!({"url": "https://example.com/golden/v2"}))
    .example("Events of all kinds again", json!({"kinds": []}))
}

pub(in crate::routes) fn enable() -> Doc {
    Doc::new(
        "Enable a webhook endpoint",
        "It takes events again, and earlier failures are forgotten. Messages that failed can be replayed: \
         `POST /v1/webhooks/deliveries/replay`. Of what happened while it was disabled there are none.",
    )
}

pub(in crate::routes) fn disable() -> Doc {
    Doc::new(
        "Disable a webhook endpoint",
        "It takes no further events, and messages that are under way to it fail at their next attempt. They can be \
         replayed once it is enabled again.",
    )
}

pub(in crate::routes) fn delete() -> Doc {
    Doc::new(
        "Delete a webhook endpoint",
        "It takes no further events, and messages that are under way to it fail at their next attempt. What was \
         delivered stays on record.",
    )
    .answer(Answer::new(204, "It is gone."))
}

pub(in crate::routes) fn rotate() -> Doc {
    Doc::new(
        "Rotate the secret of a webhook endpoint",
        "Makes a new secret, which this answer shows and no other. For the time of `overlap` messages carry two \
         signatures, of the new secret and of the one it replaces, so that receivers can change over when they like. \
         The answer is 409 while an earlier rotation has not come to its end.",
    )
    .problems(&[Code::Conflict])
}

pub(in crate::routes) fn revoke_old() -> Doc {
    Doc::new(
        "End a rotation now",
        "The secret that was replaced signs no more. Asking again, or without a rotation, changes nothing.",
    )
}

pub(in crate::routes) fn test() -> Doc {
    Doc::new(
        "Send a test to a webhook endpoint",
        "Posts an event of the type `webhook.test`, once, whatever events the endpoint takes and even if it is \
         disabled. The answer is the delivery with its attempt; its status says whether the receiver took it. It is \
         `pending` where no worker sent it within 20 seconds.",
    )
}
