//! Mail addresses, written and spoken.

use super::token::{Token, gap};
use super::{Found, Kind};

/// What a spoken address may end with.
const ENDINGS: [&str; 40] = [
    "com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "io", "dev", "app", "ai", "co", "me", "tv", "us",
    "uk", "eu", "de", "at", "ch", "fr", "es", "it", "nl", "be", "se", "no", "dk", "fi", "pl", "ie", "pt", "ca", "au",
    "nz", "in", "jp", "xyz",
];
/// Who is named without an ending.
const HOSTS: [&str; 9] = ["gmail", "googlemail", "hotmail", "outlook", "yahoo", "icloud", "protonmail", "gmx", "aol"];
/// What joins the parts of a name: "ada dot lovelace", "ada underscore l".
const JOINS: [&str; 7] = ["dot", "underscore", "dash", "hyphen", "minus", "plus", "point"];

/// Every one of them.
pub(super) fn find(text: &str, tokens: &[Token<'_>]) -> Vec<Found> {
    let mut found: Vec<Found> = text.match_indices('@').filter_map(|(at, _)| written(text, at)).collect();
    let spoken = (0..tokens.len()).filter(|at| tokens[*at].word == "at").filter_map(|at| spoken(text, tokens, at));
    found.extend(spoken);
    found
}

/// The address around this sign.
fn written(text: &str, at: usize) -> Option<Found> {
    let is_local = |c: char| c.is_alphanumeric() || "._%+-'".contains(c);
    let is_domain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
    let start = text[..at]
        .rfind(|c| !is_local(c))
        .map_or(0, |before| before + text[before..].chars().next().map_or(1, char::len_utf8));
    let rest = &text[at + 1..];
    let domain = &rest[..rest.find(|c| !is_domain(c)).unwrap_or(rest.len())];
    let domain = domain.trim_end_matches(['.', '-']);
    let ending = domain.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_address = start < at && ending.chars().count() >= 2 && ending.chars().any(char::is_alphabetic);
    is_address.then(|| Found { kind: Kind::Mail, range: start..at + 1 + domain.len() })
}

/// The address around this "at".
fn spoken(text: &str, tokens: &[Token<'_>], at: usize) -> Option<Found> {
    let end = domain_end(text, tokens, at + 1)?;
    let start = local_start(text, tokens, at)?;
    Some(Found { kind: Kind::Mail, range: tokens[start].start..tokens[end].end() })
}

/// The last word of the domain that begins here: "example dot com", "mail dot example dot co dot uk", "gmail".
fn domain_end(text: &str, tokens: &[Token<'_>], from: usize) -> Option<usize> {
    let host = tokens.get(from).filter(|host| !matches!(host.word.as_str(), "the" | "a" | "an" | "this" | "that"))?;
    // "example.com" is written in one piece, and two words.
    let is_dot = |at: usize| tokens.get(at).is_some_and(|token| matches!(token.word.as_str(), "dot" | "point"));
    let is_plain = |at: usize| matches!(gap(text, tokens, at), " " | ". " | ", ");
    let mut at = from;
    let mut end = HOSTS.contains(&host.word.as_str()).then_some(from);
    // A host may be of two words: "my company dot com".
    if !is_dot(at + 1) && is_plain(at) && is_dot(at + 2) {
        at += 1;
    }
    loop {
        let (step, next) = match (gap(text, tokens, at), is_dot(at + 1)) {
            (".", _) => (1, tokens.get(at + 1)),
            (_, true) if is_plain(at) => (2, tokens.get(at + 2)),
            _ => return end,
        };
        let Some(next) = next else { return end };
        at += step;
        if ENDINGS.contains(&next.word.as_str()) {
            end = Some(at);
        }
    }
}

/// The first word of the name before this "at", with what joins it to others: "j dot smith", "a d a".
fn local_start(text: &str, tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let mut start = at.checked_sub(1)?;
    loop {
        let Some(before) = start.checked_sub(1) else { return Some(start) };
        let is_join = JOINS.contains(&tokens[before].word.as_str()) || gap(text, tokens, before) == ".";
        let is_spelled = tokens[start].is_letter() && tokens[before].is_letter() && tokens[before].word != "a";
        if JOINS.contains(&tokens[before].word.as_str()) && before > 0 {
            start = before - 1;
        } else if is_join || is_spelled || tokens[start].is_number() && tokens[before].is_letter() {
            start = before;
        } else {
            return Some(start);
        }
    }
}
