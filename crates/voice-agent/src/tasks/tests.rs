use serde_json::{Value, json};

use super::*;

fn now() -> Timestamp {
    "2026-11-25T13:30:00.123456789Z".parse().unwrap()
}

fn id(n: u32) -> TaskId {
    TaskId::parse(&format!("t_{n}")).unwrap()
}

fn new(body: Value) -> NewTask {
    NewTask::from_json(&body).unwrap()
}

fn patch(body: Value) -> TaskPatch {
    TaskPatch::from_json(&body).unwrap()
}

fn faults<T: std::fmt::Debug>(result: Result<T, Vec<FieldError>>) -> Vec<String> {
    result.unwrap_err().into_iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect()
}

/// A list with one task, made by the HTTP call.
fn list() -> TaskList {
    let mut list = TaskList::default();
    let body = new(json!({"title": "Review the proposal", "due": "2026-11-27T17:00"}));
    let edit = create_task(&list, &body, id(1), now()).unwrap();
    list.apply(&edit.changes).unwrap();
    list
}

#[test]
fn a_task_has_the_contracts_json() {
    let json = json!({
        "id": "t_1", "title": "Review the proposal", "status": "open", "due": "2026-11-27T17:00",
        "priority": "normal", "created_at": "2026-11-25T13:30:00.123456Z", "completed_at": null,
    });
    assert_eq!(serde_json::to_value(&list().tasks[0]).unwrap(), json);
    assert_eq!(serde_json::from_value::<Task>(json).unwrap(), list().tasks[0]);
}

#[test]
fn due_dates_are_read_strictly() {
    for good in ["2026-11-27", "2024-02-29", "2026-11-27T00:00", "2026-11-27T23:59"] {
        assert_eq!(Due::parse(good).unwrap().to_string(), good);
    }
    for (loose, kept) in [("2026-11-27 17:00", "2026-11-27T17:00"), ("2026-11-27T17:00:59", "2026-11-27T17:00")] {
        assert_eq!(Due::parse(loose).unwrap().to_string(), kept);
    }
    let forms = [
        "",
        "friday",
        "27.11.2026",
        "2026-11-2",
        "20261127",
        "2026-11-27T",
        "2026-11-27T5:00",
        "2026-11-27T17:00Z",
        "2026-11-27T17:00+01:00",
        "2026-11-27T17:00[Europe/Berlin]",
        "2026-11-27T17:00:00.5",
        "２０２６-11-27",
        "2026-11-27x17:00",
        "-2026-11-27",
        " 2026-11-27",
    ];
    for bad in forms {
        assert_eq!(Due::parse(bad), Err(DueError::Form), "{bad}");
    }
    for none in
        ["2026-02-30", "2025-02-29", "2026-13-01", "2026-11-27T24:00", "2026-11-27T23:60", "2026-11-27T10:00:60"]
    {
        assert_eq!(Due::parse(none), Err(DueError::NoSuchDay), "{none}");
    }
}

#[test]
fn a_day_is_over_at_its_end_and_a_minute_at_once() {
    let noon = jiff::civil::date(2026, 11, 25).at(12, 0, 0, 0);
    let past = |text: &str| Due::parse(text).unwrap().is_past(noon);
    assert!(past("2026-11-24") && past("2026-11-25T11:59") && past("2026-11-25T12:00"));
    assert!(!past("2026-11-25") && !past("2026-11-25T12:01") && !past("2026-11-26"));
}

#[test]
fn a_tools_arguments_name_the_title_that_is_kept() {
    let title = "Pay \u{202e}gpj.exe";
    let mut arguments = serde_json::json!({"title": title, "count": 2}).as_object().unwrap().clone();
    clean_arguments(&mut arguments);
    assert_eq!(arguments["title"], clean_title(title).unwrap());
    assert_eq!(arguments["count"], 2);
}

#[test]
fn titles_are_cleaned_and_limited() {
    assert_eq!(clean_title("  Buy \t oat\nmilk\u{7} ").unwrap(), "Buy oat milk");
    assert_eq!(clean_title(" \n\u{0} "), Err(TitleError::Empty));
    assert_eq!(clean_title(&"ü".repeat(200)).unwrap().chars().count(), 200);
    assert_eq!(clean_title(&"ü".repeat(201)), Err(TitleError::TooLong(201)));
}

#[test]
fn a_title_has_something_to_see_and_turns_nothing_round() {
    for nothing in ["\u{200b}", "\u{202e}\u{202c}", " \u{feff}\n\u{2060} ", "\u{200d}\u{fe0f}", "\u{3164}", "\u{e0041}"]
    {
        assert_eq!(clean_title(nothing), Err(TitleError::Invisible), "{nothing:?}");
    }
    assert_eq!(clean_title("Pay \u{202e}gpj.exe\u{202c} \u{2066}now\u{2069}").unwrap(), "Pay gpj.exe now");
    assert_eq!(clean_title("Buy\u{200b} mi\u{ad}lk\u{feff}").unwrap(), "Buy milk");
    // What a script or an emoji needs stays.
    for kept in ["می\u{200c}خواهم", "👩\u{200d}👧 and ❤\u{fe0f}", "שלום", "مهمة"] {
        assert_eq!(clean_title(kept).unwrap(), kept);
    }
}

#[test]
fn a_due_date_is_of_a_year_that_somebody_means_and_what_was_kept_stays_readable() {
    for far in ["0000-01-01", "0001-01-01", "1969-12-31", "0202-11-27T17:00"] {
        assert_eq!(Due::parse(far), Err(DueError::NoSuchYear), "{far}");
        assert_eq!(serde_json::from_value::<Due>(json!(far)).unwrap().to_string(), far);
    }
    assert_eq!(DueError::NoSuchYear.to_string(), "must be a day of the years 1970 to 9999");
    for good in ["1970-01-01", "9999-12-31T23:59"] {
        assert_eq!(Due::parse(good).unwrap().to_string(), good);
    }
}

#[test]
fn ids_are_random_and_well_formed() {
    let ids: std::collections::BTreeSet<TaskId> = (0..100).map(|_| TaskId::random().unwrap()).collect();
    assert_eq!(ids.len(), 100);
    for id in ids {
        assert_eq!(id.as_str().len(), 14);
        assert_eq!(TaskId::parse(id.as_str()).unwrap(), id);
    }
    let long = format!("t_{}", "a".repeat(33));
    for bad in ["", "t_", "x_1", "t_a b", "t_é", "t_../..", "T_1", long.as_str()] {
        assert!(TaskId::parse(bad).is_err(), "{bad}");
    }
    assert!(serde_json::from_value::<TaskId>(json!("t_';--")).is_err());
}

#[test]
fn the_body_of_a_new_task_is_checked_field_by_field() {
    assert_eq!(new(json!({"title": " Buy milk "})).title, "Buy milk");
    assert_eq!(new(json!({"title": "x", "due": null, "priority": "low"})).priority, Priority::Low);
    assert_eq!(faults(NewTask::from_json(&json!({}))), ["title is required"]);
    assert_eq!(faults(NewTask::from_json(&json!([]))), [" must be a JSON object"]);
    let all = json!({"title": "", "due": "2026-02-30", "priority": null, "status": "done", "id": "t_1"});
    let expected = [
        "id is not a field of this request; they are title, due, priority",
        "status is not a field of this request; they are title, due, priority",
        "title must not be empty",
        "due names a day or time that does not exist",
        "priority must be low, normal or high",
    ];
    assert_eq!(faults(NewTask::from_json(&all)), expected);
}

#[test]
fn a_patch_tells_absent_from_null() {
    assert_eq!(patch(json!({"title": "x"})).due, None);
    assert_eq!(patch(json!({"due": null})).due, Some(None));
    assert_eq!(patch(json!({"due": "2026-11-27"})).due, Some(Some(Due::parse("2026-11-27").unwrap())));
    let empty = [" must name at least one of title, status, due and priority"];
    assert_eq!(faults(TaskPatch::from_json(&json!({}))), empty);
    let wrong = json!({"title": null, "status": "closed", "due": 5, "priority": "HIGH"});
    let expected = [
        "title must be a string",
        "status must be open or done",
        "due must be a string or null",
        "priority must be low, normal or high",
    ];
    assert_eq!(faults(TaskPatch::from_json(&wrong)), expected);
}

#[test]
fn edits_say_what_changes_and_how_it_is_undone() {
    let mut list = list();
    let mut journal = Vec::new();
    let before = list.clone();
    let bodies = [
        (json!({"status": "done", "title": "Reviewed"}), "complete_task"),
        (json!({"status": "open"}), "reopen_task"),
        (json!({"title": "Read the proposal"}), "rename_task"),
        (json!({"due": null}), "set_due"),
        (json!({"priority": "high"}), "set_priority"),
    ];
    for (body, action) in bodies {
        let edit = patch_task(&list, &id(1), &patch(body), now()).unwrap();
        list.apply(&edit.changes).unwrap();
        edit.undo.apply(&mut journal);
        assert_eq!(journal.last().unwrap().action, action);
        assert_eq!(list.tasks[0], edit.task);
        assert_eq!(edit.task.completed_at.is_some(), edit.task.status == TaskStatus::Done);
    }
    let same = patch_task(&list, &id(1), &patch(json!({"priority": "high"})), now()).unwrap();
    assert_eq!((same.changes, same.undo), (Vec::new(), UndoEffect::None));
    let gone = delete_task(&list, &id(1)).unwrap();
    list.apply(&gone.changes).unwrap();
    gone.undo.apply(&mut journal);
    assert!(list.tasks.is_empty());
    while let Some(entry) = journal.pop() {
        list.apply(&entry.inverse(&list)).unwrap();
    }
    assert_eq!(list, before);
}

#[test]
fn edits_are_refused_with_a_reason() {
    let list = list();
    let missing = patch_task(&list, &id(9), &patch(json!({"title": "x"})), now());
    assert_eq!(missing, Err(EditError::NotFound));
    assert_eq!(delete_task(&list, &id(9)), Err(EditError::NotFound));
    let full = TaskList { rev: 1, tasks: vec![list.tasks[0].clone(); MAX_TASKS] };
    assert_eq!(create_task(&full, &new(json!({"title": "x"})), id(2), now()), Err(EditError::TooMany));
}

#[test]
fn changes_are_made_all_or_none() {
    let mut list = list();
    let before = list.clone();
    let first = list.tasks[0].clone();
    let second = Task { id: id(2), ..first.clone() };
    let half = [TaskChange::Created(second.clone()), TaskChange::Deleted(Task { id: id(3), ..first.clone() })];
    assert_eq!(list.apply(&half), Err(ApplyError::Missing(id(3))));
    assert_eq!(list, before);
    assert_eq!(list.apply(&[TaskChange::Created(first.clone())]), Err(ApplyError::Duplicate(id(1))));
    list.apply(&[TaskChange::Created(Task { id: id(0), ..first }), TaskChange::Created(second)]).unwrap();
    let order: Vec<&str> = list.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(order, ["t_0", "t_1", "t_2"], "equal times are told apart by id");
}

#[test]
fn a_deleted_task_comes_back_as_it_was_while_its_deletion_is_remembered() {
    let mut list = list();
    let task = list.tasks[0].clone();
    let mut journal = Vec::new();
    let commit = |list: &mut TaskList, journal: &mut Vec<UndoEntry>, edit: &Edit| {
        list.apply(&edit.changes).unwrap();
        edit.undo.apply(journal);
    };
    assert_eq!(restore_task(&list, &journal, &task.id).unwrap().changes, [], "it is there");
    let gone = delete_task(&list, &task.id).unwrap();
    commit(&mut list, &mut journal, &gone);
    assert_eq!(restore_task(&list, &journal, &id(2)), Err(EditError::NotDeleted));
    assert_eq!(restore_task(&list, &[], &task.id), Err(EditError::NotDeleted));

    // The newest action: the journal is as it was before.
    let back = restore_task(&list, &journal, &task.id).unwrap();
    assert_eq!((&back.task, &back.undo), (&task, &UndoEffect::Pop(1)));

    // Something else was done since: bringing it back is an action of its own.
    let body = new(json!({"title": "Call John"}));
    let other = create_task(&list, &body, id(2), now() + jiff::SignedDuration::from_secs(1)).unwrap();
    commit(&mut list, &mut journal, &other);
    let back = restore_task(&list, &journal, &task.id).unwrap();
    commit(&mut list, &mut journal, &back);
    assert_eq!(list.tasks.iter().map(|one| &one.id).collect::<Vec<_>>(), [&task.id, &id(2)], "at its place");
    assert_eq!(journal.len(), 3);
    assert_eq!(journal[2].inverse(&list), [TaskChange::Deleted(task)]);
}

#[test]
fn a_full_list_takes_no_task_back() {
    let mut full = list();
    let gone = delete_task(&full, &id(1)).unwrap();
    full.apply(&gone.changes).unwrap();
    let mut journal = Vec::new();
    gone.undo.apply(&mut journal);
    for number in 0..MAX_TASKS {
        let one =
            create_task(&full, &new(json!({"title": "More"})), id(10 + u32::try_from(number).unwrap()), now()).unwrap();
        full.apply(&one.changes).unwrap();
    }
    assert_eq!(restore_task(&full, &journal, &id(1)), Err(EditError::TooMany));
}
