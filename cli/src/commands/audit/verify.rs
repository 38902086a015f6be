//! `golden audit verify`: is this what was written?

use golden_jobs::audit::{
    Entry, Hash, Head, SignedHead,
    check::{Checker, Flaw},
};
use serde::Deserialize;
use serde_json::json;

use super::{heads::Heads, lines::Lines};
use crate::{exit::Exit, output::Output};

/// The last line of an export.
#[derive(Deserialize)]
struct Last {
    end: End,
}

#[derive(Deserialize)]
struct End {
    seq: u64,
    hash: Hash,
    /// Whose chain it is, for one that has no entries; none is the installation's.
    tenant: Option<String>,
}

/// A line behind an entry whose head was signed.
#[derive(Deserialize)]
struct Signed {
    head: SignedHead,
}

/// What is wrong, and where.
struct Wrong {
    line: u64,
    /// The number that the entry says it has, where there is one.
    seq: Option<u64>,
    reason: String,
}

/// What an export turned out to be.
struct Findings {
    checker: Checker,
    heads: Heads,
    /// Whose chain it says that it is.
    tenant: Option<String>,
    wrong: Option<Wrong>,
}

/// Of what begins with the entry `first`.
pub(super) async fn run(mut lines: Lines, first: u64, heads: Heads, output: Output) -> anyhow::Result<Exit> {
    let mut findings = Findings { checker: Checker::beginning_at(first), heads, tenant: None, wrong: None };
    let (mut number, mut ended) = (0, false);
    while let Some(line) = lines.next().await? {
        number += 1;
        let taken = findings.take(&line, &mut ended);
        if let Err((seq, reason)) = taken {
            findings.wrong = Some(Wrong { line: number, seq, reason });
            break;
        }
    }
    if !ended && findings.wrong.is_none() {
        let reason = "the last line of an export is missing: it broke off, or lines were removed at its end".to_owned();
        findings.wrong = Some(Wrong { line: number + 1, seq: None, reason });
    }
    if findings.wrong.is_none() {
        let end = findings.checker.head().map_or(0, |head| head.seq);
        let missed = findings.heads.missed(end, findings.tenant.as_deref());
        findings.wrong = missed.map(|reason| Wrong { line: number, seq: None, reason });
    }
    findings.tell(output)
}

impl Findings {
    fn take(&mut self, line: &str, ended: &mut bool) -> Result<(), (Option<u64>, String)> {
        if *ended {
            return Err((None, "something comes after the last line of the export".to_owned()));
        }
        if let Ok(entry) = serde_json::from_str::<Entry>(line) {
            let begun = self.checker.head().is_some();
            self.checker.check(&entry).map_err(|flaw| {
                let hint = match flaw {
                    Flaw::Order { found, .. } if !begun => {
                        format!("; what was exported with `--first {found}` is verified with the same")
                    }
                    _ => String::new(),
                };
                (Some(entry.seq), format!("{flaw}{hint}"))
            })?;
            let here = Head { seq: entry.seq, hash: entry.hash };
            let fits = self.heads.entry(here, self.checker.tenant());
            return fits.map_err(|reason| (Some(entry.seq), reason));
        }
        if let Ok(Signed { head }) = serde_json::from_str(line) {
            let stands = self.heads.stands(&head, self.checker.head(), self.checker.tenant());
            return stands.map_err(|reason| (Some(head.seq), reason));
        }
        let Ok(Last { end }) = serde_json::from_str(line) else {
            return Err((None, "it is no entry of an audit log".to_owned()));
        };
        *ended = true;
        // Without an entry there is nothing to hold it against, but for a chain that never had any.
        let here = self.checker.head();
        let fits = here.map_or(end.seq < self.checker.first(), |here| here == Head { seq: end.seq, hash: end.hash });
        if here.is_some() && end.tenant.as_deref() != self.checker.tenant() {
            return Err((None, "the export says that it is of another tenant's chain than its entries are".to_owned()));
        }
        self.tenant = end.tenant;
        let short =
            || format!("the export says that it ends with entry {}: entries are missing before this line", end.seq);
        if fits { Ok(()) } else { Err((None, short())) }
    }

    fn tell(&self, output: Output) -> anyhow::Result<Exit> {
        let (good, head) = (self.checker.good(), self.checker.head());
        if output.is_json() {
            output.json(&json!({
                "good": good,
                "tenant": self.checker.tenant(),
                "first": head.map(|_| self.checker.first()),
                "last": head.map(|head| head.seq),
                "hash": head.map(|head| head.hash),
                "signed_heads": self.heads.fitting(),
                "wrong": self.wrong.as_ref().map(|wrong| json!({
                    "line": wrong.line, "seq": wrong.seq, "reason": wrong.reason,
                })),
            }))?;
        } else {
            output.line(&self.in_words())?;
            if let Some(heads) = self.heads.in_words() {
                output.line(&heads)?;
            }
        }
        let Some(Wrong { line, seq, reason }) = &self.wrong else { return Ok(Exit::Ok) };
        match seq {
            Some(seq) => eprintln!("error: entry {seq} (line {line}): {reason}"),
            None => eprintln!("error: line {line}: {reason}"),
        }
        Ok(Exit::Failed)
    }

    fn in_words(&self) -> String {
        let whose =
            self.checker.tenant().map_or_else(|| "the installation".to_owned(), |tenant| format!("tenant {tenant}"));
        match self.checker.head() {
            Some(Head { seq, hash }) => {
                let (good, first) = (self.checker.good(), self.checker.first());
                format!(
                    "{good} entries of {whose} are as they were written, {first} to {seq}; the last has the hash {hash}"
                )
            }
            None => "0 entries are as they were written".to_owned(),
        }
    }
}
