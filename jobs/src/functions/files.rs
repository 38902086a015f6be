//! The files of a program, as they are registered.

use std::collections::BTreeMap;

use crate::{job::Invalid, sandbox::Content};

/// Files of one program, at most: as many as a sandbox takes.
pub const FILES: usize = 256;
/// Bytes of all its files together, at most.
pub const BYTES: usize = 512 * 1024;
/// Where a program may leave its output, rather than print it.
pub const RESULT: &str = "result.json";

/// The files of a program by their paths below its working folder.
pub type Files = BTreeMap<String, Content>;

/// What a sandbox would not say of files. Answers their size in bytes.
///
/// Pointers begin with the files.
pub fn check(files: &Files) -> Result<usize, Vec<Invalid>> {
    let mut wrong = Vec::new();
    if files.is_empty() {
        wrong.push(Invalid::new("", "there is no program without a file"));
    }
    if files.contains_key(RESULT) {
        wrong.push(Invalid::new(format!("/{RESULT}"), "this is where a call leaves its output: choose another name"));
    }
    let size = files.values().filter_map(|content| content.clone().into_bytes()).map(|bytes| bytes.len()).sum();
    if size > BYTES {
        wrong.push(Invalid::new("", format!("all files together have at most {BYTES} bytes, and these have {size}")));
    }
    if wrong.is_empty() { Ok(size) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(files: &[(&str, &str)]) -> Vec<String> {
        let content = |text: &str| Content::Text(text.to_owned());
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), content(text))).collect();
        check(&files).err().unwrap_or_default().into_iter().map(|wrong| wrong.pointer).collect()
    }

    #[test]
    fn there_are_files_and_not_too_much_of_them() {
        assert_eq!(wrong(&[]), [""]);
        assert_eq!(wrong(&[("a", &"x".repeat(BYTES)), ("b", "x")]), [""]);
        assert!(wrong(&[("a", &"x".repeat(BYTES))]).is_empty());
        assert_eq!(wrong(&[("a", "1"), ("result.json", "{}")]), ["/result.json"]);
    }
}
