//! The images that sandboxed programs run in, as operators name them.

use std::fmt::Display;

use golden_jobs::sandbox::is_inside;
use golden_sandbox::Image;
use serde::Deserialize;

/// One as it is written in settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// What submissions call it.
    name: String,
    /// Its name or id in Docker.
    image: String,
    /// Another image for this language: what is not said is as the language's own image has it.
    language: Option<String>,
    command: Option<Vec<String>>,
    source_file: Option<String>,
}

const LONGEST: usize = 64;

/// The images that golden brings, changed and added to by a list of entries in JSON.
pub(super) fn sandbox_images(text: &str) -> Result<Vec<Image>, String> {
    let entries: Vec<Entry> = serde_json::from_str(text).map_err(|error| {
        format!("this is not a list of {{name, image, language?, command?, source_file?}} in JSON: {error}")
    })?;
    let mut images = Image::defaults();
    let mut named = Vec::new();
    // A language has its own image before another one for it can be told from that.
    let (own, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.language.is_none());
    for entry in own.into_iter().chain(others) {
        let name = entry.name.clone();
        let wrong = |why: &dyn Display| format!("image `{name}`: {why}");
        if named.contains(&name) {
            return Err(wrong(&"it is there twice"));
        }
        let image = image(entry, &images).map_err(|why| wrong(&why))?;
        images.retain(|other| other.name != name);
        images.push(image);
        named.push(name);
    }
    Ok(images)
}

/// The image that an entry describes, beside those that are known.
fn image(entry: Entry, known: &[Image]) -> Result<Image, String> {
    let Entry { name, image, language, command, source_file } = entry;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._+-".contains(c);
    if name.is_empty() || name.len() > LONGEST || !name.chars().all(plain) {
        return Err(format!("its name is not 1 to {LONGEST} of a-z, 0-9 and ._+-"));
    }
    if image.is_empty() || image.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("its `image` is neither a name nor an id in Docker".to_owned());
    }
    let of_language = match &language {
        Some(language) if *language == name => {
            return Err("it is another image for the language than its own".to_owned());
        }
        Some(language) => {
            let own = known.iter().find(|image| image.language.is_none() && image.name == *language);
            Some(own.ok_or_else(|| format!("there is no language `{language}`"))?)
        }
        None => known.iter().find(|image| image.name == name),
    };
    let command = command.or_else(|| Some(of_language?.command.clone()));
    let source_file = source_file.or_else(|| Some(of_language?.source_file.clone()));
    let command = command.ok_or("say its `command`, which the path of a program is the next argument of: [\"run\"]")?;
    let source_file = source_file.ok_or("say its `source_file`, which a program's text is written to: \"main.x\"")?;
    if command.is_empty() || command.iter().any(|part| part.is_empty() || part.contains('\0')) {
        return Err("its `command` is not a list of texts such as [\"run\"]".to_owned());
    }
    if !is_inside(&source_file) {
        return Err("its `source_file` is not a relative path such as \"main.x\"".to_owned());
    }
    Ok(Image { name, language, reference: image, command, source_file })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        sandbox_images(text).unwrap().into_iter().map(|image| image.name).collect()
    }

    #[test]
    fn an_entry_adds_an_image_or_changes_one() {
        assert_eq!(sandbox_images("[]").unwrap(), Image::defaults());
        let rust = r#"{"name": "rust", "image": "sandbox-rust:1", "command": ["run-rust"], "source_file": "main.rs"}"#;
        assert_eq!(names(&format!("[{rust}]")), ["python", "javascript", "bash", "rust"]);

        let text = r#"[{"name": "python-ml", "language": "python", "image": "sha256:0123"}, {"name": "python", "image": "python:3"}]"#;
        let images = sandbox_images(text).unwrap();
        let python = images.iter().find(|image| image.name == "python").unwrap();
        assert_eq!((python.reference.as_str(), python.command.as_slice()), ("python:3", &["python3".to_owned()][..]));
        let other = images.iter().find(|image| image.name == "python-ml").unwrap();
        assert_eq!((other.language.as_deref(), other.source_file.as_str()), (Some("python"), "main.py"));
        assert_eq!(images.len(), 4);
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_told() {
        let entry = |more: &str| sandbox_images(&format!(r#"[{{"name": "x", "image": "x:1"{more}}}]"#)).unwrap_err();
        for (more, why) in [
            ("", "image `x`: say its `command`"),
            (r#", "command": ["x"]"#, "say its `source_file`"),
            (r#", "command": [], "source_file": "x""#, "`command` is not"),
            (r#", "command": ["x"], "source_file": "../x""#, "`source_file` is not"),
            (r#", "language": "cobol""#, "no language `cobol`"),
            (r#", "language": "x""#, "than its own"),
            (r#", "privileged": true"#, "unknown field `privileged`"),
        ] {
            let told = entry(more);
            assert!(told.contains(why), "{more}: {told}");
        }
        for (text, why) in [
            ("python", "not a list of"),
            (r#"[{"name": "X", "image": "x"}]"#, "its name is not"),
            (r#"[{"name": "python", "image": "a b"}]"#, "its `image` is neither"),
            (r#"[{"name": "bash", "image": "a"}, {"name": "bash", "image": "b"}]"#, "it is there twice"),
        ] {
            let told = sandbox_images(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
