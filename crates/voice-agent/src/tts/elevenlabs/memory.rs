//! What was spoken before in each speech, so that the next sentence is spoken in the same breath.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::tts::SpeechKey;

/// Most speeches that are remembered. When there are more, the one that began first is forgotten: it is spoken on, only not
/// in one breath.
const MAX_SPEECHES: usize = 1_024;
/// So much of a speech is remembered, in characters.
const MAX_CHARS: usize = 400;

/// The speeches that go on, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Memory {
    speeches: Mutex<VecDeque<(SpeechKey, String)>>,
}

impl Memory {
    /// What was spoken before in this speech. From now on it is remembered.
    pub(super) fn begin(&self, speech: SpeechKey) -> String {
        let mut speeches = self.lock();
        if let Some((_, before)) = speeches.iter().find(|(key, _)| *key == speech) {
            return before.clone();
        }
        if speeches.len() >= MAX_SPEECHES {
            speeches.pop_front();
        }
        speeches.push_back((speech, String::new()));
        String::new()
    }

    /// This was spoken as well, unless the speech has ended meanwhile.
    pub(super) fn spoke(&self, speech: SpeechKey, text: &str) {
        let mut speeches = self.lock();
        let Some((_, before)) = speeches.iter_mut().find(|(key, _)| *key == speech) else { return };
        if !before.is_empty() {
            before.push(' ');
        }
        before.push_str(text);
        let surplus = before.chars().count().saturating_sub(MAX_CHARS);
        if let Some((at, _)) = before.char_indices().nth(surplus).filter(|_| surplus > 0) {
            // From a word's beginning.
            let at = before[at..].find(' ').map_or(at, |space| at + space + 1);
            before.drain(..at);
        }
    }

    /// The speech goes on no more.
    pub(super) fn end(&self, speech: SpeechKey) {
        self.lock().retain(|(key, _)| *key != speech);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(SpeechKey, String)>> {
        // Every change leaves it whole, so a panic elsewhere leaves nothing half done.
        self.speeches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speech_is_remembered_until_it_ends() {
        let memory = Memory::default();
        assert_eq!(memory.begin(SpeechKey(1)), "");
        memory.spoke(SpeechKey(1), "One.");
        memory.spoke(SpeechKey(1), "Two.");
        // Never begun, or ended before its last sentence was spoken.
        memory.spoke(SpeechKey(2), "Three.");
        assert_eq!(memory.begin(SpeechKey(1)), "One. Two.");
        assert_eq!(memory.begin(SpeechKey(2)), "");
        memory.end(SpeechKey(1));
        memory.spoke(SpeechKey(1), "Four.");
        assert_eq!(memory.begin(SpeechKey(1)), "");
    }

    #[test]
    fn only_the_last_words_are_remembered() {
        let memory = Memory::default();
        memory.begin(SpeechKey(1));
        memory.spoke(SpeechKey(1), &"née ".repeat(200));
        let before = memory.begin(SpeechKey(1));
        assert!(before.starts_with("née ") && before.chars().count() <= MAX_CHARS, "{before}");
        memory.spoke(SpeechKey(1), &"x".repeat(1_000));
        assert_eq!(memory.begin(SpeechKey(1)).len(), MAX_CHARS);
    }

    #[test]
    fn the_first_is_forgotten_when_there_are_too_many() {
        let memory = Memory::default();
        for speech in 0..=MAX_SPEECHES as u64 {
            memory.begin(SpeechKey(speech));
            memory.spoke(SpeechKey(speech), "One.");
        }
        assert_eq!(memory.begin(SpeechKey(1)), "One.");
        assert_eq!(memory.lock().len(), MAX_SPEECHES);
        assert_eq!(memory.begin(SpeechKey(0)), "");
    }
}
