//! What a setting is: its names, how it is read, and what people are told of it.

use reqwest::Url;

/// A setting with the type of its values.
pub(crate) struct Setting<T> {
    pub(super) about: About,
    /// Says of a value that cannot be used what is wrong with it, without quoting a secret.
    pub(super) parse: fn(&str) -> Result<T, String>,
}

impl<T> Setting<T> {
    /// Its name in the environment.
    pub(crate) fn name(&self) -> &'static str {
        self.about.name
    }
}

/// What is known of a setting whatever its type.
#[derive(Debug)]
pub(crate) struct About {
    /// Its name in the environment; its others follow from it.
    pub(super) name: &'static str,
    /// What it is for, in a line of help.
    pub(super) what: &'static str,
    /// What else is to be known of its values: their unit and their bounds.
    pub(super) takes: &'static str,
    pub(super) unset: Unset,
    /// A value that can be used as it stands.
    pub(super) example: &'static str,
    pub(super) shown: Shown,
}

/// What holds where nobody sets it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unset {
    /// This value, written as one would set it.
    Value(&'static str),
    /// Something that depends, in words.
    Otherwise(&'static str),
}

/// How much of a value is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Whole,
    /// An address, without the password that may be in it.
    Address,
    /// The same of several, with commas between.
    Addresses,
    Nothing,
}

/// A setting among others of other types.
pub(crate) trait AnySetting: Sync {
    fn about(&self) -> &About;

    /// What is wrong with a value.
    fn check(&self, value: &str) -> Result<(), String>;
}

impl<T> AnySetting for Setting<T> {
    fn about(&self) -> &About {
        &self.about
    }

    fn check(&self, value: &str) -> Result<(), String> {
        (self.parse)(value).map(drop)
    }
}

impl About {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The value that holds where nobody sets it, if it is one.
    pub(crate) fn default(&self) -> Option<&'static str> {
        match self.unset {
            Unset::Value(value) => Some(value),
            Unset::Otherwise(_) => None,
        }
    }

    /// Its name in `golden.toml`.
    pub(crate) fn in_file(&self) -> String {
        self.name.strip_prefix("GOLDEN_").unwrap_or(self.name).to_ascii_lowercase()
    }

    pub(crate) fn as_flag(&self) -> String {
        format!("--{}", self.in_file().replace('_', "-"))
    }

    /// What it is for, as the beginning of a sentence.
    pub(super) fn sentence(&self) -> String {
        let (first, rest) = self.what.split_at(1);
        first.to_uppercase() + rest + "."
    }

    /// What of a value may be printed, if anything.
    pub(crate) fn printable(&self, value: &str) -> Option<String> {
        match self.shown {
            Shown::Whole => Some(value.to_owned()),
            Shown::Address => Some(without_password(value)),
            Shown::Addresses => Some(value.split(',').map(without_password).collect::<Vec<_>>().join(",")),
            Shown::Nothing => None,
        }
    }

    /// Whether a value of it must not be read by others.
    pub(super) fn is_secret(&self, value: &str) -> bool {
        self.printable(value).as_deref() != Some(value)
    }
}

/// An address as it may be printed: whoever it names, no password and no query, where one may be
/// just as well. Of what is no address, the scheme alone.
pub(crate) fn without_password(address: &str) -> String {
    let scheme = || match address.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://…"),
        None => "…".to_owned(),
    };
    let Ok(mut url) = Url::parse(address) else {
        // A path alone hides nothing, and neither does `localhost:8000`.
        return if address.contains(['@', '?']) || address.contains("://") { scheme() } else { address.to_owned() };
    };
    // A password with an unescaped `?` or `/` makes another address of it.
    if address.contains('@') && url.username().is_empty() && url.password().is_none() {
        return scheme();
    }
    if url.password().is_none() && url.query().is_none() {
        return address.to_owned();
    }
    let query = url.query().map_or("", |_| "?…");
    url.set_query(None);
    let had_password = url.password().is_some();
    if had_password && url.set_password(Some("***")).is_err() {
        return scheme();
    }
    format!("{url}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret_in_it() {
        for (address, shown) in [
            ("postgres://golden:hunter2@db:5432/golden", "postgres://golden:***@db:5432/golden"),
            ("postgres://golden@db/golden", "postgres://golden@db/golden"),
            ("postgres://db/golden?user=me&password=hunter2", "postgres://db/golden?…"),
            ("postgres://golden:hunter2?@db/golden", "postgres://…"),
            ("postgres://golden:12?hunter2@db/golden", "postgres://…"),
            ("postgres://golden:hunter2/x@db/golden", "postgres://…"),
            ("postgres://golden:hun ter2@[db/golden", "postgres://…"),
            ("golden:hunter2@db/golden", "…"),
            ("https://me:hunter2@golden.example.com/", "https://me:***@golden.example.com/"),
            ("sqlite:///var/lib/golden/golden.db", "sqlite:///var/lib/golden/golden.db"),
            ("sqlite://golden.db", "sqlite://golden.db"),
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("/etc/golden/jwks.json", "/etc/golden/jwks.json"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }
}
