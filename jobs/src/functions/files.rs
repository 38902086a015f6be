//! The files of a program, as JSON carries them.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::Invalid;

/// Files of one program, at most.
pub const FILES: usize = 256;
/// Bytes of all its files together, at most.
pub const BYTES: usize = 512 * 1024;
/// Bytes of a path, and of one name in it.
const PATH: usize = 512;
const PART: usize = 255;
/// Names in a path.
const DEPTH: usize = 16;

/// The files of a program by their paths below its working folder.
pub type Files = BTreeMap<String, Content>;

/// What is in a file: text as it stands, or any bytes in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Content {
    Text(String),
    Bytes(Encoded),
}

/// Bytes that need not be text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Encoded {
    /// In the alphabet with `+` and `/`, padded (RFC 4648, section 4).
    #[schemars(extend("contentEncoding" = "base64"))]
    base64: String,
}

impl Content {
    /// `None` where it is not base64.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.clone().into_bytes()),
            Self::Bytes(Encoded { base64 }) => STANDARD.decode(base64).ok(),
        }
    }
}

impl From<Vec<u8>> for Content {
    /// Text wherever it is.
    fn from(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Bytes(Encoded { base64: STANDARD.encode(error.as_bytes()) }),
        }
    }
}

/// Everything that is wrong with files: their number, size, paths and content. Answers their size in
/// bytes.
///
/// Pointers begin with the files.
pub fn check(files: &Files) -> Result<usize, Vec<Invalid>> {
    let mut wrong = Vec::new();
    if !(1..=FILES).contains(&files.len()) {
        wrong.push(Invalid::new("", format!("1 to {FILES} files")));
    }
    let mut size = 0;
    for (path, content) in files {
        let at = || format!("/{}", path.replace('~', "~0").replace('/', "~1"));
        if !is_inside(path) {
            wrong.push(Invalid::new(
                at(),
                format!("a path is relative, without `.` and `..`, at most {DEPTH} deep and {PATH} bytes long"),
            ));
        } else if parents(path).any(|parent| files.contains_key(parent)) {
            wrong.push(Invalid::new(at(), "one of the files is a folder in this path"));
        }
        match content.bytes() {
            Some(bytes) => size += bytes.len(),
            None => wrong.push(Invalid::new(at(), "`base64` is not base64 with `+`, `/` and padding")),
        }
    }
    if size > BYTES {
        wrong.push(Invalid::new("", format!("all files together have at most {BYTES} bytes, and these have {size}")));
    }
    if wrong.is_empty() { Ok(size) } else { Err(wrong) }
}

/// Whether a path names something below the folder it is joined to, whatever that is.
fn is_inside(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= PART;
    path.len() <= PATH
        && path.split('/').count() <= DEPTH
        && path.split('/').all(plain)
        && !path.chars().any(char::is_control)
}

fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Content {
        Content::Text(text.to_owned())
    }

    fn wrong(files: &[(&str, Content)]) -> Vec<String> {
        let files = files.iter().map(|(path, content)| ((*path).to_owned(), content.clone())).collect();
        check(&files).err().unwrap_or_default().into_iter().map(|wrong| wrong.pointer).collect()
    }

    #[test]
    fn paths_stay_inside() {
        for path in ["a.py", "lib/a.py", "ä b/ö", ".hidden", "..."] {
            assert!(wrong(&[(path, text("1"))]).is_empty(), "{path}");
        }
        let long = "a/".repeat(300);
        for path in ["", "/etc/passwd", "../a", "a/../b", "./a", "a//b", "a/", "a\0b", "a\nb", "a\u{1b}[31m", &long] {
            assert_eq!(wrong(&[(path, text("1"))]).len(), 1, "{path}");
        }
        assert_eq!(wrong(&[("a", text("1")), ("a/b", text("1"))]), ["/a~1b"]);
    }

    #[test]
    fn there_are_files_and_not_too_many_of_them() {
        assert_eq!(wrong(&[]), [""]);
        let many: Vec<_> = (0..=FILES).map(|n| n.to_string()).collect();
        let many: Vec<_> = many.iter().map(|path| (path.as_str(), text(""))).collect();
        assert_eq!(wrong(&many), [""]);
        assert!(wrong(&many[1..]).is_empty());
        assert_eq!(wrong(&[("a", text(&"x".repeat(BYTES))), ("b", text("x"))]), [""]);
    }

    #[test]
    fn bytes_come_in_base64() {
        let read = |json: &str| serde_json::from_str::<Content>(json);
        assert_eq!(read(r#"{"base64": "AP8="}"#).unwrap().bytes(), Some(vec![0, 255]));
        for bytes in [&b"text"[..], b"\xff\0"] {
            assert_eq!(Content::from(bytes.to_vec()).bytes().as_deref(), Some(bytes));
        }
        assert_eq!(wrong(&[("a", read(r#"{"base64": "!"}"#).unwrap())]), ["/a"]);
        assert!(read(r#"{"base64": "", "more": 1}"#).is_err() && read("7").is_err());
    }
}
