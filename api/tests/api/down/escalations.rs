//! Nothing is known of what needs a human.

use async_trait::async_trait;
use golden_jobs::{
    EscalationId,
    audit::Actor,
    escalations::{Answer, Escalation, Subject},
    store::{
        Page, Run,
        escalations::{Acknowledged, Answered, EscalationFilter, EscalationPage, EscalationRecord, Escalations},
    },
};

use super::{Down, Result, down};

#[async_trait]
impl Escalations for Down {
    async fn open_escalation(&self, _: Run, _: &Escalation) -> Result<EscalationRecord> {
        down()
    }

    async fn acknowledge_escalation(&self, _: &str, _: EscalationId, _: &Actor) -> Result<Acknowledged> {
        down()
    }

    async fn resolve_escalation(&self, _: &str, _: EscalationId, _: &Answer, _: &Actor) -> Result<Answered> {
        down()
    }

    async fn settle_escalations(
        &self,
        _: &str,
        _: Subject,
        _: &str,
        _: &Answer,
        _: &Actor,
    ) -> Result<Vec<EscalationRecord>> {
        down()
    }

    async fn escalation(&self, _: &str, _: EscalationId) -> Result<Option<EscalationRecord>> {
        down()
    }

    async fn escalations(&self, _: &EscalationFilter, _: Page<EscalationId>) -> Result<EscalationPage> {
        down()
    }
}
