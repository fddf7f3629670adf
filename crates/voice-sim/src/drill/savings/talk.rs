//! The conversation: what a caller says about some tasks, and what has to come of it.

use std::collections::BTreeSet;
use std::time::Duration;

use voice_caller::browser::FRAME;
use voice_caller::heard::Heard;

use crate::provider::code::{Code, Vocabulary, decode_words, say, split_words};

/// Titles of each round.
const TITLES: [[&str; 4]; 3] = [
    ["buy milk", "call the dentist", "pay the rent", "water the plants tomorrow"],
    ["book a table", "send the invoice", "wash the car", "feed the cat tonight"],
    ["order flowers", "plan the trip", "sign the paper", "clean the kitchen today"],
];
/// Titles that a model reads out at most.
const READ_OUT: usize = 5;
/// How long a caller hesitates in mid-sentence: long enough for an end of speech, and too short for the end of a turn.
const HESITATION: Duration = Duration::from_millis(240);

/// What a caller wants with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// A new task.
    Add(&'static str),
    /// A task is done.
    Complete(&'static str),
    /// The last change is taken back: this task is open again.
    Undo(&'static str),
    /// All open tasks.
    List,
    /// Nothing that has to do with tasks.
    Talk,
}

/// What a caller says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The words; between two parts the caller hesitates.
    pub(super) parts: Vec<String>,
    pub(super) wants: Wants,
}

/// A call's tasks as they have to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tasks {
    pub(super) open: BTreeSet<String>,
    pub(super) done: BTreeSet<String>,
}

/// What came of one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Checked {
    /// What is not as it has to be.
    pub(super) problems: Vec<String>,
    /// Titles that a short answer has not named.
    pub(super) left_out: usize,
}

/// Twelve lines a round: questions after tasks, one of them again, new tasks, two of them with a hesitation, completions, one
/// of them taken back, and small talk.
pub(super) fn conversation(rounds: usize) -> Vec<Line> {
    TITLES.iter().take(rounds).flat_map(|titles| round(*titles)).collect()
}

fn round([first, second, third, fourth]: [&'static str; 4]) -> [Line; 12] {
    let when = fourth.rsplit_once(' ').map_or_else(|| fourth.to_owned(), |(what, when)| format!("{what}|{when}"));
    let line = |words: &str, wants| Line { parts: words.split('|').map(str::to_owned).collect(), wants };
    [
        line(&format!("add a task to {first}"), Wants::Add(first)),
        line(&format!("remind me to {second}"), Wants::Add(second)),
        line("what are my tasks", Wants::List),
        line(&format!("add a task to|{third}"), Wants::Add(third)),
        line(&format!("mark {first} as done"), Wants::Complete(first)),
        line("what are my tasks", Wants::List),
        line("what are my tasks", Wants::List),
        line("how are you today", Wants::Talk),
        // What comes before the last word sounds complete: an answer may be begun, and is thrown away.
        line(&format!("add a task to {when}"), Wants::Add(fourth)),
        line(&format!("mark {second} as done"), Wants::Complete(second)),
        line("undo that", Wants::Undo(second)),
        line("what are my tasks", Wants::List),
    ]
}

impl Line {
    /// The line as a microphone hears it, at 16 kHz.
    pub(super) fn speech(&self) -> Vec<i16> {
        let frames = usize::try_from(HESITATION.as_millis() / 20).unwrap_or_default();
        let parts: Vec<Vec<i16>> = self.parts.iter().map(|part| say(part, 16_000)).collect();
        parts.join(&vec![0; frames * FRAME][..])
    }

    fn words(&self) -> Vec<String> {
        split_words(&self.parts.join(" "))
    }

    /// What came of it; `tasks` are as they were before.
    pub(super) fn check(&self, heard: &Heard, tasks: &Tasks, is_brief: bool, in_code: bool) -> Checked {
        let mut problems = Vec::new();
        let mut expect = |ok: bool, problem: String| {
            if !ok {
                problems.push(format!("{:?}: {problem}", self.parts.join(" … ")));
            }
        };
        let finals = heard.utterances.iter().filter(|(_, _, is_final)| *is_final).map(|(_, text, _)| text.as_str());
        let understood = finals.collect::<Vec<_>>().join(" ");
        expect(split_words(&understood) == self.words(), format!("{understood:?} was understood"));
        let caption = heard.caption();
        if in_code {
            expect(
                codes(heard) == Vocabulary::codes(&caption),
                format!("{} words were heard of {caption:?}", codes(heard).len()),
            );
        } else {
            expect(heard.loud_ms() > 0, "nothing was heard".to_owned());
        }
        let ran = heard.tool_names();
        if let Some(tool) = self.wants.tool() {
            expect(ran == [tool], format!("{ran:?} ran instead of {tool}"));
        }
        if let Wants::Add(title) | Wants::Complete(title) = self.wants {
            expect(caption.contains(title), format!("{caption:?} does not say {title:?}"));
        }
        let mut left_out = 0;
        if self.wants == Wants::List {
            let named = tasks.open.iter().filter(|title| caption.contains(title.as_str())).count();
            left_out = tasks.open.len().min(READ_OUT).saturating_sub(named);
            expect(is_brief || left_out == 0, format!("{caption:?} does not name {left_out} of {:?}", tasks.open));
        }
        Checked { problems, left_out }
    }
}

impl Wants {
    /// The one tool that has to run; an answer to a question may be given again without one.
    const fn tool(self) -> Option<&'static str> {
        match self {
            Self::Add(_) => Some("add_task"),
            Self::Complete(_) => Some("complete_task"),
            Self::Undo(_) => Some("undo"),
            Self::List | Self::Talk => None,
        }
    }
}

impl Tasks {
    /// As they are once this is done.
    pub(super) fn follow(&mut self, wants: Wants) {
        match wants {
            Wants::Add(title) => drop(self.open.insert(title.to_owned())),
            Wants::Complete(title) => drop((self.open.remove(title), self.done.insert(title.to_owned()))),
            Wants::Undo(title) => drop((self.done.remove(title), self.open.insert(title.to_owned()))),
            Wants::List | Wants::Talk => {}
        }
    }
}

fn codes(heard: &Heard) -> Vec<Code> {
    decode_words(&heard.pcm, 24_000).iter().filter(|word| !word.cut).map(|word| word.code).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::code::{Voice, synthesize};

    fn answered(understood: &str, caption: &str, spoken: &str, tools: &[&str]) -> Heard {
        Heard {
            pcm: synthesize(&Vocabulary::codes(spoken), Voice::Cartesia, 24_000),
            utterances: vec![(Some(1), understood.to_owned(), true)],
            captions: vec![(Some(1), caption.to_owned())],
            tools: tools.iter().map(|tool| json!({"name": tool})).collect(),
            ..Heard::default()
        }
    }

    fn tasks(open: &[&str]) -> Tasks {
        Tasks { open: open.iter().map(|title| (*title).to_owned()).collect(), ..Tasks::default() }
    }

    #[test]
    fn a_conversation_leaves_three_tasks_open_and_one_done_a_round() {
        let lines = conversation(3);
        let mut tasks = Tasks::default();
        lines.iter().for_each(|line| tasks.follow(line.wants));
        assert_eq!((lines.len(), tasks.open.len(), tasks.done.len()), (36, 9, 3));
        assert!(tasks.done.contains("buy milk") && tasks.open.contains("call the dentist"));
        assert!(conversation(1)[3].speech().len() > say("add a task to pay the rent", 16_000).len() + 3_000);
    }

    #[test]
    fn an_answer_that_is_right_has_no_problems() {
        let add = &conversation(1)[0];
        let heard = answered("Add a task to buy milk.", "Added buy milk.", "added buy milk", &["add_task"]);
        assert_eq!(add.check(&heard, &Tasks::default(), false, true), Checked::default());
        let list = &conversation(1)[2];
        let heard =
            answered("what are my tasks", "You have 2 tasks: a b, c.", "you have 2 tasks a b c", &["list_tasks"]);
        assert_eq!(list.check(&heard, &tasks(&["a b", "c"]), false, true), Checked::default());
    }

    #[test]
    fn whatever_is_lost_is_told() {
        let add = &conversation(1)[0];
        let heard = answered("add a task to buy", "Added buy.", "added", &[]);
        let problems = add.check(&heard, &Tasks::default(), false, true).problems;
        assert_eq!(problems.len(), 4, "{problems:?}");
        for part in ["was understood", "1 words were heard", "ran instead of add_task", "does not say \"buy milk\""] {
            assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:?}");
        }
    }

    #[test]
    fn only_a_short_answer_may_leave_titles_out() {
        let list = &conversation(1)[2];
        let heard = answered("what are my tasks", "You have 2 tasks.", "you have 2 tasks", &["list_tasks"]);
        let open = tasks(&["wash the car", "feed the cat"]);
        assert_eq!(list.check(&heard, &open, true, true), Checked { problems: vec![], left_out: 2 });
        assert_eq!(list.check(&heard, &open, false, true).problems.len(), 1);
        let silent = Heard { pcm: Vec::new(), ..heard };
        assert!(list.check(&silent, &open, true, false).problems[0].contains("nothing was heard"));
    }
}
