use chrono::{TimeDelta, Timelike};
use proptest::prelude::*;

use super::*;

fn timetable(cron_text: &str, zone_name: &str) -> Timetable {
    Timetable::new(cron(cron_text).unwrap(), zone(zone_name).unwrap())
}

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

/// The slots of a stretch of time, as a clock on the wall shows them.
fn slots(cron: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
    let timetable = timetable(cron, zone);
    let until = at(until);
    let local = |slot: DateTime<Utc>| slot.with_timezone(&timetable.zone).format("%d %H:%M %z").to_string();
    timetable.upcoming(at(from)).take_while(|slot| *slot < until).map(local).collect()
}

// Berlin's clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 to 02:00 on 2026-10-25.

#[test]
fn a_fixed_time_that_is_skipped_comes_right_after_the_gap() {
    let found = slots("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z");
    assert_eq!(found, ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"]);
}

#[test]
fn a_fixed_time_that_comes_twice_is_one_slot() {
    let found = slots("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z");
    assert_eq!(found, ["24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100"]);
}

#[test]
fn what_recurs_within_the_hour_does_not_notice() {
    let spring = slots("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:29:00Z", "2026-03-29T01:31:00Z");
    assert_eq!(spring, ["29 01:30 +0100", "29 03:00 +0200", "29 03:30 +0200"]);
    let autumn = slots("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", "2026-10-25T02:01:00Z");
    let twice = ["25 02:00 +0200", "25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100", "25 03:00 +0100"];
    assert_eq!(autumn, twice);
}

#[test]
fn a_day_has_one_midnight_where_it_begins_at_one() {
    // Beirut's clocks go from 00:00 to 01:00 on 2026-03-29.
    let found = slots("@daily", "Asia/Beirut", "2026-03-27T23:00:00Z", "2026-03-30T20:00:00Z");
    assert_eq!(found, ["29 01:00 +0300", "30 00:00 +0300"]);
}

#[test]
fn half_an_hour_is_a_change_as_well() {
    // Lord Howe Island's clocks go from 02:00 to 01:30 on 2026-04-05 and from 02:00 to 02:30 on 2026-10-04.
    let found = slots("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-06T00:00:00Z");
    assert_eq!(found, ["05 01:45 +1100", "06 01:45 +1030"]);
    let found = slots("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-05T00:00:00Z");
    assert_eq!(found, ["04 02:30 +1100", "05 02:15 +1100"]);
}

#[test]
fn what_runs_at_nine_runs_at_nine_in_winter_and_summer() {
    let found = slots("0 9 * * MON-FRI", "America/New_York", "2026-03-06T00:00:00Z", "2026-03-10T00:00:00Z");
    assert_eq!(found, ["06 09:00 -0500", "09 09:00 -0400"]);
}

#[test]
fn a_day_of_the_month_or_of_the_week_is_either_as_in_vixie_cron() {
    let found = slots("0 0 13 * FRI", "UTC", "2026-02-01T00:00:00Z", "2026-02-21T00:00:00Z");
    assert_eq!(found, ["06 00:00 +0000", "13 00:00 +0000", "20 00:00 +0000"]);
}

#[test]
fn the_29th_of_february_is_found_years_ahead() {
    let leap = timetable("0 0 29 2 *", "UTC").next_after(at("2096-03-01T00:00:00Z"));
    assert_eq!(leap, Some(at("2104-02-29T00:00:00Z")));
}

#[test]
fn nicknames_are_understood() {
    for nickname in NICKNAMES {
        assert!(cron(nickname).is_ok() && cron(&nickname.to_ascii_uppercase()).is_ok(), "{nickname}");
    }
    let found = slots("@weekly", "UTC", "2026-01-01T00:00:00Z", "2026-01-12T00:00:00Z");
    assert_eq!(found, ["04 00:00 +0000", "11 00:00 +0000"]);
}

#[test]
fn what_is_wrong_is_said_of_the_field_it_is_in() {
    for (text, expected) in [
        ("60 * * * *", "`60` is no minute"),
        ("* 24 * * *", "`24` is no hour"),
        ("* * 0 * *", "`0` is no day of the month"),
        ("* * * 13 *", "`13` is no month"),
        ("* * * FOO *", "`FOO` is no month"),
        ("* * * * 8", "`8` is no day of the week"),
        ("*/0 * * * *", "`*/0` is no minute"),
        ("5-1 * * * *", "`5-1` is no minute"),
        ("x y z", "3 fields"),
        ("", "0 fields"),
        ("0 0 3 * * *", "with seconds"),
        ("@reboot", "known are @hourly"),
        ("@every 5m", "2 fields"),
        (&"1,".repeat(200), "at most 256"),
    ] {
        let error = cron(text).map(|cron| cron.pattern.to_string()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn what_never_comes_has_no_next_slot() {
    assert_eq!(timetable("0 0 30 2 *", "UTC").next_after(at("2026-01-01T00:00:00Z")), None);
}

#[test]
fn an_unknown_zone_suggests_one() {
    let error = |name| zone(name).unwrap_err().to_string();
    assert!(error("europe/berlin").ends_with("did you mean Europe/Berlin?"));
    assert!(error("New York").ends_with("did you mean America/New_York?"));
    assert!(error("+02:00").ends_with("not an offset and not an abbreviation"));
    assert!(zone("").is_err() && zone("UTC").is_ok() && zone("Etc/UTC").is_ok());
}

proptest! {
    /// Looking back finds what looking ahead finds, whatever the clocks do; and slots are whole minutes.
    #[test]
    fn slots_are_the_same_from_both_sides(
        cron in prop::sample::select(vec!["30 2 * * *", "*/20 * * * *", "0 */2 * * *", "15,45 1-3 * * *", "@daily", "0 0 1 * *"]),
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "UTC"]),
        minutes in 0..3 * 366 * 24 * 60_i64,
    ) {
        let timetable = timetable(cron, zone);
        let time = at("2025-01-01T00:00:30Z") + TimeDelta::minutes(minutes);
        let next = timetable.next_after(time).unwrap();
        prop_assert!(next > time && next.second() == 0);
        prop_assert_eq!(timetable.last_until(next), Some(next));
        let last = timetable.last_until(time).unwrap();
        prop_assert!(last <= time);
        prop_assert_eq!(timetable.next_after(last), Some(next));
        prop_assert_eq!(timetable.next_after(last - TimeDelta::seconds(1)), Some(last));
    }
}
