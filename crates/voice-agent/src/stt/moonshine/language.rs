//! A small language model of what people say to a task list, counted from a grammar (`language.txt`).
//!
//! Words belong to classes ("a first name", "goods"), and probabilities are those of a trigram over words and classes: general
//! English that a task list hears, in some thousand words and a few hundred phrasings. So "add buy bread" is far likelier than
//! "add by bread", and what the grammar never says is unlikely, not impossible.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use self::grammar::Grammar;

mod grammar;

/// Sentences that the probabilities are counted from: more do not change them.
const SENTENCES: usize = 60_000;
/// What a trigram, a bigram, a unigram that was seen weighs in the mix; the rest is for words that are in no class.
const WEIGHTS: [f32; 3] = [0.70, 0.20, 0.08];
/// The share of a word that no class has.
const UNKNOWN: f32 = 0.02;
/// So many words share it.
const UNKNOWN_WORDS: f32 = 30_000.0;
/// A form of a known word ("keys" where only "key" is known) is this much less likely than it.
const FORM: f32 = 0.3;
/// Readings of the past that are followed at a time.
const MOST_STATES: usize = 8;

/// A word, or a class of words.
type Token = u32;

/// Before the first word, and after the last.
const EDGE: Token = 0;
/// A word of no class.
const OTHER: Token = 1;

/// Probabilities of tokens after none, one and two others.
struct Counts {
    one: HashMap<Token, u32>,
    two: HashMap<(Token, Token), u32>,
    three: HashMap<(Token, Token, Token), u32>,
    /// How often a pair, a token was followed by anything.
    after_two: HashMap<(Token, Token), u32>,
    after_one: HashMap<Token, u32>,
    all: u32,
}

/// The language model.
pub(super) struct Language {
    /// What a word may be, each with the probability of the word where that token stands.
    members: HashMap<String, Vec<(Token, f32)>>,
    /// All words, for those that are not complete yet.
    words: Vec<String>,
    /// The class of first names.
    names: Option<Token>,
    counts: Counts,
}

/// The one language model.
pub(super) static LANGUAGE: LazyLock<Language> =
    LazyLock::new(|| Language::new(&Grammar::read(include_str!("language.txt"))));

/// What the last two words may have been, each with its probability; they sum to 1.
type States = Vec<((Token, Token), f32)>;

/// Log-probabilities of beginnings that were asked for: hypotheses share them.
#[derive(Clone, Default)]
pub(super) struct Memo(RefCell<HashMap<String, (States, f32)>>);

impl Language {
    fn new(grammar: &Grammar) -> Self {
        let mut counts = Counts {
            one: HashMap::new(),
            two: HashMap::new(),
            three: HashMap::new(),
            after_two: HashMap::new(),
            after_one: HashMap::new(),
            all: 0,
        };
        for sentence in grammar.sentences(SENTENCES) {
            counts.add(&sentence);
        }
        let members = grammar.members();
        let mut words: Vec<String> = members.keys().cloned().collect();
        words.sort_unstable();
        Self { members, words, names: grammar.class("name"), counts }
    }

    /// Whether the word is in a class.
    pub(super) fn knows(&self, word: &str) -> bool {
        spoken(&[word.to_owned()]).iter().all(|word| {
            self.members.contains_key(word) || bases(word).iter().any(|(base, _)| self.members.contains_key(base))
        })
    }

    /// Whether the word is a first name.
    pub(super) fn is_name(&self, word: &str) -> bool {
        let members = self.members.get(word).into_iter().flatten();
        members.into_iter().any(|(token, _)| Some(*token) == self.names)
    }

    /// All words of all classes.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// Natural logarithm of the probability of these bare words; of their end too when they have `ended`. Else the last word
    /// may be a beginning of one.
    pub(super) fn log_prob(&self, words: &[String], ended: bool, memo: &Memo) -> f32 {
        let mut memo = memo.0.borrow_mut();
        let mut key = String::new();
        let mut states: States = vec![((EDGE, EDGE), 1.0)];
        let mut sum = 0.0;
        let words = spoken(words);
        for (at, word) in words.iter().enumerate() {
            let partial = !ended && at + 1 == words.len();
            key.push_str(word);
            key.push(if partial { '*' } else { ' ' });
            if let Some((known, log_prob)) = memo.get(&key) {
                states.clone_from(known);
                sum = *log_prob;
                continue;
            }
            let (next, probability) = self.step(&states, &self.tokens(word, partial));
            sum += probability.ln();
            states = next;
            memo.insert(key.clone(), (states.clone(), sum));
        }
        if ended {
            sum += self.step(&states, &[(EDGE, 1.0)]).1.ln();
        }
        sum
    }

    /// How unlikely each of these bare words is behind those before it, in nats.
    pub(super) fn surprises(&self, words: &[String]) -> Vec<f32> {
        let mut states: States = vec![((EDGE, EDGE), 1.0)];
        let surprise = |word: &String| {
            let mut sum = 0.0;
            for part in spoken(std::slice::from_ref(word)) {
                let (next, probability) = self.step(&states, &self.tokens(&part, false));
                states = next;
                sum -= probability.ln();
            }
            sum
        };
        words.iter().map(surprise).collect()
    }

    /// The states after one of these tokens, and how likely they are together.
    fn step(&self, states: &States, tokens: &[(Token, f32)]) -> (States, f32) {
        let mut next: HashMap<(Token, Token), f32> = HashMap::new();
        for &((before, last), share) in states {
            for &(token, emitted) in tokens {
                *next.entry((last, token)).or_default() +=
                    share * emitted * self.counts.probability(before, last, token);
            }
        }
        let mut next: States = next.into_iter().collect();
        next.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let sum: f32 = next.iter().map(|(_, share)| share).sum::<f32>().max(f32::MIN_POSITIVE);
        next.truncate(MOST_STATES);
        let kept: f32 = next.iter().map(|(_, share)| share).sum::<f32>().max(f32::MIN_POSITIVE);
        next.iter_mut().for_each(|(_, share)| *share /= kept);
        (next, sum)
    }

    /// What a word may be; with `partial` it may go on.
    fn tokens(&self, word: &str, partial: bool) -> Vec<(Token, f32)> {
        let mut tokens = self.members.get(word).cloned().unwrap_or_default();
        if tokens.is_empty() {
            for (base, share) in bases(word) {
                let known = self.members.get(base.as_str()).into_iter().flatten();
                tokens.extend(known.map(|&(token, emitted)| (token, emitted * share)));
            }
        }
        if tokens.is_empty() && partial {
            let from = self.words.partition_point(|known| known.as_str() < word);
            let longer = self.words[from..].iter().take_while(|known| known.starts_with(word));
            tokens.extend(longer.filter_map(|known| self.members.get(known)).flatten().take(32));
        }
        tokens.push((OTHER, 1.0 / UNKNOWN_WORDS));
        tokens
    }
}

impl Counts {
    fn add(&mut self, sentence: &[Token]) {
        let (mut before, mut last) = (EDGE, EDGE);
        for &token in sentence.iter().chain(&[EDGE]) {
            *self.one.entry(token).or_default() += 1;
            *self.two.entry((last, token)).or_default() += 1;
            *self.three.entry((before, last, token)).or_default() += 1;
            *self.after_one.entry(last).or_default() += 1;
            *self.after_two.entry((before, last)).or_default() += 1;
            self.all += 1;
            (before, last) = (last, token);
        }
    }

    fn probability(&self, before: Token, last: Token, token: Token) -> f32 {
        let share = |part: Option<&u32>, whole: Option<&u32>| match (part, whole) {
            (Some(part), Some(whole)) if *whole > 0 => *part as f32 / *whole as f32,
            _ => 0.0,
        };
        if token == OTHER {
            return UNKNOWN;
        }
        let one = share(self.one.get(&token), Some(&self.all));
        // Where the past was never seen, what is known of less of it has to do.
        let two = match self.after_one.get(&last) {
            Some(whole) => share(self.two.get(&(last, token)), Some(whole)),
            None => one,
        };
        let three = match self.after_two.get(&(before, last)) {
            Some(whole) => share(self.three.get(&(before, last, token)), Some(whole)),
            None => two,
        };
        WEIGHTS[0] * three + WEIGHTS[1] * two + WEIGHTS[2] * one
    }
}

/// Words as the grammar has them: "to-do" is two, "p.m" is "pm", figures are words.
fn spoken(words: &[String]) -> Vec<String> {
    let mut out = Vec::with_capacity(words.len());
    for word in words {
        let dotless = word.replace('.', "");
        if matches!(dotless.as_str(), "pm" | "am") {
            out.push(dotless);
        } else if let Some(hour) =
            word.strip_suffix("pm").or_else(|| word.strip_suffix("am")).filter(|hour| is_time(hour))
        {
            out.push(figure(hour));
            out.push(word[hour.len()..].to_owned());
        } else if word.starts_with(|c: char| c.is_ascii_digit()) {
            out.push(figure(word));
        } else if word.contains('-')
            && !word.starts_with("twenty")
            && !word.starts_with("thirty")
            && !word.starts_with("forty")
        {
            out.extend(word.split('-').filter(|part| !part.is_empty()).map(str::to_owned));
        } else {
            out.push(word.clone());
        }
    }
    out
}

fn is_time(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == ':' || c == '.')
}

/// A figure as a word of its class: it is as likely as any other.
fn figure(word: &str) -> String {
    let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
    let rest = &word[digits.len()..];
    let number: u32 = digits.parse().unwrap_or(u32::MAX);
    let spelt = match (rest, number) {
        ("st" | "nd" | "rd" | "th", 1..=31) => "third",
        ("", 1) => "one",
        ("", 2..=12) => "five",
        ("", 15 | 20 | 30 | 45) => "thirty",
        (_, 1..=24) if rest.starts_with(':') => "five",
        _ => return word.to_owned(),
    };
    spelt.to_owned()
}

/// Words that a word may be a form of, and how likely such a form is.
fn bases(word: &str) -> Vec<(String, f32)> {
    let mut out = Vec::new();
    for ending in ["'s", "s", "es"] {
        out.extend(word.strip_suffix(ending).filter(|base| base.len() > 2).map(|base| (base.to_owned(), FORM)));
    }
    if word.len() > 3 {
        out.push((format!("{word}s"), FORM));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::text::bare_words;
    use super::*;

    fn log_prob(text: &str) -> f32 {
        LANGUAGE.log_prob(&bare_words(text), true, &Memo::default())
    }

    #[test]
    fn what_is_said_to_a_task_list_is_likelier_than_what_sounds_like_it() {
        for (right, wrong) in [
            ("Add buy butter", "And by butter"),
            ("Add buy butter to my list", "Add by butter to my list"),
            ("Undo that", "And do that"),
            ("Undo", "And you"),
            ("Remind me to call Susan", "Remind me to cold Susan"),
            ("Pay the phone bill by Thursday", "Pay the phone bill buy Thursday"),
            ("Email the landlord at four", "Email the landlord at for"),
        ] {
            assert!(log_prob(right) > log_prob(wrong), "{right}: {} {wrong}: {}", log_prob(right), log_prob(wrong));
        }
    }

    #[test]
    fn figures_are_as_likely_as_words() {
        assert!((log_prob("At 5 p.m.") - log_prob("at five pm")).abs() < 1e-3);
        assert!((log_prob("on May 3rd") - log_prob("on May third")).abs() < 1e-3);
        assert!((log_prob("at 7pm") - log_prob("at seven pm")).abs() < 1e-3);
    }

    #[test]
    fn a_word_is_a_surprise_where_nobody_says_it() {
        let surprise = |text: &str| LANGUAGE.surprises(&bare_words(text)).last().copied().unwrap_or_default();
        assert!(surprise("add buy milk") < surprise("add buy meal"));
        assert!(surprise("remind me to call Susan") < surprise("remind me to call Thursday"));
        let words = bare_words("move it to-morrow at 5 p.m.");
        let sum: f32 = LANGUAGE.surprises(&words).iter().sum();
        assert!((sum + LANGUAGE.log_prob(&words, true, &Memo::default())).is_finite());
        assert_eq!(LANGUAGE.surprises(&words).len(), words.len());
    }

    #[test]
    fn nothing_is_impossible() {
        for text in ["", "Zyzzyva", "\u{e4}\u{f6}\u{fc} 12/24", "- -- 99999999999999999999"] {
            assert!(log_prob(text).is_finite(), "{text}");
        }
    }

    #[test]
    fn a_word_that_is_not_complete_may_become_any() {
        let memo = Memo::default();
        let [partial, odd] =
            ["add buy strawb", "add buy strawx"].map(|text| LANGUAGE.log_prob(&bare_words(text), false, &memo));
        assert!(partial > odd + 1.0, "{partial} {odd}");
    }

    #[test]
    fn a_memo_changes_nothing() {
        let memo = Memo::default();
        let words = bare_words("add call Susan tomorrow");
        let first = LANGUAGE.log_prob(&words, true, &memo);
        assert_eq!(first.to_bits(), LANGUAGE.log_prob(&words, true, &memo).to_bits());
    }
}
