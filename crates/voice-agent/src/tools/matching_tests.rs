use jiff::Timestamp;

use super::*;
use crate::tasks::{Priority, TaskId, TaskStatus};

fn task(at: usize, title: &str) -> Task {
    Task {
        id: TaskId::parse(&format!("t_{at}")).unwrap(),
        title: title.to_owned(),
        status: TaskStatus::Open,
        due: None,
        priority: Priority::Normal,
        created_at: Timestamp::UNIX_EPOCH,
        completed_at: None,
    }
}

fn verdict(titles: &[&str], query: &str) -> String {
    let tasks: Vec<Task> = titles.iter().enumerate().map(|(at, title)| task(at, title)).collect();
    let names = |tasks: Vec<&Task>| tasks.iter().map(|task| task.title.as_str()).collect::<Vec<_>>().join(" | ");
    match find(query, &tasks) {
        TitleMatch::Exact(task) => format!("exact: {}", task.title),
        TitleMatch::One(task) => format!("one: {}", task.title),
        TitleMatch::Ambiguous(tasks) => format!("which: {}", names(tasks)),
        TitleMatch::None { .. } => "none".to_owned(),
    }
}

fn suggestions(titles: &[&str], query: &str) -> Vec<String> {
    let tasks: Vec<Task> = titles.iter().enumerate().map(|(at, title)| task(at, title)).collect();
    match find(query, &tasks) {
        TitleMatch::None { suggestions } => suggestions.iter().map(|task| task.title.clone()).collect(),
        other => panic!("{query} is found: {other:?}"),
    }
}

/// A list as people have them.
const DAY: &[&str] = &[
    "Buy milk",
    "Review the proposal",
    "Call John",
    "Email Sarah about the budget",
    "Book flights to Paris",
    "Dentist appointment",
    "Pay the electricity bill",
    "Finish the quarterly sales report",
    "Pick up the dry cleaning",
    "Read chapter 2",
    "Water the plants",
    "Schedule a meeting with the design team",
    "Renew passport",
    "Wash the car",
    "Plan Anna's birthday party",
    "Fix the leaking tap",
    "Order toner for the printer",
    "Write thank-you notes",
];

/// What is on that list.
const THERE: &[(&str, &str)] = &[
    // As it is written.
    ("Buy milk", "exact: Buy milk"),
    ("buy milk.", "exact: Buy milk"),
    ("  BUY   MILK!", "exact: Buy milk"),
    ("review the proposal", "exact: Review the proposal"),
    ("plan annas birthday party", "exact: Plan Anna's birthday party"),
    ("read chapter two", "exact: Read chapter 2"),
    ("write thank you notes", "exact: Write thank-you notes"),
    // A part of it.
    ("proposal", "one: Review the proposal"),
    ("the proposal", "one: Review the proposal"),
    ("review proposal", "one: Review the proposal"),
    ("milk", "one: Buy milk"),
    ("the milk one", "one: Buy milk"),
    ("the milk task", "one: Buy milk"),
    ("my task about the budget", "one: Email Sarah about the budget"),
    ("sarah", "one: Email Sarah about the budget"),
    ("dentist", "one: Dentist appointment"),
    ("electricity bill", "one: Pay the electricity bill"),
    ("sales report", "one: Finish the quarterly sales report"),
    ("dry cleaning", "one: Pick up the dry cleaning"),
    ("chapter two", "one: Read chapter 2"),
    ("the passport", "one: Renew passport"),
    ("birthday party", "one: Plan Anna's birthday party"),
    ("anna's birthday", "one: Plan Anna's birthday party"),
    ("design team meeting", "one: Schedule a meeting with the design team"),
    // Other forms of the words.
    ("bought the milk", "one: Buy milk"),
    ("called john", "one: Call John"),
    ("paid the electricity bills", "one: Pay the electricity bill"),
    ("watering the plant", "one: Water the plants"),
    ("reviewing the proposals", "one: Review the proposal"),
    ("booked a flight to Paris", "one: Book flights to Paris"),
    ("washed the car", "one: Wash the car"),
    ("planning the birthday party", "one: Plan Anna's birthday party"),
    ("phone john", "one: Call John"),
    ("get milk", "one: Buy milk"),
    ("repair the leaking tap", "one: Fix the leaking tap"),
    // As a recogniser hears it.
    ("by milk", "one: Buy milk"),
    ("bye milk", "one: Buy milk"),
    ("call jon", "one: Call John"),
    ("e mail sara about the budget", "one: Email Sarah about the budget"),
    ("dentest appointment", "one: Dentist appointment"),
    ("book flights to parris", "one: Book flights to Paris"),
    ("fix the leeking tap", "one: Fix the leaking tap"),
    ("re new passport", "one: Renew passport"),
    ("pick up the drycleaning", "one: Pick up the dry cleaning"),
    ("right thank you notes", "one: Write thank-you notes"),
    ("red chapter two", "one: Read chapter 2"),
    ("order toner four the printer", "one: Order toner for the printer"),
    ("watch the car", "one: Wash the car"),
    ("water the plans", "one: Water the plants"),
    ("finish the quarterly sails report", "one: Finish the quarterly sales report"),
    ("renew pass port", "one: Renew passport"),
    ("email sarah about the budge it", "one: Email Sarah about the budget"),
    ("shedule a meeting with the design team", "one: Schedule a meeting with the design team"),
    ("plan annas birth day party", "one: Plan Anna's birthday party"),
    ("denist appointment", "one: Dentist appointment"),
    ("reed chapter too", "none"),
];

/// What is not, or not enough of it; and what only looks like it.
const NOT_THERE: &[(&str, &str)] = &[
    // Something else.
    ("buy bread", "none"),
    ("buy silk", "none"),
    ("call mom", "none"),
    ("email john", "none"),
    ("chapter three", "none"),
    ("read chapter 12", "none"),
    ("pay the rent", "none"),
    ("proposition", "none"),
    ("marketing report", "none"),
    ("water", "one: Water the plants"),
    ("xylophone lessons", "none"),
    ("the quick brown fox", "none"),
    ("buy", "one: Buy milk"),
    ("the", "none"),
    ("", "none"),
    ("?!", "none"),
    ("book a hotel in Berlin", "none"),
    ("wash the dog", "none"),
    ("call the dentist", "none"),
    ("pay the printer", "none"),
    ("meeting with the sales team", "none"),
    ("sell the car", "none"),
    ("plant a tree", "none"),
    ("buy a car", "none"),
    ("sarah's birthday", "none"),
    ("write the proposal", "none"),
    ("cancel the flights", "none"),
    ("buy milk and eggs and flour from the market", "none"),
];

#[test]
fn a_name_finds_its_task() {
    let cases = THERE.iter().chain(NOT_THERE);
    let wrong: Vec<String> = cases
        .map(|(query, expected)| (query, expected, verdict(DAY, query)))
        .filter(|(_, expected, found)| **expected != found.as_str())
        .map(|(query, expected, found)| format!("{query:?}: expected {expected}, found {found}"))
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn several_that_fit_are_asked_about() {
    let cases: [(&[&str], &str, &str); 16] = [
        (&["Review the proposal", "Send the proposal"], "proposal", "which: Review the proposal | Send the proposal"),
        (
            &["Review the proposal", "Email the final proposal draft to legal"],
            "the proposal",
            "which: Review the proposal | Email the final proposal draft to legal",
        ),
        (&["Review the proposal", "Send the proposal"], "send the proposal", "exact: Send the proposal"),
        (&["Review the proposal", "Send the proposal"], "sent the proposal", "one: Send the proposal"),
        (&["Buy milk", "Buy milk for Anna"], "buy milk", "exact: Buy milk"),
        (&["Buy milk", "Buy milk for Anna"], "by milk", "one: Buy milk"),
        (&["Buy milk", "Buy milk for Anna"], "milk for anna", "one: Buy milk for Anna"),
        (&["Buy milk", "Buy milk"], "buy milk", "which: Buy milk | Buy milk"),
        (&["Call Mom", "Call Tom"], "call mom", "exact: Call Mom"),
        (&["Call John", "Call Joan"], "call john", "exact: Call John"),
        (&["Call Steven", "Call Stephen"], "call stefen", "which: Call Steven | Call Stephen"),
        (&["Pay the bill", "Take the pill"], "bill", "one: Pay the bill"),
        (&["Pay the bill"], "the pill", "none"),
        (&["Read chapter 2", "Read chapter 3"], "chapter 3", "one: Read chapter 3"),
        (&["Read chapter 2", "Read chapter 3"], "chapter", "which: Read chapter 2 | Read chapter 3"),
        (
            &["Read chapter twenty three", "Read chapter 20", "Read chapter 3"],
            "chapter 23",
            "one: Read chapter twenty three",
        ),
    ];
    for (titles, query, expected) in cases {
        assert_eq!(verdict(titles, query), expected, "{query:?} in {titles:?}");
    }
}

#[test]
fn words_that_only_point_count_where_a_title_has_them() {
    assert_eq!(verdict(&["Read chapter 1", "Read chapter 2"], "chapter one"), "one: Read chapter 1");
    assert_eq!(verdict(&["Fix the task board", "Paint the fence"], "the task board"), "one: Fix the task board");
    assert_eq!(verdict(&["Paint the fence", "Buy paint brushes"], "the fence one"), "one: Paint the fence");
}

#[test]
fn other_languages_and_scripts_are_compared_as_they_are() {
    assert_eq!(verdict(&["Crème brûlée üben", "Café buchen"], "creme brulee"), "one: Crème brûlée üben");
    assert_eq!(verdict(&["Café buchen"], "cafe buchen"), "exact: Café buchen");
    assert_eq!(verdict(&["牛乳を買う", "母に電話"], "牛乳を買う"), "exact: 牛乳を買う");
    assert_eq!(verdict(&["牛乳を買う"], "電話"), "none");
    assert_eq!(verdict(&["Купить молоко"], "молоко"), "one: Купить молоко");
    assert_eq!(verdict(&["🎉", "🎂"], "🎂"), "none", "a sign has no words; an id names it");
    assert_eq!(verdict(&["Straße kehren"], "straße"), "one: Straße kehren");
}

#[test]
fn what_is_not_found_is_suggested_nearest_first() {
    assert_eq!(suggestions(DAY, "buy milk and eggs and flour"), ["Buy milk"]);
    assert_eq!(suggestions(DAY, "email john"), ["Call John", "Email Sarah about the budget"]);
    assert!(suggestions(DAY, "xylophone").is_empty());
    let many: Vec<String> = (0..9).map(|n| format!("Call person {n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(suggestions(&many, "call person unknown").len(), MAX_SUGGESTIONS);
}

#[test]
fn the_same_title_is_known_by_its_words() {
    let same = |a: &str, b: &str| same_title(a, &[task(0, "Other"), task(1, b)]).is_some();
    assert!(same("Buy milk", "buy MILK."));
    assert!(same("Call the two plumbers", "call the 2 plumbers"));
    assert!(!same("Buy milk", "Buy oat milk"));
    assert!(!same("Read chapter 2", "Read chapter 3"));
    assert!(same("🎉", "🎉"));
    assert!(!same("🎉", "🎂"));
}

#[test]
fn numbers_are_read_as_they_are_spoken() {
    let cases = [
        ("twenty three", "23"),
        ("twenty-three", "23"),
        ("two hundred", "200"),
        ("two hundred five", "205"),
        ("three thousand two hundred twelve", "3212"),
        ("one two three", "1 2 3"),
        ("twenty twenty six", "20 26"),
        ("thirteen", "13"),
        ("the third draft", "the 3rd draft"),
        ("hundred", "hundred"),
    ];
    for (spoken, key) in cases {
        assert_eq!(Phrase::new(spoken).key, key, "{spoken}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_compared_without_a_panic(query in ".{0,60}", title in ".{1,60}") {
        let tasks = [task(0, &title), task(1, "Buy milk")];
        let _found = find(&query, &tasks);
        proptest::prop_assert_eq!(same_title(&title, &tasks), Some(&tasks[0]));
    }
}
