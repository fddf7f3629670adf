//! The grammar's file, and sentences made from it.

use std::collections::{BTreeMap, HashMap};

use super::Token;

/// Where a rule is used within itself, or deeper than this, it stands for nothing.
const DEEPEST: usize = 12;

/// A part of a line.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Token(Token),
    Rule(String),
    Choice(Vec<Vec<Part>>),
}

/// A weight, and what stands for the rule.
type Line = (u32, Vec<Part>);

/// Classes and rules.
#[derive(Debug, Default)]
pub(super) struct Grammar {
    /// Tokens of words and, in angle brackets, of classes.
    tokens: HashMap<String, Token>,
    /// Words with their weights.
    classes: BTreeMap<String, Vec<(String, u32)>>,
    rules: HashMap<String, Vec<Line>>,
}

impl Grammar {
    /// Reads the file. Lines that cannot be read are left out: a test holds that there are none.
    pub(super) fn read(text: &str) -> Self {
        let mut grammar = Self::default();
        let mut section = "";
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with('@') {
                section = line;
            } else if let Some(class) = section.strip_prefix("@words ") {
                let words = line.split_ascii_whitespace().map(weighed);
                grammar.classes.entry(class.to_owned()).or_default().extend(words);
            } else if let Some(rule) = section.strip_prefix("@rules ")
                && let Some((weight, parts)) = line.split_once(' ')
                && let Ok(weight) = weight.parse()
            {
                let parts = grammar.parts(parts);
                grammar.rules.entry(rule.to_owned()).or_default().push((weight, parts));
            }
        }
        for words in grammar.classes.values_mut() {
            words.sort_unstable();
            words.dedup_by(|a, b| a.0 == b.0);
        }
        grammar
    }

    fn parts(&mut self, text: &str) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let end = match rest.strip_prefix('[') {
                Some(inner) => inner.find(']').map_or(rest.len(), |at| at + 2),
                None => rest.find(' ').unwrap_or(rest.len()),
            };
            let part = &rest[..end];
            if let Some(choices) = part.strip_prefix('[').and_then(|part| part.strip_suffix(']')) {
                parts.push(Part::Choice(choices.split('|').map(|choice| self.parts(choice)).collect()));
            } else if let Some(rule) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                parts.push(Part::Rule(rule.to_owned()));
            } else {
                parts.push(Part::Token(self.token(part)));
            }
            rest = rest[end..].trim_start();
        }
        parts
    }

    fn token(&mut self, word: &str) -> Token {
        // Two are taken: the edge, and words of no class.
        let next = Token::try_from(self.tokens.len() + 2).unwrap_or(Token::MAX);
        *self.tokens.entry(word.to_owned()).or_insert(next)
    }

    /// The token of a class.
    pub(super) fn class(&self, name: &str) -> Option<Token> {
        self.tokens.get(&format!("<{name}>")).copied()
    }

    /// What each word may be, with the word's probability where that token stands.
    pub(super) fn members(&self) -> HashMap<String, Vec<(Token, f32)>> {
        let mut members: HashMap<String, Vec<(Token, f32)>> = HashMap::new();
        for (word, token) in self.tokens.iter().filter(|(word, _)| !word.starts_with('<')) {
            members.entry(word.clone()).or_default().push((*token, 1.0));
        }
        for (class, words) in &self.classes {
            let Some(token) = self.class(class) else { continue };
            let all: u32 = words.iter().map(|(_, weight)| weight).sum();
            for (word, weight) in words {
                members.entry(word.clone()).or_default().push((token, *weight as f32 / all as f32));
            }
        }
        members.values_mut().for_each(|tokens| tokens.sort_by_key(|(token, _)| *token));
        members
    }

    /// So many sentences, always the same ones.
    pub(super) fn sentences(&self, count: usize) -> impl Iterator<Item = Vec<Token>> {
        let mut dice = Dice(0);
        (0..count).map(move |_| {
            let mut sentence = Vec::new();
            self.expand("sentence", 0, &mut dice, &mut sentence);
            sentence
        })
    }

    fn expand(&self, rule: &str, depth: usize, dice: &mut Dice, out: &mut Vec<Token>) {
        let Some(lines) = self.rules.get(rule).filter(|_| depth < DEEPEST) else { return };
        let total = lines.iter().map(|(weight, _)| weight).sum();
        let mut thrown = dice.below(total);
        for (weight, parts) in lines {
            if thrown < *weight {
                return self.write(parts, depth, dice, out);
            }
            thrown -= weight;
        }
    }

    fn write(&self, parts: &[Part], depth: usize, dice: &mut Dice, out: &mut Vec<Token>) {
        for part in parts {
            match part {
                Part::Token(token) => out.push(*token),
                Part::Rule(rule) => self.expand(rule, depth + 1, dice, out),
                Part::Choice(choices) => {
                    let thrown = dice.below(u32::try_from(choices.len()).unwrap_or(u32::MAX));
                    if let Some(choice) = choices.get(thrown as usize) {
                        self.write(choice, depth, dice, out);
                    }
                }
            }
        }
    }
}

/// "milk*4" is a word that is four times as likely as others of its class.
fn weighed(entry: &str) -> (String, u32) {
    let weighed = entry.split_once('*').and_then(|(word, weight)| Some((word, weight.parse().ok()?)));
    let (word, weight) = weighed.unwrap_or((entry, 1));
    (word.to_owned(), weight)
}

/// Seeded chance (`SplitMix64`).
struct Dice(u64);

impl Dice {
    /// A number below `end`.
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let high = (mixed ^ (mixed >> 31)) >> 32;
        // Below `end` by construction.
        ((high * u64::from(end)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::text::bare;
    use super::*;

    const FILE: &str = include_str!("../language.txt");

    fn rules_of<'p>(parts: &'p [Part], out: &mut Vec<&'p str>) {
        for part in parts {
            match part {
                Part::Token(_) => {}
                Part::Rule(rule) => out.push(rule),
                Part::Choice(choices) => choices.iter().for_each(|choice| rules_of(choice, out)),
            }
        }
    }

    #[test]
    fn every_line_of_the_file_is_read() {
        let grammar = Grammar::read(FILE);
        let mut in_rules = false;
        let mut lines = 0;
        for line in FILE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with('@') {
                in_rules = line.starts_with("@rules ");
                assert!(in_rules || line.starts_with("@words "), "{line}");
            } else if in_rules {
                lines += 1;
                assert!(line.matches('[').count() == line.matches(']').count(), "{line}");
            }
        }
        assert_eq!(grammar.rules.values().map(Vec::len).sum::<usize>(), lines);
        for (rule, lines) in &grammar.rules {
            let mut used = Vec::new();
            lines.iter().for_each(|(_, parts)| rules_of(parts, &mut used));
            for other in used {
                assert!(grammar.rules.contains_key(other), "{rule}: there is no rule {other}");
            }
        }
        for token in grammar.tokens.keys() {
            match token.strip_prefix('<').and_then(|token| token.strip_suffix('>')) {
                Some(class) => assert!(grammar.classes.contains_key(class), "there is no class {class}"),
                None => assert_eq!(bare(token), *token),
            }
        }
        for (word, weight) in grammar.classes.values().flatten() {
            assert!(*weight > 0);
            assert_eq!(bare(word), *word);
        }
    }

    #[test]
    fn a_weight_makes_a_word_likelier() {
        let grammar = Grammar::read("@words food\nmilk*3 soap\n@rules sentence\n1 <food>\n");
        let members = grammar.members();
        let share = |word: &str| members[word][0].1;
        assert!((share("milk") - 0.75).abs() < 1e-6 && (share("soap") - 0.25).abs() < 1e-6);
    }

    #[test]
    fn sentences_are_the_same_every_time() {
        let grammar = Grammar::read(FILE);
        assert_eq!(grammar.sentences(20).collect::<Vec<_>>(), grammar.sentences(20).collect::<Vec<_>>());
    }

    #[test]
    fn a_rule_within_itself_ends() {
        let grammar = Grammar::read("@rules sentence\n1 a {sentence} [b|c d]\n");
        assert_eq!(grammar.sentences(1).next().map(|sentence| sentence.len() >= 2), Some(true));
    }
}
