//! The books: what was promised against what the store and the API have, and [`told`], those who were to be told of it.
//! What is read for them is in [`records`]; what is said of it here is a pure function.

use std::{collections::BTreeMap, fmt::Display};

use crate::{load::Answered, plan::Planned};

pub(crate) mod records;
#[cfg(test)]
mod tests;
pub(crate) mod told;

use records::Kept;

/// Entries that do not add up, with the ids of some.
#[derive(Default)]
pub(crate) struct Off(pub(crate) Vec<String>);

impl Off {
    /// Notes what is wrong with whom, if with anybody.
    fn all(&mut self, what: &str, whose: impl IntoIterator<Item = impl Display>) {
        let whose: Vec<_> = whose.into_iter().map(|one| one.to_string()).collect();
        if !whose.is_empty() {
            let some = whose.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            self.0.push(format!("{what}: {} ({some}{})", whose.len(), if whose.len() > 5 { ", …" } else { "" }));
        }
    }
}

/// Every accepted job has ended once, as planned, with all that belongs to it; and there are no others.
pub(crate) fn jobs(kept: &BTreeMap<String, Kept>, answered: &Answered, off: &mut Off) {
    let accepted = &answered.accepted;
    off.all("accepted and not on record", accepted.keys().filter(|id| !kept.contains_key(*id)));
    off.all("on record and never accepted", kept.keys().filter(|id| !accepted.contains_key(*id)));
    let not_as_planned = |id: &String, planned: &Planned| {
        let job = kept.get(id)?;
        (!planned.end.allows(&job.state)).then(|| format!("{id} is {} and not {:?}", job.state, planned.end))
    };
    off.all("not ended as planned", accepted.iter().filter_map(|(id, (_, planned))| not_as_planned(id, planned)));
    off.all(
        "attempts that do not add up",
        kept.iter().filter_map(|(id, job)| {
            let expected = job.attempts + i64::from(job.state == "succeeded");
            (i64::from(job.attempt) != expected).then(|| format!("{id}: {} of {expected}", job.attempt))
        }),
    );
    off.all(
        "not one dead letter for each dead job",
        kept.iter().filter(|(_, job)| job.letters != i64::from(job.state == "dead")).map(|(id, _)| id),
    );
    off.all(
        "not one end in the log of events",
        kept.iter()
            .filter(|(_, job)| job.events != [format!("job.{}", job.state)])
            .map(|(id, job)| format!("{id}: {:?} of {}", job.events, job.state)),
    );
}

/// The API's lists, the states of jobs by their ids, say of every job what the store has, and of no other.
pub(crate) fn lists(listed: &BTreeMap<String, String>, kept: &BTreeMap<String, Kept>, off: &mut Off) {
    off.all("on record and not in the API's lists", kept.keys().filter(|id| !listed.contains_key(*id)));
    off.all("in the API's lists and not on record", listed.keys().filter(|id| !kept.contains_key(*id)));
    let differs = |(id, state): (&String, &String)| {
        let job = kept.get(id)?;
        (job.state != *state).then(|| format!("{id} is {} and listed as {state}", job.state))
    };
    off.all("in the API's lists not as on record", listed.iter().filter_map(differs));
}

/// Most jobs came to their workers through Redis, or it was not Redis that was tried.
pub(crate) fn dispatch(through: u64, answered: &Answered, off: &mut Off) {
    let accepted = answered.accepted.len();
    if 2 * through < accepted as u64 {
        off.0.push(format!("only {through} of {accepted} jobs came through Redis"));
    }
}
