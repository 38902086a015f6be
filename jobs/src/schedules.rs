//! Jobs that come back by the clock.
//!
//! A schedule says when ([`Timetable`]) and what ([`Template`]). Every worker process looks
//! each minute for slots that have come, and [`decide`] says what each comes to. The store
//! writes that and the job in one transaction, once for each slot however many look.

mod decide;
mod template;
mod timetable;

pub use decide::{ON_TIME, decide};
pub use template::{Occasion, RESERVED, Template, Unfit};
pub use timetable::{CRON_LIMIT, Timetable, UnknownZone, WrongCron, cron, zone};
