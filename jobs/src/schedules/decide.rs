//! What a slot comes to, once it has come.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    template::{Occasion, Template},
    timetable::{Timetable, cron, zone},
};
use crate::{
    functions::Called,
    registry::Registry,
    store::schedules::{CatchUp, Firing, Schedule, SlotOutcome},
};

/// How late a slot may be noticed and count as on time: the time that a deployment or a busy
/// machine takes, and no more than the shortest interval.
pub const ON_TIME: Duration = Duration::from_secs(60);

/// What to write about a schedule whose next slot has come.
///
/// Of several slots that came while nobody looked, only the last one counts. If even that one
/// is later than [`ON_TIME`], the schedule's own word decides. Whatever is wrong is wrong with
/// this schedule alone, and is written where its owner sees it.
pub fn decide(schedule: &Schedule, registry: &Registry, called: &Called, now: DateTime<Utc>) -> Firing {
    let first = schedule.next_slot.unwrap_or(now);
    let timetable = match (cron(&schedule.cron), zone(&schedule.time_zone)) {
        (Ok(cron), Ok(zone)) => Ok(Timetable::new(cron, zone)),
        (Err(wrong), _) => Err(format!("the schedule is paused, for its cron cannot be read: {wrong}")),
        (_, Err(unknown)) => {
            Err(format!("the schedule is paused, for this build does not know its time zone: {unknown}"))
        }
    };
    let firing =
        |slot, next_slot, outcome| Firing { id: schedule.id, revision: schedule.revision, slot, next_slot, outcome };
    let timetable = match timetable {
        Ok(timetable) => timetable,
        Err(error) => return firing(first, None, SlotOutcome::Failed(error)),
    };
    let slot = timetable.last_until(now).map_or(first, |last| last.max(first));
    let late = (now - slot).to_std().unwrap_or_default() > ON_TIME;
    let outcome = if late && schedule.catch_up == CatchUp::Skip {
        SlotOutcome::Skipped
    } else {
        match Template::job(schedule, Occasion::Slot(slot), registry, called) {
            Ok(job) => SlotOutcome::Fired(Box::new(job)),
            Err(unfit) => SlotOutcome::Failed(unfit.to_string()),
        }
    };
    firing(slot, timetable.next_after(now), outcome)
}

#[cfg(test)]
mod tests;
