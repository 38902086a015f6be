//! Runs one untrusted program in a sandbox and keeps its output.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    breakers::Dependency,
    context::Context,
    job::{Invalid, Job, Policy},
    outcome::{Failure, Outcome, done},
    role::Role,
    sandbox::{AskedLimits, Cause, Content, Entry, ExecutorError, Program, RunReport, is_inside, read_along},
    trace,
};

/// Runs one untrusted program and keeps its output. A program that exits non-zero is a
/// succeeded run with that exit code, unless `fail_on_nonzero` says otherwise.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = [
    {"oneOf": [{"required": ["language"]}, {"required": ["image"]}]},
    {"oneOf": [{"required": ["source"]}, {"required": ["entry", "files"]}]},
]))]
pub struct SandboxRun {
    /// The language of the program. It runs in the image for that. Either this or `image` is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub language: Option<String>,
    /// The image that the program runs in, by its name in the operator's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub image: Option<String>,
    /// The program's text. Either this or `entry` is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub source: Option<String>,
    /// Which of `files` is the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub entry: Option<String>,
    /// Files for the program to find in the folder it starts in, by their paths from there: each a
    /// text, or `{"base64": …}`. At most 256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = FILES, "propertyNames" = {"minLength": 1, "maxLength": 512}))]
    pub files: BTreeMap<String, Content>,
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
    /// How much it may use, as far as the tenant's terms and the operator allow: who asks for more gets that.
    #[serde(default)]
    pub limits: AskedLimits,
    /// Which of the files that the program leaves in its folder are wanted in the result. `*` and
    /// `?` stand for characters within a name, `**` for folders: `["report.json", "plots/**"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 512)))]
    pub artifacts: Vec<String>,
    /// What it may reach: nothing.
    #[serde(default)]
    pub network: Network,
    /// Makes an exit status other than 0 a failed attempt. What the program printed is then in the
    /// job's log.
    #[serde(default)]
    pub fail_on_nonzero: bool,
}

/// What a program may reach.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    #[default]
    None,
}

/// A NUL character cannot be passed to a program.
const NO_NUL: &str = r"^[^\x00]*$";
const FILES: usize = 256;
/// Pieces of output that may wait for the log.
const READ_AHEAD: usize = 8;

impl Job for SandboxRun {
    const KIND: &'static str = "sandbox.run";
    const ROLE: Role = Role::Sandbox;
    const POLICY: Policy = Policy::DEFAULT.timeout_secs(60).attempts(3);
    type Output = RunReport;

    fn check(&self) -> Result<(), Invalid> {
        self.runs_in()?;
        match (&self.source, &self.entry) {
            (Some(_), None) => {}
            (None, Some(entry)) if self.files.contains_key(entry) => {}
            (None, Some(_)) => return Err(Invalid::new("/entry", "name one of the files")),
            _ => return Err(Invalid::new("", "give either a source, or files and an entry")),
        }
        if self.files.len() > FILES {
            return Err(Invalid::new("/files", format!("at most {FILES} files")));
        }
        for (path, content) in &self.files {
            let pointer = || format!("/files/{}", path.replace('~', "~0").replace('/', "~1"));
            if !is_inside(path) {
                return Err(Invalid::new(
                    pointer(),
                    "a path is relative, with no `.` or `..`, at most 16 folders deep and 512 bytes long",
                ));
            }
            if content.clone().into_bytes().is_none() {
                return Err(Invalid::new(pointer() + "/base64", "this is not base64 with padding"));
            }
            // What is a file cannot be a folder, too.
            if path.match_indices('/').any(|(at, _)| self.files.contains_key(&path[..at])) {
                return Err(Invalid::new(pointer(), "another file has the name of its folder"));
            }
        }
        if let Some(at) = self.args.iter().position(|text| text.contains('\0')) {
            return Err(Invalid::new(format!("/args/{at}"), "a NUL character cannot be passed to a program"));
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
        let fail_on_nonzero = self.fail_on_nonzero;
        let mut report = self.report(cx).await?;
        if fail_on_nonzero && (report.cause != Cause::Exited || report.exit_code != Some(0)) {
            let how =
                report.exit_code.map_or_else(|| report.cause.as_str().to_owned(), |code| format!("status {code}"));
            return Err(Failure::retry("nonzero_exit", format!("the program ended with {how}")));
        }
        report.fit(cx.result_limit().await?);
        done(report)
    }
}

impl SandboxRun {
    /// Narrows the schema of its payload down to what there is: the languages, and the images, by their names.
    pub fn offer(schema: &mut Value, languages: &[impl AsRef<str>], images: &[impl AsRef<str>]) {
        // Null is as good as absent.
        let one_of = |names: Vec<&str>| names.into_iter().map(Value::from).chain([Value::Null]).collect();
        schema["properties"]["language"]["enum"] = one_of(languages.iter().map(AsRef::as_ref).collect());
        schema["properties"]["image"]["enum"] = one_of(images.iter().map(AsRef::as_ref).collect());
    }

    /// The name of the image: a language is that of the image for it.
    fn runs_in(&self) -> Result<&str, Invalid> {
        match (&self.language, &self.image) {
            (Some(name), None) | (None, Some(name)) => Ok(name),
            _ => Err(Invalid::new("", "give either a language or an image")),
        }
    }

    /// Runs the program to its end, whatever that is. What it prints is in the job's log.
    pub(super) async fn report(self, cx: &Context) -> Result<RunReport, Failure> {
        let mut program = self.into_program(cx.claimed().run.id.to_string())?;
        program.limits = cx.terms().await?.sandbox_limits.allowed(program.limits);
        if let Some(context) = trace::current() {
            // As OpenTelemetry names them for processes; a program's own come first.
            let mut tell = |name: &str, value: &str| {
                program.env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            };
            tell("TRACEPARENT", &context.traceparent());
            context.tracestate().into_iter().for_each(|state| tell("TRACESTATE", state));
        }
        let (live, printed) = mpsc::channel(READ_AHEAD);
        let executor = cx.executor()?;
        let call = cx.call(&Dependency::Docker).await?;
        let (report, ()) = tokio::join!(executor.run(program, live), read_along(cx, printed));
        // What else may go wrong is perhaps the program's doing.
        call.ended(matches!(report, Err(ExecutorError::Unavailable(_))));
        let report = report?;

        let cause = report.cause.as_str();
        cx.metrics().sandbox_runs.with_label_values(&[cause]).inc();
        if report.cause.is_platforms() {
            cx.metrics().sandbox_failures.with_label_values(&[cause]).inc();
            // The platform's fault is worth one more try, and no more: the program may be the cause.
            if cx.claimed().attempt < 2 {
                return Err(Failure::retry(cause, "the sandbox failed before the program ended"));
            }
        }
        Ok(report)
    }

    fn into_program(self, label: String) -> Result<Program, Failure> {
        // Seen at intake; a payload of another build may not have been.
        self.check().map_err(|invalid| Failure::fatal("payload_invalid", invalid.to_string()))?;
        let image = self.runs_in().map(str::to_owned).unwrap_or_default();
        Ok(Program {
            label,
            image,
            entry: match (self.source, self.entry) {
                (Some(source), _) => Entry::Source(source),
                (None, entry) => Entry::File(entry.unwrap_or_default()),
            },
            files: self
                .files
                .into_iter()
                .filter_map(|(path, content)| content.into_bytes().map(|bytes| (path, bytes)))
                .collect(),
            args: self.args,
            stdin: self.stdin.into_bytes(),
            env: self.env,
            limits: self.limits.given(),
            artifacts: self.artifacts,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::to_raw_value};

    use super::*;
    use crate::registry::Registry;

    /// Where the first thing is that is wrong with this payload for Python.
    fn wrong(mut payload: Value) -> Option<String> {
        payload["language"] = json!("python");
        let registry = Registry::default().with::<SandboxRun>();
        let checked = registry.get("sandbox.run").unwrap().validate(&to_raw_value(&payload).unwrap());
        checked.err().map(|wrong| wrong[0].pointer.clone())
    }

    #[test]
    fn a_program_is_a_source_or_one_of_its_files() {
        assert_eq!(wrong(json!({"source": "1"})), None);
        assert_eq!(wrong(json!({"source": "1", "files": {"a/b.txt": "text", "c": {"base64": "AA=="}}})), None);
        assert_eq!(wrong(json!({"entry": "main.py", "files": {"main.py": "1"}})), None);
        assert_eq!(wrong(json!({"entry": "other.py", "files": {"main.py": "1"}})).as_deref(), Some("/entry"));
        assert_eq!(wrong(json!({"files": {"main.py": "1"}})).as_deref(), Some(""));
        assert_eq!(wrong(json!({"source": "1", "entry": "main.py", "files": {"main.py": "1"}})).as_deref(), Some(""));
    }

    #[test]
    fn files_stay_inside_and_are_what_they_say() {
        let file = |path: &str, content: Value| wrong(json!({"source": "1", "files": {path: content}}));
        assert_eq!(file("../x", json!("")).as_deref(), Some("/files/..~1x"));
        assert_eq!(file("/etc/passwd", json!("")).as_deref(), Some("/files/~1etc~1passwd"));
        assert_eq!(file("a", json!({"base64": "###"})).as_deref(), Some("/files/a/base64"));
        assert_eq!(file("a", json!({"hex": "00"})).as_deref(), Some("/files/a"));
        let both = wrong(json!({"source": "1", "files": {"a": "", "a/b": ""}}));
        assert_eq!(both.as_deref(), Some("/files/a~1b"));
        let many: serde_json::Map<_, _> = (0..10_000).map(|n| (n.to_string(), json!(""))).collect();
        assert_eq!(wrong(json!({"source": "1", "files": many})).as_deref(), Some("/files"));
    }

    #[test]
    fn nothing_else_can_be_asked_for() {
        for smuggled in ["privileged", "HostConfig", "runtime", "user", "mounts", "image_pull", "command"] {
            assert!(wrong(json!({"source": "1", smuggled: true})).is_some(), "{smuggled}");
            assert!(wrong(json!({"source": "1", "limits": {smuggled: 1}})).is_some(), "{smuggled}");
        }
        assert_eq!(wrong(json!({"source": "1", "network": "host"})).as_deref(), Some("/network"));
        assert_eq!(wrong(json!({"source": "1", "network": "none"})), None);
        assert_eq!(wrong(json!({"source": "1", "env": {"A=B": ""}})).as_deref(), Some("/env"));
        assert_eq!(wrong(json!({"source": "1", "args": ["a\0b"]})).as_deref(), Some("/args/0"));
    }

    #[test]
    fn a_program_runs_in_one_of_the_images_that_there_are() {
        let registry = Registry::default()
            .with::<SandboxRun>()
            .with_schema("sandbox.run", |schema| SandboxRun::offer(schema, &["python"], &["python", "python-ml"]));
        let wrong = |mut payload: Value| {
            payload["source"] = json!("1");
            let checked = registry.get("sandbox.run").unwrap().validate(&to_raw_value(&payload).unwrap());
            checked.err().map(|mut wrong| wrong.remove(0)).map(|wrong| (wrong.pointer, wrong.detail))
        };
        for fine in [json!({"language": "python"}), json!({"image": "python"}), json!({"image": "python-ml"})] {
            assert_eq!(wrong(fine.clone()), None, "{fine}");
        }
        let (pointer, detail) = wrong(json!({"language": "cobol"})).unwrap();
        assert_eq!(pointer, "/language");
        assert!(detail.contains("cobol") && detail.contains("python"), "{detail}");
        let (pointer, detail) = wrong(json!({"image": "alpine:latest"})).unwrap();
        assert_eq!(pointer, "/image");
        assert!(detail.contains("python-ml"), "{detail}");
        for neither_nor in [json!({}), json!({"language": "python", "image": "python"})] {
            assert_eq!(wrong(neither_nor.clone()).unwrap().0, "", "{neither_nor}");
        }
    }
}
