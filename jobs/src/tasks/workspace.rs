//! The files of a task: which there may be, and whose they are.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::language::Language;
use crate::{models::validation::Wrong, sandbox::is_inside};

/// Texts by their paths, from the folder that a program starts in.
pub type Files = BTreeMap<String, String>;

/// Files of a program, or of its tests, at most.
pub const FILES: usize = 16;
/// Bytes of them together, likewise.
pub const BYTES: usize = 48 * 1024;

/// A file as models answer it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Written {
    pub(crate) path: String,
    pub(crate) content: String,
}

/// Which of a task's files are meant. They are told apart by their paths, so that neither side can write the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Program,
    Tests,
}

impl Side {
    /// Whose a path is: what is called `test…`, or is in a folder that is, belongs to the tests.
    pub(crate) fn of(path: &str) -> Self {
        if path.starts_with("test") { Self::Tests } else { Self::Program }
    }

    /// The file that it cannot do without.
    fn entry(self, language: &Language) -> &'static str {
        match self {
            Self::Program => language.program,
            Self::Tests => language.tests,
        }
    }
}

/// The files of one side that were written, or everything that is wrong with them, by place and code.
pub(crate) fn side(written: Vec<Written>, side: Side, language: &Language) -> Result<Files, Vec<Wrong>> {
    let mut wrong = Vec::new();
    for (at, file) in written.iter().enumerate() {
        if Side::of(&file.path) != side {
            let code = if side == Side::Tests { "path_must_begin_with_test" } else { "path_is_of_the_tests" };
            wrong.push(Wrong { at: format!("/files/{at}/path"), code: code.to_owned() });
        }
    }
    let files = gathered(written, &mut wrong);
    bounded(&files, side, language, &mut wrong);
    if wrong.is_empty() { Ok(files) } else { Err(wrong) }
}

/// A program and its tests with some of their files written anew, or everything that is wrong with those.
pub(crate) fn mended(
    written: Vec<Written>,
    program: &Files,
    tests: &Files,
    language: &Language,
) -> Result<(Files, Files), Vec<Wrong>> {
    let mut wrong = Vec::new();
    let changed = gathered(written, &mut wrong);
    if changed.iter().all(|(path, text)| program.get(path).or_else(|| tests.get(path)) == Some(text)) {
        wrong.push(Wrong { at: "/files".to_owned(), code: "changes_nothing".to_owned() });
    }
    let (mut program, mut tests) = (program.clone(), tests.clone());
    for (path, text) in changed {
        match Side::of(&path) {
            Side::Program => program.insert(path, text),
            Side::Tests => tests.insert(path, text),
        };
    }
    bounded(&program, Side::Program, language, &mut wrong);
    bounded(&tests, Side::Tests, language, &mut wrong);
    if wrong.is_empty() { Ok((program, tests)) } else { Err(wrong) }
}

/// The files by path, those that may be.
fn gathered(written: Vec<Written>, wrong: &mut Vec<Wrong>) -> Files {
    let mut files = Files::new();
    for (at, Written { path, content }) in written.into_iter().enumerate() {
        let mut say = |member: &str, code: &str| {
            wrong.push(Wrong { at: format!("/files/{at}/{member}"), code: code.to_owned() });
        };
        if !is_inside(&path) {
            say("path", "path_outside_the_workspace");
        } else if content.contains('\0') {
            say("content", "nul");
        } else if files.insert(path, content).is_some() {
            say("path", "path_is_there_twice");
        }
    }
    files
}

fn bounded(files: &Files, side: Side, language: &Language, wrong: &mut Vec<Wrong>) {
    let mut say = |code: &str| wrong.push(Wrong { at: "/files".to_owned(), code: code.to_owned() });
    let entry = side.entry(language);
    if !files.contains_key(entry) {
        say(&format!("no_{entry}"));
    }
    if files.len() > FILES {
        say("too_many_files");
    }
    if files.values().map(String::len).sum::<usize>() > BYTES {
        say("too_large");
    }
    // What is a file cannot be a folder, too.
    if files.keys().any(|path| path.match_indices('/').any(|(at, _)| files.contains_key(&path[..at]))) {
        say("file_is_a_folder_too");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python() -> &'static Language {
        Language::of("python").unwrap()
    }

    fn written(files: &[(&str, &str)]) -> Vec<Written> {
        files.iter().map(|(path, text)| Written { path: (*path).to_owned(), content: (*text).to_owned() }).collect()
    }

    fn codes(of: Side, files: &[(&str, &str)]) -> Vec<String> {
        let read = side(written(files), of, python());
        read.err().unwrap_or_default().into_iter().map(|wrong| format!("{} {}", wrong.at, wrong.code)).collect()
    }

    #[test]
    fn files_stay_in_the_workspace_and_on_their_side() {
        assert_eq!(codes(Side::Program, &[("main.py", "1"), ("lib/a.py", "2")]), [""; 0]);
        assert_eq!(codes(Side::Tests, &[("test_main.py", "1"), ("tests/data.json", "{}")]), [""; 0]);
        for (of, path, code) in [
            (Side::Program, "../evil", "/files/1/path path_outside_the_workspace"),
            (Side::Program, "/etc/passwd", "/files/1/path path_outside_the_workspace"),
            (Side::Program, "a/./b", "/files/1/path path_outside_the_workspace"),
            (Side::Program, "main.py", "/files/1/path path_is_there_twice"),
            (Side::Program, "main.py/x", "/files file_is_a_folder_too"),
            (Side::Program, "test_main.py", "/files/1/path path_is_of_the_tests"),
        ] {
            assert_eq!(codes(of, &[("main.py", "1"), (path, "2")]), [code], "{path}");
        }
        assert_eq!(
            codes(Side::Tests, &[("test_main.py", "1"), ("main.py", "2")]),
            ["/files/1/path path_must_begin_with_test"]
        );
    }

    #[test]
    fn files_are_bounded_and_one_is_the_first() {
        assert_eq!(codes(Side::Program, &[("other.py", "1")]), ["/files no_main.py"]);
        assert_eq!(codes(Side::Tests, &[("tests.py", "1")]), ["/files no_test_main.py"]);
        assert_eq!(codes(Side::Program, &[("main.py", "a\0")]), ["/files/0/content nul", "/files no_main.py"]);
        assert_eq!(codes(Side::Program, &[("main.py", &"x".repeat(BYTES + 1))]), ["/files too_large"]);
        let names: Vec<String> = (0..FILES).map(|n| format!("f{n}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), "")).chain([("main.py", "")]).collect();
        assert_eq!(codes(Side::Program, &many), ["/files too_many_files"]);
    }

    #[test]
    fn what_is_mended_goes_over_what_was_there_and_changes_something() {
        let one = |path: &str, text: &str| Files::from([(path.to_owned(), text.to_owned())]);
        let (program, tests) = (one("main.py", "1"), one("test_main.py", "2"));
        let mend = |files: &[(&str, &str)]| mended(written(files), &program, &tests, python());
        let (after, same) = mend(&[("main.py", "3"), ("lib.py", "4")]).unwrap();
        assert_eq!((after.len(), after["main.py"].as_str(), &same), (2, "3", &tests));
        assert_eq!(mend(&[("test_main.py", "5")]).unwrap().1["test_main.py"], "5");
        assert_eq!(mend(&[("main.py", "1")]).unwrap_err()[0].code, "changes_nothing");
        assert_eq!(mend(&[("../x", "1")]).unwrap_err()[0].code, "path_outside_the_workspace");
    }
}
