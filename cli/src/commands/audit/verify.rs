//! `golden audit verify`: is this what was written?

use golden_jobs::audit::{Entry, Hash, Head, SignedHead, check::Checker};
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
#[derive(Default)]
struct Findings {
    checker: Checker,
    heads: Heads,
    first: Option<u64>,
    wrong: Option<Wrong>,
}

pub(super) async fn run(mut lines: Lines, heads: Heads, output: Output) -> anyhow::Result<Exit> {
    let mut findings = Findings { heads, ..Findings::default() };
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
        let beyond = findings.heads.beyond(end, findings.checker.tenant());
        findings.wrong = beyond.map(|reason| Wrong { line: number, seq: None, reason });
    }
    findings.tell(output)
}

impl Findings {
    fn take(&mut self, line: &str, ended: &mut bool) -> Result<(), (Option<u64>, String)> {
        if *ended {
            return Err((None, "something comes after the last line of the export".to_owned()));
        }
        if let Ok(entry) = serde_json::from_str::<Entry>(line) {
            self.checker.check(&entry).map_err(|flaw| (Some(entry.seq), flaw.to_string()))?;
            self.first = self.first.or(Some(entry.seq));
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
        let fits = here.map_or(end.seq == 0, |here| here == Head { seq: end.seq, hash: end.hash });
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
                "first": self.first,
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
        match (self.first, self.checker.head()) {
            (Some(first), Some(Head { seq, hash })) => {
                let good = self.checker.good();
                format!(
                    "{good} entries of {whose} are as they were written, {first} to {seq}; the last has the hash {hash}"
                )
            }
            _ => "0 entries are as they were written".to_owned(),
        }
    }
}
