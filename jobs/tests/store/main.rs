//! What every store must do, run against SQLite and PostgreSQL alike.
//!
//! A case is an `async fn(Bed)` whose name is the rule it shows. [`both_stores!`] makes it two
//! tests, `…::sqlite::rule` and `…::postgres::rule`, each with a database of its own. The
//! store's clock is held: time passes when a case says so. [`behind_pgbouncer!`] adds `…::pgbouncer::rule`.
//!
//! | module | shows |
//! |---|---|
//! | [`intake`] | how jobs come in and become due |
//! | [`batches`] | many jobs come in as one |
//! | [`idempotency`] | a submission may be repeated |
//! | [`claims`] | who gets which job |
//! | [`finish`] | what follows from each verdict |
//! | [`fence`] | a late run changes nothing |
//! | [`children`] | a job waits for others |
//! | [`waits`] | a job waits for a decision, or for no longer than it said |
//! | [`workers`] | workers fall silent, jobs do not |
//! | [`breakers`] | what processes say of their dependencies |
//! | [`budgets`] | what tenants spend, and may |
//! | [`cancel`], [`retry`] | what users do to a job |
//! | [`dead_letters`] | what dies, and how it comes back |
//! | [`events`] | what becomes an event, and the log of events |
//! | [`functions`] | programs of tenants, their versions, which is live |
//! | [`endpoints`] | webhook endpoints, their secrets, when they are disabled |
//! | [`escalations`] | what waits for a human |
//! | [`deliveries`] | deliveries of webhooks, lists and replays |
//! | [`logs`] | what runs write for those who read along |
//! | [`fairness`] | tenants share a role |
//! | [`queues`] | pauses and quotas |
//! | [`depths`] | how much there is of what |
//! | [`reads`] | lists, pages, attempts |
//! | [`retention`] | what has ended is kept for a while, and goes |
//! | [`reviews`] | panels judge work, and humans what they could not |
//! | [`tenants`] | nobody sees or touches another's |
//! | [`terms`] | tenants are created, changed, suspended and deleted |
//! | [`hints`] | who is woken by what |
//! | [`policies`] | what agents are told, and what may change it |
//! | [`schedules`] | kept for their owners, fired once a slot |
//! | [`audit`], [`audited`] | who changed what, in a chain |
//! | [`schema`] | versions, checks, the runbook's statements |
//! | [`pooled`] | what a pooler changes, and what not |
//! | [`random`] | random verbs, against a [`model`] of all the above |

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod audit;
mod audited;
mod batches;
mod bed;
mod breakers;
mod budgets;
mod cancel;
mod children;
mod claims;
mod dead_letters;
mod deliveries;
mod depths;
mod endpoints;
mod escalations;
mod events;
mod fairness;
mod fence;
mod finish;
mod functions;
mod given;
mod guards;
mod hints;
mod idempotency;
mod intake;
mod logs;
mod messages;
mod model;
mod pgbouncer;
mod policies;
mod pooled;
mod publications;
mod queues;
mod random;
mod reads;
mod retention;
mod retry;
mod reviews;
mod schedules;
mod schema;
mod tenants;
mod terms;
mod waits;
mod workers;

/// Makes every case of a module a test on SQLite and one on PostgreSQL.
///
/// A case that is not named here is dead code, which the compiler reports.
macro_rules! both_stores {
    ($($case:ident)*) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::bed::on_sqlite(super::$case).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::bed::on_postgres(super::$case).await;
                }
            )*
        }
    };
}
use both_stores;

/// Makes some of a module's cases tests behind a pooler as well: those in which many meet, and some of every kind.
/// `TEST_POOL_MODE=transaction` has all of `postgres` run behind it instead.
macro_rules! behind_pgbouncer {
    ($($case:ident)*) => {
        mod pgbouncer {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::bed::on_pgbouncer(super::$case).await;
                }
            )*
        }
    };
}
use behind_pgbouncer;
