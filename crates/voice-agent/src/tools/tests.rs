mod asked;

use jiff::civil::date;
use jiff::tz::TimeZone;
use serde_json::{Map, json};
use voice_core::ids::ToolCallId;

use super::*;
use crate::tasks::{Due, MAX_TASKS, Priority, Task, TaskList, TaskStatus, UndoEntry};

/// A user's tasks with a journal, and a clock that stands on Wednesday, 25 November 2026, 14:30 in Berlin.
#[derive(Default)]
struct Desk {
    list: TaskList,
    undo: Vec<UndoEntry>,
    made: u32,
    /// The questions so far: all are taken to be answered.
    asked: Asked,
}

impl Desk {
    fn new(titles: &[&str]) -> Self {
        let mut desk = Self::default();
        for title in titles {
            desk.run("add_task", json!({"title": title}));
        }
        desk
    }

    /// Runs a call and commits what it wants, as a store does.
    fn run(&mut self, name: &str, arguments: Value) -> ToolRun {
        self.made += 1;
        let run = execute(&call(name, arguments), &self.list, &self.undo, &self.context());
        self.asked.note(name, &run.output);
        self.list.apply(&run.changes).unwrap();
        run.undo.apply(&mut self.undo);
        assert!(!run.is_error || run.changes.is_empty());
        assert!(run.output["status"].is_string());
        run
    }

    fn context(&self) -> ToolContext {
        ToolContext { asked: self.asked.clone(), ..context(self.made) }
    }

    /// Deletes as a model does: asks, and after a yes does it.
    fn delete(&mut self, mut arguments: Value) -> ToolRun {
        self.run("delete_task", arguments.clone());
        arguments["confirmed"] = true.into();
        self.run("delete_task", arguments)
    }

    /// The answer's status and the title of its task.
    fn says(&mut self, name: &str, arguments: Value) -> (String, String) {
        let output = self.run(name, arguments).output;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&output["status"]), text(&output["task"]["title"]))
    }

    fn task(&self, title: &str) -> &Task {
        self.list.tasks.iter().find(|task| task.title == title).unwrap()
    }

    fn titles(&self) -> Vec<&str> {
        self.list.tasks.iter().map(|task| task.title.as_str()).collect()
    }
}

fn call(name: &str, arguments: Value) -> ToolCall {
    let Value::Object(arguments) = arguments else { panic!("{arguments} is no object") };
    ToolCall { id: ToolCallId(1), name: name.to_owned(), arguments }
}

fn context(n: u32) -> ToolContext {
    let now = date(2026, 11, 25).at(14, 30, 0, 0).to_zoned_datetime(TimeZone::get("Europe/Berlin").unwrap()).unwrap();
    let now = now.checked_add(jiff::Span::new().seconds(n)).unwrap();
    ToolContext { now, new_id: TaskId::parse(&format!("t_{n:04}")).unwrap(), asked: Asked::default() }
}

fn pair(status: &str, title: &str) -> (String, String) {
    (status.to_owned(), title.to_owned())
}

#[test]
fn a_task_is_added_with_what_was_said() {
    let mut desk = Desk::default();
    let run =
        desk.run("add_task", json!({"title": "  Review  the proposal ", "due": "2026-11-27", "priority": "high"}));
    let expected = json!({
        "status": "added",
        "task": {
            "id": "t_0001", "title": "Review the proposal", "status": "open", "due": "2026-11-27",
            "priority": "high", "created_at": "2026-11-25T13:30:01Z", "completed_at": null,
        },
    });
    assert_eq!(run.output, expected);
    assert!(!run.is_error);
    let run = desk.run("add_task", json!({"title": "Call John", "due": "2026-11-27T17:00", "priority": null}));
    assert_eq!(run.output["task"]["due"], "2026-11-27T17:00");
    assert_eq!(run.output["task"]["priority"], "normal");
}

#[test]
fn an_open_title_is_not_added_twice() {
    let mut desk = Desk::new(&["Buy milk"]);
    assert_eq!(desk.says("add_task", json!({"title": "buy MILK!"})), pair("exists", "Buy milk"));
    assert_eq!(desk.undo.len(), 1, "nothing to undo for what did nothing");
    desk.run("complete_task", json!({"title": "milk"}));
    assert_eq!(desk.says("add_task", json!({"title": "buy milk"})), pair("added", "buy milk"), "last week's is done");
    assert_eq!(desk.says("add_task", json!({"title": "buy oat milk"})), pair("added", "buy oat milk"));
}

#[test]
fn what_is_wrong_with_a_call_is_said_to_the_model() {
    let mut desk = Desk::new(&["Buy milk"]);
    let long = "x".repeat(201);
    let cases = [
        ("add_task", json!({}), "'title' is missing"),
        ("add_task", json!({"title": "  "}), "'title' is empty"),
        ("add_task", json!({"title": 7}), "'title' must be a string"),
        ("add_task", json!({"title": long}), "'title' must have at most 200 characters, and has 201"),
        ("add_task", json!({"title": "x", "due": "friday"}), "'due' must be a date like 2026-11-27"),
        ("add_task", json!({"title": "x", "due": "2026-02-30"}), "'due' names a day or time that does not exist"),
        ("add_task", json!({"title": "x", "due": "2026-11-27T17:00Z"}), "without a time zone"),
        ("add_task", json!({"title": "x", "priority": "urgent"}), "'priority' must be one of low, normal, high"),
        ("add_task", json!({"title": "x", "date": "2026-11-27"}), "'date' is not an argument of this tool; use title"),
        ("list_tasks", json!({"due": "someday"}), "'due' must be today"),
        ("list_tasks", json!({"limit": 0}), "'limit' must be a whole number from 1 to 100"),
        ("list_tasks", json!({"offset": -1}), "'offset' must be a whole number"),
        ("list_tasks", json!({"status": "closed"}), "'status' must be one of open, done, all"),
        ("complete_task", json!({}), "neither 'title' nor 'id' is given"),
        ("complete_task", json!({"all": "yes"}), "'all' must be true or false"),
        ("set_due", json!({"title": "milk"}), "'due' is missing"),
        ("set_priority", json!({"title": "milk"}), "'priority' is missing"),
        ("rename_task", json!({"title": "milk"}), "'new_title' is missing"),
        ("delete_task", json!({"scope": "open"}), "'scope' must be one of done, all"),
        ("delete_task", json!({"scope": "all", "title": "milk"}), "not both"),
        ("undo", json!({"count": 2}), "use id, confirmed"),
        ("set_due", json!({"title": "milk", "days": "two"}), "'days' must be a whole number"),
        ("transfer_to_agent", json!({"agent": "ReviewAgent"}), "not a tool that changes tasks"),
        ("launch_rocket", json!({}), "'launch_rocket' is not a tool"),
    ];
    for (name, arguments, reason) in cases {
        let run = desk.run(name, arguments.clone());
        assert!(run.is_error, "{name} {arguments}");
        assert_eq!(run.output["status"], "failed");
        let said = run.output["reason"].as_str().unwrap();
        assert!(said.contains(reason), "{name} {arguments}: {said}");
    }
    assert_eq!(desk.titles(), ["Buy milk"]);
}

#[test]
fn tasks_are_completed_and_reopened() {
    let mut desk = Desk::new(&["Buy milk", "Call John", "Review the proposal"]);
    assert_eq!(desk.says("complete_task", json!({"title": "by milk"})), pair("completed", "Buy milk"));
    assert_eq!(desk.task("Buy milk").completed_at.unwrap().to_string(), "2026-11-25T13:30:04Z");
    assert_eq!(desk.says("complete_task", json!({"title": "milk"})), pair("already", "Buy milk"));
    assert_eq!(desk.says("reopen_task", json!({"title": "milk"})), pair("reopened", "Buy milk"));
    assert_eq!(desk.task("Buy milk").completed_at, None);
    assert_eq!(desk.says("reopen_task", json!({"title": "milk"})), pair("already", "Buy milk"));
    let id = desk.task("Call John").id.clone();
    assert_eq!(desk.says("complete_task", json!({"id": id.as_str()})), pair("completed", "Call John"));
    assert_eq!(desk.run("complete_task", json!({"all": true})).output, json!({"status": "completed", "count": 2}));
    assert_eq!(desk.run("complete_task", json!({"all": true})).output, json!({"status": "completed", "count": 0}));
    assert_eq!(desk.says("undo", json!({})), pair("undone", "Buy milk"));
    assert_eq!(desk.list.open().count(), 2, "all of one action are taken back");
}

#[test]
fn a_name_that_is_not_clear_changes_nothing() {
    let mut desk = Desk::new(&["Review the proposal", "Send the proposal", "Buy milk"]);
    let run = desk.run("complete_task", json!({"title": "the proposal"}));
    assert_eq!((&run.output["status"], &run.output["query"]), (&json!("ambiguous"), &json!("the proposal")));
    let candidates: Vec<&Value> = run.output["candidates"].as_array().unwrap().iter().map(|t| &t["title"]).collect();
    assert_eq!(candidates, ["Review the proposal", "Send the proposal"]);
    let run = desk.run("complete_task", json!({"title": "buy milk and eggs and cheese"}));
    assert_eq!(run.output["status"], "not_found");
    assert_eq!(run.output["suggestions"][0]["title"], "Buy milk");
    assert_eq!(desk.list.open().count(), 3);
    // Among the open ones it is clear.
    desk.run("complete_task", json!({"title": "send the proposal"}));
    assert_eq!(desk.says("complete_task", json!({"title": "proposal"})), pair("completed", "Review the proposal"));
}

#[test]
fn an_id_that_was_made_up_does_not_hide_the_title() {
    let mut desk = Desk::new(&["Buy milk", "Call John"]);
    let made_up = json!({"id": "t_999", "title": "milk"});
    assert_eq!(desk.says("complete_task", made_up), pair("completed", "Buy milk"));
    assert_eq!(desk.says("complete_task", json!({"id": "t_999"})), pair("gone", ""));
    assert_eq!(
        desk.says("complete_task", json!({"id": "john"})),
        pair("completed", "Call John"),
        "a title in its place"
    );
}

#[test]
fn due_dates_priorities_and_titles_change() {
    let mut desk = Desk::new(&["Buy milk"]);
    let due = json!({"title": "milk", "due": "2026-11-27T09:30"});
    assert_eq!(desk.says("set_due", due.clone()), pair("updated", "Buy milk"));
    assert_eq!(desk.says("set_due", due), pair("already", "Buy milk"));
    assert_eq!(desk.run("set_due", json!({"title": "milk", "due": null})).output["task"]["due"], Value::Null);
    let high = json!({"title": "milk", "priority": "high"});
    assert_eq!(desk.run("set_priority", high.clone()).output["task"]["priority"], "high");
    assert_eq!(desk.says("set_priority", high), pair("already", "Buy milk"));
    let run = desk.run("rename_task", json!({"title": "milk", "new_title": "Buy oat milk"}));
    assert_eq!((&run.output["status"], &run.output["old_title"]), (&json!("renamed"), &json!("Buy milk")));
    assert_eq!(run.output["task"]["title"], "Buy oat milk");
    let same = json!({"title": "oat milk", "new_title": "Buy oat milk"});
    assert_eq!(desk.says("rename_task", same), pair("already", "Buy oat milk"));
}

#[test]
fn deleting_is_confirmed_first() {
    let mut desk = Desk::new(&["Buy milk", "Call John", "Book flights"]);
    assert_eq!(desk.says("delete_task", json!({"title": "milk"})), pair("needs_confirmation", "Buy milk"));
    let no = json!({"title": "milk", "confirmed": false});
    assert_eq!(desk.says("delete_task", no), pair("needs_confirmation", "Buy milk"));
    assert_eq!(desk.list.tasks.len(), 3);
    let yes = json!({"title": "milk", "confirmed": true});
    assert_eq!(desk.says("delete_task", yes), pair("deleted", "Buy milk"));
    desk.run("complete_task", json!({"title": "john"}));
    let asked = desk.run("delete_task", json!({"scope": "done"})).output;
    assert_eq!(asked, json!({"status": "needs_confirmation", "count": 1, "scope": "done", "ids": ["t_0002"]}));
    let gone = desk.run("delete_task", json!({"scope": "done", "confirmed": true})).output;
    assert_eq!(gone, json!({"status": "deleted", "count": 1, "scope": "done"}));
    let none = desk.run("delete_task", json!({"scope": "done"})).output;
    assert_eq!(none, json!({"status": "deleted", "count": 0, "scope": "done"}), "nothing to ask");
    desk.delete(json!({"scope": "all"}));
    assert!(desk.list.tasks.is_empty());
    assert_eq!(desk.says("undo", json!({})), pair("undone", "Book flights"));
}

#[test]
fn actions_are_undone_newest_first() {
    let mut desk = Desk::new(&["Buy milk"]);
    desk.run("set_priority", json!({"title": "milk", "priority": "low"}));
    desk.delete(json!({"title": "milk"}));
    let run = desk.run("undo", json!({}));
    assert_eq!((&run.output["action"], &run.output["task"]["priority"]), (&json!("delete_task"), &json!("low")));
    assert_eq!(desk.run("undo", json!({})).output["task"]["priority"], "normal");
    assert_eq!(desk.run("undo", json!({})).output["action"], "add_task");
    assert!(desk.list.tasks.is_empty());
    assert_eq!(desk.run("undo", json!({})).output, json!({"status": "nothing_to_undo"}));
}

#[test]
fn an_action_of_which_nothing_is_left_is_passed_over() {
    let mut desk = Desk::new(&["Buy milk", "Call John"]);
    // The second task goes without a trace in the journal.
    desk.list.tasks.retain(|task| task.title != "Call John");
    assert_eq!(desk.says("undo", json!({})), pair("undone", "Buy milk"));
    assert!(desk.undo.is_empty(), "both entries are used up");
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let mut desk = Desk::default();
    let tasks = [
        ("Someday", Value::Null, "normal"),
        ("Soon", json!("2026-12-24"), "low"),
        ("Yesterday", json!("2026-11-24"), "normal"),
        ("This morning", json!("2026-11-25T09:00"), "normal"),
        ("Today", json!("2026-11-25"), "normal"),
        ("Tonight", json!("2026-11-25T20:00"), "normal"),
        ("Tomorrow", json!("2026-11-26"), "normal"),
        ("Sunday", json!("2026-11-29"), "normal"),
        ("Next Monday", json!("2026-11-30"), "normal"),
        ("Important", Value::Null, "high"),
        ("Finished", json!("2026-11-24"), "high"),
    ];
    for (title, due, priority) in tasks {
        desk.run("add_task", json!({"title": title, "due": due, "priority": priority}));
    }
    desk.run("complete_task", json!({"title": "finished"}));
    let mut titles = |arguments: Value| {
        let output = desk.run("list_tasks", arguments).output;
        let tasks = output["tasks"].as_array().unwrap().iter();
        (tasks.map(|task| task["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), output["total"].clone())
    };
    let (open, total) = titles(json!({}));
    let order = ["Yesterday", "This morning", "Tonight", "Today", "Tomorrow", "Sunday", "Next Monday", "Soon"];
    assert_eq!((&open[..8], total), (order.map(str::to_owned).as_slice(), json!(10)));
    assert_eq!(open[8..], ["Important", "Someday"]);
    assert_eq!(titles(json!({"due": "today"})).0, ["This morning", "Tonight", "Today"]);
    assert_eq!(titles(json!({"due": "tomorrow"})).0, ["Tomorrow"]);
    assert_eq!(titles(json!({"due": "this_week"})).0[4..], ["Tomorrow", "Sunday"]);
    assert_eq!(titles(json!({"due": "overdue"})).0, ["Yesterday", "This morning"]);
    assert_eq!(titles(json!({"due": "overdue", "status": "all"})).0.len(), 2, "what is done is not overdue");
    assert_eq!(titles(json!({"due": "none"})).0, ["Important", "Someday"]);
    assert_eq!(titles(json!({"due": "2026-12-24"})).0, ["Soon"]);
    assert_eq!(titles(json!({"priority": "high"})).0, ["Important"]);
    assert_eq!(titles(json!({"status": "done"})).0, ["Finished"]);
    assert_eq!(titles(json!({"status": "all"})).0.last().unwrap(), "Finished");
    assert_eq!(titles(json!({"query": "monday"})), (vec!["Next Monday".to_owned()], json!(1)));
    assert_eq!(titles(json!({"query": "nothing like it"})), (vec![], json!(0)));
    assert_eq!(titles(json!({"offset": 8, "limit": 1})), (vec!["Important".to_owned()], json!(10)));
    assert_eq!(titles(json!({"offset": 80})), (vec![], json!(10)));
}

#[test]
fn today_is_the_users_day() {
    let mut desk = Desk::new(&["Sleep"]);
    desk.run("set_due", json!({"title": "sleep", "due": "2026-11-26"}));
    let mut ctx = context(1);
    let total = |ctx: &ToolContext| {
        let list = call("list_tasks", json!({"due": "today"}));
        execute(&list, &desk.list, &desk.undo, ctx).output["total"].clone()
    };
    assert_eq!(total(&ctx), 0);
    ctx.now = ctx.now.with_time_zone(TimeZone::get("Pacific/Auckland").unwrap());
    assert_eq!(total(&ctx), 1, "it is Thursday already in Auckland");
}

#[test]
fn a_user_has_so_many_tasks_and_no_more() {
    let mut desk = Desk::new(&["Task"]);
    let first = desk.list.tasks[0].clone();
    for n in 1..MAX_TASKS {
        let id = TaskId::parse(&format!("t_x{n}")).unwrap();
        desk.list.tasks.push(Task { id, title: format!("Task {n}"), ..first.clone() });
    }
    let run = desk.run("add_task", json!({"title": "One more"}));
    assert!(run.is_error && run.output["reason"].as_str().unwrap().contains("delete the done ones"));
    desk.delete(json!({"scope": "all"}));
    assert_eq!(desk.says("undo", json!({})).0, "undone");
    assert_eq!(desk.list.tasks.len(), MAX_TASKS);
}

#[test]
fn the_agents_have_their_tools() {
    let names = |agent| specs_for(agent).into_iter().map(|spec| spec.name).collect::<Vec<_>>();
    let all = names(TASK_AGENT);
    assert_eq!(all[0], "add_task");
    assert_eq!(names(REVIEW_AGENT), all[1..]);
    assert!(names("NobodyAgent").is_empty());
    let target = |agent| specs_for(agent)[specs_for(agent).len() - 2].parameters["properties"]["agent"]["enum"].clone();
    assert_eq!((target(TASK_AGENT), target(REVIEW_AGENT)), (json!(["ReviewAgent"]), json!(["TaskAgent"])));
    for spec in specs_for(TASK_AGENT) {
        assert_eq!(spec.parameters["type"], "object", "{}", spec.name);
        let known = spec.parameters["properties"].as_object().unwrap();
        for required in spec.parameters["required"].as_array().unwrap() {
            assert!(known.contains_key(required.as_str().unwrap()), "{}", spec.name);
        }
    }
}

/// What the schema offers, the execution understands: no argument of a spec is unknown to its tool.
#[test]
fn the_specs_and_the_tools_agree() {
    for spec in specs_for(TASK_AGENT) {
        if ["transfer_to_agent", "end_call"].contains(&spec.name) {
            continue;
        }
        let nulls: Map<String, Value> =
            spec.parameters["properties"].as_object().unwrap().keys().map(|key| (key.clone(), Value::Null)).collect();
        let run = execute(&call(spec.name, Value::Object(nulls)), &TaskList::default(), &[], &context(1));
        let reason = run.output["reason"].as_str().unwrap_or_default();
        assert!(!reason.contains("not an argument"), "{}: {reason}", spec.name);
        assert!(!reason.contains("not a tool"), "{}: {reason}", spec.name);
    }
}

#[derive(Debug, Clone)]
enum Act {
    Add(u8),
    Complete(u8),
    Reopen(u8),
    Delete(u8),
    Due(u8, bool),
    Rename(u8, u8),
    CompleteAll,
    DeleteDone,
}

fn act() -> impl proptest::strategy::Strategy<Value = Act> {
    use proptest::prelude::*;
    prop_oneof![
        any::<u8>().prop_map(Act::Add),
        any::<u8>().prop_map(Act::Complete),
        any::<u8>().prop_map(Act::Reopen),
        any::<u8>().prop_map(Act::Delete),
        any::<(u8, bool)>().prop_map(|(n, on)| Act::Due(n, on)),
        any::<(u8, u8)>().prop_map(|(n, to)| Act::Rename(n, to)),
        Just(Act::CompleteAll),
        Just(Act::DeleteDone),
    ]
}

fn perform(desk: &mut Desk, act: &Act) {
    let title = |n: &u8| format!("Chapter {}", n % 8);
    let (name, arguments) = match act {
        Act::Add(n) => ("add_task", json!({"title": title(n)})),
        Act::Complete(n) => ("complete_task", json!({"title": title(n)})),
        Act::Reopen(n) => ("reopen_task", json!({"title": title(n)})),
        Act::Delete(n) => return drop(desk.delete(json!({"title": title(n)}))),
        Act::Due(n, on) => ("set_due", json!({"title": title(n), "due": on.then_some("2026-12-01")})),
        Act::Rename(n, to) => ("rename_task", json!({"title": title(n), "new_title": title(to)})),
        Act::CompleteAll => ("complete_task", json!({"all": true})),
        Act::DeleteDone => return drop(desk.delete(json!({"scope": "done"}))),
    };
    desk.run(name, arguments);
}

proptest::proptest! {
    /// Whatever was done, undo goes back through exactly the states that were.
    #[test]
    fn undo_goes_back_step_by_step(acts in proptest::collection::vec(act(), 1..20)) {
        let mut desk = Desk::default();
        let mut states = vec![desk.list.clone()];
        for act in &acts {
            perform(&mut desk, act);
            if states.last() != Some(&desk.list) {
                states.push(desk.list.clone());
            }
        }
        while let Some(state) = states.pop() {
            proptest::prop_assert_eq!(&desk.list, &state);
            let status = desk.run("undo", json!({})).output["status"].clone();
            proptest::prop_assert_eq!(status == "nothing_to_undo", states.is_empty());
        }
    }
}

#[test]
fn statuses_are_the_contracts_words() {
    assert_eq!(serde_json::to_value(TaskStatus::Open).unwrap(), "open");
    assert_eq!(serde_json::to_value(Due::parse("2026-11-27 17:00:59").unwrap()).unwrap(), "2026-11-27T17:00");
}

#[test]
fn a_move_of_everything_leaves_alone_what_has_no_date() {
    let mut desk = Desk::new(&["Buy milk", "Call John"]);
    desk.run("set_due", json!({"title": "Call John", "due": "2026-11-27"}));
    let output = desk.run("set_due", json!({"all": true, "days": 1})).output;
    assert_eq!(output, json!({"status": "updated", "count": 1, "undated": 1}));
    assert_eq!(desk.task("Buy milk").due, None);
    assert_eq!(json!(desk.task("Call John").due), json!("2026-11-28"));
}

#[test]
fn all_open_tasks_change_at_once() {
    let mut desk = Desk::new(&["Buy milk", "Call mom", "Write the report"]);
    desk.run("complete_task", json!({"title": "Call mom"}));
    let output = desk.run("set_priority", json!({"all": true, "priority": "high"})).output;
    assert_eq!(output, json!({"status": "updated", "count": 2}));
    assert_eq!(desk.task("Buy milk").priority, Priority::High);
    assert_eq!(desk.task("Call mom").priority, Priority::Normal);
    assert_eq!(desk.run("set_priority", json!({"all": true, "priority": "high"})).output["status"], "already");
    assert_eq!(desk.run("set_due", json!({"all": true, "due": "2026-11-30"})).output["count"], 2);
    // Each was one action.
    assert_eq!(desk.run("undo", json!({})).output["count"], 2);
    assert_eq!(desk.task("Buy milk").due, None);
    assert_eq!(desk.task("Buy milk").priority, Priority::High);
}

#[test]
fn what_is_excepted_stays() {
    let mut desk = Desk::new(&["Buy milk", "Call mom", "Call John", "Write the report"]);
    let asked = desk.run("delete_task", json!({"scope": "all", "except": ["the milk", "report"]})).output;
    assert_eq!((&asked["status"], &asked["count"]), (&json!("needs_confirmation"), &json!(2)));
    assert_eq!(asked["kept"][0]["title"], "Buy milk");
    // A name that fits two keeps both; one that fits none stops everything.
    let output = desk.run("complete_task", json!({"all": true, "except": ["call"]})).output;
    assert_eq!((&output["status"], &output["count"]), (&json!("completed"), &json!(2)));
    assert!(desk.task("Call mom").is_open() && desk.task("Call John").is_open());
    let run = desk.run("delete_task", json!({"scope": "all", "except": ["the dentist"], "confirmed": true}));
    assert_eq!((&run.output["status"], run.changes.len()), (&json!("not_found"), 0));
    assert!(desk.run("delete_task", json!({"scope": "all", "except": [1]})).is_error);
    desk.delete(json!({"scope": "all", "except": ["call mom"]}));
    assert_eq!(desk.titles(), ["Call mom"]);
}

#[test]
fn the_same_title_again_is_added_when_it_is_wanted() {
    let mut desk = Desk::new(&["Buy milk"]);
    assert_eq!(desk.says("add_task", json!({"title": "buy milk", "due": "2026-11-30"})).0, "exists");
    assert_eq!(desk.says("add_task", json!({"title": "Buy milk", "due": "2026-11-30", "anyway": true})).0, "added");
    assert_eq!(desk.titles(), ["Buy milk", "Buy milk"]);
}
