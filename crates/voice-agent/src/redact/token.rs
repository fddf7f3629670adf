//! A text cut into words.

/// A word: letters, digits, apostrophes and underscores in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'t> {
    /// As it stands in the text.
    pub(super) text: &'t str,
    /// In lower case.
    pub(super) word: String,
    /// Where it begins, in bytes.
    pub(super) start: usize,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Only digits.
    pub(super) fn is_number(&self) -> bool {
        self.text.bytes().all(|byte| byte.is_ascii_digit())
    }

    pub(super) fn is_capitalised(&self) -> bool {
        self.text.chars().next().is_some_and(char::is_uppercase)
    }

    /// One letter: spelled, or a house's.
    pub(super) fn is_letter(&self) -> bool {
        let mut chars = self.word.chars();
        chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
    }
}

/// The words in their order.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '_');
    let mut tokens = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, is_part(c)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                tokens.push(Token { text: &text[from..at], word: text[from..at].to_lowercase(), start: from });
                start = None;
            }
            _ => {}
        }
    }
    tokens
}

/// What stands between a word and the next.
pub(super) fn gap<'t>(text: &'t str, tokens: &[Token<'_>], before: usize) -> &'t str {
    match (tokens.get(before), tokens.get(before + 1)) {
        (Some(one), Some(next)) => &text[one.end()..next.start],
        (Some(one), None) => &text[one.end()..],
        _ => "",
    }
}

/// Whether the word is one that we put there ourselves.
pub(super) fn is_placeholder(text: &str, token: &Token<'_>) -> bool {
    text[..token.start].ends_with('[') && text[token.end()..].starts_with(']')
}
