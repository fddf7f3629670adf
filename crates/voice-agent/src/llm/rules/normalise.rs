//! From what the recogniser (or a keyboard) gave to words that can be matched: fillers and stutters removed,
//! self-repairs carried out, and the caller's own spelling kept beside every word.

mod repair;
mod typed;

use jiff::ZonedDateTime;

use repair::repair;
use typed::{SHORT, apostrophes, bought, double_quotes, plainer, short_days, without_assurance};

/// Longest text that is looked at, in words; the rest of a longer one is dropped.
const MAX_WORDS: usize = 200;

/// One word, as it was written and as it is matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// As written, without the punctuation around it.
    pub(crate) raw: String,
    /// Punctuation in front of it, such as an opening bracket.
    pub(crate) lead: String,
    /// Punctuation after it.
    pub(crate) trail: String,
    /// Lower case, without punctuation.
    pub(crate) norm: String,
    /// It stands between quotation marks.
    pub(crate) quoted: bool,
}

impl Word {
    /// Whether a sentence ends after it.
    pub(crate) fn ends_sentence(&self) -> bool {
        // "At one p.m., walk Luna": the hour's own points end nothing in front of a comma.
        if matches!(self.norm.as_str(), "am" | "pm") && self.trail.contains(',') {
            return false;
        }
        let stops = if self.abbreviates() { &['!', '?', ';', ':'][..] } else { &['.', '!', '?', ';', ':'] };
        self.trail.contains(stops) || self.ends_line()
    }

    /// Whether it is a title before a name, whose full stop ends nothing: "Mr. Brown".
    fn abbreviates(&self) -> bool {
        matches!(self.norm.as_str(), "mr" | "mrs" | "ms" | "dr" | "prof" | "st" | "vs") && self.trail.starts_with('.')
    }

    /// Whether a typed line ends after it, and another follows.
    pub(crate) fn ends_line(&self) -> bool {
        self.trail.contains('\n')
    }

    /// Whether there is any pause in writing after it.
    pub(crate) fn pauses(&self) -> bool {
        self.ends_sentence() || self.trail.contains([',', '–', '—', '-', '…'])
    }

    /// Whether a question mark stands after it.
    pub(crate) fn asks(&self) -> bool {
        self.trail.contains('?')
    }
}

/// Words that can be matched as one string, with the way back from byte offsets to words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Utterance {
    /// The words.
    pub(crate) words: Vec<Word>,
    /// Their `norm`s, joined with single spaces.
    pub(crate) text: String,
}

impl Utterance {
    pub(crate) fn new(words: Vec<Word>) -> Self {
        let text = norms(&words).join(" ");
        Self { words, text }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words of a byte range of `text`.
    pub(crate) fn slice(&self, start: usize, end: usize) -> &[Word] {
        let before = self.text[..start].split_whitespace().count();
        let count = self.text[start..end].split_whitespace().count();
        // A match may begin or end within a word ("mom's"); there are never more words than there are.
        self.words.get(before.min(self.words.len())..(before + count).min(self.words.len())).unwrap_or_default()
    }

    /// The part of it from this word on.
    pub(crate) fn starting_at(&self, at: usize) -> Self {
        Self::new(self.words.get(at..).unwrap_or_default().to_vec())
    }
}

/// Whether the words end in a question mark.
pub(crate) fn end_in_question(words: &[Word]) -> bool {
    words.last().is_some_and(Word::asks)
}

/// The matched forms of the words.
pub(crate) fn norms(words: &[Word]) -> Vec<&str> {
    words.iter().map(|word| word.norm.as_str()).collect()
}

/// The chunks of a text, and "\n" between those of two lines. What only marks an entry of a list ("-", "*", "2.") is none.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().enumerate().flat_map(|(at, line)| {
        let marks = |chunk: &str| {
            let figure = chunk.trim_end_matches(['.', ')']);
            matches!(chunk, "-" | "*" | "•" | "–" | "[]" | "+")
                || figure.len() < chunk.len() && !figure.is_empty() && figure.bytes().all(|byte| byte.is_ascii_digit())
        };
        let mut chunks = line.split_whitespace().peekable();
        let many = text.trim_end().contains('\n');
        if many && chunks.peek().is_some_and(|chunk| marks(chunk)) {
            chunks.next();
        }
        (at > 0).then_some("\n").into_iter().chain(chunks)
    })
}

/// Splits a text into words.
pub(crate) fn tokenise(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut in_quotes = false;
    for chunk in lines(text).take(MAX_WORDS) {
        if chunk == "\n" {
            if let Some(last) = words.last_mut().filter(|last| !last.ends_line()) {
                last.trail.push('\n');
            }
            continue;
        }
        // From the arrows on, signs are pictures, which belong to a title as words do.
        let is_core = |letter: char| {
            letter.is_alphanumeric()
                || matches!(letter, '&' | '+' | '#' | '@' | '€' | '$' | '£' | '%')
                || letter >= '\u{2190}'
        };
        if matches!(chunk, "->" | "=>" | "-->" | "→") {
            words.push(Word {
                raw: chunk.into(),
                lead: String::new(),
                trail: String::new(),
                norm: "to".into(),
                quoted: in_quotes,
            });
            continue;
        }
        let Some(start) = chunk.find(is_core) else {
            if chunk.contains(['"', '“', '”']) {
                in_quotes = !in_quotes;
            }
            if let Some(last) = words.last_mut() {
                // A dash between spaces keeps them: "budget - draft".
                if chunk.starts_with(['-', '–', '—']) {
                    last.trail.push(' ');
                }
                last.trail.push_str(chunk);
            }
            continue;
        };
        let end =
            chunk.rfind(is_core).map_or(chunk.len(), |at| at + chunk[at..].chars().next().map_or(1, char::len_utf8));
        let (lead, raw, trail) = (&chunk[..start], &chunk[start..end], &chunk[end..]);
        // "'tis" and "Jones'" lose their apostrophe only in the matched form.
        if lead.contains(['"', '“']) {
            in_quotes = true;
        }
        let norm = normal_form(raw);
        words.push(Word { raw: raw.into(), lead: lead.into(), trail: trail.into(), norm, quoted: in_quotes });
        if trail.contains(['"', '”']) {
            in_quotes = false;
        }
    }
    words
}

fn normal_form(raw: &str) -> String {
    let lower = raw.to_lowercase().replace(['’', '‘', '`'], "'");
    let dotless = lower.replace('.', "");
    if let Some((_, whole)) = SHORT.iter().find(|(short, _)| *short == lower) {
        return (*whole).to_owned();
    }
    // "7ish".
    let lower = match lower.strip_suffix("ish") {
        Some(hour) if !hour.is_empty() && hour.bytes().all(|byte| byte.is_ascii_digit()) => hour.to_owned(),
        _ => lower,
    };
    // "p.m" (its last point is punctuation) is "pm"; "17.30" and "v2.1" keep theirs.
    if dotless.chars().all(char::is_alphabetic) && dotless.chars().count() <= 3 { dotless } else { lower }
}

/// Everything that is done to what the caller said before it is matched.
pub(crate) fn normalise(text: &str, now: &ZonedDateTime) -> Utterance {
    let mut words = remove_fillers(tokenise(&double_quotes(text)));
    apostrophes(&mut words, now);
    short_days(&mut words);
    let mut words = repair(words, now);
    without_assurance(&mut words);
    plainer(&mut words);
    bought(&mut words, now);
    Utterance::new(words)
}

fn is_filler(norm: &str) -> bool {
    matches!(
        norm,
        "um" | "uh" | "uhm" | "umm" | "uhh" | "er" | "erm" | "err" | "hmm" | "hm" | "mm" | "mmm" | "ah" | "eh"
    )
}

/// Removes "um" and "uh", "you know" and "like" between commas, and words said twice.
fn remove_fillers(words: Vec<Word>) -> Vec<Word> {
    let mut kept: Vec<Word> = Vec::with_capacity(words.len());
    let mut hesitated = false;
    for word in words {
        let quoted = word.quoted;
        if !quoted && is_filler(&word.norm) {
            hesitated = true;
            // "A new, uh, charger": the pause is the hesitation's, and not between two things.
            if let Some(last) = kept.last_mut().filter(|last| !ends_thing(&last.norm)) {
                last.trail.clear();
            }
            continue;
        }
        if !quoted && word.norm == "like" && word.trail.contains(',') && kept.last().is_none_or(Word::pauses) {
            continue;
        }
        let stutter = "a the to my i add and it is in on for i'm delete mark".split(' ').any(|said| said == word.norm);
        let paused = std::mem::take(&mut hesitated) || kept.last().is_some_and(|last| last.trail.contains(','));
        if !quoted && (stutter || paused) && kept.last().is_some_and(|last| last.norm == word.norm) {
            // The second attempt is the clear one.
            kept.pop();
        }
        kept.push(word);
        drop_second_start(&mut kept);
    }
    let thinking = |three: &[Word]| {
        three[0].norm == "let"
            && three[1].norm == "me"
            && matches!(three[2].norm.as_str(), "think" | "see")
            && three[2].pauses()
    };
    // "At, let's see, two p.m."
    let seeing = |pair: &[Word]| pair[0].norm == "let's" && pair[1].norm == "see" && pair[1].pauses();
    while let Some(at) = kept.windows(2).position(seeing).filter(|_| kept.len() > 2) {
        kept.drain(at..at + 2);
    }
    while let Some(at) = kept.windows(3).position(thinking).filter(|_| kept.len() > 3) {
        kept.drain(at..at + 3);
        // "On, let me think, on Saturday."
        let said_again = |next: &Word| !next.quoted && at > 0 && kept[at - 1].norm == next.norm;
        if kept.get(at).is_some_and(said_again) {
            kept.remove(at - 1);
        }
    }
    // "…, what was it, …": asked of oneself.
    let searching = |three: &[Word]| {
        matches!(
            norms(three).as_slice(),
            ["what", "was", "it" | "that"]
                | ["what's", "it" | "that", "called"]
                | ["where", "was", "i"]
                | ["how", "to", "say"]
        ) && three[2].pauses()
            && !three[2].ends_sentence()
    };
    let breaks_off = |before: &Word| before.pauses() || !ends_thing(&before.norm);
    while let Some(at) =
        kept.windows(3).position(searching).filter(|at| *at > 0 && breaks_off(&kept[at - 1]) && kept.len() > at + 3)
    {
        kept.drain(at..at + 3);
        // "The, what's it called, the tow bar."
        if kept[at - 1].norm == kept[at].norm {
            kept.remove(at - 1);
        }
    }
    // "I got it this morning, actually, so tick it off" takes nothing back.
    let actually = |pair: &[Word]| {
        pair[0].norm == "actually" && pair[0].pauses() && matches!(pair[1].norm.as_str(), "so" | "and" | "but")
    };
    while let Some(at) = kept.windows(2).position(actually).filter(|at| *at > 0 && kept[at - 1].pauses()) {
        kept.remove(at);
    }
    let filler_pair = |pair: &[Word]| pair[0].norm == "you" && pair[1].norm == "know" && pair[1].pauses();
    while let Some(at) = kept.windows(2).position(filler_pair) {
        kept.drain(at..at + 2);
    }
    kept
}

/// Whether a thing may end with the word.
fn ends_thing(norm: &str) -> bool {
    !matches!(
        norm,
        "a" | "an"
            | "the"
            | "my"
            | "our"
            | "your"
            | "new"
            | "old"
            | "big"
            | "small"
            | "other"
            | "to"
            | "for"
            | "with"
            | "of"
            | "at"
            | "on"
            | "in"
            | "and"
            | "by"
            | "from"
            | "about"
            | "call"
            | "buy"
            | "get"
            | "add"
            | "some"
            | "this"
            | "that"
    )
}

/// Removes the first of two starts: "call the, call the dentist".
fn drop_second_start(kept: &mut Vec<Word>) {
    for length in (2..=3).rev() {
        let Some(at) = kept.len().checked_sub(2 * length) else { continue };
        let (first, second) = kept[at..].split_at(length);
        let same = first.iter().zip(second).all(|(a, b)| a.norm == b.norm && !a.quoted);
        if same && first.windows(2).any(|pair| pair[0].norm != pair[1].norm) {
            kept.drain(at..at + length);
            return;
        }
    }
}

/// The words as a title: as the caller put them, with only a leading capital and the last punctuation tidied.
pub(crate) fn title(words: &[Word]) -> String {
    let mut title = String::new();
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            title.push(' ');
        }
        let quotes: &[char] = &['"', '“', '”'];
        title.push_str(word.lead.trim_matches(quotes));
        title.push_str(&word.raw);
        title.push_str(word.trail.replace(quotes, "").trim_end_matches('\n'));
    }
    let trimmed = title.trim_matches(|letter: char| {
        // The question mark of a quoted title is its own.
        let own = matches!(letter, '!' | '?') && words.last().is_some_and(|word| word.quoted);
        let sign = matches!(letter, '.' | ',' | '!' | '?' | ';' | ':' | '…' | '-' | '–' | '—');
        letter.is_whitespace() || sign && !own
    });
    let trimmed =
        if trimmed.ends_with(')') && !trimmed.contains('(') { trimmed.trim_end_matches(')') } else { trimmed };
    capitalised(trimmed)
}

/// The text with a capital first letter, unless its first word is spelt with capitals of its own.
pub(crate) fn capitalised(text: &str) -> String {
    let first_word = text.split_whitespace().next().unwrap_or_default();
    // "iPhone" and "eBay" are spelt as they are.
    if first_word.chars().skip(1).any(char::is_uppercase) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The text cut at a word so that it has at most this many characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most).collect();
    match cut.rsplit_once(' ') {
        Some((words, _)) if words.chars().count() > most / 2 => words.to_owned(),
        _ => cut,
    }
}
