//! What a trigger asks for: the role, the figure to scale it on, and how much of it a pod is for.

use golden_jobs::{Role, store::Depths};
use tonic::Status;

use super::wire::ScaledObjectRef;
use crate::scaling::{FIGURES, RoleScaling};

/// What is asked of a role.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    role: Role,
    figure: &'static str,
    /// Of the figure, for each pod.
    pub(super) target: f64,
}

impl Asked {
    /// Reads the metadata of a trigger: `role`, and where they are not as the role has them, `metric` and
    /// `targetValue`.
    pub(super) fn of(object: Option<&ScaledObjectRef>) -> Result<Self, Status> {
        let said = |name: &str| object.and_then(|object| object.scaler_metadata.get(name));
        let role: Role = said("role")
            .ok_or_else(|| Status::invalid_argument("the trigger's metadata lack `role`"))?
            .parse()
            .map_err(|error: golden_jobs::role::UnknownRole| Status::invalid_argument(error.to_string()))?;
        let figure = said("metric").map_or(role.scale().figure, String::as_str);
        let figure = FIGURES.into_iter().find(|known| *known == figure).ok_or_else(|| {
            Status::invalid_argument(format!("unknown metric `{figure}`: expected one of {}", FIGURES.join(", ")))
        })?;
        let target = match said("targetValue") {
            None => role.scale().target.into(),
            Some(text) => text
                .parse()
                .ok()
                .filter(|target: &f64| target.is_finite() && *target > 0.0)
                .ok_or_else(|| Status::invalid_argument(format!("targetValue `{text}` is not a number above 0")))?,
        };
        Ok(Self { role, figure, target })
    }

    /// What the metric is called between KEDA and here.
    pub(super) fn name(&self) -> String {
        format!("golden-{}-{}", self.role, self.figure.replace('_', "-"))
    }

    pub(super) fn value(&self, depths: &Depths) -> Result<f64, Status> {
        let scaling = self.scaling(depths)?;
        scaling
            .figure(self.figure)
            .ok_or_else(|| Status::invalid_argument(format!("the role {} has no metric `{}`", self.role, self.figure)))
    }

    /// Whether the role has anything to do.
    pub(super) fn active(&self, depths: &Depths) -> Result<bool, Status> {
        Ok(self.scaling(depths)?.figure("load").is_some_and(|load| load > 0.0))
    }

    fn scaling(&self, depths: &Depths) -> Result<RoleScaling, Status> {
        let depth = depths.roles.iter().find(|depth| depth.role == self.role);
        depth
            .map(|depth| RoleScaling::of(depth, depths))
            .ok_or_else(|| Status::internal(format!("the store knows no role {}", self.role)))
    }
}
