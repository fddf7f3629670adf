//! Digits in a row, written or spoken, however they are parted.

use std::ops::Range;

use super::token::{Token, gap};
use crate::numerals;

/// What is said while looking for the next digit; it parts nothing.
const FILLERS: [&str; 14] =
    ["uh", "um", "er", "erm", "ah", "hmm", "then", "and", "dash", "hyphen", "space", "okay", "ok", "so"];
/// Most fillers in a row.
const MAX_FILLERS: usize = 2;
/// What a recogniser writes for a digit among digits.
const SOUNDS_LIKE: [(&str, char); 9] = [
    ("oh", '0'),
    ("o", '0'),
    ("to", '2'),
    ("too", '2'),
    ("for", '4'),
    ("ate", '8'),
    ("won", '1'),
    ("tree", '3'),
    ("sex", '6'),
];
/// Behind these words a number counts something.
const COUNTS: [&str; 6] = ["thousand", "million", "billion", "percent", "dollars", "euros"];

/// Digits in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Its words.
    pub(super) tokens: Range<usize>,
    /// Its digits.
    pub(super) digits: String,
    /// How many digits each of its parts has, and by what word each begins.
    pub(super) groups: Vec<Group>,
    /// Somebody said it in words, or some of it.
    pub(super) is_spoken: bool,
    /// A plus stands before it.
    pub(super) has_plus: bool,
    /// It counts something.
    pub(super) is_count: bool,
}

/// Digits without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Which word.
    pub(super) token: usize,
    /// How many digits.
    pub(super) len: usize,
}

impl Run {
    /// The lengths of its groups.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.groups.iter().map(|group| group.len).collect()
    }

    /// Where it stands, in bytes; with its plus.
    pub(super) fn range(&self, text: &str, tokens: &[Token<'_>]) -> Range<usize> {
        let (Some(first), Some(last)) = (tokens.get(self.tokens.start), tokens.get(self.tokens.end - 1)) else {
            return 0..0;
        };
        let before = text[..first.start].trim_end_matches(['(', ' ']);
        let start = if self.has_plus && before.ends_with('+') { before.len() - 1 } else { first.start };
        start..last.end()
    }
}

/// All of them, in their order.
pub(super) fn runs(text: &str, tokens: &[Token<'_>]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match run(text, tokens, at) {
            Some(run) => {
                at = run.tokens.end;
                runs.extend(split_dates(text, tokens, run));
            }
            None => at += 1,
        }
    }
    runs
}

/// The run that begins with this word.
fn run(text: &str, tokens: &[Token<'_>], from: usize) -> Option<Run> {
    let mut run = Run {
        tokens: from..from,
        digits: String::new(),
        groups: Vec::new(),
        is_spoken: false,
        has_plus: has_plus(text, tokens, from),
        is_count: false,
    };
    let mut at = from;
    while let Some(part) = part(text, tokens, at, &run) {
        run.is_spoken |= part.is_spoken;
        run.groups.push(Group { token: at, len: part.digits.len() });
        run.digits.push_str(&part.digits);
        run.tokens.end = at + part.words;
        let Some(next) = next_part(text, tokens, run.tokens.end, part.is_spoken) else { break };
        at = next;
    }
    if run.digits.is_empty() {
        return None;
    }
    run.is_count = counts(text, tokens, &run);
    Some(run)
}

fn has_plus(text: &str, tokens: &[Token<'_>], at: usize) -> bool {
    let before = tokens.get(at).map_or("", |token| &text[..token.start]).trim_end_matches('(');
    before.trim_end().ends_with('+') || at.checked_sub(1).is_some_and(|last| tokens[last].word == "plus")
}

/// One number, or number word.
struct Part {
    digits: String,
    words: usize,
    is_spoken: bool,
}

fn part(text: &str, tokens: &[Token<'_>], at: usize, run: &Run) -> Option<Part> {
    let token = tokens.get(at)?;
    if token.is_number() {
        return Some(Part { digits: token.text.to_owned(), words: 1, is_spoken: false });
    }
    let spoken = |digits: String, words| Some(Part { digits, words, is_spoken: true });
    if let Some(times) = times(&token.word) {
        let next = tokens.get(at + 1)?;
        let digit = digit(&next.word).or_else(|| next.text.parse::<u8>().ok().filter(|digit| *digit < 10))?;
        return spoken(digit.to_string().repeat(times), 2);
    }
    if let Some(tens) = numerals::tens(&token.word) {
        let unit = tokens.get(at + 1).filter(|_| matches!(gap(text, tokens, at), " " | "-"));
        let unit = unit.and_then(|next| digit(&next.word)).filter(|unit| *unit > 0);
        return spoken((tens + unit.unwrap_or(0)).to_string(), 1 + usize::from(unit.is_some()));
    }
    if let Some(small) = numerals::small(&token.word).or_else(|| digit(&token.word)) {
        return spoken(small.to_string(), 1);
    }
    if token.word == "hundred" && run.groups.last().is_some_and(|group| group.len == 1) {
        return spoken("00".to_owned(), 1);
    }
    sounds_like(tokens, at, run).and_then(|digit| spoken(digit.to_string(), 1))
}

fn times(word: &str) -> Option<usize> {
    match word {
        "double" => Some(2),
        "triple" | "treble" => Some(3),
        _ => None,
    }
}

/// One digit as a word.
fn digit(word: &str) -> Option<u8> {
    match word {
        "nought" | "naught" | "nil" => Some(0),
        word => numerals::small(word).filter(|value| *value < 10),
    }
}

/// A word between two digits that sounds like one.
fn sounds_like(tokens: &[Token<'_>], at: usize, run: &Run) -> Option<char> {
    let (_, value) = SOUNDS_LIKE.into_iter().find(|(word, _)| *word == tokens[at].word)?;
    let next_is_digit = tokens.get(at + 1).is_some_and(|next| digit(&next.word).is_some() || next.word == "oh");
    let after_digit = run.groups.last().is_some_and(|group| group.len == 1);
    let may_begin = value == '0' && run.groups.is_empty();
    ((after_digit && (next_is_digit || value == '0')) || (may_begin && next_is_digit)).then_some(value)
}

/// Where the run goes on behind the word before `end`, if it does.
fn next_part(text: &str, tokens: &[Token<'_>], end: usize, is_spoken: bool) -> Option<usize> {
    let mut at = end;
    let mut between = gap(text, tokens, end - 1);
    while parts_nothing(between, is_spoken, tokens.get(at)) && at < tokens.len() {
        if at - end < MAX_FILLERS && FILLERS.contains(&tokens[at].word.as_str()) {
            between = gap(text, tokens, at);
            at += 1;
        } else {
            return Some(at);
        }
    }
    None
}

/// Whether digits go on behind this: a space, a hyphen, brackets, and a full stop or comma as telephone numbers have them.
fn parts_nothing(between: &str, is_spoken: bool, next: Option<&Token<'_>>) -> bool {
    if between.chars().count() > 3 {
        return false;
    }
    let is_long = next.is_some_and(|token| token.is_number() && token.text.len() >= 5);
    match between {
        "." => true,
        "," => false,
        "/" | " / " => is_long,
        between if between.starts_with(['.', ',', '…']) => is_spoken || between.starts_with(','),
        between => between.chars().all(|c| matches!(c, ' ' | '\u{a0}' | '-' | '–' | '(' | ')')),
    }
}

/// Whether a currency, a unit or a word for thousands says that the number counts something.
fn counts(text: &str, tokens: &[Token<'_>], run: &Run) -> bool {
    let before = tokens.get(run.tokens.start).map_or("", |token| &text[..token.start]);
    let after = tokens.get(run.tokens.end - 1).map_or("", |token| &text[token.end()..]);
    let next = tokens.get(run.tokens.end).map_or("", |token| token.word.as_str());
    before.ends_with(['$', '€', '£', '#']) || after.trim_start().starts_with(['%', '€', '$']) || COUNTS.contains(&next)
}

/// The run without the dates in it.
fn split_dates(text: &str, tokens: &[Token<'_>], run: Run) -> Vec<Run> {
    let date = (0..run.groups.len()).find(|at| is_date(text, tokens, &run, *at));
    let Some(at) = date else { return vec![run] };
    let piece = |groups: Range<usize>| -> Option<Run> {
        let chosen = run.groups.get(groups.clone())?;
        let first = chosen.first()?;
        let skipped: usize = run.groups[..groups.start].iter().map(|group| group.len).sum();
        let len: usize = chosen.iter().map(|group| group.len).sum();
        let end = run.groups.get(groups.end).map_or(run.tokens.end, |group| group.token);
        Some(Run {
            tokens: first.token..end,
            digits: run.digits[skipped..skipped + len].to_owned(),
            groups: chosen.to_vec(),
            has_plus: run.has_plus && groups.start == 0,
            ..run.clone()
        })
    };
    let mut pieces: Vec<Run> = piece(0..at).into_iter().collect();
    if let Some(rest) = piece(at + 3..run.groups.len()) {
        pieces.extend(split_dates(text, tokens, rest));
    }
    pieces
}

/// Whether a date begins with this group: 2026-11-29, 29.11.2026.
fn is_date(text: &str, tokens: &[Token<'_>], run: &Run, at: usize) -> bool {
    let Some([first, second, third]) = run.groups.get(at..at + 3) else { return false };
    let number = |group: &Group| tokens[group.token].text.parse::<u32>().ok();
    let parted = [first, second].into_iter().all(|group| matches!(gap(text, tokens, group.token), "-" | "." | "/"));
    let (Some(a), Some(b), Some(c)) = (number(first), number(second), number(third)) else { return false };
    let (day, month) = (1..=31, 1..=12);
    let year_first = first.len == 4 && month.contains(&b) && day.contains(&c);
    let short = first.len <= 2 && second.len <= 2 && third.len == 4;
    let year_last = short && (1900..2200).contains(&c) && day.contains(&a) && day.contains(&b);
    parted && (1_u32..=9999).contains(&a) && (year_first || year_last)
}
