//! What keeps the store going: jobs come due.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    entry::{self, Arrival},
    params::list,
    role_names, rows,
    steps::step,
    waits,
    writer::{Tx, Verb},
};
use crate::{role::Role, store::Promoted};

const PROMOTE: &str = include_str!("../../sql/sqlite/promote.sql");
const TAKEN: &str = step(PROMOTE, "taken");
const WAITING: &str = step(PROMOTE, "waiting");
const NEXT: &str = step(PROMOTE, "next");

pub(super) struct Promote {
    pub limit: u32,
}

#[async_trait]
impl Verb for Promote {
    type Answer = Promoted;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Promoted, sqlx::Error> {
        let due = sqlx::query(TAKEN).bind(tx.now).bind(self.limit).fetch_all(&mut *tx.connection).await?;
        let moved = u32::try_from(due.len()).unwrap_or(u32::MAX);
        let due = due.iter().map(rows::entry).collect::<Result<Vec<_>, _>>()?;
        entry::ready(tx, due, Arrival::New).await?;
        waits::lapse(tx, self.limit).await?;
        entry::park(tx).await?;
        entry::admit(tx, entry::PARKED).await?;
        let ready: Vec<String> =
            sqlx::query_scalar(WAITING).bind(list(role_names())?).fetch_all(&mut *tx.connection).await?;
        let ready = ready.iter().map(|role| rows::parsed(role)).collect::<Result<Vec<Role>, _>>()?;
        ready.iter().for_each(|role| tx.hints.wake(*role));
        let scheduled: Option<i64> = sqlx::query_scalar(NEXT).bind(tx.now).fetch_one(&mut *tx.connection).await?;
        let next = [scheduled, waits::next(tx).await?].into_iter().flatten().min();
        let next_due = next.map(|at| Duration::from_micros(u64::try_from(at - tx.now).unwrap_or(0)));
        // A full batch means that more may be due already.
        let next_due = if moved == self.limit { Some(Duration::ZERO) } else { next_due };
        Ok(Promoted { moved, ready, next_due })
    }
}
