//! Pictures of pages in a browser (`web/e2e/pages`), read by the real networks.

use std::path::Path;

use super::ocr::Ocr;
use super::picture::Picture;
use super::reading::{Item, Reading};
use crate::model::runtime::{Runtime, default_models_dir};

fn read(name: &str) -> Reading {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/screen").join(name);
    let picture = Picture::new(std::fs::read(path).expect(name).into()).expect(name);
    let runtime = Runtime::load(&default_models_dir()).expect("the runtime; `make models` fetches it");
    let image = picture.decode().expect(name);
    let pieces = Ocr::load(&runtime).expect("the networks").read(&image).expect(name);
    Reading::of(&image, pieces)
}

#[test]
fn an_issue_has_a_title_a_number_a_due_date_and_a_priority() {
    let reading = read("issue.webp");
    assert_eq!(reading.title().as_deref(), Some("Refunds are sent twice after a timeout"));
    assert_eq!(reading.key().as_deref(), Some("PAY-482"));
    assert_eq!(reading.due().as_deref(), Some("December 4, 2026"));
    assert_eq!(reading.priority().as_deref(), Some("High"));
}

#[test]
fn a_mail_asks_for_something() {
    let reading = read("mail.webp");
    assert_eq!(reading.title().as_deref(), Some("Contract for the new office"));
    assert_eq!(reading.requests(), ["review the contract by Thursday, December 3"]);
}

#[test]
fn notes_have_things_to_do_and_some_are_done() {
    let reading = read("notes.webp");
    assert_eq!(reading.title().as_deref(), Some("Launch meeting"));
    let item = |text: &str, is_done| Item { text: text.to_owned(), is_done };
    let items = [
        item("Choose the launch date", true),
        item("Write the press release by Friday", false),
        item("Order the banners", false),
        item("Call the venue before December 10", false),
    ];
    assert_eq!(reading.items(), items);
}
