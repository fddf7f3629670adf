//! Prepares written text for reading aloud: addresses become words, emoji and unknown scripts go.

use fancy_regex::Regex;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

use super::oov::Alphabet;
use super::spanned::Spanned;

const MAIL: &str = r"(?i)[\w.+-]*\w@[\w-]+(?:\.[\w-]+)+";
const LINK: &str = r"\[([^\]\n]+)\]\([^\)\s]*\)";
const ADDRESS: &str = r#"(?i)(?<![\w.])(?:(?:https?|ftp)://|www\.)[^\s<>"”’)\]]+|(?<![\w.@])(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|io|co|uk|de|fr|info|biz|us|ca|au|tv|ly|ai|app|dev)(?![\w-])(?:/[^\s<>"”’)\]]*)?"#;
/// A path longer than this is not read: nobody remembers it.
const MAX_PATH: usize = 40;

/// The patterns of addresses.
#[derive(Debug)]
pub(super) struct Cleaner {
    link: Regex,
    mail: Regex,
    address: Regex,
}

impl Cleaner {
    /// Compiles the patterns.
    pub(super) fn new() -> Result<Self, Box<fancy_regex::Error>> {
        let compile = |pattern: &str| Regex::new(pattern).map_err(Box::new);
        Ok(Self { link: compile(LINK)?, mail: compile(MAIL)?, address: compile(ADDRESS)? })
    }

    /// Makes a text speakable: Markdown links read as their text, addresses as words; letters the voice cannot say are
    /// replaced by their base letter or dropped.
    pub(super) fn clean(&self, text: &mut Spanned, alphabet: &Alphabet) {
        if text.as_str().contains("](") {
            text.replace(&self.link, |captures, _| captures.get(1).map(|label| label.as_str().to_owned()));
        }
        if text.as_str().contains('@') {
            text.replace(&self.mail, |captures, _| captures.get(0).map(|mail| spell_out(mail.as_str())));
        }
        if text.as_str().contains('.') {
            text.replace(&self.address, |captures, _| captures.get(0).map(|address| say_address(address.as_str())));
        }
        drop_unspeakable(text, alphabet);
    }
}

fn spell_out(address: &str) -> String {
    let mut out = String::new();
    for c in address.chars() {
        let word = match c {
            '.' => "dot",
            '@' => "at",
            '/' => "slash",
            '-' => "dash",
            '_' => "underscore",
            '+' => "plus",
            ':' => "colon",
            _ => {
                out.push(c);
                continue;
            }
        };
        out.push(' ');
        out.push_str(word);
        out.push(' ');
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The host and a short path; marks at the end belong to the sentence.
fn say_address(written: &str) -> String {
    let bare = written.trim_end_matches(['.', ',', ';', ':', '!', '?']);
    let after = &written[bare.len()..];
    let host_on = bare.split_once("://").map_or(bare, |(_, rest)| rest);
    let host_on = host_on.get(..4).filter(|www| www.eq_ignore_ascii_case("www.")).map_or(host_on, |_| &host_on[4..]);
    let plain = host_on.split(['?', '#']).next().unwrap_or(host_on).trim_end_matches('/');
    let host = plain.split('/').next().unwrap_or(plain);
    let said = if plain.len() - host.len() > MAX_PATH { host } else { plain };
    format!("{}{after}", spell_out(said))
}

/// What becomes of a character that cannot be read.
enum Fate {
    Kept,
    Replaced(char),
    Removed,
    Unspeakable,
}

fn fate(c: char, alphabet: &Alphabet) -> Fate {
    match c {
        '`' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' => Fate::Removed,
        '\n' | '\t' | ' '..='~' => Fate::Kept,
        '。' => Fate::Replaced('.'),
        '、' => Fate::Replaced(','),
        _ if c.is_alphabetic() => {
            if alphabet.reads(c) {
                return Fate::Kept;
            }
            let base = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter([c].into_iter()).next();
            base.filter(|base| alphabet.reads(*base)).map_or(Fate::Unspeakable, Fate::Replaced)
        }
        '\u{a0}'..='¿' | '×' | '÷' | '\u{2010}'..='\u{205e}' | '⁰'..='₵' | '\u{2100}'..='\u{215f}' => Fate::Kept,
        '₸' | '₼' | '₽' | '₾' | '₿' | '฿' | '←'..='↓' | '\u{2200}'..='\u{22ff}' => Fate::Kept,
        '\u{ff01}'..='\u{ff5e}' => {
            let plain = u32::from(c).checked_sub(0xfee0).and_then(char::from_u32);
            plain.map_or(Fate::Unspeakable, Fate::Replaced)
        }
        _ => Fate::Unspeakable,
    }
}

fn drop_unspeakable(text: &mut Spanned, alphabet: &Alphabet) {
    if text.as_str().contains(|c| ('\u{300}'..='\u{36f}').contains(&c)) {
        compose(text);
    }
    let mut edits = Vec::new();
    let mut letters = 0_usize;
    for (index, c) in text.as_str().char_indices() {
        let new = match fate(c, alphabet) {
            Fate::Kept => continue,
            Fate::Replaced(new) => new.to_string(),
            Fate::Removed => String::new(),
            Fate::Unspeakable => {
                letters += usize::from(c.is_alphabetic());
                " ".to_owned()
            }
        };
        edits.push((index, index + c.len_utf8(), new));
    }
    text.apply(&edits);
    if letters > 0 {
        tracing::debug!(letters, "letters of a script the voice cannot say were skipped");
    }
}

/// Joins letters with the accents that follow them.
fn compose(text: &mut Spanned) {
    let is_accent = |c: &char| ('\u{300}'..='\u{36f}').contains(c);
    let mut edits = Vec::new();
    let mut characters = text.as_str().char_indices().peekable();
    while let Some((start, base)) = characters.next() {
        let mut cluster = base.to_string();
        while let Some((_, accent)) = characters.next_if(|(_, c)| is_accent(c)) {
            cluster.push(accent);
        }
        if cluster.len() > base.len_utf8() {
            let composed = ComposingNormalizerBorrowed::new_nfc().normalize(&cluster).replace(|c| is_accent(&c), "");
            edits.push((start, start + cluster.len(), composed));
        }
    }
    text.apply(&edits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_said_in_words() {
        assert_eq!(spell_out("jo.doe@ex-ample.org"), "jo dot doe at ex dash ample dot org");
        assert_eq!(say_address("https://www.example.com/docs/?q=1."), "example dot com slash docs.");
        let long = format!("https://example.com/{}", "a/".repeat(40));
        assert_eq!(say_address(&long), "example dot com");
    }
}
