//! From a file or a folder on this machine to the files of a program.

use std::{
    fs,
    path::{Path, PathBuf},
};

use golden_jobs::{
    functions::files::{BYTES, FILES, Files},
    sandbox::Content,
};

use crate::exit::Usage;

/// A file by its name, or all files of a folder by their paths in it.
///
/// What is hidden stays here, and so do Python's caches. Stops once there is more than a function may
/// have: a folder may hold anything.
pub(in crate::commands) fn read(program: &Path) -> Result<Files, Usage> {
    let mut files = Files::new();
    if program.is_file() {
        let name = program.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| unfit(program, "its name is not UTF-8"))?;
        files.insert(name.to_owned(), content(program)?);
        return Ok(files);
    }
    let mut size = 0;
    let mut folders = vec![(program.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| unfit(&folder, &error.to_string()))?;
        for entry in entries {
            let entry = entry.map_err(|error| unfit(&folder, &error.to_string()))?;
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| unfit(&path, "its name is not UTF-8"))?;
            if name.starts_with('.') || name == "__pycache__" {
                continue;
            }
            let kind = entry.file_type().map_err(|error| unfit(&path, &error.to_string()))?;
            let inside = format!("{prefix}{name}");
            if kind.is_dir() {
                folders.push((path, format!("{inside}/")));
            } else if kind.is_file() {
                size += entry.metadata().map_err(|error| unfit(&path, &error.to_string()))?.len();
                if files.len() == FILES || size > BYTES as u64 {
                    let most = format!("{FILES} files and {} KiB in all are the most", BYTES / 1024);
                    return Err(unfit(program, &most));
                }
                files.insert(inside, content(&path)?);
            } else {
                return Err(unfit(&path, "it is neither a file nor a folder"));
            }
        }
    }
    Ok(files)
}

fn content(path: &Path) -> Result<Content, Usage> {
    let size = fs::metadata(path).map_err(|error| unfit(path, &error.to_string()))?.len();
    if size > BYTES as u64 {
        return Err(unfit(path, &format!("it may have {} KiB", BYTES / 1024)));
    }
    fs::read(path).map(Content::from).map_err(|error| unfit(path, &error.to_string()))
}

fn unfit(path: &Path, why: &str) -> Usage {
    Usage(format!("{} cannot be sent: {why}", path.display()))
}

/// Which of the files is run.
pub(super) fn entry(files: &Files, asked: Option<String>) -> Result<String, Usage> {
    if let Some(asked) = asked {
        return Ok(asked);
    }
    let main = |path: &str| !path.contains('/') && matches!(stem(path), "main" | "index");
    let mains: Vec<_> = files.keys().filter(|path| files.len() == 1 || main(path)).collect();
    match mains[..] {
        [one] => Ok(one.clone()),
        _ => Err(Usage("say which of the files is run: --entry FILE".to_owned())),
    }
}

/// The language that files of this name are written in.
pub(super) fn language(entry: &str) -> Result<&'static str, Usage> {
    match PathBuf::from(entry).extension().and_then(|extension| extension.to_str()) {
        Some("py") => Ok("python"),
        Some("js" | "mjs" | "cjs") => Ok("javascript"),
        Some("sh" | "bash") => Ok("bash"),
        _ => Err(Usage(format!("the name of {entry} does not tell its language: --language LANGUAGE"))),
    }
}

fn stem(path: &str) -> &str {
    path.split_once('.').map_or(path, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Files {
        paths.iter().map(|path| ((*path).to_owned(), Content::from(Vec::new()))).collect()
    }

    #[test]
    fn what_is_run_is_the_only_file_or_the_main_one() {
        let entry = |paths: &[&str]| entry(&files(paths), None).ok();
        assert_eq!(entry(&["a.py"]).as_deref(), Some("a.py"));
        assert_eq!(entry(&["a.py", "main.py", "lib/main.py"]).as_deref(), Some("main.py"));
        assert_eq!(entry(&["index.mjs", "a.mjs"]).as_deref(), Some("index.mjs"));
        assert_eq!((entry(&["a.py", "b.py"]), entry(&["main.py", "main.js"])), (None, None));
        assert_eq!(super::entry(&files(&["a", "b"]), Some("b".to_owned())).ok().as_deref(), Some("b"));
    }

    #[test]
    fn the_language_is_told_by_the_name() {
        for (entry, expected) in [("a/b.py", Some("python")), ("x.mjs", Some("javascript")), ("x.sh", Some("bash"))] {
            assert_eq!(language(entry).ok(), expected);
        }
        assert!(language("Makefile").is_err() && language("a.rs").is_err());
    }
}
