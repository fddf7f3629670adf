//! An answer as text messages: what they are billed as, and where a long one is cut.
//!
//! A message in GSM 7-bit's alphabet has 160 characters, one in any other (UCS-2) has 70; a longer one is sent as segments of
//! 153 or 67, which the telephone joins again. One character that is not in the alphabet makes all of its message UCS-2.

/// The characters of GSM 7-bit; those of the second line count twice.
const GSM7: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const GSM7_TWICE: &str = "^{}\\[~]|€";
/// What says that the rest is left out.
const CUT: &str = "...";

/// How much one answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Segments of one message.
    pub segments: usize,
    /// Messages.
    pub messages: usize,
}

/// What a text takes in both alphabets.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// None when a character is not in GSM 7-bit.
    gsm: Option<usize>,
    utf16: usize,
}

impl Size {
    const EMPTY: Self = Self { gsm: Some(0), utf16: 0 };

    fn of(text: &str) -> Self {
        text.chars().fold(Self::EMPTY, Self::and)
    }

    fn and(self, c: char) -> Self {
        let gsm = match c {
            c if GSM7.contains(c) => Some(1),
            c if GSM7_TWICE.contains(c) => Some(2),
            _ => None,
        };
        Self { gsm: self.gsm.zip(gsm).map(|(all, one)| all + one), utf16: self.utf16 + c.len_utf16() }
    }

    fn segments(self) -> usize {
        let (units, one, several) = self.gsm.map_or((self.utf16, 70, 67), |units| (units, 160, 153));
        if units <= one { 1 } else { units.div_ceil(several) }
    }
}

/// How many segments a message is billed as.
pub fn segments(text: &str) -> usize {
    Size::of(text).segments()
}

/// The text as a telephone takes it: quotes, dashes and dots as a keyboard has them, so that they do not make a long message of
/// a short one; and no characters that cannot be seen.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '‘' | '’' | '‚' | '′' => out.push('\''),
            '“' | '”' | '„' | '″' => out.push('"'),
            '‐' | '‑' | '‒' | '–' | '—' | '−' => out.push('-'),
            '…' => out.push_str(CUT),
            '\n' => out.push('\n'),
            c if c.is_control() || c == '\u{feff}' => out.push(' '),
            c if c.is_whitespace() => out.push(' '),
            c => out.push(c),
        }
    }
    out.trim().to_owned()
}

/// The text as messages, cut behind a sentence, or else behind a word. What there is no room for is left out, and the last one says so.
pub fn split(text: &str, room: Room) -> Vec<String> {
    let mut rest = text.trim();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let last = parts.len() + 1 >= room.messages.max(1);
        let whole = prefix(rest, Size::EMPTY, room.segments);
        if whole == rest.len() {
            parts.push(rest.to_owned());
            break;
        }
        if last {
            let end = cut_at(rest, prefix(rest, Size::of(CUT), room.segments));
            parts.push(format!("{}{CUT}", rest[..end].trim_end()));
            break;
        }
        let end = cut_at(rest, whole);
        parts.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    parts
}

/// How many bytes of it fit beside what is there already: at least one character.
fn prefix(text: &str, beside: Size, segments: usize) -> usize {
    let mut size = beside;
    for (at, c) in text.char_indices() {
        let more = size.and(c);
        if more.segments() > segments.max(1) && at > 0 {
            return at;
        }
        size = more;
    }
    text.len()
}

/// Where to cut, not behind `most`: behind the last sentence if that leaves not too little, or else behind the last word.
fn cut_at(text: &str, most: usize) -> usize {
    let ends = |at: &usize| {
        let before = text[..*at].trim_end();
        before.ends_with(['.', '!', '?']) || text[*at..].starts_with('\n')
    };
    let gap = |(at, c): (usize, char)| (c.is_whitespace() && (1..=most).contains(&at)).then_some(at);
    let gaps = || text.char_indices().filter_map(gap);
    let sentence = gaps().rfind(ends).filter(|at| *at >= most / 2);
    sentence.or_else(|| gaps().next_back()).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::segments as segments_of;
    use super::*;

    const ROOM: Room = Room { segments: 1, messages: 3 };

    #[test]
    fn segments_are_counted_as_they_are_billed() {
        for (text, expected) in [
            ("", 1),
            (&"a".repeat(160) as &str, 1),
            (&"a".repeat(161), 2),
            (&"a".repeat(306), 2),
            (&"€".repeat(80), 1),
            (&"€".repeat(81), 2),
            (&"ж".repeat(70), 1),
            (&"ж".repeat(71), 2),
            (&"a😀".repeat(24), 2),
        ] {
            assert_eq!(segments(text), expected, "{} of {:?}", text.chars().count(), text.chars().next());
        }
    }

    #[test]
    fn a_short_answer_is_one_message_and_none_is_none() {
        assert_eq!(split("Added milk.", ROOM), ["Added milk."]);
        assert_eq!(split("  ", ROOM), Vec::<String>::new());
    }

    #[test]
    fn a_long_answer_is_cut_behind_a_sentence_or_else_a_word_and_in_the_end_left_out() {
        let sentence = format!("{}.", "word ".repeat(20).trim_end());
        let text = [sentence.as_str(); 3].join(" ");
        assert_eq!(split(&text, ROOM), [sentence.as_str(); 3]);
        let words = "word ".repeat(50);
        let parts = split(&words, ROOM);
        assert_eq!((parts.len(), parts[0].len(), parts.concat().matches("word").count()), (2, 159, 50));
        let much = split(&"word ".repeat(500), ROOM);
        assert!(much.len() == 3 && much[2].ends_with("word..."), "{much:?}");
        let long = split(&"a".repeat(200), ROOM);
        assert_eq!(long, ["a".repeat(160), "a".repeat(40)]);
    }

    #[test]
    fn quotes_and_dashes_do_not_make_a_message_longer() {
        assert_eq!(plain("I’ve added “milk” — done…\u{7}\u{0}"), "I've added \"milk\" - done...");
        assert_eq!(plain("a\u{a0}b\r\nc"), "a b \nc");
    }

    proptest! {
        #[test]
        fn every_message_fits_and_no_word_is_lost(text in "([a-zé€ж]{1,12}( |[.?] |\n)){0,90}", segments in 1_usize..4) {
            let room = Room { segments, messages: 100 };
            let parts = split(&text, room);
            for part in &parts {
                prop_assert!(segments_of(part) <= room.segments, "{part:?}");
            }
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&parts.join(" ")), words(&text));
        }

        #[test]
        fn anything_is_split_within_its_room(text in "\\PC{0,600}", segments in 1_usize..4, messages in 1_usize..4) {
            let room = Room { segments, messages };
            let parts = split(&text, room);
            prop_assert!(parts.len() <= messages);
            for part in &parts {
                prop_assert!(segments_of(part) <= room.segments && !part.is_empty(), "{part:?}");
            }
        }
    }
}
