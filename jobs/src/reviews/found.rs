//! What a panel found, each thing once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ballot::{Ballot, Finding, Severity};
use crate::models::exchange::AgentRole;

/// Something that a panel found, and who of it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// The worst that any of them says.
    pub severity: Severity,
    /// Where: a path with a line, as `src/main.rs:12`, or whatever names the place.
    pub pointer: String,
    /// What is wrong there.
    pub claim: String,
    /// What shows it, by the first who shows anything; empty where nobody does.
    pub evidence: String,
    /// The roles that found it, each once.
    #[serde(default)]
    pub by: Vec<AgentRole>,
}

impl Found {
    /// What these ballots say is wrong, the worst first. What several say of the same place in the same words is there
    /// once; what each said by itself is in its ballot.
    pub fn of<'a>(ballots: impl Iterator<Item = &'a Ballot>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (role, finding) in ballots.flat_map(|ballot| ballot.findings.iter().map(|finding| (ballot.role, finding))) {
            match all.iter_mut().find(|found| found.is(finding)) {
                Some(found) => found.take(finding, role),
                None => all.push(Self::first(finding, role)),
            }
        }
        all.sort_by_key(|found| std::cmp::Reverse(found.severity));
        all
    }

    fn first(finding: &Finding, role: AgentRole) -> Self {
        let Finding { severity, pointer, claim, evidence } = finding.clone();
        Self { severity, pointer, claim, evidence, by: vec![role] }
    }

    fn is(&self, finding: &Finding) -> bool {
        (self.pointer.trim(), self.claim.trim()) == (finding.pointer.trim(), finding.claim.trim())
    }

    fn take(&mut self, finding: &Finding, role: AgentRole) {
        self.severity = self.severity.max(finding.severity);
        if self.evidence.trim().is_empty() {
            self.evidence.clone_from(&finding.evidence);
        }
        if !self.by.contains(&role) {
            self.by.push(role);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::reviews::{Seat, abstention};

    fn said(role: AgentRole, findings: &[(Severity, &str, &str)]) -> Ballot {
        let seat = Seat { seat: 1, role, weight: 1, replaces: None };
        let findings = findings.iter().map(|(severity, claim, evidence)| Finding {
            severity: *severity,
            pointer: "a.py:1".to_owned(),
            claim: (*claim).to_owned(),
            evidence: (*evidence).to_owned(),
        });
        Ballot { findings: findings.collect(), ..abstention(&seat, 1, "d1", "", DateTime::UNIX_EPOCH) }
    }

    #[test]
    fn what_several_found_is_told_once_and_of_whom() {
        use AgentRole::{Reviewer, Security, Tester};
        let ballots = [
            said(Reviewer, &[(Severity::Minor, "It is slow.", ""), (Severity::Minor, "It subtracts.", " ")]),
            said(Tester, &[(Severity::Major, "It subtracts. ", "1 failed"), (Severity::Minor, "It subtracts.", "no")]),
            said(Security, &[(Severity::Minor, "It subtracts.", "2 failed")]),
        ];
        let found = Found::of(ballots.iter());
        let told: Vec<_> = found.iter().map(|found| (found.severity, found.claim.as_str(), &found.by[..])).collect();
        assert_eq!(
            told,
            [
                (Severity::Major, "It subtracts.", &[Reviewer, Tester, Security][..]),
                (Severity::Minor, "It is slow.", &[Reviewer])
            ]
        );
        assert_eq!(found[0].evidence, "1 failed", "the first who shows anything");
    }

    #[test]
    fn the_same_words_about_another_place_are_another_finding() {
        let mut here = said(AgentRole::Tester, &[(Severity::Minor, "It is slow.", "")]);
        let elsewhere = Finding { pointer: "b.py:1".to_owned(), ..here.findings[0].clone() };
        here.findings.push(elsewhere);
        assert_eq!(Found::of([&here].into_iter()).len(), 2);
    }
}
