//! Runs one untrusted program in a sandbox and keeps its output.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    context::Context,
    job::{Invalid, Job, Policy},
    outcome::{Failure, Outcome, done},
    role::Role,
    sandbox::{Cause, Program, RunReport},
    store::LogStream,
};

/// Runs one untrusted program and keeps its output. A program that exits non-zero is a
/// succeeded run with that exit code, unless `fail_on_nonzero` says otherwise.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SandboxRun {
    /// The language of `source`, one that an image is configured for.
    #[schemars(length(min = 1, max = 64))]
    pub language: String,
    /// The program's text, at most 96 KiB.
    #[schemars(length(min = 1, max = SOURCE_LIMIT), regex(pattern = NO_NUL))]
    pub source: String,
    /// Its command-line arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(regex(pattern = NO_NUL)))]
    pub args: Vec<String>,
    /// What it reads on standard input.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdin: String,
    /// Its environment. Other programs in the same sandbox can read it: no place for secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend(
        "propertyNames" = {"pattern": "^[A-Za-z0-9_]+$"},
        "additionalProperties" = {"type": "string", "pattern": NO_NUL},
    ))]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub limits: Limits,
    /// Makes an exit status other than 0 a failed attempt. What the program printed is then in the
    /// job's log.
    #[serde(default)]
    pub fail_on_nonzero: bool,
}

/// How much a program may use, within what every sandbox allows.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Wall time in ms, 10 s where absent, 50 s at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 50_000))]
    pub wall_ms: Option<u64>,
}

/// A NUL character cannot be passed to a program.
const NO_NUL: &str = r"^[^\x00]*$";
/// The source travels as one argument of the interpreter, and Linux takes 128 KiB for one.
const SOURCE_LIMIT: usize = 96 * 1024;
const DEFAULT_WALL: Duration = Duration::from_secs(10);

impl Job for SandboxRun {
    const KIND: &'static str = "sandbox.run";
    const ROLE: Role = Role::Sandbox;
    const POLICY: Policy = Policy::DEFAULT.timeout_secs(60).attempts(3);
    type Output = RunReport;

    fn check(&self) -> Result<(), Invalid> {
        if self.source.len() > SOURCE_LIMIT {
            return Err(Invalid::new("/source", format!("keep the source under {SOURCE_LIMIT} bytes")));
        }
        if let Some(at) = std::iter::once(&self.source).chain(&self.args).position(|text| text.contains('\0')) {
            let pointer = if at == 0 { "/source".to_owned() } else { format!("/args/{}", at - 1) };
            return Err(Invalid::new(pointer, "a NUL character cannot be passed to a program"));
        }
        for (name, value) in &self.env {
            let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
            if !named || value.contains('\0') {
                return Err(Invalid::new("/env", "names are ASCII letters, digits and `_`; values have no NUL"));
            }
        }
        Ok(())
    }

    async fn run(self, cx: &Context) -> Outcome<RunReport> {
        let wall = self.limits.wall_ms.map_or(DEFAULT_WALL, Duration::from_millis);
        let executor = cx.executor()?;
        let report = executor
            .run(Program {
                label: cx.claimed().run.id.to_string(),
                language: self.language,
                source: self.source,
                args: self.args,
                stdin: self.stdin.into_bytes(),
                env: self.env,
                wall,
            })
            .await?;
        match report.cause {
            Cause::SandboxCrashed | Cause::StartFailed => {
                let cause = if report.cause == Cause::StartFailed { "start_failed" } else { "sandbox_crashed" };
                cx.metrics().sandbox_failures.with_label_values(&[cause]).inc();
                // The platform's fault is worth one more try, and no more: the program may be the cause.
                if cx.claimed().attempt < 2 {
                    return Err(Failure::retry(cause, "the sandbox failed before the program ended"));
                }
            }
            _ => {}
        }
        if self.fail_on_nonzero && (report.cause != Cause::Exited || report.exit_code != Some(0)) {
            // The failure keeps nothing of what the program printed; the log does.
            cx.log(LogStream::Stdout, &report.stdout).await;
            cx.log(LogStream::Stderr, &report.stderr).await;
            let how = report.exit_code.map_or_else(|| format!("{:?}", report.cause), |code| format!("status {code}"));
            return Err(Failure::retry("nonzero_exit", format!("the program ended with {how}")));
        }
        done(report)
    }
}
