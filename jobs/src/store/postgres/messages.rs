//! Messages that came in and cannot be jobs.

use async_trait::async_trait;

use super::{PostgresStore, rows};
use crate::{
    audit::{Actor, acts},
    id::{DeadLetterId, JobId},
    store::{
        StoreError,
        messages::{MessageLetter, Messages},
    },
};

#[async_trait]
impl Messages for PostgresStore {
    async fn bury_message(&self, letter: &MessageLetter) -> Result<(), StoreError> {
        self.in_time(|| async {
            sqlx::query(include_str!("../../sql/postgres/bury_message.sql"))
                .bind(letter.id.0)
                .bind(&letter.tenant_id)
                .bind(&letter.original_subject)
                .bind(&letter.kind)
                .bind(letter.payload.get())
                .bind(&letter.error_code)
                .bind(rows::without_nul(&letter.error))
                .bind(i32::try_from(letter.attempts).unwrap_or(i32::MAX))
                .bind(self.now())
                .execute(&self.pool)
                .await
                .map(|_| ())
        })
        .await
    }

    async fn resubmitted(
        &self,
        tenant: &str,
        letter: DeadLetterId,
        job: JobId,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        self.in_time(|| async {
            let mut tx = self.begin().await?;
            let resolved = sqlx::query(include_str!("../../sql/postgres/resubmitted.sql"))
                .bind(tenant)
                .bind(letter.0)
                .bind(job.0)
                .bind(&by.subject)
                .bind(self.now())
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if resolved {
                self.audit(&mut tx, tenant, by, acts::resubmitted(letter, job)).await?;
            }
            tx.commit().await?;
            Ok(resolved)
        })
        .await
    }
}
