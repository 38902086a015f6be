//! Connections to the server: straight, or through a pooler that lends a session for one transaction at a time.
//!
//! The latter has no session that anything could be left in. There, whatever is asked is a transaction that says at its
//! beginning what else goes along when a connection is made, and a statement is parsed anew each time, without a name:
//! the next transaction may be another session's. Both kinds are used alike, `&Connections` for one statement and
//! [`Transaction`] for several.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::LazyLock,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, TryFutureExt, TryStreamExt, future::BoxFuture, stream, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, Connection as _, Describe, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres,
    SqlSafeStr, SqlStr,
    error::BoxDynError,
    pool::PoolConnection,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use super::DEADLINE;
use crate::store::{ConnectError, PoolMode, connect};

/// How long a connection may have been idle and still be taken as it is. To ask the server first would cost every
/// statement a second round trip; one that breaks within this time is a statement that failed, which callers know.
const FRESH: Duration = Duration::from_secs(1);

/// What every session is set to.
///
/// The plans of the set-based statements are pinned: left free, the planner turns to hash joins and sequential scans
/// between batches of 500 and 2,000, at a tenth of the speed.
const SETTINGS: [(&str, &str); 6] = [
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_seqscan", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
    ("statement_timeout", "30s"),
];

/// Begins a transaction and sets it likewise, in one round trip.
static BEGIN_SET: LazyLock<SqlStr> = LazyLock::new(|| {
    let set = SETTINGS.map(|(name, value)| format!("; SET LOCAL {name} = '{value}'"));
    AssertSqlSafe(format!("BEGIN{}", set.concat())).into_sql_str()
});

/// The connections of this process.
#[derive(Clone)]
pub(super) struct Connections {
    pool: PgPool,
    mode: PoolMode,
}

impl Connections {
    /// Opens a pool. A pool tries again until its time is up and then says no more than that; one connection before it
    /// says what is wrong.
    pub(super) async fn open(options: PgConnectOptions, mode: PoolMode, size: u32) -> Result<Self, ConnectError> {
        let options = fitted(options, mode);
        let mut first = tokio::time::timeout(DEADLINE, PgConnection::connect_with(&options))
            .await
            .map_err(|_| ConnectError::Unreachable(format!("no answer within {DEADLINE:?}")))?
            .map_err(refused)?;
        if mode == PoolMode::Session {
            arrived(&mut first).await?;
        }
        first.close().await.map_err(refused)?;
        let pool = PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(DEADLINE)
            .test_before_acquire(false)
            .before_acquire(|connection, held| {
                async move {
                    if held.idle_for > FRESH {
                        connection.ping().await?;
                    }
                    Ok(true)
                }
                .boxed()
            })
            .connect_with(options)
            .await
            .map_err(refused)?;
        Ok(Self { pool, mode })
    }

    /// The pool itself, for what needs a session: only where there is one.
    pub(super) fn sessions(&self) -> Option<&PgPool> {
        (self.mode == PoolMode::Session).then_some(&self.pool)
    }

    /// Begins a transaction, which is ended whatever becomes of the caller.
    ///
    /// A future that is dropped, by a deadline or by a client that hangs up, rolls its transaction back; sqlx does not
    /// where it is dropped between BEGIN and its answer. Then the connection would go back to the pool within a
    /// transaction, and whoever has it next would take for recorded what nobody commits. So a task of its own begins.
    pub(super) async fn begin(&self) -> Result<Transaction, Error> {
        let pool = self.pool.clone();
        let begin = match self.mode {
            PoolMode::Session => "BEGIN".into_sql_str(),
            PoolMode::Transaction => BEGIN_SET.clone(),
        };
        let begun =
            tokio::spawn(async move { pool.begin_with(begin).await }).await.map_err(|_| Error::WorkerCrashed)?;
        Ok(Transaction(Connection { held: Held::Begun(begun?), mode: self.mode }))
    }

    /// A connection for one statement, which is a transaction by itself: nothing is begun where nothing has to be.
    pub(super) async fn begin_one(&self) -> Result<Transaction, Error> {
        match self.mode {
            PoolMode::Session => {
                Ok(Transaction(Connection { held: Held::Alone(self.pool.acquire().await?), mode: self.mode }))
            }
            PoolMode::Transaction => self.begin().await,
        }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// The options of a connection in this mode.
fn fitted(options: PgConnectOptions, mode: PoolMode) -> PgConnectOptions {
    match mode {
        PoolMode::Session => options.options(SETTINGS),
        // A pooler refuses what it does not know at the start. Numbers come in binary, so that this one is not needed.
        PoolMode::Transaction => options.extra_float_digits(None),
    }
}

/// Says whether what a session is set to at its start arrives there.
pub(super) async fn has_sessions(options: PgConnectOptions) -> Result<bool, ConnectError> {
    match Connections::open(options, PoolMode::Session, 1).await {
        Ok(connections) => {
            connections.close().await;
            Ok(true)
        }
        Err(ConnectError::Pooled) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Refuses a session that is not set as it should be: it would be ten times slower, and another one soon.
async fn arrived(session: &mut PgConnection) -> Result<(), ConnectError> {
    let mode: String = sqlx::raw_sql("SHOW plan_cache_mode")
        .fetch_one(session)
        .await
        .and_then(|row| sqlx::Row::try_get(&row, 0))
        .map_err(refused)?;
    if mode == "force_generic_plan" { Ok(()) } else { Err(ConnectError::Pooled) }
}

fn refused(error: Error) -> ConnectError {
    match error.as_database_error() {
        // PostgreSQL itself knows all that are sent.
        Some(answer) if answer.message().contains("startup parameter") => ConnectError::Pooled,
        _ => connect::unreachable(error),
    }
}

/// A transaction. Rolled back when it is dropped.
pub(super) struct Transaction(Connection);

impl Transaction {
    pub(super) async fn commit(self) -> Result<(), Error> {
        match self.0.held {
            Held::Begun(transaction) => transaction.commit().await,
            Held::Alone(_) => Ok(()),
        }
    }

    pub(super) async fn rollback(self) -> Result<(), Error> {
        match self.0.held {
            Held::Begun(transaction) => transaction.rollback().await,
            Held::Alone(_) => Ok(()),
        }
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

/// A connection, within a transaction or for one statement.
pub(super) struct Connection {
    held: Held,
    mode: PoolMode,
}

enum Held {
    Begun(sqlx::Transaction<'static, Postgres>),
    Alone(PoolConnection<Postgres>),
}

impl Connection {
    /// What is left in the session outlives the transaction, so this is for who cleans up.
    pub(super) fn session(&mut self) -> &mut PgConnection {
        match &mut self.held {
            Held::Begun(transaction) => transaction,
            Held::Alone(connection) => connection,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("mode", &self.mode).finish_non_exhaustive()
    }
}

type Answer = Either<PgQueryResult, PgRow>;

impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Answer, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.mode {
            PoolMode::Session => self.session().fetch_many(query),
            PoolMode::Transaction => self.session().fetch_many(Unnamed(query)),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.mode {
            PoolMode::Session => self.session().fetch_optional(query),
            PoolMode::Transaction => self.session().fetch_optional(Unnamed(query)),
        }
    }

    fn prepare_with<'e>(self, _: SqlStr, _: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        not_ahead()
    }

    fn describe<'e>(self, _: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        not_ahead()
    }
}

/// One statement, a transaction by itself.
impl<'c> Executor<'c> for &'c Connections {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Answer, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        if self.mode == PoolMode::Session {
            return self.pool.fetch_many(query);
        }
        let answered = async move {
            let mut transaction = self.begin().await?;
            let answers: Vec<Answer> = transaction.fetch_many(query).try_collect().await?;
            transaction.commit().await?;
            Ok(stream::iter(answers).map(Ok))
        };
        answered.try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        if self.mode == PoolMode::Session {
            return self.pool.fetch_optional(query);
        }
        let answered = async move {
            let mut transaction = self.begin().await?;
            let row = transaction.fetch_optional(query).await?;
            transaction.commit().await?;
            Ok(row)
        };
        answered.boxed()
    }

    fn prepare_with<'e>(self, _: SqlStr, _: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        not_ahead()
    }

    fn describe<'e>(self, _: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        not_ahead()
    }
}

/// What is prepared for later belongs to a session; the store asks for nothing ahead.
fn not_ahead<'e, T>() -> BoxFuture<'e, Result<T, Error>> {
    async { Err(Error::InvalidArgument("statements are not prepared ahead".to_owned())) }.boxed()
}

/// A statement that is parsed for this one time.
struct Unnamed<E>(E);

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Unnamed<E> {
    fn sql(self) -> SqlStr {
        self.0.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.0.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        false
    }
}
