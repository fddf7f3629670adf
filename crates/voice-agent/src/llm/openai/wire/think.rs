//! What a model thinks aloud, between `<think>` and `</think>`, is not for the caller.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Lets through what is to be spoken. Tags may be cut anywhere.
#[derive(Debug, Clone, Default)]
pub(super) struct Spoken {
    held: String,
    thinking: bool,
    /// The space between a thought and what is said after it is part of neither.
    after_thought: bool,
}

impl Spoken {
    /// Takes the next piece of text; gives what of it, and of what was held back, is to be spoken.
    pub(super) fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let mut spoken = String::new();
        loop {
            // A closing tag without an opening one is no word either.
            let tags: &[&str] = if self.thinking { &[CLOSE] } else { &[OPEN, CLOSE] };
            let first = tags.iter().filter_map(|tag| Some((self.held.find(tag)?, *tag))).min();
            let (until, skip) = match first {
                Some((at, tag)) => (at, at + tag.len()),
                None => {
                    let until = self.held.len() - cut_tag(&self.held, tags);
                    (until, until)
                }
            };
            if !self.thinking {
                self.say(until, &mut spoken);
            }
            self.held.drain(..skip);
            let Some((_, tag)) = first else { return spoken };
            self.after_thought = std::mem::replace(&mut self.thinking, tag == OPEN);
        }
    }

    /// Nothing follows: what was held back for a tag that did not come is to be spoken.
    pub(super) fn flush(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        if self.thinking { String::new() } else { held }
    }

    fn say(&mut self, until: usize, spoken: &mut String) {
        let mut text = &self.held[..until];
        if self.after_thought {
            text = text.trim_start();
        }
        self.after_thought &= text.is_empty();
        spoken.push_str(text);
    }
}

/// How many bytes at the end may be the beginning of one of these tags.
fn cut_tag(text: &str, tags: &[&str]) -> usize {
    let ends_in = |tag: &&str| (1..tag.len()).rev().find(|length| text.ends_with(&tag[..*length])).unwrap_or(0);
    tags.iter().map(ends_in).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spoken<'a>(pieces: impl IntoIterator<Item = &'a str>) -> String {
        let mut filter = Spoken::default();
        let mut all: String = pieces.into_iter().map(|piece| filter.push(piece)).collect();
        all.push_str(&filter.flush());
        all
    }

    #[test]
    fn thoughts_are_left_out() {
        let cases = [
            ("Hello.", "Hello."),
            ("<think>Who is it?</think>\n\nHello.", "Hello."),
            ("<think></think>Hello.", "Hello."),
            ("One. <think>two</think> Three.", "One. Three."),
            ("<think>never ends", ""),
            ("Hello.</think> There.", "Hello. There."),
            ("a < b and <thin> air <", "a < b and <thin> air <"),
            ("<think>a</think><think>b</think>c", "c"),
            ("<think>1 < 2 </thin </think>yes", "yes"),
        ];
        for (text, expected) in cases {
            assert_eq!(spoken([text]), expected, "{text}");
            for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let (first, second) = text.split_at(at);
                assert_eq!(spoken([first, second]), expected, "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn what_can_be_no_tag_is_not_held_back() {
        let mut filter = Spoken::default();
        assert_eq!(filter.push("5 <"), "5 ");
        assert_eq!(filter.push(" 6"), "< 6");
        assert_eq!(filter.push("<thi"), "");
        assert_eq!(filter.push("s>"), "<this>");
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_tags_are_cut(
            pieces in prop::collection::vec("(<think>|</think>|<th|ink>|</|[ a\u{e9}<>/]{0,3})", 0..12),
        ) {
            let whole = pieces.concat();
            let letters: Vec<String> = whole.chars().map(String::from).collect();
            let expected = spoken([whole.as_str()]);
            prop_assert_eq!(&spoken(pieces.iter().map(String::as_str)), &expected);
            prop_assert_eq!(&spoken(letters.iter().map(String::as_str)), &expected);
        }
    }
}
