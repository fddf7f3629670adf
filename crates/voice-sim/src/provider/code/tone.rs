//! The table of tones.

use serde::Serialize;

/// The lowest tone, in Hz.
const LOWEST_HZ: f64 = 950.0;
/// From a tone to the next, in Hz.
const STEP_HZ: f64 = 62.5;
/// Tones of the first group: whose voice it is.
pub(super) const VOICES: usize = 4;
/// Octal digits of a code: the other groups.
pub(super) const DIGITS: usize = 4;
/// Tones of each other group.
const PER_DIGIT: usize = 8;
/// All tones.
pub(super) const TONES: usize = VOICES + DIGITS * PER_DIGIT;

/// Whose words they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Voice {
    /// Someone who calls.
    Caller,
    /// The synthesis of Cartesia.
    Cartesia,
    /// The synthesis of ElevenLabs.
    ElevenLabs,
    /// Anyone else: for tests of their own.
    Other,
}

impl Voice {
    /// All of them, in the order of their tones.
    pub const ALL: [Self; VOICES] = [Self::Caller, Self::Cartesia, Self::ElevenLabs, Self::Other];

    /// How long a word sounds, in ms.
    pub const fn word_ms(self) -> u64 {
        match self {
            Self::Caller => 120,
            Self::Cartesia | Self::ElevenLabs | Self::Other => 270,
        }
    }

    /// The silence after a word, in ms.
    pub const fn gap_ms(self) -> u64 {
        match self {
            Self::Caller => 30,
            Self::Cartesia | Self::ElevenLabs | Self::Other => 50,
        }
    }

    /// From the beginning of a word to that of the next, in ms.
    pub const fn pace_ms(self) -> u64 {
        self.word_ms() + self.gap_ms()
    }

    const fn tone(self) -> usize {
        match self {
            Self::Caller => 0,
            Self::Cartesia => 1,
            Self::ElevenLabs => 2,
            Self::Other => 3,
        }
    }
}

/// A word as a number of 12 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Code(u16);

impl Code {
    /// How many codes there are.
    pub const COUNT: u16 = 1 << (3 * DIGITS);

    /// The code of this number, of which the lowest 12 bits count.
    pub const fn new(number: u16) -> Self {
        Self(number % Self::COUNT)
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The tones that sound for it, by their places in the table.
    pub(super) fn tones(self, voice: Voice) -> [usize; 1 + DIGITS] {
        std::array::from_fn(|group| match group.checked_sub(1) {
            None => voice.tone(),
            Some(digit) => VOICES + digit * PER_DIGIT + usize::from(self.0 >> (3 * digit)) % PER_DIGIT,
        })
    }

    /// The code of these digits, the lowest first.
    pub(super) fn of_digits(digits: [usize; DIGITS]) -> Self {
        let number = digits.iter().rev().fold(0, |number, digit| number * PER_DIGIT + digit % PER_DIGIT);
        Self(u16::try_from(number).unwrap_or_default())
    }
}

/// The frequency of a tone, in Hz.
pub(super) fn tone_hz(tone: usize) -> f64 {
    LOWEST_HZ + STEP_HZ * tone as f64
}

/// The tones of each group, as ranges of the table.
pub(super) fn groups() -> [std::ops::Range<usize>; 1 + DIGITS] {
    std::array::from_fn(|group| match group.checked_sub(1) {
        None => 0..VOICES,
        Some(digit) => VOICES + digit * PER_DIGIT..VOICES + (digit + 1) * PER_DIGIT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_chord_of_its_own_inside_the_telephone_s_band() {
        for number in 0..Code::COUNT {
            let code = Code::new(number);
            let tones = code.tones(Voice::Cartesia);
            let digits = std::array::from_fn(|digit| tones[digit + 1] - groups()[digit + 1].start);
            assert_eq!(Code::of_digits(digits), code);
        }
        assert!(tone_hz(0) > 900.0 && tone_hz(TONES - 1) < 3_300.0);
        assert_eq!(groups()[DIGITS].end, TONES);
    }
}
