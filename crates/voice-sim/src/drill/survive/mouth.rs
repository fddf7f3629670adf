//! What a caller says, and when.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::provider::code::say;

/// What is done, of whom: each task has a name of its own. All are words that every recogniser of the rehearsal knows.
const VERBS: [&str; 8] = ["buy", "check", "clean", "find", "order", "prepare", "read", "send"];
const NOUNS: [&str; 16] = [
    "bread",
    "milk",
    "coffee",
    "cake",
    "flowers",
    "food",
    "paper",
    "parcel",
    "invoice",
    "report",
    "letter",
    "book",
    "plants",
    "dinner",
    "tickets",
    "groceries",
];

/// One caller's sentences, in frames of 20 ms.
#[derive(Debug)]
pub(super) struct Mouth {
    /// Samples per second.
    rate: u32,
    number: usize,
    sentences: usize,
    to_say: VecDeque<Vec<i16>>,
    /// When the last sentence was said, until its answer is heard.
    waiting: Option<Instant>,
    next_at: Instant,
    pace: Duration,
}

impl Mouth {
    /// Says something every `pace`, at so many samples per second.
    pub(super) fn new(number: usize, rate: u32, pace: Duration) -> Self {
        // Callers do not speak in chorus.
        let next_at = Instant::now() + pace.mul_f64((number % 16) as f64 / 16.0);
        Self { rate, number, sentences: 0, to_say: VecDeque::new(), waiting: None, next_at, pace }
    }

    /// Begins the next sentence, when it is time and the agent is quiet. Whether it did.
    pub(super) fn speak(&mut self, is_quiet: bool) -> bool {
        let now = Instant::now();
        let waits = self.waiting.is_some_and(|said| now - said < 2 * self.pace);
        if now < self.next_at || !is_quiet || self.speaks() || waits {
            return false;
        }
        self.sentences += 1;
        let frame = usize::try_from(self.rate / 50).unwrap_or(usize::MAX);
        let sentence = format!("add a task to {}", self.title(self.sentences));
        self.to_say = say(&sentence, self.rate).chunks(frame).map(<[i16]>::to_vec).collect();
        self.next_at = now + self.pace;
        true
    }

    /// The title of the task in the sentence of this number; the first is 1.
    fn title(&self, sentence: usize) -> String {
        let at = sentence.saturating_sub(1);
        let verb = VERBS[(at / NOUNS.len() + self.number) % VERBS.len()];
        format!("{verb} {}", NOUNS[(at + self.number) % NOUNS.len()])
    }

    /// The titles of all that was begun, the latest first.
    pub(super) fn titles(&self) -> impl Iterator<Item = String> {
        (1..=self.sentences).rev().map(|sentence| self.title(sentence))
    }

    /// The next frame of a sentence, if one is being said.
    pub(super) fn next_frame(&mut self) -> Option<Vec<i16>> {
        let frame = self.to_say.pop_front()?;
        if self.to_say.is_empty() {
            self.waiting = Some(Instant::now());
        }
        Some(frame)
    }

    /// The agent is heard. When the sentence was said that this answers, if one was.
    pub(super) const fn answered(&mut self) -> Option<Instant> {
        self.waiting.take()
    }

    /// The connection is lost: what was being said is not said to its end.
    pub(super) fn stop(&mut self) {
        self.to_say.clear();
    }

    pub(super) fn speaks(&self) -> bool {
        !self.to_say.is_empty()
    }

    pub(super) const fn waits(&self) -> bool {
        self.waiting.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_task_has_a_name_of_its_own_and_waits_for_its_turn() {
        let mut mouth = Mouth::new(3, 8_000, Duration::from_secs(5));
        assert!(!mouth.speak(true) && !mouth.speaks(), "it is not time");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!mouth.speak(false) && !mouth.speaks(), "the agent speaks");
        assert!(mouth.speak(true) && mouth.speaks() && !mouth.waits());
        while let Some(frame) = mouth.next_frame() {
            assert!(frame.len() <= 160);
        }
        assert!(mouth.waits());
        mouth.sentences = 128;
        assert_eq!(mouth.titles().collect::<HashSet<_>>().len(), 128);
    }
}
