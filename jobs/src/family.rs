//! Jobs that jobs make: how many, how deep, and by what ids.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{context::Context, id::JobId, job::Job, outcome::Failure, store::NewJob};

/// Levels of jobs below one that nobody's run made, at most.
pub const LEVELS: u32 = 4;
/// Children that a job has over all of its runs, at most.
pub const CHILDREN: usize = 32;

/// Whether a run may have these children: one that asks for more than there may be is in a loop, and dies of it.
pub(crate) async fn bound(cx: &Context, children: &[NewJob]) -> Result<(), Failure> {
    if children.is_empty() {
        return Ok(());
    }
    let family = cx.store().family(cx.claimed().run.id).await?;
    if family.depth >= LEVELS {
        return Err(Failure::fatal(
            "family_too_deep",
            format!("jobs make jobs over {LEVELS} levels at most, and this one is on the last"),
        ));
    }
    let mut all: Vec<JobId> = children.iter().map(|child| child.id).chain(family.children).collect();
    all.sort_unstable();
    all.dedup();
    match all.len() {
        0..=CHILDREN => Ok(()),
        many => Err(Failure::fatal(
            "family_too_large",
            format!("a job makes {CHILDREN} jobs at most over all of its runs, and this would be number {many}"),
        )),
    }
}

/// A child of the run's job for one of its steps.
pub(crate) fn child<K: Job>(cx: &Context, step: &str, payload: &K) -> Result<NewJob, Failure> {
    let claimed = cx.claimed();
    let child = NewJob::of(id_of(claimed.run.id, step), &claimed.tenant_id, payload).map_err(|error| {
        Failure::fatal("payload_unencodable", format!("a payload of {} is not JSON: {error}", K::KIND))
    })?;
    // Its trace is where its parent's run is by then.
    Ok(NewJob { priority: claimed.priority, parent_id: Some(claimed.run.id), ..child })
}

/// The id of the child that a job makes for a step: the parent's time, and otherwise the hash of both.
pub(crate) fn id_of(parent: JobId, step: &str) -> JobId {
    let hash = Sha256::new().chain_update("golden-child\0").chain_update(parent.0).chain_update(step).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[..6].copy_from_slice(&parent.0.as_bytes()[..6]);
    bytes[6] = bytes[6] & 0x0f | 0x70;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    JobId(Uuid::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_one_child_and_another_step_another() {
        let (parent, other) = (JobId::new(), JobId::new());
        let id = id_of(parent, "plan");
        assert_eq!(id, id_of(parent, "plan"));
        assert_ne!(id, id_of(parent, "plan 2"));
        assert_ne!(id, id_of(other, "plan"));
        assert_eq!((id.0.get_version_num(), id.0.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!(id.0.as_bytes()[..6], parent.0.as_bytes()[..6], "it is as old as its parent");
    }
}
