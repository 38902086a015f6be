//! Versions of functions that were read before: they are immutable, so they need not be read again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Call, Contract, Definition, FunctionName, Version};
use crate::store::{SharedStore, StoreError, functions::WhichVersion};

/// Schemas that are kept compiled, and definitions with their programs: some MiB each in the worst
/// case, and some KiB as a rule.
const CONTRACTS: usize = 128;
const DEFINITIONS: usize = 64;

/// Reads versions of functions, each once while it is in use.
#[derive(Clone)]
pub struct KnownFunctions(Arc<Known>);

struct Known {
    store: SharedStore,
    contracts: Recent<Contract>,
    definitions: Recent<Definition>,
}

/// What kinds of calls mean to their tenants, as of a moment ago.
#[derive(Default)]
pub struct Called(HashMap<(String, String), Arc<Contract>>);

impl Called {
    /// `None` where the tenant has no such function or version.
    pub fn get(&self, tenant: &str, kind: &str) -> Option<&Contract> {
        self.0.get(&(tenant.to_owned(), kind.to_owned())).map(|contract| &**contract)
    }
}

impl KnownFunctions {
    pub fn new(store: SharedStore) -> Self {
        Self(Arc::new(Known { store, contracts: Recent::new(CONTRACTS), definitions: Recent::new(DEFINITIONS) }))
    }

    /// What kinds mean now, each with its tenant. Those that name no function are passed over, and
    /// without any other the store is not asked.
    pub async fn called(&self, kinds: &[(&str, &str)]) -> Result<Called, StoreError> {
        let mut asked: Vec<(&str, &str)> = Vec::new();
        let mut which = Vec::new();
        for &(tenant, kind) in kinds {
            if let Some(Call { name, version }) = Call::of(kind)
                && !asked.contains(&(tenant, kind))
            {
                asked.push((tenant, kind));
                which.push(WhichVersion { tenant_id: tenant.to_owned(), name, version });
            }
        }
        let mut called = HashMap::new();
        if which.is_empty() {
            return Ok(Called(called));
        }
        let versions = self.0.store.called_versions(&which).await?;
        for (((tenant, kind), which), version) in asked.into_iter().zip(which).zip(versions) {
            if let Some(version) = version
                && let Some(contract) = self.contract(tenant, which.name, version).await?
            {
                called.insert((tenant.to_owned(), kind.to_owned()), contract);
            }
        }
        Ok(Called(called))
    }

    async fn contract(
        &self,
        tenant: &str,
        name: FunctionName,
        version: Version,
    ) -> Result<Option<Arc<Contract>>, StoreError> {
        let key = (tenant.to_owned(), name, version);
        if let Some(contract) = self.0.contracts.get(&key) {
            return Ok(Some(contract));
        }
        let Some(found) = self.0.store.function_version(tenant, &key.1, version).await? else { return Ok(None) };
        let contract = Arc::new(Contract::of(&key.1, version, read(&found.definition)?));
        self.0.contracts.put(key, Arc::clone(&contract));
        Ok(Some(contract))
    }

    /// One version with its program; `None` where the tenant has no such one.
    pub async fn definition(
        &self,
        tenant: &str,
        name: FunctionName,
        version: Version,
    ) -> Result<Option<Arc<Definition>>, StoreError> {
        let key = (tenant.to_owned(), name, version);
        if let Some(definition) = self.0.definitions.get(&key) {
            return Ok(Some(definition));
        }
        let Some(found) = self.0.store.function_version(tenant, &key.1, version).await? else { return Ok(None) };
        let definition = Arc::new(read(&found.definition)?);
        self.0.definitions.put(key, Arc::clone(&definition));
        Ok(Some(definition))
    }
}

/// Trying again will not help where this build cannot read what another one wrote.
fn read(definition: &serde_json::value::RawValue) -> Result<Definition, StoreError> {
    serde_json::from_str(definition.get())
        .map_err(|error| StoreError::Rejected(format!("a function's definition cannot be read: {error}")))
}

type Key = (String, FunctionName, Version);

/// So many things, those that were used last.
struct Recent<T> {
    most: usize,
    kept: Mutex<Kept<T>>,
}

struct Kept<T> {
    /// Counts uses.
    uses: u64,
    things: HashMap<Key, (u64, Arc<T>)>,
}

impl<T> Recent<T> {
    fn new(most: usize) -> Self {
        Self { most, kept: Mutex::new(Kept { uses: 0, things: HashMap::new() }) }
    }

    fn get(&self, key: &Key) -> Option<Arc<T>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let uses = kept.uses;
        kept.things.get_mut(key).map(|(used, thing)| {
            *used = uses;
            Arc::clone(thing)
        })
    }

    fn put(&self, key: Key, thing: Arc<T>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let uses = kept.uses;
        if kept.things.len() >= self.most
            && let Some(oldest) = kept.things.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone())
        {
            kept.things.remove(&oldest);
        }
        kept.things.insert(key, (uses, thing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_is_kept() {
        let recent = Recent::new(2);
        let key = |version| ("acme".to_owned(), "area".parse().unwrap(), Version::new(version).unwrap());
        let known = |version| recent.get(&key(version)).map(|thing: Arc<u32>| *thing);
        for version in [1, 2] {
            recent.put(key(version), Arc::new(version));
        }
        assert_eq!(known(1), Some(1));

        recent.put(key(3), Arc::new(3));

        assert_eq!([1, 2, 3].map(known), [Some(1), None, Some(3)]);
    }
}
