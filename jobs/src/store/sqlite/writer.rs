//! The one that writes. SQLite lets one connection write at a time, and a durable commit
//! costs a wait for the disk: so one task owns that connection, takes whatever calls wait
//! for it, and commits them together.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{mpsc, oneshot};

use super::{DEADLINE, hints::Hints, params::micros, rows::classify};
use crate::{
    store::{StoreClock, StoreError},
    wake::Wakes,
};

/// Calls that may wait for the writer; more of them wait for a place here.
const WAITING: usize = 256;
/// Calls that one commit takes at most.
const BATCH: usize = 128;
/// How long a batch takes further calls. It bounds what the first of them waits for the
/// last; a call that is under way is not cut.
const WORK: Duration = Duration::from_millis(5);

/// A verb that writes.
#[async_trait]
pub(super) trait Verb: Send + 'static {
    type Answer: Send + 'static;

    /// Runs once, in a savepoint of its own: an error undoes this verb and no other.
    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Answer, sqlx::Error>;
}

/// What a verb works with.
pub(super) struct Tx<'c> {
    pub connection: &'c mut SqliteConnection,
    /// The time of everything the verb writes, in microseconds since 1970.
    pub now: i64,
    /// Given when the commit has succeeded.
    pub hints: Hints,
}

/// Hands verbs to the task that writes.
#[derive(Clone)]
pub(super) struct Writer {
    calls: mpsc::Sender<Box<dyn Call>>,
}

impl Writer {
    pub(super) fn start(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        clock: StoreClock,
        wakes: Wakes,
    ) -> Self {
        let (calls, waiting) = mpsc::channel(WAITING);
        let task = Task { connection: Some(connection), options, clock, wakes };
        tokio::spawn(task.run(waiting));
        Self { calls }
    }

    /// Runs a verb. The answer comes after the commit; an error may come without one.
    pub(super) async fn call<V: Verb>(&self, verb: V) -> Result<V::Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let call = Box::new(Pending { verb, outcome: None, reply });
        let answered = async {
            self.calls.send(call).await.map_err(|_| stopped())?;
            answer.await.map_err(|_| stopped())?
        };
        tokio::time::timeout(DEADLINE, answered).await.unwrap_or_else(|_| Err(super::too_late()))
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the task that writes has stopped".to_owned())
}

/// A verb on its way, without its type.
#[async_trait]
trait Call: Send {
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;

    /// Runs the verb and keeps the outcome. Says whether it succeeded.
    async fn run(&mut self, tx: &mut Tx<'_>) -> bool;

    /// Gives the outcome to whoever waits, or what became of the commit.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Pending<V: Verb> {
    verb: V,
    outcome: Option<Result<V::Answer, StoreError>>,
    reply: oneshot::Sender<Result<V::Answer, StoreError>>,
}

#[async_trait]
impl<V: Verb> Call for Pending<V> {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    async fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let outcome = self.verb.run(tx).await.map_err(|error| classify(&error));
        self.outcome.insert(outcome).is_ok()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (committed, self.outcome) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(super::too_late()),
        };
        // Nobody waits any more: what the verb did stands.
        let _ = self.reply.send(outcome);
    }
}

struct Task {
    /// `None` after a transaction could not be ended; the next batch opens it anew.
    connection: Option<SqliteConnection>,
    options: SqliteConnectOptions,
    clock: StoreClock,
    wakes: Wakes,
}

impl Task {
    async fn run(mut self, mut waiting: mpsc::Receiver<Box<dyn Call>>) {
        while let Some(first) = waiting.recv().await {
            let mut batch = Batch::default();
            let committed = self.transact(first, &mut waiting, &mut batch).await;
            if committed.is_err() {
                self.undo().await;
            }
            batch.answer(committed.map_err(|error| StoreError::Unavailable(error.to_string())), &self.wakes);
        }
        if let Some(connection) = self.connection.take() {
            // What was accepted is in the file or its log already; closing tidies up.
            let _ = connection.close().await;
        }
    }

    /// Runs `first` and what waits behind it in one transaction.
    async fn transact(
        &mut self,
        first: Box<dyn Call>,
        waiting: &mut mpsc::Receiver<Box<dyn Call>>,
        batch: &mut Batch,
    ) -> Result<(), sqlx::Error> {
        let begun = Instant::now();
        let mut next = batch.add(first);
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.options.connect().await?),
        };
        execute(connection, "BEGIN IMMEDIATE").await?;
        loop {
            let (call, hints) = next;
            if !call.is_abandoned() {
                *hints = run_in_savepoint(call, connection, micros(super::now(&self.clock))).await?;
            }
            if batch.calls.len() == BATCH || begun.elapsed() > WORK {
                break;
            }
            next = match waiting.try_recv() {
                Ok(call) => batch.add(call),
                Err(_) => break,
            };
        }
        execute(connection, "COMMIT").await
    }

    /// Ends a transaction that failed. SQLite may have done so itself (a full disk), and may
    /// be unable to (a lost one): only a fresh connection is sure to be in none.
    async fn undo(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && execute(&mut connection, "ROLLBACK").await.is_ok()
        {
            self.connection = Some(connection);
        }
    }
}

/// The calls of one transaction, and the hints that follow if it commits.
#[derive(Default)]
struct Batch {
    calls: Vec<(Box<dyn Call>, Hints)>,
}

impl Batch {
    fn add(&mut self, call: Box<dyn Call>) -> (&mut dyn Call, &mut Hints) {
        self.calls.push((call, Hints::default()));
        let last = self.calls.len() - 1;
        let (call, hints) = &mut self.calls[last];
        (&mut **call, hints)
    }

    fn answer(self, committed: Result<(), StoreError>, wakes: &Wakes) {
        for (call, hints) in self.calls {
            if committed.is_ok() {
                hints.give(wakes);
            }
            call.answer(committed.clone());
        }
    }
}

/// Runs one call. Whatever it did is undone if it fails, and its hints are forgotten. An
/// error is the transaction's: no call of the batch can go on.
async fn run_in_savepoint(
    call: &mut dyn Call,
    connection: &mut SqliteConnection,
    now: i64,
) -> Result<Hints, sqlx::Error> {
    execute(connection, "SAVEPOINT verb").await?;
    let mut tx = Tx { connection, now, hints: Hints::default() };
    let succeeded = call.run(&mut tx).await;
    let Tx { connection, hints, .. } = tx;
    if succeeded {
        execute(connection, "RELEASE verb").await?;
        return Ok(hints);
    }
    execute(connection, "ROLLBACK TO verb").await?;
    execute(connection, "RELEASE verb").await?;
    Ok(Hints::default())
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(|_| ())
}
