//! The steps of a task: a program that says what it is for, and tests that hold it to that.

use serde_json::{Value, json};

use super::Material;

/// Characters of a goal that go into a program.
const SAID: usize = 200;

pub(super) fn plan(material: &Material<'_>) -> Option<Value> {
    let goal = goal(material)?;
    let layout = material.get("layout")?;
    let (program, tests) = (layout["program"].as_str()?, layout["tests"].as_str()?);
    Some(json!({
        "summary": format!("By rule of the offline model: a small program about \"{goal}\"."),
        "steps": [
            format!("Write `describe` in {program}, which gives the goal: {goal}"),
            format!("Have {program} print that when it is run"),
            format!("Test both in {tests}"),
        ],
        "interface": format!("`describe` takes nothing and gives the text of the goal; {program}, run by itself, prints it."),
    }))
}

pub(super) fn program(material: &Material<'_>) -> Option<Value> {
    let (language, file) = language(material, "program")?;
    Some(json!({"files": [{"path": file, "content": program_text(&language, &goal(material)?)?}]}))
}

pub(super) fn tests(material: &Material<'_>) -> Option<Value> {
    let (language, file) = language(material, "tests")?;
    Some(json!({"files": [{"path": file, "content": tests_text(&language, &goal(material)?)?}]}))
}

/// Writes both anew, and says so in the program, so that something changes however often it is asked.
pub(super) fn repair(material: &Material<'_>) -> Option<Value> {
    let goal = goal(material)?;
    let (language, program) = language(material, "program")?;
    let (_, tests) = self::language(material, "tests")?;
    let comment = if language == "javascript" { "//" } else { "#" };
    let before = material.get("files")?[&program].as_str().unwrap_or_default().to_owned();
    let times = before.lines().filter(|line| line.contains("Written anew")).count() + 1;
    let anew: String = (1..=times).map(|time| format!("{comment} Written anew, {time}.\n")).collect();
    let text = format!("{}{anew}", program_text(&language, &goal)?);
    Some(json!({
        "reason": "By rule of the offline model: the program and its tests are written anew.",
        "files": [
            {"path": program, "content": text},
            {"path": tests, "content": tests_text(&language, &goal)?},
        ],
    }))
}

/// The first words of a task's goal, in one line.
fn goal(material: &Material<'_>) -> Option<String> {
    let task = material.get("task")?;
    let words: Vec<_> = task["goal"].as_str()?.split_whitespace().collect();
    Some(words.join(" ").chars().filter(|c| !c.is_control()).take(SAID).collect())
}

/// The language of a task, and the name of one of its two files.
fn language(material: &Material<'_>, file: &str) -> Option<(String, String)> {
    let layout = material.get("layout")?;
    Some((layout["language"].as_str()?.to_owned(), layout[file].as_str()?.to_owned()))
}

/// A text as the languages write it: Python and JavaScript as JSON does, and Bash in single quotes.
fn literal(language: &str, text: &str) -> String {
    if language == "bash" { format!("'{}'", text.replace('\'', r"'\''")) } else { Value::from(text).to_string() }
}

fn program_text(language: &str, goal: &str) -> Option<String> {
    let goal = literal(language, goal);
    Some(match language {
        "python" => format!(
            "\"\"\"Made by rule, by the offline model.\"\"\"\n\n\
             GOAL = {goal}\n\n\n\
             def describe():\n    \"\"\"What this program is for.\"\"\"\n    return GOAL\n\n\n\
             if __name__ == \"__main__\":\n    print(describe())\n"
        ),
        "javascript" => format!(
            "// Made by rule, by the offline model.\n\"use strict\";\n\n\
             const GOAL = {goal};\n\n\
             /** What this program is for. */\nfunction describe() {{\n  return GOAL;\n}}\n\n\
             if (require.main === module) console.log(describe());\n\n\
             module.exports = {{ describe }};\n"
        ),
        "bash" => format!(
            "# Made by rule, by the offline model.\n\
             GOAL={goal}\n\n\
             # What this program is for.\ndescribe() {{\n    printf '%s\\n' \"$GOAL\"\n}}\n\n\
             if [[ ${{BASH_SOURCE[0]}} == \"$0\" ]]; then\n    describe\nfi\n"
        ),
        _ => return None,
    })
}

fn tests_text(language: &str, goal: &str) -> Option<String> {
    let goal = literal(language, goal);
    Some(match language {
        "python" => format!(
            "\"\"\"Made by rule, by the offline model.\"\"\"\n\n\
             import subprocess\nimport sys\nimport unittest\n\nimport main\n\nGOAL = {goal}\n\n\n\
             class Describe(unittest.TestCase):\n    \
             def test_it_gives_the_goal(self):\n        self.assertEqual(main.describe(), GOAL)\n\n    \
             def test_it_prints_the_goal(self):\n        \
             run = subprocess.run([sys.executable, \"-X\", \"utf8\", \"main.py\"], capture_output=True, check=True)\n        \
             self.assertEqual(run.stdout.decode(), GOAL + \"\\n\")\n\n\n\
             if __name__ == \"__main__\":\n    unittest.main()\n"
        ),
        "javascript" => format!(
            "// Made by rule, by the offline model.\n\"use strict\";\n\n\
             const assert = require(\"node:assert\");\n\
             const {{ execFileSync }} = require(\"node:child_process\");\n\
             const {{ describe }} = require(\"./main.js\");\n\n\
             const GOAL = {goal};\n\n\
             assert.strictEqual(describe(), GOAL, \"it gives the goal\");\n\
             const printed = execFileSync(process.execPath, [\"main.js\"], {{ encoding: \"utf8\" }});\n\
             assert.strictEqual(printed, GOAL + \"\\n\", \"it prints the goal\");\n\
             console.log(\"2 tests passed\");\n"
        ),
        "bash" => format!(
            "# Made by rule, by the offline model.\nset -euo pipefail\n\n\
             goal={goal}\n\n\
             check() {{\n    if [[ $2 != \"$goal\" ]]; then\n        \
             echo \"FAILED: $1: $2\" >&2\n        exit 1\n    fi\n}}\n\n\
             check 'it prints the goal' \"$(bash main.sh)\"\n\
             source main.sh\n\
             check 'it gives the goal' \"$(describe)\"\n\
             echo '2 tests passed'\n"
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;
    use crate::tasks::Language;

    /// What the host has of these languages shows that what is written in them runs.
    #[test]
    fn what_is_written_by_rule_runs_and_passes_its_tests() {
        let goal = "Say \"hello\" to O'Brien & $HOME, \\ `date` ${x}: naïve ünïcode";
        for (name, runs) in [("python", "python3"), ("javascript", "node"), ("bash", "bash")] {
            let language = Language::of(name).unwrap();
            let folder = std::env::temp_dir().join(format!("golden-offline-{}", uuid::Uuid::now_v7()));
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(language.program), program_text(name, goal).unwrap()).unwrap();
            fs::write(folder.join(language.tests), tests_text(name, goal).unwrap()).unwrap();
            let run = Command::new(runs).arg(language.tests).current_dir(&folder).env("LC_ALL", "C.UTF-8").output();
            fs::remove_dir_all(&folder).unwrap();
            match run {
                Ok(run) => assert!(run.status.success(), "{name}: {run:?}"),
                Err(error) => assert_ne!(name, "bash", "{error}"),
            }
        }
        assert_eq!(program_text("cobol", goal), None);
    }
}
