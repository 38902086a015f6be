//! Which policy a question is asked under.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    canary::{self, Arm},
    document::PolicyDocument,
};
use crate::{
    id::{ChangeId, JobId},
    models::exchange::AgentRole,
    store::{Store, StoreError, policies::InUse},
};

/// A change of what is active is seen after so long at the latest.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// Pointers, and versions, that are remembered, at most.
const REMEMBERED: usize = 10_000;

/// The version that a job's questions are asked under: settled by its first, and kept over retries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Under {
    /// 0 where none was active.
    pub version: u32,
    /// The trial that it counts for, and whether it is on the side of the new version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trial: Option<(ChangeId, bool)>,
}

impl Under {
    fn of(in_use: InUse, job: JobId) -> Self {
        match in_use.canary {
            Some((change, version)) if canary::takes_part(change, job) => Self { version, trial: Some((change, true)) },
            Some((change, _)) => Self { version: in_use.active, trial: Some((change, false)) },
            None => Self { version: in_use.active, trial: None },
        }
    }

    /// The trial that its end counts for, and the side.
    pub(crate) fn trial(&self) -> Option<(ChangeId, Arm)> {
        self.trial.map(|(change, is_new)| (change, if is_new { Arm::Trial } else { Arm::Base }))
    }
}

type Versions = HashMap<(String, AgentRole, u32), Arc<PolicyDocument>>;

/// What was read a moment ago, and versions, which never change.
#[derive(Debug, Default)]
pub struct KnownPolicies {
    pointers: Mutex<HashMap<(String, AgentRole), (Instant, InUse)>>,
    versions: Mutex<Versions>,
}

impl KnownPolicies {
    /// Under which version a job of the tenant asks, if it begins now.
    pub(crate) async fn under(
        &self,
        store: &dyn Store,
        tenant: &str,
        role: AgentRole,
        job: JobId,
    ) -> Result<Under, StoreError> {
        let key = (tenant.to_owned(), role);
        let known = self.pointers.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some((at, in_use)) = known
            && at.elapsed() < FRESH_FOR
        {
            return Ok(Under::of(in_use, job));
        }
        let in_use = store.policy_in_use(tenant, role).await?;
        let mut pointers = self.pointers.lock().unwrap_or_else(PoisonError::into_inner);
        if pointers.len() >= REMEMBERED {
            pointers.retain(|_, (at, _)| at.elapsed() < FRESH_FOR);
        }
        if pointers.len() < REMEMBERED {
            pointers.insert(key, (Instant::now(), in_use));
        }
        Ok(Under::of(in_use, job))
    }

    /// What a version says; nothing where it is 0, or is one that this build cannot read.
    pub(crate) async fn document(
        &self,
        store: &dyn Store,
        tenant: &str,
        role: AgentRole,
        version: u32,
    ) -> Result<Arc<PolicyDocument>, StoreError> {
        if version == 0 {
            return Ok(Arc::default());
        }
        let key = (tenant.to_owned(), role, version);
        if let Some(known) = self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(known));
        }
        let found = store.policy_version(tenant, role, version).await?;
        let read = found.and_then(|found| serde_json::from_str(found.document.get()).ok());
        let document: Arc<PolicyDocument> = Arc::new(read.unwrap_or_default());
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if versions.len() >= REMEMBERED {
            versions.clear();
        }
        versions.insert(key, Arc::clone(&document));
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_jobs_is_asked_under_the_version_on_trial() {
        let change = ChangeId::new();
        let in_use = InUse { active: 3, canary: Some((change, 5)) };
        let under: Vec<Under> = (0..2000).map(|_| Under::of(in_use, JobId::new())).collect();
        let (new, old): (Vec<Under>, Vec<Under>) = under.into_iter().partition(|under| under.version == 5);
        assert!((100..320).contains(&new.len()), "{} of 2000", new.len());
        assert!(new.iter().all(|under| under.trial() == Some((change, Arm::Trial))));
        assert!(old.iter().all(|under| (under.version, under.trial()) == (3, Some((change, Arm::Base)))));
        let alone = Under::of(InUse { active: 3, canary: None }, JobId::new());
        assert_eq!((alone.version, alone.trial()), (3, None));
    }
}
