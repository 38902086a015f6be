//! Who acts.

use serde_json::{Map, Value};

/// Of what callers write, in characters: entries are kept for good.
const SHOWN: usize = 256;

/// As much of it as an entry has.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// Whoever changes something, as the audit log names them.
///
/// Not part of what is decided: whether they may was settled before.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Actor {
    /// The person or program, as the records that name one show it.
    pub subject: String,
    /// Whose token they showed; `None` is Golden itself.
    pub standing: Option<Standing>,
}

/// On what ground a caller acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Standing {
    /// Of the token: not always the tenant that is acted on.
    pub tenant: String,
    pub role: String,
}

impl Actor {
    /// Whoever shows a token with these claims.
    pub fn caller(subject: &str, tenant: &str, role: &str) -> Self {
        let standing = Standing { tenant: tenant.to_owned(), role: role.to_owned() };
        Self { subject: subject.to_owned(), standing: Some(standing) }
    }

    /// Golden, by its own rules.
    pub fn golden() -> Self {
        Self { subject: "golden".to_owned(), standing: None }
    }

    /// Subjects are whatever an issuer writes; the prefix keeps one that is called `golden` apart from Golden.
    pub fn name(&self) -> String {
        let subject = shown(&self.subject);
        match &self.standing {
            Some(_) => format!("user:{subject}"),
            None => format!("system:{subject}"),
        }
    }

    /// What an entry says of them.
    pub(super) fn write(&self, payload: &mut Map<String, Value>) {
        payload.insert("actor".to_owned(), self.name().into());
        if let Some(Standing { tenant, role }) = &self.standing {
            payload.insert("actor_tenant".to_owned(), tenant.as_str().into());
            payload.insert("actor_role".to_owned(), role.as_str().into());
        }
    }
}
