//! From settings to the pools that run jobs.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use anyhow::Context;
use golden_jobs::{
    Role,
    context::Ports,
    dispatch::Dispatch,
    functions::KnownFunctions,
    models::{Models, Offline},
    outbound::Outbound,
    sandbox::Executor,
    webhooks::relay,
};
use golden_redis::ThroughRedis;
use golden_sandbox::GvisorExecutor;
use golden_workers::{
    models::{ChatCompletions, Provider},
    outbound::HttpOutbound,
};

use super::{DELIVERY, Process};
use crate::config::{self, Answerer, DispatchBy};

impl Process {
    /// Adds a pool for each role, and the relay of events.
    pub(crate) fn add_pools(
        &mut self,
        roles: &[Role],
        sandbox: Result<Arc<GvisorExecutor>, String>,
        exit_when_idle: Option<Duration>,
    ) -> anyhow::Result<()> {
        let outbound: Arc<dyn Outbound> = Arc::new(HttpOutbound::new(self.settings.egress.clone())?);
        let ports = Ports {
            store: Arc::clone(&self.store),
            metrics: self.metrics.clone(),
            outbound,
            models: self.models(roles)?,
            executor: sandbox.clone().map(|executor| executor as Arc<dyn Executor>),
            breakers: self.breakers.clone(),
            functions: KnownFunctions::new(Arc::clone(&self.store)),
        };
        let pools = roles.iter().map(|role| (*role, concurrency(*role, self.settings.concurrency))).collect();
        let options = golden_workers::Options {
            drain_timeout: self.settings.drain_timeout,
            lost_after: self.settings.lost_after,
            keep: self.settings.keep,
            exit_when_idle,
            dispatch: self.dispatch(),
            ..golden_workers::Options::new(pools)
        };
        self.has_pools = true;
        let pools = golden_workers::run(options, Arc::clone(&self.registry), ports, self.shutdown.clone());
        let shutdown = self.shutdown.clone();
        self.add("the pools", async move {
            let mut pools = std::pin::pin!(pools);
            let ended = tokio::select! {
                ended = &mut pools => ended,
                () = shutdown.cancelled() => {
                    // What still comes is what this process holds already.
                    if let Ok(executor) = &sandbox {
                        executor.stop_warming();
                    }
                    pools.await
                }
            };
            if let Ok(executor) = sandbox {
                executor.close().await;
            }
            Ok(ended?)
        });
        if let Some(delivery) = self.registry.get(DELIVERY) {
            let relayed = relay(Arc::clone(&self.store), delivery.policy, self.shutdown.clone());
            self.add("the relay", async {
                relayed.await;
                Ok(())
            });
        }
        Ok(())
    }

    /// What answers agents, or why nothing does.
    fn models(&self, roles: &[Role]) -> anyhow::Result<Result<Models, String>> {
        if !roles.iter().any(|role| matches!(role, Role::Orchestrator | Role::PeerHub)) {
            return Ok(Err("this worker has no role that asks models".to_owned()));
        }
        let settings = &self.settings;
        let named = settings.model_roles.as_ref();
        Ok(match &settings.models {
            None => Err("no model is configured: set LLM_BASE_URL and GOLDEN_MODELS".to_owned()),
            Some(Answerer::Offline) => {
                tracing::info!("the offline model answers, which is built in and goes by rule (LLM_BASE_URL)");
                Ok(Models::new(Arc::new(Offline), config::Roles::offline()))
            }
            Some(Answerer::At(url)) => {
                let key = settings.models_key.as_ref().map(|key| key.reveal().to_owned());
                if key.is_some() && url.scheme() == "http" {
                    tracing::warn!("LLM_BASE_URL is no https address: whoever is in between can read LLM_API_KEY");
                }
                let provider = ChatCompletions::new(Provider { base_url: url.clone(), key }).context("LLM_BASE_URL")?;
                let terms = named.map(|roles| roles.0.clone()).unwrap_or_default();
                Ok(Models::new(Arc::new(provider), terms))
            }
        })
    }

    /// What hands jobs to the pools, where it is not the store.
    fn dispatch(&self) -> Option<Arc<dyn Dispatch>> {
        let redis = self.redis.clone().filter(|_| self.settings.dispatch == DispatchBy::Redis)?;
        let (store, breakers) = (Arc::clone(&self.store), self.breakers.clone());
        Some(Arc::new(ThroughRedis::new(redis, store, breakers, self.metrics.clone())))
    }
}

/// Runs at once in a role's pool: many where they wait for others, few where they use this machine.
fn concurrency(role: Role, asked: Option<NonZeroUsize>) -> usize {
    let by_role = match role {
        Role::Orchestrator => 64,
        Role::PeerHub => 16,
        Role::Sandbox => 4,
        Role::Supervisor => 8,
        Role::Webhook => 50,
    };
    asked.map_or(by_role, NonZeroUsize::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_say_how_many_runs_a_pool_has() {
        let page = include_str!("../../../docs/configuration.md");
        for role in Role::ALL {
            let words = format!("{role} {}", concurrency(role, None));
            assert!(page.contains(&words), "docs/configuration.md does not say `{words}`");
        }
    }
}
