//! Writes out what the lexicon cannot read by itself: times, dates, units, abbreviations, other currencies, symbols.
//! Plain numbers, ordinals, years, `$`/`£`/`€` amounts and percents are left for the lexicon.

use std::collections::HashMap;

use fancy_regex::Regex;
use serde::Deserialize;

use super::numbers;
use super::spanned::{Captures, Spanned};
use super::table::Pairs;

/// The word tables of `normalize.json`.
#[derive(Debug, Deserialize)]
pub(super) struct WordTables {
    months: Pairs<String>,
    titles: HashMap<String, String>,
    abbreviations: HashMap<String, String>,
    units: HashMap<String, (String, String)>,
    symbols: Pairs<String>,
    currency: HashMap<String, (String, String)>,
    roman_cardinal: Vec<String>,
    roman_ordinal: Vec<String>,
}

const NUMBER: &str = r"\d+(?:,\d{3})*(?:\.\d+)?";
const SCALE: &str = r"(hundred|thousand|million|billion|trillion|[kKmMbB]\b)";
const ROMAN: &str = r"((?=[IVXLC])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))";

/// A rule's reading of one match; `None` leaves the match as written.
type Reading = fn(&WordTables, &Captures<'_>, &str) -> Option<String>;

/// The rules in their order.
#[derive(Debug)]
pub(super) struct Normalizer {
    tables: WordTables,
    numeric: Vec<(Regex, Reading)>,
    general: Vec<(Regex, Reading)>,
    late_numeric: Vec<(Regex, Reading)>,
    symbols: Vec<(String, Regex, String)>,
    space_before_mark: Regex,
}

/// The words as alternatives of a pattern, longest first.
fn alternatives<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut words: Vec<&str> = words.collect();
    words.sort_by_key(|word| (std::cmp::Reverse(word.chars().count()), *word));
    words.iter().map(|word| fancy_regex::escape(word).into_owned()).collect::<Vec<_>>().join("|")
}

impl Normalizer {
    /// Compiles the rules over their word tables.
    pub(super) fn new(tables: WordTables) -> Result<Self, Box<fancy_regex::Error>> {
        let compile = |pattern: &str| Regex::new(pattern).map_err(Box::new);
        let short = tables.months.0.iter().map(|(key, _)| capitalized(key)).collect::<Vec<_>>();
        let long = tables.months.0.iter().map(|(_, name)| name.as_str());
        let months = alternatives(long.chain(short.iter().map(String::as_str)).chain(["Sept"]));
        let units = alternatives(tables.units.keys().map(String::as_str));
        let titles = alternatives(tables.titles.keys().map(String::as_str));
        let abbreviations = alternatives(tables.abbreviations.keys().map(String::as_str));
        let cardinals = alternatives(tables.roman_cardinal.iter().map(String::as_str));
        let ordinals = alternatives(tables.roman_ordinal.iter().map(String::as_str));
        let numeric: Vec<(String, Reading)> = vec![
            (r"\b(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s?([AaPp])\.?[Mm]\.?(?![A-Za-z]))?(?!\d)".to_owned(), time),
            (r"\b(\d{4})-(\d{2})-(\d{2})\b".to_owned(), date_iso),
            (r"\b(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})\b".to_owned(), date_us),
            (format!(r"([$£€])({NUMBER})\s?{SCALE}"), big_money),
            (format!(r"(?<![\w.])({NUMBER})\s?¢"), cents),
            (format!(r"(?<![\w])([¥₹₩]|Rs\.?|USD|EUR|GBP)\s?({NUMBER})(?:\s?{SCALE})?"), currency),
            (format!(r"(?<![\w.])(-?{NUMBER})\s?°\s?([CF])?(?![\w])"), degrees),
            (format!(r"(?<![\w.])(-?{NUMBER})\s?({units})(?![\w])"), unit),
            (format!(r"\b({months})\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?![\d:%])(,? \d{{4}}\b)?"), month_day),
            (format!(r"\b(the )?(\d{{1,2}}) (?:of )?({months})\b\.?"), day_month),
        ];
        let general: Vec<(String, Reading)> = vec![
            (format!(r"\b({titles})\.? (?=[A-Z])"), title),
            (format!(r"(?<![\w.])({abbreviations})(?![\w])"), abbreviation),
            (r"\b(No|Nos)\. ?(?=\d)".to_owned(), number_sign),
            (r"(?<![\w&])#(?=\d)".to_owned(), |_, _, _| Some("number ".to_owned())),
            (format!(r"\b({cardinals}) {ROMAN}\b(?![.'’]\w)"), roman_cardinal),
            (format!(r"\b({ordinals}) {ROMAN}\b(?![.'’]\w)"), roman_ordinal),
        ];
        // Unlike the original, a full stop may follow these three: "Call 555-0100." ends many a sentence.
        let late: Vec<(String, Reading)> = vec![
            (r"(?<![\w.\-])(?:\d{3}-)?\d{3}-\d{4}(?![\w\-]|\.\w)".to_owned(), phone),
            (r"(?<![\w./])(\d{1,2})/(\d{1,2})(?![\w/]|\.\w)".to_owned(), fraction),
            (r"(?<![\w.\-])(\d{1,4})\s?[-–]\s?(\d{1,4})(?![\w\-%]|\.\w)".to_owned(), range),
            (r"(?<![\w+])\+(?=\d)".to_owned(), |_, _, _| Some("plus ".to_owned())),
        ];
        let rules = |rules: Vec<(String, Reading)>| -> Result<Vec<(Regex, Reading)>, Box<fancy_regex::Error>> {
            rules.into_iter().map(|(pattern, reading)| Ok((compile(&pattern)?, reading))).collect()
        };
        let symbols = tables.symbols.0.iter().map(|(symbol, word)| {
            let escaped = fancy_regex::escape(symbol);
            let between = "=<>~".contains(symbol.as_str());
            let pattern = if between { format!(r"(?<=\S) ?{escaped} ?(?=\S)") } else { escaped.into_owned() };
            let reading = if word.is_empty() { " ".to_owned() } else { format!(" {word} ") };
            Ok((symbol.clone(), compile(&pattern)?, reading))
        });
        Ok(Self {
            symbols: symbols.collect::<Result<_, Box<fancy_regex::Error>>>()?,
            numeric: rules(numeric)?,
            general: rules(general)?,
            late_numeric: rules(late)?,
            space_before_mark: compile(r" +([,.;:!?])")?,
            tables,
        })
    }

    /// Whether a full stop after this word (without the stop) may belong to the word.
    pub(super) fn abbreviates(&self, word: &str) -> bool {
        let tables = &self.tables;
        tables.abbreviations.contains_key(&format!("{word}."))
            || tables.units.contains_key(word)
            || matches!(word, "No" | "Nos")
    }

    /// Whether the word (without its stop) is a person's or a place's title, as "Dr" or "St".
    pub(super) fn is_title(&self, word: &str) -> bool {
        self.tables.titles.contains_key(word)
    }

    /// Writes out a sentence.
    pub(super) fn normalize(&self, text: &mut Spanned) {
        text.collapse_spaces();
        straighten(text);
        let numeric = |text: &Spanned| text.as_str().contains(char::is_numeric);
        if numeric(text) {
            self.run(&self.numeric, text);
        }
        self.run(&self.general, text);
        if numeric(text) {
            self.run(&self.late_numeric, text);
        }
        for (symbol, pattern, reading) in &self.symbols {
            if text.as_str().contains(symbol.as_str()) {
                text.replace(pattern, |_, _| Some(reading.clone()));
            }
        }
        text.collapse_spaces();
        text.replace(&self.space_before_mark, |captures, _| Some(captures.get(1)?.as_str().to_owned()));
    }

    fn run(&self, rules: &[(Regex, Reading)], text: &mut Spanned) {
        for (pattern, reading) in rules {
            text.replace(pattern, |captures, whole| reading(&self.tables, captures, whole));
        }
    }
}

/// Typographic apostrophes and rare dashes in their common form.
fn straighten(text: &mut Spanned) {
    let edits: Vec<(usize, usize, String)> = (text.as_str().char_indices())
        .filter_map(|(index, c)| {
            let plain = match c {
                '’' => "'",
                '‒' => "-",
                '―' => "—",
                _ => return None,
            };
            Some((index, index + c.len_utf8(), plain.to_owned()))
        })
        .collect();
    text.apply(&edits);
}

fn capitalized(word: &str) -> String {
    let mut rest = word.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

fn group<'t>(captures: &Captures<'t>, index: usize) -> &'t str {
    captures.get(index).map_or("", |found| found.as_str())
}

fn plural<'a>(number: &str, words: &'a (String, String)) -> &'a str {
    if matches!(number.replace(',', "").as_str(), "1" | "1.0" | "-1") { &words.0 } else { &words.1 }
}

fn time(_: &WordTables, captures: &Captures<'_>, text: &str) -> Option<String> {
    let hour = numbers::parse(group(captures, 1))?;
    let minute = numbers::parse(group(captures, 2))?;
    let second = numbers::parse(group(captures, 3));
    let half = group(captures, 4);
    if hour > 24 || minute > 59 || second.is_some_and(|second| second > 59) {
        return None;
    }
    let mut words = numbers::cardinal(hour);
    match minute {
        0 if half.is_empty() && second.is_none() => words.push_str(" o'clock"),
        0 => {}
        1..=9 => words = format!("{words} oh {}", numbers::cardinal(minute)),
        _ => words = format!("{words} {}", numbers::cardinal(minute)),
    }
    if let Some(second) = second {
        let unit = if second == 1 { "second" } else { "seconds" };
        words = format!("{words} and {} {unit}", numbers::cardinal(second));
    }
    if !half.is_empty() {
        let end = captures.get(0)?.end();
        let stop = if text[end..].starts_with('.') { "" } else { "." };
        words = format!("{words} {}.M{stop}", half.to_uppercase());
    }
    Some(words)
}

fn date(tables: &WordTables, year: &str, month: u128, day: u128) -> Option<String> {
    let name = usize::try_from(month).ok()?.checked_sub(1).and_then(|index| tables.months.0.get(index));
    let (_, name) = name.filter(|_| (1..=31).contains(&day))?;
    let year = if year.is_empty() { String::new() } else { format!(", {year}") };
    Some(format!("{name} {}{year}", numbers::ordinal(day)))
}

fn date_iso(tables: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    date(tables, group(captures, 1), numbers::parse(group(captures, 2))?, numbers::parse(group(captures, 3))?)
}

fn date_us(tables: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    let (a, b) = (numbers::parse(group(captures, 1))?, numbers::parse(group(captures, 2))?);
    let mut year = group(captures, 3).to_owned();
    if year.len() == 2 {
        year = format!("{}{year}", if numbers::parse(&year)? > 30 { "19" } else { "20" });
    }
    let (month, day) = if a <= 12 { (a, b) } else { (b, a) };
    date(tables, &year, month, day)
}

fn scale_word(scale: &str) -> String {
    match scale.to_lowercase().as_str() {
        "k" => "thousand".to_owned(),
        "m" => "million".to_owned(),
        "b" => "billion".to_owned(),
        _ => scale.to_owned(),
    }
}

fn big_money(tables: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    let words = tables.currency.get(group(captures, 1))?;
    Some(format!("{} {} {}", group(captures, 2), scale_word(group(captures, 3)), words.1))
}

fn cents(tables: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    let number = group(captures, 1);
    Some(format!("{number} {}", plural(number, tables.currency.get("¢")?)))
}

fn currency(tables: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    let words = tables.currency.get(group(captures, 1).trim_end_matches('.'))?;
    let (number, scale) = (group(captures, 2), group(captures, 3));
    if scale.is_empty() {
        return Some(format!("{number} {}", plural(number, words)));
    }
    Some(format!("{number} {} {}", scale_word(scale), words.1))
}

fn degrees(_: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    let number = group(captures, 1);
    let unit = plural(number, &("degree".to_owned(), "degrees".to_owned())).to_owned();
    let scale = match group(captures, 2) {
        "C" => " Celsius",
        "F" => " Fahrenheit",
        _ => "",
    };
    Some(format!("{number} {unit}{scale}"))
}

fn unit(tables: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    let number = group(captures, 1);
    Some(format!("{number} {}", plural(number, tables.units.get(group(captures, 2))?)))
}

fn month_name<'a>(tables: &'a WordTables, word: &str) -> Option<&'a str> {
    let short: String = word.to_lowercase().chars().take(3).collect();
    tables.months.0.iter().find(|(key, _)| *key == short).map(|(_, name)| name.as_str())
}

fn month_day(tables: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    let day = numbers::parse(group(captures, 2)).filter(|day| (1..=31).contains(day))?;
    Some(format!("{} {}{}", month_name(tables, group(captures, 1))?, numbers::ordinal(day), group(captures, 3)))
}

fn day_month(tables: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    let day = numbers::parse(group(captures, 2)).filter(|day| (1..=31).contains(day))?;
    Some(format!("the {} of {}", numbers::ordinal(day), month_name(tables, group(captures, 3))?))
}

fn title(tables: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    Some(format!("{} ", tables.titles.get(group(captures, 1))?))
}

fn abbreviation(tables: &WordTables, captures: &Captures<'_>, text: &str) -> Option<String> {
    let short = group(captures, 1);
    let at_end = captures.get(0)?.end() == text.len() && short.ends_with('.');
    Some(format!("{}{}", tables.abbreviations.get(short)?, if at_end { "." } else { "" }))
}

fn number_sign(_: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    Some(if group(captures, 1) == "No" { "Number ".to_owned() } else { "Numbers ".to_owned() })
}

fn roman(numeral: &str) -> u128 {
    let values: Vec<u128> = numeral
        .chars()
        .map(|c| match c {
            'I' => 1,
            'V' => 5,
            'X' => 10,
            'L' => 50,
            'C' => 100,
            'D' => 500,
            _ => 1000,
        })
        .collect();
    let mut total = 0;
    for (index, value) in values.iter().enumerate() {
        // A smaller value before a larger one is taken from it: added here as the difference at the larger.
        match values.get(index + 1) {
            Some(next) if next > value => {}
            _ => total += value - index.checked_sub(1).and_then(|i| values.get(i)).filter(|v| *v < value).unwrap_or(&0),
        }
    }
    total
}

fn roman_cardinal(_: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    Some(format!("{} {}", group(captures, 1), roman(group(captures, 2))))
}

fn roman_ordinal(_: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    Some(format!("{} the {}", group(captures, 1), numbers::ordinal(roman(group(captures, 2)))))
}

fn phone(_: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    let written = group(captures, 0).replace('-', ", ");
    Some(written.chars().map(String::from).collect::<Vec<_>>().join(" "))
}

fn fraction(tables: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    const PARTS: [&str; 9] = ["half", "third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    let (a, b) = (numbers::parse(group(captures, 1))?, numbers::parse(group(captures, 2))?);
    if 0 < a && a < b && b <= 10 {
        let part = PARTS.get(usize::try_from(b).ok()?.checked_sub(2)?)?;
        return Some(match (a, *part) {
            (1, "half") => "one half".to_owned(),
            (1, part) => format!("1 {part}"),
            (_, part) => format!("{a} {part}s"),
        });
    }
    if (1..=12).contains(&a) && (1..=31).contains(&b) {
        return date(tables, "", a, b);
    }
    Some(format!("{a} slash {b}"))
}

fn range(_: &WordTables, captures: &Captures<'_>, _: &str) -> Option<String> {
    Some(format!("{} to {}", group(captures, 1), group(captures, 2)))
}
