//! Runs a version of a function: see [`functions`](crate::functions).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::SandboxRun;
use crate::{
    context::Context,
    functions::{Call, files::RESULT},
    job::{Job, Policy},
    outcome::{Failure, Outcome, done},
    role::Role,
    sandbox::{Cause, Content, RunReport, Usage},
    text,
};

/// The payload of a function, which its own schema describes. The job's kind says which function it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FunctionCall(Box<RawValue>);

/// What a call of a function comes to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Returned {
    /// The `result.json` that the function left, or else the last line of JSON that it printed.
    pub output: Box<RawValue>,
    pub usage: Usage,
    /// The image it ran in, by content.
    pub image_digest: String,
    /// The container runtime, `runsc` for gVisor.
    pub runtime: String,
}

/// How much of its last line of stderr a failed function's error tells, in characters.
const TOLD: usize = 500;

impl Job for FunctionCall {
    /// No job has this kind: see [`Registry::get`](crate::registry::Registry::get).
    const KIND: &'static str = "fn";
    const ROLE: Role = SandboxRun::ROLE;
    const POLICY: Policy = SandboxRun::POLICY;
    const PUBLIC: bool = false;
    type Output = Returned;

    async fn run(self, cx: &Context) -> Outcome<Returned> {
        let claimed = cx.claimed();
        let Some(Call { name, version: Some(version) }) = Call::of(&claimed.kind) else {
            return Err(Failure::fatal("unknown_kind", format!("`{}` names no version of a function", claimed.kind)));
        };
        let found = cx.functions().definition(&claimed.tenant_id, name, version).await?;
        let definition = found.ok_or_else(|| {
            Failure::fatal("function_gone", format!("`{}` was deleted before this job could run", claimed.kind))
        })?;
        let unfit = |why: String| Failure::fatal("function_unfit", format!("the function can no longer run: {why}"));
        let program: SandboxRun =
            serde_json::from_value(definition.call(self.0.get())).map_err(|error| unfit(error.to_string()))?;
        returned(program.report(cx).await?)
    }
}

/// What a program's end means for the call.
fn returned(report: RunReport) -> Outcome<Returned> {
    if let Some(failure) = failure(&report) {
        return Err(failure);
    }
    let output = output(&report)?;
    done(Returned { output, usage: report.usage, image_digest: report.image_digest, runtime: report.runtime })
}

/// What the program left as its result, or else printed last. One that ends well without it will do
/// so again.
fn output(report: &RunReport) -> Result<Box<RawValue>, Failure> {
    let none = |code, why| Failure::fatal(code, format!("the function ended well, but {why}"));
    match report.artifacts.get(RESULT) {
        Some(Content::Text(text)) => {
            return json(text).ok_or_else(|| none("no_output", "its result.json is not JSON"));
        }
        Some(Content::Bytes(_)) => return Err(none("no_output", "its result.json is not UTF-8")),
        None if report.artifacts_omitted > 0 => return Err(none("output_truncated", "its result.json is too large")),
        None => {}
    }
    // Of two streams of which one was cut, the shorter is whole: they are cut at the same length, but
    // for a part of a character.
    if report.truncated && report.stdout.len() + 3 >= report.stderr.len() {
        return Err(none("output_truncated", "it printed more than is kept: its result, the last line, is not there"));
    }
    let mut lines = report.stdout.lines().rev();
    lines.find_map(json).ok_or_else(|| {
        none("no_output", "no line of its stdout is JSON: print the result as the last one, or write it to result.json")
    })
}

fn json(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(text.trim().to_owned()).ok()
}

/// Anything but an exit with status 0 is a failed attempt.
fn failure(report: &RunReport) -> Option<Failure> {
    let (code, how) = match (report.cause, report.exit_code, report.signal) {
        (Cause::Exited, Some(0), _) => return None,
        (Cause::Exited, Some(status), _) => ("nonzero_exit", format!("it ended with status {status}")),
        (Cause::Signal, _, Some(signal)) => ("signal", format!("it was ended by signal {signal}")),
        (Cause::Exited | Cause::Signal, ..) => ("signal", "it did not end by itself".to_owned()),
        (Cause::Timeout, ..) => ("timeout", "it took longer than its limit of wall time".to_owned()),
        (Cause::CpuLimit, ..) => ("cpu_limit", "it used up its CPU time".to_owned()),
        (Cause::Oom, ..) => ("oom", "it was killed for want of memory".to_owned()),
        (Cause::OutputLimit, ..) => ("output_limit", "it printed more than anybody reads".to_owned()),
        (Cause::SandboxCrashed, ..) => ("sandbox_crashed", "the sandbox round it failed".to_owned()),
        (Cause::StartFailed, ..) => ("start_failed", "its sandbox did not start".to_owned()),
        (Cause::Cancelled, ..) => ("cancelled", "nobody wanted its result any more".to_owned()),
    };
    let said = report.stderr.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let said = said.map(|line| text::free_text(line).chars().take(TOLD).collect::<String>());
    let said = said.map_or_else(String::new, |line| format!(": {line}"));
    Some(Failure::retry(code, format!("the function failed: {how}{said}")))
}

impl JsonSchema for FunctionCall {
    fn schema_name() -> Cow<'static, str> {
        "FunctionCall".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Whatever the function's own schema takes." })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(stdout: &str) -> RunReport {
        let report = json!({
            "cause": "exited", "exit_code": 0, "signal": null,
            "stdout": stdout, "stderr": "warning\nValueError: \u{1b}[31mno\n\n", "truncated": false,
            "usage": Usage::default(), "image_digest": "sha256:0", "runtime": "runsc",
        });
        serde_json::from_value(report).unwrap()
    }

    fn output(report: RunReport) -> Option<String> {
        super::output(&report).ok().map(|json| json.get().to_owned())
    }

    #[test]
    fn the_output_is_the_last_line_that_is_json() {
        for (stdout, expected) in
            [("{\"a\": 1}\n", "{\"a\": 1}"), ("1\n [2, 3.0] \r\nbye\n\n", "[2, 3.0]"), ("null", "null")]
        {
            assert_eq!(output(report(stdout)).as_deref(), Some(expected));
        }
        for none in ["", "\n", "hello\n", "{\n\"a\":\n1}"] {
            assert_eq!(output(report(none)), None, "{none}");
        }
    }

    #[test]
    fn a_result_file_goes_before_what_was_printed() {
        let left = |file: &str| {
            let artifacts = [(RESULT.to_owned(), Content::Text(file.to_owned()))].into();
            RunReport { artifacts, truncated: true, ..report("1") }
        };
        assert_eq!(output(left("{\n\"a\": 1\n}\n")).as_deref(), Some("{\n\"a\": 1\n}"));
        assert_eq!(output(left("{")), None, "what is printed is not taken for what is broken");
        assert_eq!(output(RunReport { artifacts_omitted: 1, ..report("1") }), None);
    }

    #[test]
    fn an_end_without_an_answer_is_not_tried_again() {
        let code = |report| match returned(report) {
            Err(Failure::Fatal(error)) => error.code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code(report("hello")), "no_output");
        let long = "1\n".repeat(1000);
        assert_eq!(code(RunReport { truncated: true, ..report(&long) }), "output_truncated");
        let whole = RunReport { truncated: true, stderr: "x".repeat(2004), ..report(&long) };
        assert!(returned(whole).is_ok());
    }

    #[test]
    fn a_failure_tells_the_last_thing_that_was_said_on_stderr() {
        for (cause, exit_code, code) in [
            (Cause::Exited, Some(1), "nonzero_exit"),
            (Cause::Timeout, None, "timeout"),
            (Cause::Oom, None, "oom"),
            (Cause::Signal, None, "signal"),
        ] {
            let failed = returned(RunReport { cause, exit_code, ..report("{}") });
            let Err(Failure::Retry { error, after: None }) = failed else { panic!("{failed:?}") };
            assert_eq!(error.code, code);
            assert!(error.message.ends_with(": ValueError: [31mno"), "{}", error.message);
        }
    }
}
