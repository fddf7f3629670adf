//! What is asked before, and what a yes is then good for; ids that are gone; ranges of days.

use super::*;

#[test]
fn a_yes_is_good_for_the_tasks_that_were_asked_about() {
    let mut desk = Desk::new(&["Milk", "Bread"]);
    let asked = desk.run("delete_task", json!({"scope": "all"})).output;
    assert_eq!((&asked["count"], &asked["ids"]), (&json!(2), &json!(["t_0001", "t_0002"])));
    desk.run("add_task", json!({"title": "Eggs"}));
    let yes = json!({"scope": "all", "confirmed": true, "asked": asked["ids"]});
    let again = desk.run("delete_task", yes.clone()).output;
    assert_eq!((&again["status"], &again["count"]), (&json!("needs_confirmation"), &json!(3)));
    assert_eq!(desk.titles(), ["Milk", "Bread", "Eggs"]);
    // One that is gone meanwhile is no reason to ask again.
    desk.run("delete_task", json!({"title": "Eggs", "confirmed": true}));
    desk.run("delete_task", json!({"title": "Milk", "confirmed": true}));
    assert_eq!(desk.run("delete_task", yes).output["status"], "deleted");
    assert!(desk.titles().is_empty());
}

#[test]
fn an_id_that_is_gone_is_never_spoken() {
    let mut desk = Desk::new(&["Milk"]);
    for name in ["complete_task", "delete_task"] {
        let output = desk.run(name, json!({"id": "t_banpt5ynqede"})).output;
        assert_eq!(output, json!({"status": "gone"}), "{name}");
    }
    let kept = desk.run("delete_task", json!({"scope": "all", "except": ["t_banpt5ynqede"]})).output;
    assert_eq!(kept["count"], 1);
}

#[test]
fn an_undo_can_be_asked_about_first() {
    let mut desk = Desk::new(&["Milk", "Bread"]);
    let asked = desk.run("undo", json!({"confirmed": false})).output;
    assert_eq!((&asked["status"], &asked["action"]), (&json!("needs_confirmation"), &json!("add_task")));
    assert_eq!((&asked["task"]["title"], desk.titles().len()), (&json!("Bread"), 2));
    let yes = json!({"confirmed": true, "id": asked["task"]["id"]});
    // Something newer came between: it is named, and not undone.
    desk.run("add_task", json!({"title": "Eggs"}));
    assert_eq!(desk.says("undo", yes.clone()), pair("needs_confirmation", "Eggs"));
    desk.run("undo", json!({}));
    assert_eq!(desk.says("undo", yes), pair("undone", "Bread"));
    assert_eq!(desk.titles(), ["Milk"]);
}

#[test]
fn lists_know_ranges_of_days() {
    let mut desk = Desk::default();
    for (title, due) in [("A", "2026-11-27"), ("B", "2026-12-04T09:00"), ("C", "2027-01-02")] {
        desk.run("add_task", json!({"title": title, "due": due}));
    }
    for (due, total) in [("2026-11-27..2026-12-04", 2), ("2026-11-28..", 2), ("..2026-12-01", 1), ("2027-02-01..", 0)] {
        assert_eq!(desk.run("list_tasks", json!({"due": due})).output["total"], total, "{due}");
    }
    for wrong in ["..", "soon..later", "2026-13-01.."] {
        assert!(desk.run("list_tasks", json!({"due": wrong})).is_error, "{wrong}");
    }
}
