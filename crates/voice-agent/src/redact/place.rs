//! Postal addresses: a house and its street, a box, a British postcode.

use super::token::{Token, gap};
use super::{Found, Kind};
use crate::numerals;

/// Words that end a street's name and little else.
const STREETS: [&str; 18] = [
    "street",
    "avenue",
    "ave",
    "road",
    "rd",
    "lane",
    "ln",
    "boulevard",
    "blvd",
    "terrace",
    "crescent",
    "parkway",
    "pkwy",
    "highway",
    "hwy",
    "mews",
    "alley",
    "st",
];
/// Words that end a street's name when all of it is written in capitals.
const MAYBE_STREETS: [&str; 16] = [
    "drive", "dr", "court", "ct", "place", "pl", "square", "sq", "way", "close", "row", "gardens", "circle", "hill",
    "park", "walk",
];
/// What stands in no street's name.
const NOT_NAMES: [&str; 56] = [
    "of",
    "the",
    "to",
    "for",
    "and",
    "or",
    "in",
    "on",
    "with",
    "a",
    "an",
    "am",
    "pm",
    "o'clock",
    "hour",
    "hours",
    "minute",
    "minutes",
    "day",
    "days",
    "week",
    "weeks",
    "month",
    "months",
    "year",
    "years",
    "km",
    "kilometre",
    "kilometres",
    "mile",
    "miles",
    "items",
    "tasks",
    "things",
    "people",
    "friends",
    "bags",
    "boxes",
    "tickets",
    "photos",
    "pictures",
    "more",
    "times",
    "percent",
    "dollars",
    "euros",
    "pounds",
    "is",
    "are",
    "was",
    "at",
    "from",
    "by",
    "my",
    "your",
    "our",
];
/// What follows a street that is none: "road trip".
const NOT_STREETS: [&str; 14] = [
    "trip", "trips", "map", "maps", "sign", "signs", "test", "tests", "food", "works", "race", "bike", "bikes", "party",
];
/// How streets are called in front of their name: "12 rue de la Paix".
const RUES: [&str; 5] = ["rue", "chemin", "impasse", "quai", "via"];
/// What ends a German street's name, written in one word.
const GERMAN: [&str; 7] = ["straße", "strasse", "str", "gasse", "allee", "platz", "weg"];
/// What is behind a street.
const DOORS: [&str; 8] = ["apartment", "apt", "unit", "suite", "flat", "floor", "room", "door"];
/// Most words of a street's name.
const MAX_NAME: usize = 4;

/// Every one of them.
pub(super) fn find(text: &str, tokens: &[Token<'_>]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match address(text, tokens, at) {
            Some(last) => {
                let last = extend(text, tokens, last);
                found.push(Found { kind: Kind::Address, range: tokens[at].start..tokens[last].end() });
                at = last + 1;
            }
            None => at += 1,
        }
    }
    found
}

/// The last word of the address that begins with this word.
fn address(text: &str, tokens: &[Token<'_>], at: usize) -> Option<usize> {
    english(text, tokens, at)
        .or_else(|| german(text, tokens, at))
        .or_else(|| postcode(text, tokens, at))
        .or_else(|| post_box(tokens, at))
}

/// "221B Baker Street", "twelve main street", "12 rue de la Paix".
fn english(text: &str, tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let name = house(text, tokens, at)?;
    if tokens.get(name).is_some_and(|token| RUES.contains(&token.word.as_str())) {
        return french(text, tokens, name);
    }
    let mut capitals = true;
    for end in name..=name + MAX_NAME {
        let token = tokens.get(end)?;
        let word = token.word.as_str();
        capitals &= token.is_capitalised();
        let is_street = STREETS.contains(&word) || capitals && MAYBE_STREETS.contains(&word);
        if end > name && is_street && !leads_elsewhere(text, tokens, end) {
            return Some(end);
        }
        let goes_on = matches!(gap(text, tokens, end), " " | ". " | "-");
        if NOT_NAMES.contains(&word) || !goes_on {
            return None;
        }
    }
    None
}

/// Behind the house's number, if one begins here: "221B", "12", "two twenty one b".
fn house(text: &str, tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let token = &tokens[at];
    let digits = token.text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let letters = token.text.len() - digits.len();
    let written = (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && letters <= 1;
    let mut next = at;
    if written {
        next += 1;
    } else {
        let is_number = |token: &&Token<'_>| {
            numerals::small(&token.word).or(numerals::tens(&token.word)).is_some() || token.word == "hundred"
        };
        next += tokens[at..].iter().take(4).take_while(is_number).count();
    }
    if next == at || !matches!(gap(text, tokens, next - 1), " ") {
        return None;
    }
    let is_letter =
        tokens.get(next).is_some_and(|token| token.is_letter() && !matches!(token.word.as_str(), "a" | "i"));
    Some(next + usize::from(is_letter && gap(text, tokens, next) == " "))
}

/// "road" before "trip" ends no address.
fn leads_elsewhere(text: &str, tokens: &[Token<'_>], end: usize) -> bool {
    gap(text, tokens, end) == " " && tokens.get(end + 1).is_some_and(|next| NOT_STREETS.contains(&next.word.as_str()))
}

fn french(text: &str, tokens: &[Token<'_>], rue: usize) -> Option<usize> {
    let joins = ["de", "la", "le", "les", "du", "des", "l'", "d'"];
    let mut last = None;
    for (at, token) in tokens.iter().enumerate().skip(rue + 1).take(MAX_NAME + 1) {
        if gap(text, tokens, at - 1) != " " || !(token.is_capitalised() || joins.contains(&token.word.as_str())) {
            break;
        }
        last = token.is_capitalised().then_some(at).or(last);
    }
    last
}

/// "Hauptstraße 5", "Lange Str. 12b".
fn german(text: &str, tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let named = |token: &Token<'_>| {
        GERMAN
            .iter()
            .any(|end| token.word.ends_with(end) && token.word.len() >= end.len() + 2 && token.is_capitalised())
    };
    let alone = |token: &Token<'_>| GERMAN[..3].contains(&token.word.as_str()) && token.is_capitalised();
    let street = if named(&tokens[at]) {
        at
    } else {
        tokens.get(at + 1).filter(|next| tokens[at].is_capitalised() && alone(next))?;
        at + 1
    };
    let number = tokens.get(street + 1).filter(|_| matches!(gap(text, tokens, street), " " | ". "))?;
    let digits = number.text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let is_house = (1..=4).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && number.text.len() - digits.len() <= 1;
    is_house.then_some(street + 1)
}

/// "EC1A 1BB", "SW1A1AA".
fn postcode(text: &str, tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let token = &tokens[at];
    if token.text.len() >= 5
        && token.text.is_ascii()
        && let (out, inward) = token.text.split_at(token.text.len() - 3)
        && is_outward(out)
        && is_inward(inward)
    {
        return Some(at);
    }
    let next = tokens.get(at + 1).filter(|_| gap(text, tokens, at) == " ")?;
    (is_outward(token.text) && is_inward(next.text)).then_some(at + 1)
}

/// A letter or two, a digit, and perhaps one more: all in capitals.
fn is_outward(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
    let rest = text.as_bytes().get(letters..).unwrap_or_default();
    let rest_fits = match rest {
        [digit] => digit.is_ascii_digit(),
        [digit, last] => digit.is_ascii_digit() && (last.is_ascii_digit() || last.is_ascii_uppercase()),
        _ => false,
    };
    (1..=2).contains(&letters) && rest_fits
}

/// A digit and two letters that are not read as others: "3PM" is none.
fn is_inward(text: &str) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_uppercase() && !b"CIKMOV".contains(byte);
    matches!(text.as_bytes(), [digit, a, b] if digit.is_ascii_digit() && is_letter(a) && is_letter(b))
}

/// "PO Box 1234", "P.O. Box 12".
fn post_box(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.word.as_str());
    let the_box = match (word(at), word(at + 1)) {
        ("po", "box") => at + 1,
        ("p", "o") if word(at + 2) == "box" => at + 2,
        _ => return None,
    };
    tokens.get(the_box + 1).filter(|number| number.is_number()).map(|_| the_box + 1)
}

/// The door, the town and its code behind a street.
fn extend(text: &str, tokens: &[Token<'_>], street: usize) -> usize {
    let mut last = street;
    let is_near = |at: usize| matches!(gap(text, tokens, at), " " | ", " | ". " | "., " | " #");
    if is_near(last) && tokens.get(last + 1).is_some_and(|token| DOORS.contains(&token.word.as_str())) {
        last += 1 + usize::from(tokens.get(last + 2).is_some() && is_near(last + 1));
    }
    let is_code = |at: usize| {
        tokens.get(at).is_some_and(|token| token.is_number() && matches!(token.text.len(), 4 | 5))
            || at < tokens.len() && postcode(text, tokens, at).is_some()
    };
    // "10115 Berlin", "Springfield, IL 62704", "London NW1 6XE": up to a code, with the town that it belongs to.
    let code = (last + 1..=last + 4).find(|at| is_code(*at));
    let joined = |to: usize| (last..to).all(is_near) && tokens[last + 1..to].iter().all(Token::is_capitalised);
    match code.filter(|code| joined(*code)) {
        Some(code) => {
            let end = postcode(text, tokens, code).unwrap_or(code);
            let town = code == last + 1
                && gap(text, tokens, end) == " "
                && tokens.get(end + 1).is_some_and(|token| token.is_capitalised());
            end + usize::from(town)
        }
        None => last,
    }
}
