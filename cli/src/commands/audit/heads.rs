//! Signed heads that are held against a chain.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
};

use anyhow::Context;
use golden_jobs::audit::{Head, SignedHead, head::Bytes};
use serde_json::Value;

/// What was signed, by number, and who is to have signed it.
#[derive(Default)]
pub(super) struct Heads {
    known: BTreeMap<u64, Vec<SignedHead>>,
    /// None of the heads of files is of an entry of this chain so far.
    in_vain: bool,
    key: Option<Bytes<32>>,
    fitting: u64,
    last: Option<SignedHead>,
}

impl Heads {
    /// Reads heads from files: exports, logs of Golden, or what `GET /v1/audit/head` answered. Lines without one are
    /// passed over.
    pub(super) fn read(files: &[PathBuf], key: Option<Bytes<32>>) -> anyhow::Result<Self> {
        let mut heads = Self { key, in_vain: !files.is_empty(), ..Self::default() };
        for file in files {
            let unreadable = || format!("{} cannot be read", file.display());
            let mut found = false;
            // A log may be longer than memory, and hold what is no text.
            for line in BufReader::new(File::open(file).with_context(unreadable)?).split(b'\n') {
                if let Some(head) = head_in(&String::from_utf8_lossy(&line.with_context(unreadable)?)) {
                    found = true;
                    heads.known.entry(head.seq).or_default().push(head);
                }
            }
            anyhow::ensure!(found, "{} has no signed head", file.display());
        }
        Ok(heads)
    }

    /// A head that stands in the export itself, behind the entry that it is of.
    pub(super) fn stands(&mut self, head: &SignedHead, here: Option<Head>, tenant: Option<&str>) -> Result<(), String> {
        match here {
            Some(here) if here.seq == head.seq => self.fits(head, here, tenant),
            _ => Err(format!("a signed head of entry {} stands where that entry is not", head.seq)),
        }
    }

    /// An entry, which is to be what was signed, where it was.
    pub(super) fn entry(&mut self, here: Head, tenant: Option<&str>) -> Result<(), String> {
        for head in self.known.remove(&here.seq).unwrap_or_default() {
            if head.tenant.as_deref() == tenant {
                self.fits(&head, here, tenant)?;
                self.in_vain = false;
            }
        }
        Ok(())
    }

    fn fits(&mut self, head: &SignedHead, here: Head, tenant: Option<&str>) -> Result<(), String> {
        let of = format!("the signed head of entry {} from {}", head.seq, head.at);
        if !head.is_genuine() {
            return Err(format!("{of} was changed: its signature is not one of its key"));
        }
        if self.key.is_some_and(|key| key != head.key) {
            return Err(format!("{of} was signed by another key, {}", head.key));
        }
        if head.tenant.as_deref() != tenant {
            return Err(format!("{of} is of another tenant's chain"));
        }
        if head.hash != here.hash {
            return Err(format!("{of} has another hash: the chain was written anew since then"));
        }
        self.fitting += 1;
        self.last = Some(head.clone());
        Ok(())
    }

    /// What the heads of files say of entries that did not come, or that none of them is of this chain: then nothing
    /// was held against it.
    pub(super) fn missed(&self, end: u64, tenant: Option<&str>) -> Option<String> {
        let genuine = |head: &&SignedHead| head.is_genuine() && self.key.is_none_or(|key| key == head.key);
        let beyond = self.known.range(end.saturating_add(1)..).flat_map(|(_, heads)| heads.iter().filter(genuine));
        if let Some(SignedHead { seq, at, .. }) = beyond.into_iter().find(|head| head.tenant.as_deref() == tenant) {
            let was = format!("there was an entry {seq} when its head was signed, {at}");
            return Some(format!("{was}: the chain was cut after entry {end}"));
        }
        self.in_vain.then(|| "none of the signed heads that were given is of these entries".to_owned())
    }

    pub(super) fn fitting(&self) -> u64 {
        self.fitting
    }

    pub(super) fn in_words(&self) -> Option<String> {
        let last = self.last.as_ref()?;
        let whose = match self.key {
            Some(_) => String::new(),
            None => ": whether that key is yours, --key tells".to_owned(),
        };
        let (fitting, seq, at, key) = (self.fitting, last.seq, last.at, last.key);
        Some(format!("{fitting} signed heads fit, the last of entry {seq} from {at} by the key {key}{whose}"))
    }
}

/// The head in a line, whether that is the head itself, a line of an export, or one of a log.
fn head_in(line: &str) -> Option<SignedHead> {
    let json = &line[line.find('{')?..];
    let value = serde_json::Deserializer::from_str(json).into_iter::<Value>().next()?.ok()?;
    let places = ["", "/head", "/signed", "/fields/head"].map(|place| value.pointer(place).cloned());
    places.into_iter().flatten().find_map(|place| match place {
        // A log has it as a text.
        Value::String(text) => serde_json::from_str(&text).ok(),
        other => serde_json::from_value(other).ok(),
    })
}

#[cfg(test)]
mod tests {
    use golden_jobs::audit::{Hash, SigningKey};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_head_is_found_wherever_it_stands() {
        let key = SigningKey::read("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
        let at = "2026-01-02T03:04:05.678901Z".parse().unwrap();
        let head = key.sign(Some("acme"), Head { seq: 3, hash: Hash([1; 32]) }, at);
        let text = json!(head).to_string();
        for line in [
            text.clone(),
            json!({"head": head}).to_string(),
            json!({"seq": 3, "signed": head}).to_string(),
            json!({"level": "INFO", "target": "audit", "fields": {"message": "signed", "head": text}}).to_string(),
            format!("2026-01-02T03:04:05Z  INFO audit: the head of an audit chain was signed head={text} x=1"),
        ] {
            assert_eq!(head_in(&line).as_ref(), Some(&head), "{line}");
        }
        for line in ["", "{}", "INFO audit: nothing {", r#"{"head": 3}"#] {
            assert_eq!(head_in(line), None, "{line}");
        }
    }
}
