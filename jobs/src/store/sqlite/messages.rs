//! Messages that came in and cannot be jobs.

use async_trait::async_trait;

use super::{
    SqliteStore,
    audit::audit,
    params::without_nul,
    writer::{Tx, Verb},
};
use crate::{
    audit::{Actor, acts},
    id::{DeadLetterId, JobId},
    store::{
        StoreError,
        messages::{MessageLetter, Messages},
    },
};

#[async_trait]
impl Messages for SqliteStore {
    async fn bury_message(&self, letter: &MessageLetter) -> Result<(), StoreError> {
        self.writer.call(Bury(letter.clone())).await
    }

    async fn resubmitted(
        &self,
        tenant: &str,
        letter: DeadLetterId,
        job: JobId,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        let (tenant, by) = (tenant.to_owned(), by.clone());
        self.writer.call(Resubmitted { tenant, letter, job, by }).await
    }
}

struct Bury(MessageLetter);

#[async_trait]
impl Verb for Bury {
    type Answer = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), sqlx::Error> {
        let letter = &self.0;
        sqlx::query(include_str!("../../sql/sqlite/bury_message.sql"))
            .bind(letter.id.0)
            .bind(&letter.tenant_id)
            .bind(&letter.original_subject)
            .bind(&letter.kind)
            .bind(letter.payload.get())
            .bind(&letter.error_code)
            .bind(without_nul(&letter.error))
            .bind(letter.attempts)
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await
            .map(|_| ())
    }
}

struct Resubmitted {
    tenant: String,
    letter: DeadLetterId,
    job: JobId,
    by: Actor,
}

#[async_trait]
impl Verb for Resubmitted {
    type Answer = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, sqlx::Error> {
        let resolved = sqlx::query(include_str!("../../sql/sqlite/resubmitted.sql"))
            .bind(&self.tenant)
            .bind(self.letter.0)
            .bind(self.job.0)
            .bind(&self.by.subject)
            .bind(tx.now);
        let resolved = resolved.execute(&mut *tx.connection).await?.rows_affected() > 0;
        if resolved {
            audit(tx, &self.tenant, &self.by, acts::resubmitted(self.letter, self.job)).await?;
        }
        Ok(resolved)
    }
}
