//! A settings file to begin with.

use std::fmt::Write;

use super::{setting::Unset, table};

const HEAD: &str = "\
# Settings of golden. Each is off here: take away the # before its name, and set it.
# Flags and the environment win over this file, which golden reads from the directory it is
# started in, or from where --config says. `golden doctor` checks it.
";

/// `golden.toml` with every setting there is, each in a comment.
pub(crate) fn text() -> String {
    let mut text = HEAD.to_owned();
    for (title, settings) in table::TABLE {
        let _ = write!(text, "\n\n# {title}\n");
        for about in settings.iter().map(|setting| setting.about()) {
            let (value, without) = match about.unset {
                Unset::Value(value) => (value, String::new()),
                Unset::Otherwise(words) => (about.example, format!("# Without it: {words}.\n")),
            };
            let value = match value {
                number if number.parse::<u32>().is_ok() => number.to_owned(),
                // As it stands, or it would be all backslashes.
                json if json.contains('"') => format!("'{json}'"),
                text => format!("{text:?}"),
            };
            let secret = if about.is_secret(about.example) { " A secret: chmod 600 this file." } else { "" };
            let _ = write!(text, "\n# {}{secret}\n{without}#{} = {value}\n", about.sentence(), about.in_file());
        }
    }
    text
}
