//! Which subject a message goes to.
//!
//! A tenant is one token, whatever is in its name; a kind keeps its dots and so is as many tokens as it has
//! parts. The tenant is the third token of a subject, and a state its last: what is between them is the kind.

use std::fmt::Write as _;

use golden_jobs::{
    JobId, Role,
    store::publications::{Publication, Published},
    text,
};

pub(crate) const EVENTS: &str = "golden.events.>";
pub(crate) const DEAD_LETTERS: &str = "golden.dlq.>";
pub(crate) const SUBMIT: &str = "golden.submit.*.>";
pub(crate) const UNDELIVERED: &str = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.GOLDEN_SUBMIT.>";

pub(crate) fn of(publication: &Publication) -> String {
    let (tenant, kind) = (token(&publication.tenant_id), dotted(&publication.kind));
    match &publication.what {
        Published::Event { state, .. } => format!("golden.events.{tenant}.{kind}.{}", token(state)),
        Published::DeadLetter(_) => format!("golden.dlq.{tenant}.{kind}"),
    }
}

pub(crate) const WAKE: &str = "golden.wake.*";
pub(crate) const CANCEL: &str = "golden.cancel.*";

pub(crate) fn wake(role: Role) -> String {
    format!("golden.wake.{role}")
}

/// The role that a hint is about, if it is about one.
pub(crate) fn woken(subject: &str) -> Option<&str> {
    subject.strip_prefix("golden.wake.")
}

pub(crate) fn cancel(job: JobId) -> String {
    format!("golden.cancel.{job}")
}

/// Whose job a message asks for, and of which kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Submitted {
    pub(crate) tenant: String,
    pub(crate) kind: String,
    /// Whether a tenant may have that name. If not, it stands as the subject has it.
    pub(crate) is_name: bool,
}

pub(crate) fn submitted(subject: &str) -> Submitted {
    let rest = subject.strip_prefix("golden.submit.").unwrap_or(subject);
    let (tenant, kind) = rest.split_once('.').unwrap_or((rest, ""));
    let kind = decoded(kind).unwrap_or_else(|| kind.to_owned());
    match decoded(tenant).and_then(|tenant| text::name(&tenant).ok()) {
        Some(tenant) => Submitted { tenant, kind, is_name: true },
        None => Submitted { tenant: tenant.to_owned(), kind, is_name: false },
    }
}

fn decoded(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

/// A name as one token: all but letters, digits, `-`, `_`, `@` and `~` of ASCII are percent-encoded.
pub(crate) fn token(name: &str) -> String {
    encoded(name, b"-_@~")
}

/// A name whose dots part tokens. Golden's kinds have no other dots.
pub(crate) fn dotted(name: &str) -> String {
    encoded(name, b"-_@~.")
}

fn encoded(name: &str, kept: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use golden_jobs::id::{DeadLetterId, MessageId};

    use super::*;

    fn publication(tenant: &str, kind: &str, what: Published) -> Publication {
        Publication {
            what,
            tenant_id: tenant.to_owned(),
            kind: kind.to_owned(),
            job_id: None,
            body: String::new(),
            trace: None,
        }
    }

    #[test]
    fn a_subject_names_tenant_kind_and_state() {
        let event = Published::Event { id: MessageId::new(), state: "succeeded".to_owned() };
        assert_eq!(of(&publication("acme", "sandbox.run", event)), "golden.events.acme.sandbox.run.succeeded");
        let letter = Published::DeadLetter(DeadLetterId::new());
        assert_eq!(of(&publication("acme", "fn.area@2", letter)), "golden.dlq.acme.fn.area@2");
    }

    #[test]
    fn a_tenant_is_one_token_whatever_is_in_its_name() {
        for (tenant, as_token) in [
            ("acme.eu", "acme%2Eeu"),
            ("a b>*", "a%20b%3E%2A"),
            ("söhne", "s%C3%B6hne"),
            ("me@home-1_x", "me@home-1_x"),
        ] {
            assert_eq!(token(tenant), as_token);
            assert_eq!(decoded(as_token).as_deref(), Some(tenant));
        }
    }

    #[test]
    fn a_submission_says_whose_it_is_and_of_which_kind() {
        for (subject, tenant, kind, is_name) in [
            ("golden.submit.acme.noop", "acme", "noop", true),
            ("golden.submit.acme%2Eeu.sandbox.run", "acme.eu", "sandbox.run", true),
            ("golden.submit.a%b.noop", "a%b", "noop", false),
            ("golden.submit.a%2A.noop", "a%2A", "noop", false),
            ("golden.submit.acme.fn.area@2", "acme", "fn.area@2", true),
        ] {
            let expected = Submitted { tenant: tenant.to_owned(), kind: kind.to_owned(), is_name };
            assert_eq!(submitted(subject), expected);
        }
    }
}
