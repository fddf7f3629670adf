use jiff::ZonedDateTime;
use proptest::prelude::*;

use super::{Due, due_date, find_leading, find_trailing, is_overdue, parse, speak_due};

fn at(now: &str) -> ZonedDateTime {
    now.parse().unwrap()
}

/// What a phrase means, as the tools take it.
fn meant(phrase: &str, now: &str) -> Option<String> {
    let words: Vec<&str> = phrase.split(' ').collect();
    parse(&words, &at(now)).map(Due::to_argument)
}

fn check(now: &str, cases: &[(&str, &str)]) {
    for (phrase, expected) in cases {
        assert_eq!(meant(phrase, now).as_deref(), Some(*expected), "{phrase:?} said at {now}");
    }
}

const MONDAY: &str = "2026-11-23T10:00[America/New_York]";

#[test]
fn days() {
    check(
        MONDAY,
        &[
            ("today", "2026-11-23"),
            ("tomorrow", "2026-11-24"),
            ("the day after tomorrow", "2026-11-25"),
            ("tonight", "2026-11-23T20:00"),
            ("tomorrow morning", "2026-11-24T09:00"),
            ("this evening", "2026-11-23T18:00"),
            ("friday", "2026-11-27"),
            ("on friday", "2026-11-27"),
            ("by friday afternoon", "2026-11-27T15:00"),
            ("monday", "2026-11-30"),
            ("this monday", "2026-11-23"),
            ("next monday", "2026-11-30"),
            ("next tuesday", "2026-12-01"),
            ("tuesday", "2026-11-24"),
            ("this coming sunday", "2026-11-29"),
            ("sunday", "2026-11-29"),
            ("next sunday", "2026-12-06"),
            ("tuesday week", "2026-12-01"),
            ("the weekend", "2026-11-28"),
            ("next week", "2026-11-30"),
            ("next month", "2026-12-01"),
            ("the end of the week", "2026-11-27"),
            ("end of the month", "2026-11-30"),
            ("the last day of the month", "2026-11-30"),
            ("the end of next month", "2026-12-31"),
            ("the end of the year", "2026-12-31"),
            ("end of day", "2026-11-23T17:00"),
            ("in three days", "2026-11-26"),
            ("in two weeks", "2026-12-07"),
            ("in a week", "2026-11-30"),
            ("two weeks from now", "2026-12-07"),
            ("a week from friday", "2026-12-04"),
            ("in a couple of days", "2026-11-25"),
            ("in a month", "2026-12-23"),
            ("in twenty one days", "2026-12-14"),
            ("in twenty-one days", "2026-12-14"),
        ],
    );
}

#[test]
fn calendar_dates() {
    check(
        MONDAY,
        &[
            ("december 5th", "2026-12-05"),
            ("december the fifth", "2026-12-05"),
            ("the fifth of december", "2026-12-05"),
            ("5 december", "2026-12-05"),
            ("dec 5", "2026-12-05"),
            ("november 22nd", "2027-11-22"),
            ("november 23rd", "2026-11-23"),
            ("march twenty first", "2027-03-21"),
            ("december 5th 2027", "2027-12-05"),
            ("the fifth", "2026-12-05"),
            ("the twenty third", "2026-11-23"),
            ("the 31st", "2026-12-31"),
            ("the first of next month", "2026-12-01"),
            ("february 29th", "2028-02-29"),
            ("2026-12-24", "2026-12-24"),
            ("12/24", "2026-12-24"),
            ("12/24/27", "2027-12-24"),
            ("friday the 27th", "2026-11-27"),
            ("friday december 4th", "2026-12-04"),
            ("christmas", "2026-12-25"),
        ],
    );
    for nonsense in ["february 30th", "the 32nd", "13/13", "in zero days", "five apples", "may", "second", ""] {
        assert_eq!(meant(nonsense, MONDAY), None, "{nonsense:?}");
    }
}

#[test]
fn times() {
    check(
        MONDAY,
        &[
            ("5 pm", "2026-11-23T17:00"),
            ("5pm", "2026-11-23T17:00"),
            ("5:30 pm", "2026-11-23T17:30"),
            ("17:45", "2026-11-23T17:45"),
            ("at five", "2026-11-23T17:00"),
            ("at eleven", "2026-11-23T11:00"),
            ("at nine", "2026-11-23T21:00"),
            ("tomorrow at nine", "2026-11-24T09:00"),
            ("at five tomorrow", "2026-11-24T17:00"),
            ("tomorrow at five thirty", "2026-11-24T17:30"),
            ("half past four", "2026-11-23T16:30"),
            ("quarter to six", "2026-11-23T17:45"),
            ("twenty past eleven", "2026-11-23T11:20"),
            ("noon", "2026-11-23T12:00"),
            ("tomorrow at noon", "2026-11-24T12:00"),
            ("at seven in the morning", "2026-11-24T07:00"),
            ("at eight tonight", "2026-11-23T20:00"),
            ("next tuesday at five", "2026-12-01T17:00"),
            ("friday at 10 am", "2026-11-27T10:00"),
            ("8 o'clock", "2026-11-23T20:00"),
            ("9 am", "2026-11-24T09:00"),
            ("in an hour", "2026-11-23T11:00"),
            ("in half an hour", "2026-11-23T10:30"),
            ("in twenty minutes", "2026-11-23T10:20"),
            ("in two hours", "2026-11-23T12:00"),
        ],
    );
    assert_eq!(meant("25:00", MONDAY), None);
    assert_eq!(meant("13 pm", MONDAY), None);
}

#[test]
fn month_and_year_ends() {
    check(
        "2026-12-31T10:00[Europe/Berlin]",
        &[("tomorrow", "2027-01-01"), ("the end of the month", "2026-12-31"), ("next month", "2027-01-01")],
    );
    check(
        "2026-01-31T10:00[Europe/Berlin]",
        &[("in a month", "2026-02-28"), ("the 30th", "2026-03-30"), ("the end of february", "2026-02-28")],
    );
    check("2028-02-28T10:00[Europe/Berlin]", &[("tomorrow", "2028-02-29"), ("the end of the month", "2028-02-29")]);
    check("2026-11-28T10:00[Europe/Berlin]", &[("the end of the week", "2026-11-29"), ("this weekend", "2026-11-28")]);
    check("2026-11-29T10:00[Europe/Berlin]", &[("next tuesday", "2026-12-01"), ("the weekend", "2026-11-29")]);
    check("2026-11-27T10:00[Europe/Berlin]", &[("friday", "2026-12-04"), ("this friday", "2026-11-27")]);
    check("2026-11-23T23:30[Europe/Berlin]", &[("in an hour", "2026-11-24T00:30"), ("at five", "2026-11-24T17:00")]);
}

#[test]
fn clock_changes() {
    // New York's clocks jump from 2:00 to 3:00 on 8 March 2026, and repeat 1:00 to 2:00 on 1 November.
    check(
        "2026-03-07T10:00[America/New_York]",
        &[("tomorrow at 2:30 am", "2026-03-08T03:30"), ("tomorrow", "2026-03-08")],
    );
    check("2026-03-08T01:30[America/New_York]", &[("in an hour", "2026-03-08T03:30")]);
    check(
        "2026-11-01T01:30-04:00[America/New_York]",
        &[("in an hour", "2026-11-01T01:30"), ("in two hours", "2026-11-01T02:30")],
    );
}

#[test]
fn dates_in_titles() {
    let now = at(MONDAY);
    let trailing = |text: &str| {
        let words: Vec<&str> = text.split(' ').collect();
        find_trailing(&words, &now).map(|(start, due)| (words[..start].join(" "), due.to_argument()))
    };
    assert_eq!(trailing("call john by friday"), Some(("call john".into(), "2026-11-27".into())));
    assert_eq!(trailing("call john tomorrow at five"), Some(("call john".into(), "2026-11-24T17:00".into())));
    assert_eq!(trailing("book a table for the fifth"), Some(("book a table".into(), "2026-12-05".into())));
    for none in [
        "read chapter five",
        "call mom every friday",
        "book a table for two",
        "enjoy the sun",
        "clean the second",
        "plan a march",
        "read pages two to three",
    ] {
        assert_eq!(trailing(none), None, "{none:?}");
    }
    let words = ["tomorrow", "at", "five", "call", "john"];
    assert_eq!(
        find_leading(&words, &now).map(|(length, due)| (length, due.to_argument())),
        Some((3, "2026-11-24T17:00".into()))
    );
}

#[test]
fn spoken_dates() {
    let now = at(MONDAY);
    let spoken = |due: &str| speak_due(due_date(due, &now).unwrap(), &now);
    for (due, expected) in [
        ("2026-11-23", "today"),
        ("2026-11-23T17:00", "today at 5 PM"),
        ("2026-11-24T09:30", "tomorrow at 9:30 AM"),
        ("2026-11-22", "yesterday"),
        ("2026-11-27", "on Friday"),
        ("2026-11-29T12:00", "on Sunday at noon"),
        ("2026-11-30", "on Monday, November 30th"),
        ("2026-12-22", "on December 22nd"),
        ("2026-11-20", "on November 20th"),
        ("2028-01-01", "on January 1st, 2028"),
        ("2025-12-03", "on December 3rd, 2025"),
        ("2026-11-24T00:00", "tomorrow at midnight"),
        ("2026-11-23T22:00:00Z", "today at 5 PM"),
    ] {
        assert_eq!(spoken(due), expected, "{due}");
    }
    assert!(due_date("soon", &now).is_none());
    let overdue = |due: &str| is_overdue(due_date(due, &now).unwrap(), &now);
    assert!(overdue("2026-11-22") && overdue("2026-11-23T09:59"));
    assert!(!overdue("2026-11-23") && !overdue("2026-11-23T10:01"));
}

proptest! {
    #[test]
    fn what_is_understood_can_be_told_again(
        phrase in prop::sample::select(vec!["today", "tonight", "friday", "next tuesday at five", "in three days", "the fifth", "end of the month", "noon", "in an hour"]),
        second in -2_000_000_000_i64..4_000_000_000,
    ) {
        let now = jiff::Timestamp::from_second(second).unwrap().in_tz("Europe/Berlin").unwrap();
        let words: Vec<&str> = phrase.split(' ').collect();
        let due = parse(&words, &now).unwrap();
        prop_assert!(due.date >= now.date());
        let again = due_date(&due.to_argument(), &now).unwrap();
        prop_assert_eq!((again.date, again.time), (due.date, due.time));
        prop_assert!(!speak_due(due, &now).is_empty());
    }

    #[test]
    fn no_words_panic(words in prop::collection::vec("[a-z0-9:/'-]{0,12}|the|next|in|five|of|to", 0..8)) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let now = at(MONDAY);
        let _ = (parse(&words, &now), find_trailing(&words, &now), find_leading(&words, &now));
    }
}
