//! What recordings are called: `{pseudonym}/{session}/{start}-{fence}.ogg.sealed`. No name says whose it is to anybody without the vault.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::vault::Pseudonym;

/// How a start is written, in UTC; the milliseconds follow.
const START: &str = "%Y%m%dT%H%M%S";

/// What a file of a recording holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The sound: Opus in Ogg, the caller left, the agent right.
    Sound,
    /// The words: JSON lines.
    Words,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Sound, Self::Words];

    const fn ending(self) -> &'static str {
        match self {
            Self::Sound => "ogg",
            Self::Words => "jsonl",
        }
    }

    /// The media type of what was sealed.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Sound => "audio/ogg",
            Self::Words => "application/x-ndjson",
        }
    }
}

/// One file of a recording.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Whose it is.
    pub owner: Pseudonym,
    /// Of which session.
    pub session: String,
    /// When this part of it begins.
    pub start: Timestamp,
    /// Whose part: the session's owner then.
    pub fence: u64,
    /// What it holds.
    pub kind: Kind,
}

impl Name {
    /// A name; of the session's id what a name cannot have is replaced.
    pub fn new(owner: Pseudonym, session: &str, start: Timestamp, fence: u64, kind: Kind) -> Self {
        let session = session.chars().map(|c| if is_plain(c) { c } else { '_' }).take(64).collect();
        // What is not in the name is not in the value either.
        let start = Timestamp::from_millisecond(start.as_millisecond()).unwrap_or(start);
        Self { owner, session, start, fence, kind }
    }

    /// The same part's other file.
    #[must_use]
    pub fn with_kind(&self, kind: Kind) -> Self {
        Self { kind, ..self.clone() }
    }

    /// What the sealed file's header says that it is.
    pub fn label(&self) -> String {
        format!("recording/{}/{}", self.session, self.file())
    }

    /// The file's own name, without its folders and `.sealed`.
    fn file(&self) -> String {
        let ms = self.start.as_millisecond().rem_euclid(1_000);
        format!("{}{ms:03}Z-{}.{}", self.start.strftime(START), self.fence, self.kind.ending())
    }
}

const fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}.sealed", self.owner, self.session, self.file())
    }
}

/// A text that is no recording's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a recording is called {{pseudonym}}/{{session}}/{{start}}-{{fence}}.ogg.sealed, or .jsonl.sealed")]
pub struct NoName;

impl FromStr for Name {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let [owner, session, file] = text.split('/').collect::<Vec<_>>().try_into().map_err(|_| NoName)?;
        let owner = owner.parse().map_err(|_| NoName)?;
        let file = file.strip_suffix(".sealed").ok_or(NoName)?;
        let (stem, ending) = file.split_once('.').ok_or(NoName)?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.ending() == ending).ok_or(NoName)?;
        let (start, fence) = stem.split_once("Z-").ok_or(NoName)?;
        let (second, ms) = start.split_at_checked(15).ok_or(NoName)?;
        let ms: i64 = ms.parse().ok().filter(|_| ms.len() == 3).ok_or(NoName)?;
        let second = DateTime::strptime(START, second).map_err(|_| NoName)?;
        let second = second.to_zoned_datetime(TimeZone::UTC).map_err(|_| NoName)?.timestamp();
        let start = Timestamp::from_millisecond(second.as_millisecond() + ms).map_err(|_| NoName)?;
        let name = Self::new(owner, session, start, fence.parse().map_err(|_| NoName)?, kind);
        (name.to_string() == text).then_some(name).ok_or(NoName)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_says_when_and_of_which_session_and_nobodys_name() {
        let start = "2026-11-29T14:56:12.123456Z".parse().unwrap();
        let name = Name::new(Pseudonym::from_bytes([0xab; 16]), "a1/../b2", start, 7, Kind::Sound);
        let text = "abababababababababababababababab/a1____b2/20261129T145612123Z-7.ogg.sealed";
        assert_eq!(name.to_string(), text);
        assert_eq!(text.parse(), Ok(name.clone()));
        assert_eq!(name.label(), "recording/a1____b2/20261129T145612123Z-7.ogg");
        assert!(name.with_kind(Kind::Words).to_string().ends_with("-7.jsonl.sealed"));
    }

    proptest! {
        #[test]
        fn every_name_is_read_again(ms in 0..4_000_000_000_000_i64, fence: u64, session in "[a-z0-9]{1,40}") {
            let start = Timestamp::from_millisecond(ms).unwrap();
            let name = Name::new(Pseudonym::from_bytes([1; 16]), &session, start, fence, Kind::Words);
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }

        #[test]
        fn any_text_is_a_name_or_refused(text in "\\PC{0,90}") {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
