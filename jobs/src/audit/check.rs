//! Holds a chain against itself, entry by entry.

use serde_json::Value;

use super::{Entry, Hash, Head, chain};
use crate::canonical::canonical;

/// Reads a chain from its beginning, or from where it is said to begin, and says what is wrong where.
#[derive(Debug)]
pub struct Checker {
    first: u64,
    last: Option<Last>,
    good: u64,
}

/// What is remembered of the entry before.
#[derive(Debug)]
struct Last {
    head: Head,
    tenant: Option<Value>,
}

/// Why an entry cannot be what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("entry {found} comes where entry {expected} should: entries were removed, put in or moved")]
    Order { expected: u64, found: u64 },
    #[error("it does not follow the entry before: its `prev_hash` is another one's hash")]
    Link,
    #[error("its payload, number or `prev_hash` was changed: its hash is another one's")]
    Content,
    #[error("its payload is not in canonical form, as everything is that Golden writes")]
    Form,
    #[error("it is of another tenant's chain than the entries before it")]
    Tenant,
    #[error("its hash is not the one of the head that was signed: the chain was written anew")]
    Rewritten,
}

impl Checker {
    /// Of a chain, or the end of one, that begins with the entry of this number. That of a whole chain is 1: entries
    /// that are missing before the first show by nothing else.
    pub fn beginning_at(first: u64) -> Self {
        Self { first: first.max(1), last: None, good: 0 }
    }

    /// The next entry of the chain. Nothing that comes after a flaw is to be trusted.
    pub fn check(&mut self, entry: &Entry) -> Result<(), Flaw> {
        let parsed: Value = serde_json::from_str(entry.payload.get()).map_err(|_| Flaw::Form)?;
        if canonical(&parsed) != entry.payload.get() {
            return Err(Flaw::Form);
        }
        let tenant = parsed.get("tenant").cloned();
        match &self.last {
            Some(last) => {
                let expected = last.head.seq.saturating_add(1);
                if entry.seq != expected {
                    return Err(Flaw::Order { expected, found: entry.seq });
                }
                if entry.prev_hash != last.head.hash {
                    return Err(Flaw::Link);
                }
                if tenant != last.tenant {
                    return Err(Flaw::Tenant);
                }
            }
            None if entry.seq != self.first => return Err(Flaw::Order { expected: self.first, found: entry.seq }),
            None if entry.seq == 1 && entry.prev_hash != Hash::GENESIS => return Err(Flaw::Link),
            None => {}
        }
        if chain::hash(entry.seq, entry.prev_hash, entry.payload.get()) != entry.hash {
            return Err(Flaw::Content);
        }
        self.last = Some(Last { head: Head { seq: entry.seq, hash: entry.hash }, tenant });
        self.good += 1;
        Ok(())
    }

    /// The number of the first entry, as far as that is good.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Entries that are as they were written.
    pub fn good(&self) -> u64 {
        self.good
    }

    /// Of the last one that is; `None` before the first.
    pub fn head(&self) -> Option<Head> {
        self.last.as_ref().map(|last| last.head)
    }

    /// Whose chain it is; `None` is the installation's, or that of nobody yet.
    pub fn tenant(&self) -> Option<&str> {
        self.last.as_ref()?.tenant.as_ref()?.as_str()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;
    use crate::audit::{Act, Action, Actor};

    fn chain_of(tenant: Option<&str>, length: u64) -> Vec<Entry> {
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        let mut head = Head::EMPTY;
        let mut next = |n: u64| {
            let act = Act::on(Action::JobRetried, n).with("n", n);
            let (entry, after) = head.followed_by(chain::payload(tenant, &Actor::golden(), &act, at));
            head = after;
            entry
        };
        (0..length).map(&mut next).collect()
    }

    /// Entries that are good, and what is wrong with the first that is not.
    fn checked(entries: &[Entry]) -> (u64, Option<Flaw>) {
        checked_from(1, entries)
    }

    fn checked_from(first: u64, entries: &[Entry]) -> (u64, Option<Flaw>) {
        let mut checker = Checker::beginning_at(first);
        let flaw = entries.iter().find_map(|entry| checker.check(entry).err());
        (checker.good(), flaw)
    }

    #[test]
    fn a_chain_as_it_was_written_is_good_from_wherever_one_says_to_begin() {
        let chain = chain_of(Some("acme"), 5);
        assert_eq!(checked(&chain), (5, None));
        assert_eq!(checked_from(3, &chain[2..]), (3, None));
        assert_eq!(checked(&chain_of(None, 3)), (3, None));
    }

    #[test]
    fn whatever_is_done_to_a_chain_is_found_where_it_was_done() {
        let chain = chain_of(Some("acme"), 6);
        let spoiled = |spoil: &dyn Fn(&mut Vec<Entry>)| {
            let mut entries = chain.clone();
            spoil(&mut entries);
            checked(&entries)
        };
        let raw = |text: String| RawValue::from_string(text).unwrap();
        let reworded = |entry: &Entry| raw(entry.payload.get().replace("system:golden", "user:mallory"));

        assert_eq!(spoiled(&|all| all[3].payload = reworded(&all[3])), (3, Some(Flaw::Content)));
        assert_eq!(spoiled(&|all| drop(all.remove(2))), (2, Some(Flaw::Order { expected: 3, found: 4 })));
        assert_eq!(spoiled(&|all| drop(all.drain(..2))), (0, Some(Flaw::Order { expected: 1, found: 3 })));
        assert_eq!(spoiled(&|all| all.swap(1, 2)), (1, Some(Flaw::Order { expected: 2, found: 3 })));
        assert_eq!(spoiled(&|all| all.push(all[5].clone())), (6, Some(Flaw::Order { expected: 7, found: 6 })));
        // Whoever knows the recipe makes a hash that fits, and the next one does not follow.
        let forged = |all: &mut Vec<Entry>| {
            let before = Head { seq: 3, hash: all[2].hash };
            all[3] = before.followed_by(reworded(&all[3])).0;
        };
        assert_eq!(spoiled(&forged), (4, Some(Flaw::Link)));
        let renumbered = |all: &mut Vec<Entry>| {
            all.remove(2);
            (3..).zip(&mut all[2..]).for_each(|(seq, entry)| entry.seq = seq);
        };
        assert_eq!(spoiled(&renumbered), (2, Some(Flaw::Link)));
        let another = chain_of(Some("globex"), 6);
        let grafted = |all: &mut Vec<Entry>| {
            all[4] = Head { seq: 4, hash: all[3].hash }.followed_by(another[4].payload.clone()).0;
        };
        assert_eq!(spoiled(&grafted), (4, Some(Flaw::Tenant)));
        // Twice one member: readers differ in which of them they show.
        let twice = |all: &mut Vec<Entry>| {
            all[2].payload = raw(all[2].payload.get().replacen('{', r#"{"actor":"user:bob","#, 1));
        };
        assert_eq!(spoiled(&twice), (2, Some(Flaw::Form)));
        assert_eq!(spoiled(&|all| all[0].prev_hash = all[0].hash), (0, Some(Flaw::Link)));
        assert_eq!(spoiled(&|all| all[0].seq = 0), (0, Some(Flaw::Order { expected: 1, found: 0 })));
    }

    proptest! {
        /// One bit anywhere.
        #[test]
        fn no_bit_can_be_turned(at in 0_usize..5, byte in 0_usize..32, bit in 0_u8..8, which in 0..2) {
            let mut chain = chain_of(Some("acme"), 5);
            let hash = if which == 0 { &mut chain[at].hash } else { &mut chain[at].prev_hash };
            hash.0[byte] ^= 1 << bit;
            prop_assert_eq!(checked(&chain).0, at as u64);
        }
    }
}
