//! Speech that a program can read back: every word is a chord, and a chord survives the telephone.
//!
//! A word of the [`Vocabulary`] has a code of 12 bits. It sounds as five tones at once: one that says whose [`Voice`] it is,
//! and one out of eight for each octal digit of the code. The tones lie 62.5 Hz apart between 950 and 3,137.5 Hz, inside
//! the telephone's band, so that windows of 40 ms tell them apart. A decoder asks in each of the five groups which tone stands out,
//! which holds in noise, after µ-law and after resampling, and needs no level, no clock and no beginning.
//!
//! | | Voice | Sounds for | Gap after it |
//! |---|---|---|---|
//! | 950.0 Hz | the caller | 120 ms | 30 ms |
//! | 1,012.5 Hz | Cartesia | 270 ms | 50 ms |
//! | 1,075.0 Hz | ElevenLabs | 270 ms | 50 ms |
//! | 1,137.5 Hz | another | 270 ms | 50 ms |
//!
//! Chords are no speech to a neural VAD. So a caller's words sound over a *murmur*: recorded speech below 780 Hz, under the
//! tones, which Silero hears as speech from its first window to its last ([`say`]).

mod hear;
mod say;
mod tone;
mod words;

pub use hear::{Ear, HeardWord, Overlap, decode_words, overlaps, spoken};
pub use say::{LEAD_MS, say, synthesize};
pub use tone::{Code, Voice};
pub use words::{Vocabulary, split_words};
