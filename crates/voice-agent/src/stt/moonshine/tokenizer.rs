//! Moonshine's vocabulary: token ids to text. Only decoding is needed, speech goes in as audio.

use std::path::Path;

use crate::model::runtime::ModelError;

/// The token that begins a transcript.
pub(super) const BEGIN: i64 = 1;
/// The token that ends a transcript.
pub(super) const END: i64 = 2;
/// SentencePiece's stand-in for a space.
const SPACE: &str = "\u{2581}";

/// The vocabulary: one byte string for each token id.
#[derive(Debug)]
pub(super) struct Tokenizer {
    pieces: Vec<Box<[u8]>>,
}

impl Tokenizer {
    /// Reads `tokenizer.bin`: byte strings, each behind its length (one byte below 128, else
    /// `first + 128 × (second - 1)`).
    ///
    /// # Errors
    /// [`ModelError`] when the file is missing, cut off or empty.
    pub(super) fn load(path: &Path) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(|_| ModelError::Missing(path.to_owned()))?;
        Self::parse(&bytes)
            .ok_or_else(|| ModelError::Broken { path: path.to_owned(), reason: "the vocabulary is cut off".to_owned() })
    }

    fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut pieces = Vec::with_capacity(32_768);
        while let Some((&first, rest)) = bytes.split_first() {
            let (length, rest) = match first {
                0..128 => (usize::from(first), rest),
                128.. => {
                    let (&second, rest) = rest.split_first()?;
                    (usize::from(second) * 128 + usize::from(first) - 128, rest)
                }
            };
            let (piece, rest) = rest.split_at_checked(length)?;
            pieces.push(piece.into());
            bytes = rest;
        }
        (pieces.len() > usize::try_from(END).ok()?).then_some(Self { pieces })
    }

    /// How many tokens there are.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The text of tokens. Ids below 3 (unknown, begin, end) and control tokens such as `<<ST_12>>` are silent; bytes
    /// that are no UTF-8 together become replacement characters.
    pub(super) fn decode(&self, tokens: &[i64]) -> String {
        let mut bytes = Vec::new();
        for &token in tokens {
            let Some(piece) = usize::try_from(token).ok().filter(|&id| id > 2).and_then(|id| self.pieces.get(id))
            else {
                continue;
            };
            if !piece.starts_with(b"<<ST_") {
                bytes.extend_from_slice(piece);
            }
        }
        String::from_utf8_lossy(&bytes).replace(SPACE, " ").trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in pieces {
            let length = u8::try_from(piece.len() % 128).expect("below 128");
            match piece.len() {
                0..128 => out.push(length),
                _ => out.extend([length + 128, u8::try_from(piece.len() / 128).expect("short")]),
            }
            out.extend_from_slice(piece);
        }
        out
    }

    #[test]
    fn tokens_become_text_with_spaces() {
        let pieces: [&[u8]; 7] =
            [b"<unk>", b"<s>", b"</s>", "\u{2581}Buy".as_bytes(), "\u{2581}mi".as_bytes(), b"lk", b"<<ST_7>>"];
        let tokenizer = Tokenizer::parse(&bytes(&pieces)).expect("a vocabulary");
        assert_eq!(tokenizer.len(), 7);
        assert_eq!(tokenizer.decode(&[BEGIN, 3, 4, 5, 6, 99, -1, END]), "Buy milk");
    }

    #[test]
    fn bytes_of_one_letter_in_two_tokens_are_joined() {
        let pieces: [&[u8]; 5] = [b"<unk>", b"<s>", b"</s>", b"caf\xC3", b"\xA9"];
        let tokenizer = Tokenizer::parse(&bytes(&pieces)).expect("a vocabulary");
        assert_eq!(tokenizer.decode(&[3, 4]), "caf\u{e9}");
    }

    #[test]
    fn a_long_piece_has_a_length_of_two_bytes() {
        let long = [b'x'; 300];
        let pieces: [&[u8]; 4] = [b"<unk>", b"<s>", b"</s>", &long];
        let tokenizer = Tokenizer::parse(&bytes(&pieces)).expect("a vocabulary");
        assert_eq!(tokenizer.decode(&[3]).len(), 300);
    }

    #[test]
    fn a_vocabulary_that_is_cut_off_is_refused() {
        let mut cut = bytes(&[b"<unk>", b"<s>", b"</s>", b"word"]);
        cut.pop();
        assert!(Tokenizer::parse(&cut).is_none());
        assert!(Tokenizer::parse(&[]).is_none());
    }

    #[test]
    fn the_real_vocabulary_has_32768_tokens() {
        let path = crate::model::runtime::default_models_dir().join("moonshine-tiny-en/tokenizer.bin");
        let tokenizer = Tokenizer::load(&path).expect("the vocabulary");
        assert_eq!(tokenizer.len(), super::super::decoder::VOCABULARY);
    }
}
