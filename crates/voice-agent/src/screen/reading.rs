//! What a screen shows, by its layout: its title, what is asked for, lists of things to do, dates and numbers.
//!
//! Deterministic, like the embedded language model that it is for. Heights, gaps and edges tell what belongs together: the largest line
//! near the top is a title, lines with the same left edge and little between them are one paragraph, a label stands above its
//! value or to its left.

use std::sync::LazyLock;

use image::RgbImage;
use regex::Regex;

use super::ink::{Ink, LETTERS};
use super::mark::{self, Mark};
use super::ocr::{Area, Piece};

/// A line of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it says, without the bullet or number before it.
    pub text: String,
    /// Where it stands.
    pub area: Area,
    /// The height of its small letters, in pixels.
    pub size: u32,
    /// The check box before it.
    pub mark: Option<Mark>,
    /// It began with a bullet or a number.
    pub is_item: bool,
    /// How certain it is that it says that, 0 to 1.
    pub confidence: f32,
}

/// What was read on a screen, from top to bottom.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    lines: Vec<Line>,
    height: u32,
}

/// A thing to do in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it says.
    pub text: String,
    /// It is ticked already.
    pub is_done: bool,
}

static BULLET: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\s*(?:[•·●◦▪–*-]|\(?\d{1,2}[.)])\s*").ok());
static TO_DO: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:open |my |our )?(?:action ?items?|actions|to ?-?dos?(?: list)?|next ?steps|tasks|follow ?-?ups?)\s*:?$").ok()
});
static DUE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)^(?:due(?: ?date)?|deadline|due ?by|target ?date)\s*:?\s*(.*)$").ok());
static PRIORITY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)^priority\s*:?\s*(.*)$").ok());
static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\b[A-Z][A-Z0-9]{1,9}-\d{1,6}\b|(?i:\b(?:bug|issue|ticket|case)\s*#?\s*\d{1,7}\b)|#\d{1,5}\b").ok()
});
static ASKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:(?:could|can|would|will) you(?: please)?|please|you need to|don'?t forget to|remember to)\s+([a-z][^.?!]*)").ok()
});

/// What every other page asks of everybody.
static BANNER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:cookies?|sign (?:in|up)|log in|subscribe|enable|allow|update your browser|verify you|reply to this|click|scroll)\b").ok()
});

/// Lines of which it is less certain what they say make no task.
const CERTAIN: f32 = 0.85;
/// One word is a title where its type is so much larger than what is usual on the page, in per cent.
const LARGE_PERCENT: u32 = 150;
/// A line that goes so far to the right as this, of the line that goes furthest, may have been broken there.
const FULL_PERCENT: u32 = 75;
/// A title is looked for in this part of the picture's height, in per cent.
const TITLE_WITHIN_PERCENT: u32 = 60;
/// Two lines of one paragraph, or two items of one list, have no more than this between them, in per cent of a line's height.
const PARAGRAPH_GAP_PERCENT: u32 = 60;
const LIST_GAP_PERCENT: u32 = 120;
/// Lines of one paragraph begin at the same edge, and are of the same height, within this much of a line's height, in per cent.
const SAME_PERCENT: u32 = 40;

fn matches<'t>(pattern: &LazyLock<Option<Regex>>, text: &'t str) -> Option<regex::Captures<'t>> {
    pattern.as_ref().and_then(|pattern| pattern.captures(text))
}

impl Line {
    fn is_certain(&self) -> bool {
        self.confidence >= CERTAIN
    }
}

impl Reading {
    /// Puts in order what was read in a picture.
    pub fn of(image: &RgbImage, pieces: Vec<Piece>) -> Self {
        let mut lines: Vec<Line> = pieces.into_iter().map(|piece| line_of(image, piece)).collect();
        lines.retain(|line| line.text.chars().any(char::is_alphanumeric));
        Self { lines, height: image.height() }
    }

    /// All lines.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether nothing can be read.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The largest line of several words in the upper part, with what it goes on with in the next.
    pub fn title(&self) -> Option<String> {
        let within = self.height * TITLE_WITHIN_PERCENT / 100;
        let usual = self.usual_size();
        let is_title = |line: &&Line| {
            let is_large = line.size * 100 >= usual * LARGE_PERCENT;
            line.area.y < within && line.is_certain() && (is_large || line.text.split_whitespace().count() > 1)
        };
        let largest = self.lines.iter().filter(is_title).map(|line| line.size).max()?;
        let first = self.lines.iter().filter(is_title).find(|line| line.size == largest)?;
        // On a page of one size nothing stands out: its first line must do.
        Some(if first.size > usual { self.paragraph(first) } else { first.text.clone() })
    }

    /// The day after a label that says that something is due, as the screen writes it.
    pub fn due(&self) -> Option<String> {
        self.value(&DUE)
    }

    /// The word after "Priority".
    pub fn priority(&self) -> Option<String> {
        self.value(&PRIORITY)
    }

    /// The first number of a bug, an issue or a ticket.
    pub fn key(&self) -> Option<String> {
        self.lines.iter().find_map(|line| Some(matches(&KEY, &line.text)?.get(0)?.as_str().to_owned()))
    }

    /// What somebody is asked to do, in the words of the screen: "review the contract by Thursday".
    pub fn requests(&self) -> Vec<String> {
        let mut asked: Vec<String> = Vec::new();
        for paragraph in self.paragraphs() {
            let Some(pattern) = ASKS.as_ref() else { continue };
            let found =
                pattern.captures_iter(&paragraph).filter_map(|found| Some(found.get(1)?.as_str().trim().to_owned()));
            asked.extend(found.filter(|asked| matches(&BANNER, asked).is_none()));
        }
        asked
    }

    /// The list of things to do: what has a check box, or what stands below a heading that says so. A line that goes on with the one
    /// before it is a part of it.
    pub fn items(&self) -> Vec<Item> {
        let is_box = |line: &&Line| line.mark.is_some() && line.is_certain();
        if self.lines.iter().any(|line| is_box(&line)) {
            return self.lines.iter().filter(is_box).map(|line| self.item(line)).collect();
        }
        let list = self.listed();
        let goes_on = |line: &Line| {
            list.iter().any(|above| self.continuation_of(above).is_some_and(|next| std::ptr::eq(next, line)))
        };
        let begins = list.iter().filter(|line| line.is_certain() && !goes_on(line));
        begins.map(|line| self.item(line)).collect()
    }

    /// The lines below a heading that says that they are things to do.
    fn listed(&self) -> Vec<&Line> {
        let Some(at) = self.lines.iter().position(|line| matches(&TO_DO, &line.text).is_some()) else {
            return Vec::new();
        };
        let heading = &self.lines[at];
        let mut above = heading.area;
        let below = self.lines[at + 1..].iter().take_while(|line| {
            let gap = line.area.y.saturating_sub(above.bottom());
            let ends = gap * 100 > line.area.height.max(above.height) * LIST_GAP_PERCENT
                || !line.is_item && line.size >= heading.size && line.area.x <= heading.area.x + heading.area.height;
            above = line.area;
            !ends
        });
        below.collect()
    }

    fn item(&self, first: &Line) -> Item {
        let (mut text, mut last) = (first.text.clone(), first);
        while let Some(next) = self.continuation_of(last) {
            text.push(' ');
            text.push_str(&next.text);
            last = next;
        }
        Item { text, is_done: first.mark == Some(Mark::Ticked) }
    }

    /// The line that goes on with an item: it begins small, below a line that ran to the end of its room.
    fn continuation_of(&self, line: &Line) -> Option<&Line> {
        let widest = self.lines.iter().map(|line| line.area.right()).max().unwrap_or(0);
        let height = line.area.height;
        let goes_on = |next: &&Line| {
            next.mark.is_none()
                && !next.is_item
                && next.text.starts_with(char::is_lowercase)
                && next.area.y > line.area.y + height / 2
                && next.area.y.saturating_sub(line.area.bottom()) * 100 <= height * PARAGRAPH_GAP_PERCENT
                // A check box is often in the first line's rectangle, and not in the next one's.
                && (line.area.x.saturating_sub(height / 2)..=line.area.x + 2 * height).contains(&next.area.x)
                && next.size.abs_diff(line.size) <= 1
        };
        let is_full = line.area.right() * 100 >= widest * FULL_PERCENT;
        self.lines.iter().filter(|_| is_full).filter(goes_on).min_by_key(|next| next.area.y)
    }

    /// The size of the type that is used most.
    fn usual_size(&self) -> u32 {
        let mut sizes: Vec<u32> = self.lines.iter().map(|line| line.size).collect();
        sizes.sort_unstable();
        sizes.get(sizes.len() / 2).copied().unwrap_or(0)
    }

    /// What stands beside or below a label.
    fn value(&self, label: &LazyLock<Option<Regex>>) -> Option<String> {
        self.lines.iter().find_map(|line| {
            let beside = matches(label, &line.text)?.get(1)?.as_str().trim();
            if !beside.is_empty() {
                return Some(beside.to_owned());
            }
            self.right_of(line.area).or_else(|| self.below(line.area)).map(|line| line.text.clone())
        })
    }

    fn right_of(&self, area: Area) -> Option<&Line> {
        let middle = area.y + area.height / 2;
        let beside = |line: &&Line| {
            line.area.x >= area.right()
                && (line.area.y..line.area.bottom()).contains(&middle)
                && line.area.x - area.right() < area.height * 8
        };
        self.lines.iter().filter(beside).min_by_key(|line| line.area.x)
    }

    fn below(&self, area: Area) -> Option<&Line> {
        let under = |line: &&Line| {
            line.area.y + line.area.height / 2 >= area.bottom()
                && line.area.y.saturating_sub(area.bottom()) < area.height
                && line.area.x.abs_diff(area.x) * 100 <= area.height * SAME_PERCENT
        };
        self.lines.iter().filter(under).min_by_key(|line| line.area.y)
    }

    fn paragraphs(&self) -> Vec<String> {
        let goes_on = |line: &Line| {
            self.lines.iter().any(|above| self.next_of(above).is_some_and(|next| std::ptr::eq(next, line)))
        };
        self.lines.iter().filter(|line| line.is_certain() && !goes_on(line)).map(|line| self.paragraph(line)).collect()
    }

    /// A line, and those that go on with it.
    fn paragraph(&self, first: &Line) -> String {
        let (mut text, mut last) = (first.text.clone(), first);
        while let Some(next) = self.next_of(last) {
            text.push(' ');
            text.push_str(&next.text);
            last = next;
        }
        text
    }

    /// The line that goes on with this one.
    fn next_of(&self, line: &Line) -> Option<&Line> {
        let height = line.area.height;
        let goes_on = |next: &&Line| {
            next.mark.is_none()
                && !next.is_item
                && next.area.y > line.area.y + height / 2
                && next.area.y.saturating_sub(line.area.bottom()) * 100 <= height * PARAGRAPH_GAP_PERCENT
                && next.area.x.abs_diff(line.area.x) * 100 <= height * SAME_PERCENT
                && next.size.abs_diff(line.size) <= 1
        };
        self.lines.iter().filter(goes_on).min_by_key(|next| next.area.y)
    }
}

fn line_of(image: &RgbImage, piece: Piece) -> Line {
    let bullet = matches(&BULLET, &piece.text).and_then(|found| found.get(0)).map(|found| found.end());
    let text = piece.text[bullet.unwrap_or(0)..].trim().to_owned();
    let (area, size) = (piece.area, Ink::of(image, piece.area, LETTERS).size());
    Line { text, area, size, mark: mark::before(image, area), is_item: bullet.is_some(), confidence: piece.confidence }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of one type below each other: text, left edge, right edge.
    fn page(lines: &[(&str, u32, u32)]) -> Reading {
        let line = |(row, (text, left, right)): (u32, &(&str, u32, u32))| {
            let bullet = matches(&BULLET, text).and_then(|found| found.get(0)).map(|found| found.end());
            Line {
                text: text[bullet.unwrap_or(0)..].to_owned(),
                area: Area { x: *left, y: 20 + 26 * row, width: right - left, height: 22 },
                size: 9,
                mark: None,
                is_item: bullet.is_some(),
                confidence: 0.99,
            }
        };
        Reading { lines: (0..).zip(lines).map(line).collect(), height: 700 }
    }

    fn texts(reading: &Reading) -> Vec<String> {
        reading.items().into_iter().map(|item| item.text).collect()
    }

    #[test]
    fn a_list_in_an_editor_has_the_type_of_its_heading() {
        let notes = [
            ("Action items", 20, 140),
            ("- send the minutes", 20, 200),
            ("- book the room for Monday", 20, 280),
            ("- ask Lee for the list", 20, 240),
        ];
        assert_eq!(texts(&page(&notes)), ["send the minutes", "book the room for Monday", "ask Lee for the list"]);
    }

    #[test]
    fn a_line_that_goes_on_is_no_item_of_its_own() {
        let steps = [
            ("Next steps", 20, 140),
            ("Tell the team", 60, 180),
            ("Ask the landlord whether the keys can be had before the", 60, 600),
            ("first of the month", 60, 220),
            ("order chairs", 60, 170),
        ];
        let mut reading = page(&steps);
        reading.lines[0].size = 12;
        let whole = "Ask the landlord whether the keys can be had before the first of the month";
        assert_eq!(texts(&reading), ["Tell the team", whole, "order chairs"]);
    }

    #[test]
    fn one_word_of_large_type_is_a_title_and_a_page_of_one_size_has_its_first_line() {
        let mut shopping =
            page(&[("Groceries", 20, 200), ("two litres of milk", 20, 300), ("a loaf of bread", 20, 280)]);
        assert_eq!(shopping.title().as_deref(), Some("two litres of milk"));
        shopping.lines[0].size = 20;
        assert_eq!(shopping.title().as_deref(), Some("Groceries"));
    }

    #[test]
    fn what_every_page_asks_is_no_request() {
        let mail = page(&[
            ("Please accept cookies to continue.", 20, 300),
            ("Could you please send the offer by Thursday?", 400, 800),
        ]);
        assert_eq!(mail.requests(), ["send the offer by Thursday"]);
    }
}
