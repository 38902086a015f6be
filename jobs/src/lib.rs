//! What a job is, its states and rules, and where it is recorded.
//!
//! This crate decides; it neither listens (`golden-api`), nor runs (`golden-workers`),
//! nor starts containers (`golden-sandbox`). Whatever it needs of the outside is a
//! port: [`Store`](store::Store), [`Executor`](sandbox::Executor),
//! [`Outbound`](outbound::Outbound), [`Model`](models::Model), [`Broker`](broker::Broker),
//! [`Intake`](intake::Intake), [`Dispatch`](dispatch::Dispatch), [`Tracer`](trace::Tracer).
//!
//! | module | holds |
//! |---|---|
//! | [`job`] | the trait a kind implements, and its policy |
//! | [`kinds`] | the kinds Golden brings, and the list of them |
//! | [`functions`] | programs that tenants register and call |
//! | [`registry`] | the one crossing between JSON and typed payloads |
//! | [`outcome`] | how a run may end, and what follows from it |
//! | [`record`] | states and their transitions; a job as its readers see it |
//! | [`egress`], [`address`] | where requests to URLs that users name may go |
//! | [`audit`] | who changed what, in a chain that shows what was done to it |
//! | [`backoff`] | how long to wait before the next attempt |
//! | [`breakers`] | what does not answer is left alone for a while |
//! | [`budgets`], [`spending`] | what tenants and trees of jobs may spend, and how a run does |
//! | [`escalations`] | what needs a human |
//! | [`models`] | language models: how they are asked, and whether what they answer can be used |
//! | [`family`] | jobs that jobs make: how many, and how deep |
//! | [`guards`] | what looks after the installation itself |
//! | [`reviews`] | what a panel of agents makes of an agent's work |
//! | [`governance`] | agents' policies, and what may change them |
//! | [`schedules`] | jobs that come back by the clock: when, what, and what a slot comes to |
//! | [`store`] | the record of everything, on PostgreSQL or SQLite |
//! | [`tasks`] | what agents do to reach a goal, step by step |
//! | [`terms`] | what a tenant may have, remembered for a moment |
//! | [`wake`] | hints that there may be work |
//! | [`dispatch`] | where pools learn which jobs to claim |
//! | [`text`], [`canonical`] | what people may type, and one form for all ways to write a value |
//! | [`journal`] | what a run shows of itself while it goes |
//! | [`batch`] | turns many single calls into few set-based ones |
//! | [`webhooks`] | signatures, bodies and the relay of events |
//! | [`trace`] | which request a piece of work goes back to |
//! | [`broker`] | what happens, handed to a message broker |
//! | [`intake`] | jobs that come in as messages |

pub mod address;
pub mod audit;
pub mod backoff;
pub mod batch;
pub mod breakers;
pub mod broker;
pub mod budgets;
pub mod canonical;
pub mod context;
pub mod dispatch;
pub mod egress;
pub mod escalations;
pub mod family;
pub mod functions;
pub mod governance;
pub mod guards;
pub mod id;
pub mod intake;
pub mod job;
pub mod journal;
pub mod kinds;
pub mod metrics;
pub mod models;
pub mod outbound;
pub mod outcome;
pub mod record;
pub mod registry;
pub mod reviews;
pub mod role;
pub mod sandbox;
pub mod schedules;
pub mod spending;
pub mod store;
pub mod tasks;
pub mod terms;
pub mod text;
pub mod trace;
pub mod wake;
pub mod webhooks;

pub use context::Context;
pub use id::{
    ApprovalId, ChangeId, DeadLetterId, EndpointId, EscalationId, JobId, MessageId, ReservationId, ReviewId,
    ScheduleId, WorkerId,
};
pub use job::{Job, Policy};
pub use outcome::{Failure, Outcome, done};
pub use record::State;
pub use registry::Registry;
pub use role::Role;
