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
    desk.delete(json!({"title": "Eggs"}));
    desk.delete(json!({"title": "Milk"}));
    assert_eq!(desk.run("delete_task", yes).output["status"], "deleted");
    assert!(desk.titles().is_empty());
}

#[test]
fn a_yes_that_no_question_asked_for_is_not_believed() {
    let mut desk = Desk::new(&["Milk", "Bread"]);
    for made_up in [json!({"title": "Milk", "confirmed": true}), json!({"scope": "all", "confirmed": true})] {
        let run = execute(&call("delete_task", made_up), &desk.list, &[], &desk.context());
        assert_eq!((&run.output["status"], run.changes.len()), (&json!("needs_confirmation"), 0));
    }
    desk.run("delete_task", json!({"title": "Milk"}));
    let bread = desk.run("delete_task", json!({"title": "Bread", "confirmed": true})).output;
    assert_eq!(bread["status"], "needs_confirmation", "the milk was asked about");
    // Another name or another day, and it is not what was asked about.
    desk.run("rename_task", json!({"title": "Milk", "new_title": "Oat milk"}));
    let yes = json!({"id": "t_0001", "confirmed": true});
    assert_eq!(desk.says("delete_task", yes.clone()), pair("needs_confirmation", "Oat milk"));
    desk.run("set_due", json!({"title": "Oat milk", "due": "2026-11-30"}));
    assert_eq!(desk.says("delete_task", yes.clone()), pair("needs_confirmation", "Oat milk"));
    assert_eq!(desk.says("delete_task", yes), pair("deleted", "Oat milk"));
}

#[test]
fn a_question_counts_once_it_was_heard_and_answered() {
    use voice_core::chat::{ChatContext, ChatItem, ToolOutput};

    let desk = Desk::new(&["Milk"]);
    let milk = &desk.list.tasks[0];
    let user = |text: &str| ChatItem::User { text: text.to_owned() };
    let said = |text: &str| ChatItem::Assistant { text: text.to_owned(), interrupted: false };
    let result = json!({"status": "needs_confirmation", "task": milk});
    let asked =
        ChatItem::ToolOutput(ToolOutput { id: ToolCallId(1), name: "delete_task".into(), result, is_error: false });
    let counts = |items: &[ChatItem]| Asked::in_chat(&ChatContext { items: items.to_vec() }).about(milk);
    let heard = [user("delete the milk"), asked.clone(), said("Shall I really delete Milk?")];
    assert!(!counts(&heard), "nobody has answered");
    assert!(counts(&[&heard[..], &[user("yes")]].concat()));
    let unheard = [user("delete the milk"), asked, user("yes")];
    assert!(!counts(&unheard));
    let answers = |count: usize| [&heard[..], &vec![user("um"); count][..]].concat();
    assert!(counts(&answers(3)) && !counts(&answers(4)));
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
