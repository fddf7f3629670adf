//! Text to phonemes: normalise, tokenise, tag, look up with the words' context, and settle the stress of compounds.

use std::collections::HashMap;
use std::path::Path;

use fancy_regex::Regex;

use super::lexicon::{Context, Lexicon};
use super::normalize::Normalizer;
use super::oov::{Alphabet, UnknownWords};
use super::reading::{self, Word, is_currency_sign};
use super::spanned::{Spanned, matches};
use super::stress::{self, PRIMARY, is_consonant, is_vowel};
use super::table::read_json;
use super::tagger::Tagger;
use super::tokenize::Tokenizer;
use crate::model::runtime::ModelError;

const CAPITAL: &str = "[A-ZÀ-ÖØ-Þ]";
const SMALL: &str = "[a-zß-öø-ÿ]";
const LETTER: &str = r"[^\W\d_]";

/// The parts an unknown token falls into: words, digit runs, symbols.
const PIECES: &str = r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[,.]\d+)*|[^\w\s]+";

/// The most parts of one written word that are tried as one: the tries grow with their cube, and no word has more.
const MAX_JOINED: usize = 32;

/// One phoneme character and the offset in the source text after the word it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phone {
    pub(super) symbol: char,
    pub(super) end: u32,
}

/// Everything read-only that text needs on its way to phonemes.
#[derive(Debug)]
pub(super) struct Phonemizer {
    pub(super) normalizer: Normalizer,
    pub(super) alphabet: Alphabet,
    tokenizer: Tokenizer,
    tagger: Tagger,
    lexicon: Lexicon,
    subtoken: Regex,
    pieces: Regex,
}

#[derive(Debug, Clone)]
struct Token {
    text: String,
    tag: String,
    spaced: bool,
    /// The offset after the token in the normalised text.
    end: usize,
    phonemes: Option<String>,
    is_head: bool,
    alias: Option<&'static str>,
    currency: Option<String>,
    prespace: bool,
}

impl Token {
    fn is_settled(&self) -> bool {
        self.alias.is_some() || self.phonemes.is_some()
    }
}

/// Tokens that are written together; `joined` words are read as one where the lexicon can.
#[derive(Debug)]
struct Group {
    tokens: Vec<Token>,
    joined: bool,
}

impl Group {
    /// Whether the next token is written together with this group.
    fn takes_more(&self) -> bool {
        self.joined && self.tokens.len() < MAX_JOINED && self.tokens.last().is_some_and(|last| !last.spaced)
    }
}

fn is_junk(text: &str) -> bool {
    text.chars().all(|c| "',-._‘’/".contains(c))
}

fn is_mark(c: char) -> bool {
    ";:,.!?—…\"“”".contains(c)
}

fn is_clause_mark(c: char) -> bool {
    ";:,.!?—…".contains(c)
}

fn is_punctuation_tag(tag: &str) -> bool {
    matches!(tag, "." | "," | "-LRB-" | "-RRB-" | "``" | "\"\"" | "''" | ":" | "$" | "#" | "NFP")
}

fn punctuation_phonemes(tag: &str, text: &str) -> String {
    match tag {
        "-LRB-" => "(".to_owned(),
        "-RRB-" => ")".to_owned(),
        "``" => "“".to_owned(),
        "\"\"" | "''" => "”".to_owned(),
        _ => text.chars().filter(|c| is_mark(*c)).collect(),
    }
}

fn symbol_phonemes(c: char) -> &'static str {
    match c {
        '/' => "slˈæʃ",
        '=' => "ˈikwᵊlz",
        '+' => "plˈʌs",
        '&' => "ænd",
        '@' => "æt",
        '%' => "pəɹsˈɛnt",
        '#' => "hˈæʃ",
        '*' => "ˈæstəɹˌɪsk",
        '~' => "tˈɪldə",
        '^' => "kˈɛɹət",
        '<' => "lˈɛs ðən",
        '>' => "ɡɹˈATəɹ ðən",
        '—' => "—",
        _ => "",
    }
}

impl Phonemizer {
    /// Loads the dictionaries, the tagger and the rules' word lists from the model's folder.
    pub(super) fn load(folder: &Path) -> Result<Self, ModelError> {
        let broken = |file: &str, error: fancy_regex::Error| ModelError::Broken {
            path: folder.join(file),
            reason: format!("its words make no rule: {error}"),
        };
        let special: HashMap<String, Vec<String>> = read_json(&folder.join("tokenizer_exceptions.json"))?;
        let subtoken = format!(
            r"^['‘’]+|{CAPITAL}(?={CAPITAL}{SMALL})|(?:^-)?(?:\d?[,.]?\d)+|[-_]+|['‘’]{{2,}}|{LETTER}*?(?:['‘’]{LETTER})*?{SMALL}(?={CAPITAL})|{LETTER}+(?:['‘’]{LETTER})*|[^\w\-'‘’]|['‘’]+$"
        );
        let compile = |pattern: &str| Regex::new(pattern).map_err(|error| broken("g2p", error));
        Ok(Self {
            normalizer: Normalizer::new(read_json(&folder.join("normalize.json"))?)
                .map_err(|error| broken("normalize.json", *error))?,
            alphabet: Alphabet::load(&folder.join("oov.json"))?,
            tokenizer: Tokenizer::new(special).map_err(|error| broken("tokenizer_exceptions.json", *error))?,
            tagger: Tagger::load(&folder.join("tagger.json.gz"))?,
            lexicon: Lexicon::load(folder)?,
            subtoken: compile(&subtoken)?,
            pieces: compile(PIECES)?,
        })
    }

    /// The phonemes of one sentence, without white space at the ends.
    pub(super) fn phonemize(&self, mut text: Spanned, unknown: &mut UnknownWords) -> Result<Vec<Phone>, ModelError> {
        self.normalizer.normalize(&mut text);
        let mut groups = self.regroup(&self.tokens(text.as_str()));
        let mut context = Context::default();
        for group in groups.iter_mut().rev() {
            if group.joined {
                self.read_joined(&mut group.tokens, &mut context, unknown)?;
            } else if let Some(token) = group.tokens.first_mut() {
                if token.phonemes.is_none() {
                    let found = self.look_up(token, context);
                    token.phonemes = Some(match found {
                        Some(found) => found,
                        None => self.fall_back(&token.text, unknown)?,
                    });
                }
                context = next_context(context, token.phonemes.as_deref().unwrap_or(""), &token.text, &token.tag);
            }
        }
        let mut phones = Vec::with_capacity(text.as_str().len() * 2);
        for group in &groups {
            let Some(last) = group.tokens.last() else { continue };
            let end = text.source_end(last.end);
            let symbols = merged_phonemes(&group.tokens).replace('ɾ', "T").replace('ʔ', "t");
            phones.extend(symbols.chars().chain(last.spaced.then_some(' ')).map(|symbol| Phone { symbol, end }));
        }
        let blank = |phone: &Phone| phone.symbol.is_whitespace();
        let from = phones.iter().position(|phone| !blank(phone)).unwrap_or(phones.len());
        phones.drain(..from);
        phones.truncate(phones.iter().rposition(|phone| !blank(phone)).map_or(0, |last| last + 1));
        Ok(phones)
    }

    fn tokens(&self, text: &str) -> Vec<Token> {
        let pieces = self.tokenizer.tokenize(text);
        let words: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
        let tags = self.tagger.tag(&words);
        let token = |(piece, tag): (&super::tokenize::Piece, &str)| Token {
            text: piece.text.clone(),
            tag: tag.to_owned(),
            spaced: piece.spaced,
            end: piece.end,
            phonemes: None,
            is_head: true,
            alias: None,
            currency: None,
            prespace: false,
        };
        pieces.iter().zip(tags).map(token).collect()
    }

    /// Splits tokens into subtokens (letters, digits, capitals) and groups what is written together.
    fn regroup(&self, tokens: &[Token]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut currency: Option<String> = None;
        for (index, token) in tokens.iter().enumerate() {
            let next_is_number = tokens.get(index + 1).is_some_and(|next| next.tag == "CD");
            let parts = self.subtokens(&token.text);
            let count = parts.len();
            for (at, part) in parts.iter().enumerate() {
                let last = at + 1 == count;
                let mut piece = Token { text: part.clone(), spaced: token.spaced && last, ..token.clone() };
                if piece.tag == "$" && is_currency_sign(&piece.text) {
                    currency = Some(piece.text.clone());
                    piece.phonemes = Some(String::new());
                } else if piece.tag == ":" && matches!(piece.text.as_str(), "-" | "–") {
                    piece.phonemes = Some("—".to_owned());
                } else if is_punctuation_tag(&piece.tag) && !piece.text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                    piece.phonemes = Some(punctuation_phonemes(&piece.tag, &piece.text));
                } else if currency.is_some() {
                    if piece.tag != "CD" {
                        currency = None;
                    } else if last && !next_is_number {
                        piece.currency.clone_from(&currency);
                    }
                } else if part == "2" && at > 0 && !last && is_between_letters(&parts, at) {
                    piece.alias = Some("to");
                }
                push_grouped(&mut groups, piece);
            }
        }
        for group in &mut groups {
            group.joined = group.tokens.len() > 1;
        }
        groups
    }

    fn subtokens(&self, text: &str) -> Vec<String> {
        let found: Vec<String> = matches(&self.subtoken, text).into_iter().map(|part| text[part].to_owned()).collect();
        if found.is_empty() { vec![text.to_owned()] } else { found }
    }

    fn look_up(&self, token: &Token, context: Context) -> Option<String> {
        let word = Word {
            text: token.alias.unwrap_or(&token.text),
            tag: &token.tag,
            currency: token.currency.as_deref(),
            is_head: token.is_head,
        };
        reading::read(&self.lexicon, word, context)
    }

    /// Reads tokens written together from the end: the longest run of them the lexicon knows is one word.
    fn read_joined(
        &self,
        tokens: &mut [Token],
        context: &mut Context,
        unknown: &mut UnknownWords,
    ) -> Result<(), ModelError> {
        let (mut left, mut right) = (0, tokens.len());
        while left < right {
            let run = &tokens[left..right];
            let whole = if run.iter().any(Token::is_settled) { None } else { merge(run) };
            let found = whole.as_ref().and_then(|whole| self.look_up(whole, *context).map(|found| (whole, found)));
            if let Some((whole, found)) = found {
                *context = next_context(*context, &found, &whole.text, &whole.tag);
                settle(&mut tokens[left..right], found);
                right = left;
                left = 0;
            } else if left + 1 < right {
                left += 1;
            } else {
                right -= 1;
                let token = &mut tokens[right];
                if token.phonemes.is_none() {
                    if !is_junk(&token.text) {
                        let text = merge(tokens).map(|whole| whole.text).unwrap_or_default();
                        settle(tokens, self.fall_back(&text, unknown)?);
                        return Ok(());
                    }
                    token.phonemes = Some(String::new());
                }
                left = 0;
            }
        }
        settle_stress(tokens);
        Ok(())
    }

    /// Reads what the lexicon does not know: letters by the network, digits as numbers, symbols by name.
    fn fall_back(&self, text: &str, unknown: &mut UnknownWords) -> Result<String, ModelError> {
        let mut out = Vec::new();
        for piece in matches(&self.pieces, text) {
            let piece = &text[piece];
            let first = piece.chars().next().unwrap_or(' ');
            let phonemes = if first.is_ascii_digit() {
                reading::number(&self.lexicon, piece, None, false)
            } else if first.is_alphabetic() {
                unknown.read(&self.alphabet, piece)?
            } else {
                Some(piece.chars().map(symbol_phonemes).collect())
            };
            out.extend(phonemes.filter(|phonemes| !phonemes.is_empty()));
        }
        Ok(out.join(" "))
    }
}

fn is_between_letters(parts: &[String], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|index| parts.get(index)).and_then(|part| part.chars().next_back());
    let after = parts.get(at + 1).and_then(|part| part.chars().next());
    before.is_some_and(char::is_alphabetic) && after.is_some_and(char::is_alphabetic)
}

/// Adds a piece to the group it is written together with, or starts a group.
fn push_grouped(groups: &mut Vec<Group>, mut piece: Token) {
    if piece.is_settled() {
        groups.push(Group { tokens: vec![piece], joined: false });
        return;
    }
    match groups.last_mut() {
        Some(group) if group.takes_more() => {
            piece.is_head = false;
            group.tokens.push(piece);
        }
        _ => {
            let open = !piece.spaced;
            groups.push(Group { tokens: vec![piece], joined: open });
        }
    }
}

/// The first token says the whole; the others are silent.
fn settle(tokens: &mut [Token], phonemes: String) {
    for token in tokens.iter_mut() {
        token.phonemes = Some(String::new());
    }
    if let Some(first) = tokens.first_mut() {
        first.phonemes = Some(phonemes);
    }
}

/// Several tokens as one, tagged like the one with the most letters, capitals counting twice.
fn merge(tokens: &[Token]) -> Option<Token> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    let size =
        |token: &Token| -> usize { token.text.chars().map(|c| if c.to_lowercase().eq([c]) { 1 } else { 2 }).sum() };
    let mut heaviest = first;
    for token in tokens {
        if size(token) > size(heaviest) {
            heaviest = token;
        }
    }
    Some(Token {
        text: joined_text(tokens),
        tag: heaviest.tag.clone(),
        spaced: last.spaced,
        end: last.end,
        phonemes: None,
        is_head: first.is_head,
        alias: None,
        currency: tokens.iter().filter_map(|token| token.currency.clone()).max(),
        prespace: first.prespace,
    })
}

fn joined_text(tokens: &[Token]) -> String {
    let mut text = String::new();
    for (index, token) in tokens.iter().enumerate() {
        text.push_str(&token.text);
        if token.spaced && index + 1 < tokens.len() {
            text.push(' ');
        }
    }
    text
}

fn merged_phonemes(tokens: &[Token]) -> String {
    let mut phonemes = String::new();
    for token in tokens {
        let own = token.phonemes.as_deref().unwrap_or("");
        if token.prespace && !own.is_empty() && phonemes.chars().next_back().is_some_and(|c| !c.is_whitespace()) {
            phonemes.push(' ');
        }
        phonemes.push_str(own);
    }
    phonemes
}

/// What the word before this one will find after it.
fn next_context(context: Context, phonemes: &str, text: &str, tag: &str) -> Context {
    let first = phonemes.chars().find(|c| is_vowel(*c) || is_consonant(*c) || is_clause_mark(*c));
    let future_vowel = match first {
        Some(c) if is_clause_mark(c) => None,
        Some(c) => Some(is_vowel(c)),
        None => context.future_vowel,
    };
    let future_to = matches!(text, "to" | "To") || (text == "TO" && matches!(tag, "TO" | "IN"));
    Context { future_vowel, future_to }
}

/// Spaces between the parts of a mixed word ("hunter 2"), and one main stress in a compound.
fn settle_stress(tokens: &mut [Token]) {
    let text = joined_text(tokens);
    let kind = |c: char| {
        if c.is_alphabetic() {
            0_u8
        } else if c.is_ascii_digit() {
            1
        } else {
            2
        }
    };
    let mut kinds: Vec<u8> = text.chars().filter(|c| !is_junk(&c.to_string())).map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let apart = text.contains([' ', '/']) || kinds.len() > 1;
    let count = tokens.len();
    for (index, token) in tokens.iter_mut().enumerate() {
        if token.phonemes.is_none() {
            let mut characters = token.text.chars();
            let mark = characters.next().filter(|c| is_clause_mark(*c) && characters.next().is_none());
            if index + 1 == count && mark.is_some() {
                token.phonemes = Some(token.text.clone());
            } else if is_junk(&token.text) {
                token.phonemes = Some(String::new());
            }
        } else if index > 0 {
            token.prespace = apart;
        }
    }
    if !apart {
        balance_stress(tokens);
    }
}

/// Of the parts of a compound, the lighter half give up their main stress.
fn balance_stress(tokens: &mut [Token]) {
    let mut parts: Vec<(bool, usize, usize)> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if let Some(phonemes) = token.phonemes.as_deref().filter(|phonemes| !phonemes.is_empty()) {
            parts.push((phonemes.contains(PRIMARY), stress::weight(phonemes), index));
        }
    }
    if let [(_, _, first), (_, _, second)] = parts.as_slice()
        && tokens[*first].text.chars().count() == 1
    {
        return soften(&mut tokens[*second]);
    }
    let main = parts.iter().filter(|(primary, _, _)| *primary).count();
    if parts.len() < 2 || main <= parts.len().div_ceil(2) {
        return;
    }
    parts.sort_unstable();
    for (_, _, index) in &parts[..parts.len() / 2] {
        soften(&mut tokens[*index]);
    }
}

fn soften(token: &mut Token) {
    token.phonemes = token.phonemes.as_deref().map(reading::soften);
}
