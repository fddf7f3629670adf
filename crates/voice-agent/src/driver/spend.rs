//! What is used, and what of it was for nothing.
//!
//! What a reply used is held back until it is known whether the reply was thrown away: a counter cannot be moved from one
//! label to another later.

use std::collections::VecDeque;

use voice_core::cost::{NanoUsd, Usage};
use voice_core::ids::ReplyId;

/// Characters of text that are about one token: what a cancelled request used is nowhere told.
pub(super) const CHARS_PER_TOKEN: u64 = 4;
/// How many thrown-away replies are remembered, for what they still use.
const DISCARDED_REMEMBERED: usize = 16;

/// About how many tokens a text of so many characters is.
pub(super) const fn tokens(chars: u64) -> u64 {
    chars.div_ceil(CHARS_PER_TOKEN)
}

/// One record that can be counted: what, its price, and whether it was for nothing.
pub(super) type Booked = (Usage, NanoUsd, bool);

/// What a session spends.
#[derive(Debug, Default)]
pub(super) struct Spend {
    held: Vec<(Usage, NanoUsd)>,
    discarded: VecDeque<ReplyId>,
}

impl Spend {
    /// Something was used. Answers what can be counted now.
    pub(super) fn book(&mut self, usage: Usage, cost: NanoUsd) -> Vec<Booked> {
        let Some(reply) = usage.reply.filter(|_| !usage.wasted) else {
            let wasted = usage.wasted;
            return vec![(usage, cost, wasted)];
        };
        if self.discarded.contains(&reply) {
            return vec![(usage, cost, true)];
        }
        // One reply at a time: what an older one used was heard.
        let mut booked = self.release(|held| held.reply != Some(reply), false);
        self.held.push((usage, cost));
        if self.held.len() > 64 {
            booked.extend(self.release(|_| true, false));
        }
        booked
    }

    /// This reply was thrown away unheard.
    pub(super) fn discard(&mut self, reply: ReplyId) -> Vec<Booked> {
        self.discarded.push_back(reply);
        if self.discarded.len() > DISCARDED_REMEMBERED {
            self.discarded.pop_front();
        }
        self.release(|held| held.reply == Some(reply), true)
    }

    /// A turn is over, or the session: what is held was of use.
    pub(super) fn settle(&mut self) -> Vec<Booked> {
        self.release(|_| true, false)
    }

    fn release(&mut self, which: impl Fn(&Usage) -> bool, wasted: bool) -> Vec<Booked> {
        let released = self.held.extract_if(.., |(usage, _)| which(usage));
        released.map(|(usage, cost)| (usage, cost, wasted)).collect()
    }
}

#[cfg(test)]
mod tests {
    use voice_core::cost::Quantity;
    use voice_core::provider::Stage;

    use super::*;

    fn usage(reply: u64, wasted: bool) -> Usage {
        let quantity = Quantity::Tokens { input: 1, cached: 0, output: 1 };
        let (provider, model) = ("p".to_owned(), "m".to_owned());
        let reply = Some(ReplyId(reply));
        Usage { stage: Stage::Llm, provider, model, quantity, reply, utterance: None, wasted }
    }

    fn labels(booked: &[Booked]) -> Vec<(u64, bool)> {
        booked.iter().map(|(_, cost, wasted)| (cost.0, *wasted)).collect()
    }

    #[test]
    fn what_a_reply_used_is_wasted_when_it_is_thrown_away_and_not_otherwise() {
        let mut spend = Spend::default();
        assert_eq!(labels(&spend.book(usage(1, false), NanoUsd(10))), []);
        assert_eq!(labels(&spend.discard(ReplyId(1))), [(10, true)]);
        assert_eq!(labels(&spend.book(usage(1, false), NanoUsd(11))), [(11, true)]);
        assert_eq!(labels(&spend.book(usage(2, false), NanoUsd(20))), []);
        assert_eq!(labels(&spend.book(usage(3, false), NanoUsd(30))), [(20, false)]);
        assert_eq!(labels(&spend.settle()), [(30, false)]);
    }

    #[test]
    fn cancelled_work_is_wasted_at_once() {
        assert_eq!(labels(&Spend::default().book(usage(1, true), NanoUsd(5))), [(5, true)]);
    }
}
