//! The documentation of what can be followed as it happens.

use golden_jobs::store::LogLine;

use crate::{
    cursor::List,
    live::{
        position::Position,
        wire::{EVENT_STREAM, NDJSON},
    },
    openapi::{Answer, Doc, Tag},
    problem::Code,
};

pub(in crate::routes) const TAG: Tag = Tag {
    name: "Live",
    about: "What goes on, as it happens: Server-Sent Events, which every browser and many libraries understand. \
        Streams say that they are alive every 15 seconds, and end with the token they were opened with. A \
        connection that broke is taken up again with the id of the last event, and nothing is missed or repeated.",
};

const LAST_EVENT_ID: &str =
    "The id of the last event that was seen. The stream goes on after it. Browsers send it by themselves.";
const NOTHING_MORE: &str = "The job has ended, and the client has seen its end: there is nothing to come back for.";

const LINE: &str = r#"{"seq":1,"attempt":1,"stream":"stdout","at":"2026-01-02T03:04:05Z","text":"hello"}"#;

pub(in crate::routes) fn logs() -> Doc {
    Doc::new(
        "Read a job's log",
        "What the job's runs wrote, over all attempts, the oldest line first. A job keeps 10,000 lines and 1 MiB, \
         then one line of the stream `system` that says so. Lines longer than 8 KiB go on in the next.\n\n\
         With `follow=1` the answer is a stream that goes on until the job has ended: of events `log` and a last \
         event `end` where `Accept` names `text/event-stream`, else of one JSON object a line. Where a stream of \
         lines was cut off, `after` takes it up again.",
    )
    .header("Last-Event-ID", LAST_EVENT_ID, "1-5d7c1b0f2a9e4433-0")
    .answer(
        Answer::new(200, "A page of lines, or a stream of them.")
            .json::<List<LogLine>>()
            .text(NDJSON, &format!("{LINE}\n"))
            .text(EVENT_STREAM, &format!("event: log\nid: 1-5d7c1b0f2a9e4433-0\ndata: {LINE}\n\n")),
    )
    .answer(Answer::new(204, NOTHING_MORE))
    .problems(&[Code::TooManyStreams, Code::StreamsFull])
}

pub(in crate::routes) fn events() -> Doc {
    Doc::new(
        "Follow a job",
        "A stream of events until the job has ended:\n\n\
         - `state`: the job, when the stream begins and each time it changes;\n\
         - `progress`: what its run says of how far it has come;\n\
         - `log`: a line of its log;\n\
         - `end`: the state that it ended in, always the last.\n\n\
         The lines that a run wrote come before the state that follows from its end.",
    )
    .header("Last-Event-ID", LAST_EVENT_ID, "1-5d7c1b0f2a9e4433-0")
    // An empty one is none: that is what some clients send at first.
    .matching(Position::OR_NONE)
    .answer(Answer::new(200, "The stream.").text(
        EVENT_STREAM,
        &format!(
            "event: log\nid: 1-5d7c1b0f2a9e4433-0\ndata: {LINE}\n\n\
             event: progress\nid: 1-5d7c1b0f2a9e4433-99aa\ndata: {{\"done\":3,\"total\":10}}\n\n\
             event: end\nid: 1-77e0cc51d2b84d20-99aa-end\ndata: {{\"state\":\"succeeded\"}}\n\n"
        ),
    ))
    .answer(Answer::new(204, NOTHING_MORE))
    .problems(&[Code::TooManyStreams, Code::StreamsFull])
}

pub(in crate::routes) fn tenant() -> Doc {
    Doc::new(
        "Follow a tenant",
        "A stream of all events of the tenant, which `GET /v1/webhooks/events` lists, from now on. Each is named by \
         its type and says what a webhook says; its id is its number. Two more tell of the stream itself:\n\n\
         - `open`: the number of the last event before it, with which it can be taken up again;\n\
         - `gap`: events after that number are not to be had any more. They have left the log, which goes back \
           24 hours, or nobody was listening: without a webhook endpoint, events are kept for ten minutes after the \
           last stream has ended.",
    )
    .header("Last-Event-ID", LAST_EVENT_ID, "17")
    .matching("^[0-9]{0,18}$")
    .answer(Answer::new(200, "The stream.").text(
        EVENT_STREAM,
        "event: open\nid: 17\ndata: {\"sequence\":17}\n\n\
         event: job.succeeded\nid: 18\ndata: {\"type\":\"job.succeeded\",\"timestamp\":\"2026-01-02T03:04:05Z\",\
         \"sequence\":18,\"data\":{\"id\":\"job_01981d2a-6c1b-7e53-9a0c-3d5f8e2b7a41\",\"kind\":\"noop\",\
         \"state\":\"succeeded\"}}\n\n",
    ))
    .problems(&[Code::TooManyStreams, Code::StreamsFull])
}
