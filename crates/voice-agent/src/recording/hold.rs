//! What was recorded last, and is held back: what proves to be a card's digits is taken out of it before it is kept.

use std::collections::VecDeque;

use super::packet::{Coder, Packet};

/// A key comes after its tone has begun, and fingers are slow: so much before it is blanked too, in milliseconds.
const BEFORE_KEY_MS: u64 = 500;
/// Keys that follow each other within so long are a row, in milliseconds.
const ROW_MS: u64 = 5_000;
/// Stretches to be blanked that are remembered; two of them that meet are one.
const MOST_SPANS: usize = 64;

/// Stretches of the call that are not kept. Times are milliseconds of the session.
#[derive(Debug)]
pub(super) struct Blanks {
    spans: VecDeque<(u64, u64)>,
    last_key_ms: Option<u64>,
    key_pause_ms: u64,
}

impl Blanks {
    /// After the last of a row of keys nothing is kept for so long.
    pub(super) const fn new(key_pause_ms: u64) -> Self {
        Self { spans: VecDeque::new(), last_key_ms: None, key_pause_ms }
    }

    /// Nothing from here to there is kept, as far as it was not kept before.
    pub(super) fn add(&mut self, from_ms: u64, until_ms: u64) {
        let (mut from_ms, mut until_ms) = (from_ms, until_ms.max(from_ms));
        self.spans.retain(|(from, until)| {
            let meets = *from <= until_ms && from_ms <= *until;
            if meets {
                (from_ms, until_ms) = (from_ms.min(*from), until_ms.max(*until));
            }
            !meets
        });
        if self.spans.len() == MOST_SPANS {
            // Rather too much than too little: the two oldest become one.
            if let (Some((from, _)), Some(second)) = (self.spans.pop_front(), self.spans.front_mut()) {
                second.0 = from;
            }
        }
        self.spans.push_back((from_ms, until_ms));
    }

    /// A key was pressed. One alone is a choice; of several in a row none is kept.
    pub(super) fn key(&mut self, at_ms: u64) {
        if let Some(before_ms) = self.last_key_ms.replace(at_ms).filter(|before_ms| at_ms <= before_ms + ROW_MS) {
            self.add(before_ms.saturating_sub(BEFORE_KEY_MS), at_ms + self.key_pause_ms);
        }
    }

    /// Whether this moment is not kept.
    pub(super) fn hide(&self, at_ms: u64) -> bool {
        self.spans.iter().any(|(from_ms, until_ms)| (*from_ms..*until_ms).contains(&at_ms))
    }

    /// Whether some moment between these is not kept, the first and the last included.
    pub(super) fn meet(&self, from_ms: u64, until_ms: u64) -> bool {
        self.spans.iter().any(|(from, until)| *from <= until_ms && from_ms < *until)
    }

    /// What was before is kept already, or not.
    pub(super) fn forget_before(&mut self, at_ms: u64) {
        self.spans.retain(|(_, until_ms)| *until_ms >= at_ms);
    }
}

/// Packets that are held back.
#[derive(Debug, Default)]
pub(super) struct Hold {
    packets: VecDeque<Packet>,
}

impl Hold {
    /// Holds one more.
    pub(super) fn push(&mut self, packet: Packet) {
        self.packets.push_back(packet);
    }

    /// Those that began at or before `until_ms`, in order, blanked where they must be.
    pub(super) fn release(&mut self, until_ms: u64, blanks: &Blanks, coder: &Coder) -> Vec<Packet> {
        let due = self.packets.iter().take_while(|packet| packet.at_ms <= until_ms).count();
        let mut released: Vec<Packet> = self.packets.drain(..due).collect();
        for packet in &mut released {
            if blanks.hide(packet.at_ms) {
                coder.blank(packet);
            }
        }
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(blanks: &Blanks) -> Vec<u64> {
        (0..40).filter(|second| blanks.hide(second * 1_000)).collect()
    }

    #[test]
    fn keys_in_a_row_are_blanked_from_the_first_to_a_while_after_the_last() {
        let mut blanks = Blanks::new(4_000);
        blanks.key(3_000);
        assert_eq!(hidden(&blanks), Vec::<u64>::new(), "one key alone is a choice");
        for at_ms in [20_000, 21_000, 22_000] {
            blanks.key(at_ms);
        }
        assert_eq!(hidden(&blanks), [20, 21, 22, 23, 24, 25]);
        assert!(
            blanks.meet(0, 20_000)
                && blanks.meet(25_999, 30_000)
                && !blanks.meet(26_000, 30_000)
                && !blanks.meet(0, 19_000)
        );
        assert!(blanks.hide(19_600) && !blanks.hide(19_400) && !blanks.hide(26_000));
    }

    #[test]
    fn stretches_that_meet_are_one_and_too_many_hide_more_rather_than_less() {
        let mut blanks = Blanks::new(4_000);
        blanks.add(1_000, 3_000);
        blanks.add(2_500, 5_000);
        assert_eq!((blanks.spans.len(), hidden(&blanks)), (1, vec![1, 2, 3, 4]));
        for n in 0..200 {
            blanks.add(10_000 + n * 100, 10_050 + n * 100);
        }
        assert_eq!(blanks.spans.len(), MOST_SPANS);
        assert!((0..200).all(|n| blanks.hide(10_000 + n * 100)));
        blanks.forget_before(60_000);
        assert!(blanks.spans.is_empty());
    }
}
