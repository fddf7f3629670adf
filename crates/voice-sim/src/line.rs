//! One speech, as the caller hears it: what was played of which chunk, and what history may say of it.

use voice_core::ids::{ReplyId, RungId, SpeechId};

/// A position this close to a chunk's end counts as its end, in milliseconds: the core's tolerance, and one for rounding.
pub(crate) const TOLERANCE_MS: u64 = 41;

/// One chunk, as the caller hears it.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) index: u32,
    pub(crate) words: Vec<String>,
    /// For each word: characters up to its end.
    pub(crate) ends: Vec<u64>,
    pub(crate) chars: u64,
    pub(crate) text: String,
    pub(crate) total_ms: u64,
    /// Who speaks it.
    pub(crate) voice: Option<RungId>,
    /// Who is not to speak it any more.
    pub(crate) stopped: Vec<RungId>,
    /// A voice was done with it without a sound.
    pub(crate) silent: bool,
    pub(crate) audio_ms: u64,
    pub(crate) done: bool,
    /// Its synthesis was given up: it ends with the audio that is there.
    pub(crate) ended: bool,
    pub(crate) dropped: bool,
    pub(crate) heard_ms: u64,
    pub(crate) captioned: bool,
    /// It was only shown, as text: nobody asked for its audio, and it has no number.
    pub(crate) shown: bool,
    /// It was heard to its end, and the session was told so.
    pub(crate) must: bool,
}

impl Chunk {
    pub(crate) fn new(index: u32, text: &str, total_ms: u64) -> Self {
        let mut ends = Vec::new();
        let mut chars = 0;
        for (at, c) in text.char_indices() {
            chars += 1;
            let last = text[at + c.len_utf8()..].chars().next().is_none_or(char::is_whitespace);
            if last && !c.is_whitespace() {
                ends.push(chars);
            }
        }
        let words = text.split_whitespace().map(str::to_owned).collect();
        Self {
            index,
            words,
            ends,
            chars: chars.max(1),
            text: text.to_owned(),
            total_ms,
            voice: None,
            stopped: Vec::new(),
            silent: false,
            audio_ms: 0,
            done: false,
            ended: false,
            dropped: false,
            heard_ms: 0,
            captioned: false,
            shown: false,
            must: false,
        }
    }

    /// Whether a caption with this text is of this chunk. Of one that ended early, it holds the words that are left to it.
    pub(crate) fn reads(&self, text: &str) -> bool {
        self.text == text || text.split_whitespace().eq(self.words.iter().map(String::as_str))
    }

    /// How many of its words the caller can have heard or read.
    pub(crate) fn heard_words(&self) -> usize {
        let all = self.shown || (self.done && self.heard_ms + TOLERANCE_MS >= self.audio_ms);
        if all {
            return self.words.len();
        }
        let heard = |end: &&u64| **end * self.total_ms / self.chars <= self.heard_ms + TOLERANCE_MS;
        self.ends.iter().take_while(heard).count().min(self.words.len())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    Dropped,
    Finished,
    /// Of a process that is gone.
    Dead,
}

/// One speech.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) id: SpeechId,
    pub(crate) reply: ReplyId,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) state: State,
    /// The process that it is of.
    pub(crate) life: u32,
    pub(crate) through: Option<u32>,
    pub(crate) paused: bool,
    pub(crate) pos_ms: u64,
    /// The furthest that it ever was.
    pub(crate) most_ms: u64,
    pub(crate) sent_ms: u64,
    pub(crate) first_out: bool,
    /// It was read, at least in part.
    pub(crate) text_mode: bool,
    /// A committed history holds it.
    pub(crate) settled: bool,
}

impl Line {
    /// Milliseconds of audio that may be heard, without a gap.
    pub(crate) fn available_ms(&self) -> u64 {
        let Some(through) = self.through else { return 0 };
        let mut available_ms = 0;
        for chunk in self.chunks.iter().filter(|chunk| !chunk.dropped && chunk.index <= through) {
            available_ms += chunk.audio_ms;
            if !chunk.done && !chunk.ended {
                break;
            }
        }
        available_ms
    }

    /// Whether all its audio is there, and may be heard.
    pub(crate) fn is_whole(&self) -> bool {
        let there = |chunk: &Chunk| chunk.done || chunk.ended || chunk.dropped;
        let permitted = |chunk: &Chunk| chunk.dropped || self.through.is_some_and(|through| chunk.index <= through);
        self.chunks.iter().all(|chunk| there(chunk) && permitted(chunk))
    }

    /// Moves on by so many milliseconds.
    pub(crate) fn plays(&mut self, by_ms: u64) {
        self.pos_ms += by_ms;
        self.most_ms = self.most_ms.max(self.pos_ms);
        let mut start_ms = 0;
        for chunk in self.chunks.iter_mut().filter(|chunk| !chunk.dropped) {
            let heard_ms = self.pos_ms.saturating_sub(start_ms).min(chunk.audio_ms);
            chunk.heard_ms = chunk.heard_ms.max(heard_ms);
            start_ms += chunk.audio_ms;
        }
    }

    /// Whether anything of it was heard to an end that the session knows of.
    pub(crate) fn must(&self) -> bool {
        self.chunks.iter().any(|chunk| chunk.must && !chunk.dropped)
    }
}

/// Whether this text is what can have been heard of a reply's speeches, and all that must have been.
pub(crate) fn matches(lines: &[&Line], text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut chunks = Vec::new();
    for line in lines {
        // The playout comes to a chunk only when the ones before it are through.
        let mut reached = true;
        for chunk in line.chunks.iter().filter(|chunk| !chunk.dropped) {
            let heard = if reached { chunk.heard_words() } else { 0 };
            let most = if line.text_mode { chunk.words.len() } else { heard };
            chunks.push((chunk, most));
            reached &= heard == chunk.words.len();
        }
    }
    fits(&chunks, &words)
}

/// Whether the words are beginnings of the chunks, one behind the other, each as long as it may be. A chunk whose rest was made again ends
/// where that begins: so a shorter beginning is tried where the longest leaves no way on.
fn fits(chunks: &[(&Chunk, usize)], words: &[&str]) -> bool {
    let Some(((chunk, most), rest)) = chunks.split_first() else { return words.is_empty() };
    let longest = chunk.words.iter().take(*most).zip(words).take_while(|(made, said)| made.as_str() == **said).count();
    let least = if chunk.must { chunk.words.len() } else { 0 };
    (least..=longest).rev().any(|taken| fits(rest, &words[taken..]))
}
