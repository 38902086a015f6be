//! Which model an agent's role has, and on what terms.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    exchange::{AgentRole, Usage},
    port::Model,
    switch::RepairSwitch,
};
use crate::governance::known::KnownPolicies;

/// The models of a process. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Models {
    provider: Arc<dyn Model>,
    terms: Arc<BTreeMap<AgentRole, ModelTerms>>,
    switches: Arc<Mutex<BTreeMap<AgentRole, RepairSwitch>>>,
    policies: Arc<KnownPolicies>,
}

/// How a role's model is called.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelTerms {
    /// Its name at the provider.
    pub model: String,
    /// The provider's own, where absent.
    pub temperature: Option<f64>,
    /// The most tokens that an answer may have.
    pub max_tokens: u32,
    /// What it costs, where anybody said.
    pub price: Option<Price>,
}

/// What a model costs, in micro-USD for a million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    pub input: u64,
    pub output: u64,
}

impl Price {
    /// What so many tokens cost, in micro-USD, rounded up.
    pub fn of(self, usage: Usage) -> u64 {
        let [input, output] = [(self.input, usage.input_tokens), (self.output, usage.output_tokens)]
            .map(|(price, tokens)| u128::from(price) * u128::from(tokens));
        u64::try_from((input + output).div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

impl Models {
    /// Those of one provider. A role that is not named has none.
    pub fn new(provider: Arc<dyn Model>, terms: BTreeMap<AgentRole, ModelTerms>) -> Self {
        Self { provider, terms: Arc::new(terms), switches: Arc::default(), policies: Arc::default() }
    }

    /// Who answers.
    pub fn provider(&self) -> &dyn Model {
        &*self.provider
    }

    /// How the model of a role is called, if it has one.
    pub fn terms(&self, role: AgentRole) -> Option<&ModelTerms> {
        self.terms.get(&role)
    }

    /// The policies of tenants that roles are asked under.
    pub fn policies(&self) -> &KnownPolicies {
        &self.policies
    }

    /// Whether answers to a role may be repaired now.
    pub fn may_repair(&self, role: AgentRole) -> bool {
        self.switch(role, |switch| switch.is_on())
    }

    /// Counts an answer to a role, by whether it needed repair.
    pub fn answered(&self, role: AgentRole, needed_repair: bool) {
        self.switch(role, |switch| switch.count(needed_repair));
    }

    fn switch<T>(&self, role: AgentRole, use_it: impl FnOnce(&mut RepairSwitch) -> T) -> T {
        let mut switches = self.switches.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(switches.entry(role).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_what_its_tokens_do_rounded_up() {
        let price = Price { input: 2_500_000, output: 10_000_000 };
        let of = |input_tokens, output_tokens| price.of(Usage { input_tokens, output_tokens });
        assert_eq!((of(0, 0), of(1, 0), of(1_000, 500)), (0, 3, 7_500));
        assert_eq!(of(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(Price::default().of(Usage { input_tokens: 9, output_tokens: 9 }), 0);
    }
}
