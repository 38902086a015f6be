//! What a submission names.

use serde_json::{Value, value::RawValue};

use super::{Called, Contract};
use crate::{
    job::Invalid,
    registry::{Kind, Registry},
};

/// What runs when a job is submitted.
#[derive(Clone, Copy)]
pub enum Callee<'a> {
    /// A kind of this build.
    Kind(&'a Kind),
    /// A version of a function of the tenant, and the kind that runs functions.
    Function(&'a Kind, &'a Contract),
}

impl<'a> Callee<'a> {
    /// What `name` means to a tenant; `None` for what clients may not submit as for what there is not.
    pub fn find(registry: &'a Registry, called: &'a Called, tenant: &str, name: &str) -> Option<Self> {
        let kind = registry.get(name)?;
        if kind.name == name {
            return kind.public.then_some(Self::Kind(kind));
        }
        called.get(tenant, name).map(|contract| Self::Function(kind, contract))
    }

    /// What is recorded as the job's kind: of a function, it names the version.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Kind(kind) => kind.name,
            Self::Function(_, contract) => &contract.kind,
        }
    }

    /// The kind that runs it, for its role and its policy.
    pub fn kind(&self) -> &'a Kind {
        match self {
            Self::Kind(kind) | Self::Function(kind, _) => kind,
        }
    }

    /// Everything that is wrong with a payload.
    pub fn validate(&self, payload: &RawValue) -> Result<(), Vec<Invalid>> {
        let value: Value =
            serde_json::from_str(payload.get()).map_err(|error| vec![Invalid::new("", error.to_string())])?;
        self.validate_parsed(payload, &value)
    }

    /// The same for a payload that was read before: `value` is what its text says.
    pub fn validate_parsed(&self, payload: &RawValue, value: &Value) -> Result<(), Vec<Invalid>> {
        match self {
            Self::Kind(kind) => kind.validate_parsed(payload, value),
            Self::Function(_, contract) => contract.validate(value),
        }
    }
}
