//! The ninth step of the corridor: the heard-ledger. What the caller really heard of a speech, word by word.

use crate::ids::{RungId, SpeechId};
use crate::input::WordTiming;

/// How long a character sounds when the provider has not yet said how long the chunk is, in milliseconds.
const MS_PER_CHAR: u64 = 65;
/// Nobody speaks a letter in less, in milliseconds.
pub const LEAST_MS_PER_CHAR: u64 = 20;
/// A playout position this close to the end counts as the end: players round to their own block size.
pub const END_TOLERANCE_MS: u64 = 40;

/// No chunk sounds longer than this, in milliseconds, whatever a provider says.
const MAX_CHUNK_MS: u64 = 600_000;

/// One piece of a speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its number in the speech; dropped numbers are not used again.
    pub index: u32,
    /// Its words.
    pub text: String,
    /// Milliseconds of audio so far.
    pub audio_ms: u64,
    /// Whether all its audio is there.
    pub done: bool,
    /// Where its words end.
    pub words: Vec<WordTiming>,
    /// It may be heard.
    pub permitted: bool,
    /// It was shown as text: that counts as heard.
    pub shown: bool,
    /// Its synthesis was asked for.
    pub asked: bool,
    /// Its words were shown as a caption.
    pub captioned: bool,
    /// Who is asked to speak it, and since when in milliseconds; the only one that has audio, once there is some.
    pub voices: Vec<(RungId, u64)>,
    /// When its first audio came, in milliseconds.
    pub first_audio_ms: Option<u64>,
}

impl Chunk {
    /// Takes what a provider says of its audio so far. Says whether there is more than before.
    pub fn sounds(&mut self, audio_ms: u64) -> bool {
        let audio_ms = audio_ms.min(MAX_CHUNK_MS);
        let more = audio_ms > self.audio_ms;
        self.audio_ms = self.audio_ms.max(audio_ms);
        more
    }

    /// Whether its last words are not in its audio, which is said to be complete: behind the last word of which the voice says
    /// where it ends, there is not enough of it for anybody to speak the others in.
    pub fn lacks_words(&self) -> bool {
        let Some(last) = self.words.last() else { return false };
        let rest = self.text.get(last.byte_end..).unwrap_or_default();
        let missing = rest.chars().filter(|c| c.is_alphanumeric()).count() as u64;
        self.audio_ms.saturating_sub(last.end_ms) < missing * LEAST_MS_PER_CHAR
    }

    /// How long it probably sounds, in milliseconds.
    pub fn likely_ms(&self) -> u64 {
        self.text.chars().count().max(1) as u64 * MS_PER_CHAR
    }
}

/// One stretch of agent speech and how much of it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    /// Its id.
    pub id: SpeechId,
    /// Its pieces, in the order in which they are heard.
    pub chunks: Vec<Chunk>,
    /// The next chunk's number.
    pub next_index: u32,
    /// Milliseconds that were really played.
    pub played_ms: u64,
}

impl Speech {
    /// A speech with nothing in it.
    pub const fn new(id: SpeechId) -> Self {
        Self { id, chunks: Vec::new(), next_index: 0, played_ms: 0 }
    }

    /// Adds a piece and answers its number.
    pub fn add(&mut self, text: String) -> u32 {
        let index = self.next_index;
        self.next_index += 1;
        self.chunks.push(Chunk {
            index,
            text,
            audio_ms: 0,
            done: false,
            words: Vec::new(),
            permitted: false,
            shown: false,
            asked: false,
            captioned: false,
            voices: Vec::new(),
            first_audio_ms: None,
        });
        index
    }

    /// The piece of this number, unless it was dropped.
    pub fn chunk_mut(&mut self, index: u32) -> Option<&mut Chunk> {
        self.chunks.iter_mut().find(|chunk| chunk.index == index)
    }

    /// Drops the pieces from this number on, and answers them.
    pub fn drop_from(&mut self, index: u32) -> Vec<Chunk> {
        let at = self.chunks.iter().position(|chunk| chunk.index >= index).unwrap_or(self.chunks.len());
        self.chunks.drain(at..).collect()
    }

    /// The synthesis of a piece broke off: the piece ends with its last whole word that has audio, and the words that are
    /// left over are answered. A piece that may be heard keeps its audio even without a whole word, so that the position
    /// never goes back. None when nothing of it can have been heard.
    pub fn cut_off(&mut self, index: u32) -> Option<String> {
        let chunk = self.chunk_mut(index)?;
        let end = if chunk.audio_ms == 0 { 0 } else { heard_bytes(chunk, chunk.audio_ms) };
        if end == 0 && (chunk.audio_ms == 0 || !chunk.permitted) {
            return None;
        }
        let rest = chunk.text.split_off(end).trim().to_owned();
        chunk.done = true;
        Some(rest)
    }

    /// Milliseconds of audio that may be heard, up to the first piece that is not complete: the playout waits there.
    pub fn permitted_ms(&self) -> u64 {
        let mut total_ms = 0;
        for chunk in self.chunks.iter().take_while(|chunk| chunk.permitted) {
            total_ms += chunk.audio_ms;
            if !chunk.done && !chunk.shown {
                break;
            }
        }
        total_ms
    }

    /// How long the pieces before this number probably sound in all, in milliseconds.
    pub fn likely_ms_before(&self, limit: u32) -> u64 {
        self.chunks
            .iter()
            .filter(|chunk| chunk.index < limit)
            .map(|chunk| if chunk.done { chunk.audio_ms } else { chunk.audio_ms.max(chunk.likely_ms()) })
            .sum()
    }

    /// Milliseconds of audio that are there.
    pub fn audio_ms(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.audio_ms).sum()
    }

    /// Takes a position report. It never goes back, and never beyond the audio that may be heard. Says whether it moved.
    pub fn played(&mut self, played_ms: u64) -> bool {
        let played_ms = played_ms.min(self.permitted_ms());
        let moved = played_ms > self.played_ms;
        self.played_ms = self.played_ms.max(played_ms);
        moved
    }

    /// Whether every piece is complete and was heard (or shown) to its end.
    pub fn is_heard(&self) -> bool {
        self.chunks.iter().all(|chunk| chunk.shown || (chunk.done && chunk.permitted))
            && (self.chunks.iter().all(|chunk| chunk.shown) || self.played_ms + END_TOLERANCE_MS >= self.audio_ms())
    }

    /// The audio is gone: what may be heard of it counts as shown, the rest has none yet.
    pub fn forget_audio(&mut self) {
        self.played_ms = 0;
        for chunk in &mut self.chunks {
            chunk.shown |= chunk.permitted;
            (chunk.asked, chunk.done, chunk.audio_ms) = (false, chunk.shown, 0);
            chunk.first_audio_ms = None;
            chunk.voices.clear();
            chunk.words.clear();
        }
    }

    /// Everything is taken as heard: it was played to the end.
    pub fn take_as_heard(&mut self) {
        self.played_ms = self.audio_ms();
    }

    /// The whole text.
    pub fn text(&self) -> String {
        join(self.chunks.iter().map(|chunk| chunk.text.as_str()))
    }

    /// The words that were shown as a caption.
    pub fn captioned_text(&self) -> String {
        join(self.chunks.iter().filter(|chunk| chunk.captioned).map(|chunk| chunk.text.as_str()))
    }

    /// What was heard, to the last whole word, and what was not.
    pub fn split_heard(&self) -> (String, String) {
        let mut heard = Vec::new();
        let mut unheard = Vec::new();
        let all = self.is_heard();
        let mut start_ms = 0;
        // The playout comes to a piece only when the ones before it are through, however short it is.
        let mut reached = true;
        for chunk in &self.chunks {
            let end = if all || chunk.shown {
                chunk.text.len()
            } else if chunk.permitted && reached {
                heard_bytes(chunk, self.played_ms.saturating_sub(start_ms))
            } else {
                0
            };
            heard.push(chunk.text[..end].trim());
            unheard.push(chunk.text[end..].trim());
            start_ms += chunk.audio_ms;
            reached &= chunk.shown || (chunk.done && end == chunk.text.len());
        }
        (join(heard.into_iter()), join(unheard.into_iter()))
    }
}

fn join<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The byte after the last whole word that ends within `played_ms` of the chunk's audio.
fn heard_bytes(chunk: &Chunk, played_ms: u64) -> usize {
    if chunk.done && chunk.audio_ms > 0 && played_ms + END_TOLERANCE_MS >= chunk.audio_ms {
        return chunk.text.len();
    }
    if !chunk.words.is_empty() {
        let end = chunk.words.iter().take_while(|word| word.end_ms <= played_ms).last().map_or(0, |word| word.byte_end);
        return floor_boundary(&chunk.text, end);
    }
    let chars = chunk.text.chars().count().max(1) as u64;
    let total_ms = if chunk.done { chunk.audio_ms } else { chunk.audio_ms.max(chars * MS_PER_CHAR) };
    word_ends(&chunk.text)
        .take_while(|&(_, chars_before)| chars_before * total_ms / chars <= played_ms)
        .last()
        .map_or(0, |(end, _)| end)
}

/// For each word: the byte after it, and the characters up to there.
fn word_ends(text: &str) -> impl Iterator<Item = (usize, u64)> {
    let mut chars = 0u64;
    text.char_indices().filter_map(move |(at, c)| {
        chars += 1;
        let end = at + c.len_utf8();
        let next_is_space = text[end..].chars().next().is_none_or(char::is_whitespace);
        (!c.is_whitespace() && next_is_space).then_some((end, chars))
    })
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speech(texts: &[(&str, u64)]) -> Speech {
        let mut speech = Speech::new(SpeechId(1));
        for (text, audio_ms) in texts {
            let index = speech.add((*text).to_owned());
            let chunk = speech.chunk_mut(index).unwrap();
            (chunk.audio_ms, chunk.done, chunk.permitted) = (*audio_ms, true, true);
        }
        speech
    }

    #[test]
    fn only_whole_words_that_were_played_are_heard() {
        let mut speech = speech(&[("You have three tasks.", 2_000), ("The first is milk.", 1_800)]);
        assert_eq!(speech.split_heard(), (String::new(), "You have three tasks. The first is milk.".to_owned()));
        speech.played(900);
        assert_eq!(speech.split_heard().0, "You have");
        speech.played(2_500);
        assert_eq!(speech.split_heard(), ("You have three tasks. The".to_owned(), "first is milk.".to_owned()));
        assert!(!speech.is_heard());
        speech.played(3_790);
        assert!(speech.is_heard());
        assert_eq!(speech.split_heard().1, "");
    }

    #[test]
    fn the_providers_word_timings_win() {
        let mut speech = speech(&[("Aaaaaaaaaaaaaaaa b", 1_000)]);
        speech.chunks[0].words =
            vec![WordTiming { byte_end: 16, end_ms: 200 }, WordTiming { byte_end: 18, end_ms: 1_000 }];
        speech.played(250);
        assert_eq!(speech.split_heard(), ("Aaaaaaaaaaaaaaaa".to_owned(), "b".to_owned()));
    }

    #[test]
    fn a_position_never_goes_back_nor_beyond_what_may_be_heard() {
        let mut speech = speech(&[("One.", 500), ("Two.", 500)]);
        speech.chunks[1].permitted = false;
        speech.played(9_000);
        assert_eq!(speech.played_ms, 500);
        speech.played(100);
        assert_eq!(speech.played_ms, 500);
        assert_eq!(speech.split_heard(), ("One.".to_owned(), "Two.".to_owned()));
    }

    #[test]
    fn what_was_shown_counts_as_heard() {
        let mut speech = speech(&[("One.", 0)]);
        speech.chunks[0].shown = true;
        assert!(speech.is_heard());
    }

    #[test]
    fn broken_word_offsets_do_not_split_a_character() {
        let mut speech = speech(&[("née", 900)]);
        speech.chunks[0].words = vec![WordTiming { byte_end: 2, end_ms: 10 }, WordTiming { byte_end: 99, end_ms: 800 }];
        speech.played(100);
        assert_eq!(speech.split_heard().0, "n");
        speech.played(830);
        assert_eq!(speech.split_heard().0, "née");
    }
}
