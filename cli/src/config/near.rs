//! The name that was probably meant.

/// Typing errors in one name, as a part of its length, beyond which it is another name.
const LETTERS_PER_ERROR: usize = 3;

/// The one of `known` that `name` is most like, if it is much like any.
///
/// Case, dashes and the prefix `GOLDEN_` are not looked at: `GOLDEN_DATABASE_URL` means
/// `DATABASE_URL`. One that goes on where the other ends, as `log_level` does for `log`, is like it, too.
pub(super) fn nearest<T: AsRef<str>>(name: &str, known: impl IntoIterator<Item = T>) -> Option<T> {
    let name = plain(name);
    let most = (name.len() / LETTERS_PER_ERROR).max(1);
    let errors = |known: &T| {
        let known = plain(known.as_ref());
        let longer = [(&name, &known), (&known, &name)]
            .into_iter()
            .any(|(long, short)| long.strip_prefix(short.as_str()).is_some_and(|rest| rest.starts_with('_')));
        match strsim::osa_distance(&name, &known) {
            errors if errors <= most => Some(errors),
            _ => longer.then_some(most + 1),
        }
    };
    known
        .into_iter()
        .filter_map(|known| Some((errors(&known)?, known)))
        .min_by_key(|(errors, _)| *errors)
        .map(|found| found.1)
}

fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('-', "_");
    name.strip_prefix("golden_").unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_and_what_is_something_else_is_not() {
        let known =
            ["DATABASE_URL", "GOLDEN_LISTEN", "GOLDEN_LOG", "GOLDEN_LOG_FORMAT", "GOLDEN_RATE_LIMITS", "DOCKER_HOST"];
        for (name, meant) in [
            ("lisen", Some("GOLDEN_LISTEN")),
            ("GOLDEN_LISTEN", Some("GOLDEN_LISTEN")),
            ("rate-limit", Some("GOLDEN_RATE_LIMITS")),
            ("GOLDEN_DATABASE_URL", Some("DATABASE_URL")),
            ("GOLDEN_LOG_LEVEL", Some("GOLDEN_LOG")),
            ("log_fromat", Some("GOLDEN_LOG_FORMAT")),
            ("docker", Some("DOCKER_HOST")),
            // Kubernetes sets these for a service called golden.
            ("GOLDEN_SERVICE_HOST", None),
            ("GOLDEN_PORT", None),
            ("GOLDEN_PORT_8000_TCP_ADDR", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
    }
}
