//! "How do I delete a task?": what to say for it, and nothing done.

use std::sync::LazyLock;

use super::super::normalise::Utterance;
use super::super::titles::Titles;
use super::rule::{Rule, first_match, rules};
use super::talk::NOW;
use super::{Intent, Known, Talk};

/// What somebody wants to know how to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Add,
    List,
    Complete,
    Reopen,
    Due,
    Priority,
    Rename,
    Delete,
    Undo,
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[(
        r"(?:(?:and|so|but|ok|okay|wait|sorry|also|tell me|explain|show me) )*how (?:(?:do|can|could|would|should|might|does) (?:i|you|we|one|someone)|to|would i go about|do i go about) (?P<what>.+)",
        |found| {
            let words: Vec<&str> = found.text("what").split(' ').take(14).collect();
            doing(&words).map(|doing| Intent::Talk(Talk::HowTo(doing)))
        },
    )])
});

/// What the words are about. An object that only a list can have makes them a question to us: "how do I delete my photos" is none.
fn doing(words: &[&str]) -> Option<Doing> {
    const OURS: &str = "task tasks item items entry to-do to-dos todo todos something it that one them list reminder reminders \
        mistake change priority date dates deadline due";
    const VERBS: [(&str, Doing); 9] = [
        ("undo revert back mistake", Doing::Undo),
        ("rename retitle name title wording", Doing::Rename),
        ("reopen uncheck untick unmark restore", Doing::Reopen),
        ("priority urgent important prioritise prioritize", Doing::Priority),
        ("due date dates deadline postpone reschedule move", Doing::Due),
        ("delete remove rid cancel erase bin drop clear", Doing::Delete),
        ("done complete finish finished completed tick check cross off", Doing::Complete),
        ("add create make put new set remind", Doing::Add),
        ("list see hear show view read", Doing::List),
    ];
    let among = |list: &str| words.iter().any(|word| list.split_ascii_whitespace().any(|entry| entry == *word));
    let (_, doing) = VERBS.iter().find(|(verbs, _)| among(verbs)).filter(|_| among(OURS))?;
    Some(*doing)
}

pub(super) fn parse(utterance: &Utterance) -> Option<Intent> {
    first_match(&RULES, utterance, Known { now: &NOW, titles: Titles::NONE })
}

#[cfg(test)]
mod tests {
    use super::super::super::normalise::tokenise;
    use super::*;

    #[test]
    fn how_to_do_something_is_told() {
        for (said, doing) in [
            ("how do i mark something as finished", Some(Doing::Complete)),
            ("and how do i get rid of a task", Some(Doing::Delete)),
            ("how can i change a due date", Some(Doing::Due)),
            ("how do i take back a change", Some(Doing::Undo)),
            ("how do i get to the station", None),
            ("how do i delete my photos", None),
        ] {
            let found = parse(&Utterance::new(tokenise(said)));
            assert_eq!(found, doing.map(|doing| Intent::Talk(Talk::HowTo(doing))), "{said}");
        }
    }
}
