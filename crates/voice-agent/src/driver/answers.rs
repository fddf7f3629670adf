//! Who waits for the answer to a typed message. An answer is an acknowledgement: it is given when the turn is saved, or
//! cannot be saved now, so that a process that dies right after it has lost nothing of it.

use std::collections::BTreeMap;

use tokio::sync::oneshot;
use voice_core::ids::CommitId;

use super::api::{TextAnswer, TextReply, TooManyTexts};

/// An answer that is known, and not given yet.
#[derive(Debug)]
struct Held {
    asker: oneshot::Sender<TextReply>,
    answer: TextAnswer,
    /// The commit that saves it; none until there is one.
    commit: Option<CommitId>,
}

/// The askers of one session.
#[derive(Debug, Default)]
pub(super) struct Answers {
    last: u64,
    waiting: BTreeMap<u64, oneshot::Sender<TextReply>>,
    held: Vec<Held>,
    /// The commit that the store has not answered yet.
    in_flight: Option<CommitId>,
}

impl Answers {
    /// Somebody asks. Answers the number of the message.
    pub(super) fn expect(&mut self, asker: oneshot::Sender<TextReply>) -> u64 {
        self.last += 1;
        self.waiting.insert(self.last, asker);
        self.last
    }

    /// The message was refused: its asker learns so at once.
    pub(super) fn refuse(&mut self, message: u64) {
        if let Some(asker) = self.waiting.remove(&message) {
            // Whoever asked may have gone.
            let _gone = asker.send(Err(TooManyTexts));
        }
    }

    /// The message was answered.
    pub(super) fn answer(&mut self, message: u64, answer: TextAnswer) {
        if let Some(asker) = self.waiting.remove(&message) {
            self.held.push(Held { asker, answer, commit: None });
        }
    }

    /// What was answered up to now is being saved.
    pub(super) fn saving(&mut self, commit: CommitId) {
        self.in_flight = Some(commit);
        for held in self.held.iter_mut().filter(|held| held.commit.is_none()) {
            held.commit = Some(commit);
        }
    }

    /// The store took the commit, or refused it.
    pub(super) fn saved(&mut self, commit: CommitId) {
        self.in_flight.take_if(|in_flight| *in_flight == commit);
        self.give(|held| held.commit == Some(commit));
    }

    /// Nothing else will happen until something does: with no commit under way, none is coming, so nobody waits for it.
    pub(super) fn settle(&mut self) {
        if self.in_flight.is_none() {
            self.give(|held| held.commit.is_none());
        }
    }

    /// Whether nobody waits, for an answer or for the store.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.waiting.is_empty() && self.held.is_empty()
    }

    /// The session is over: what is known is said, and whoever waits for more learns that it will not come.
    pub(super) fn end(&mut self) {
        self.give(|_| true);
        self.waiting.clear();
    }

    fn give(&mut self, whose: impl Fn(&Held) -> bool) {
        for Held { asker, answer, .. } in self.held.extract_if(.., |held| whose(held)) {
            // Whoever asked may have gone.
            let _gone = asker.send(Ok(answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> TextAnswer {
        TextAnswer { reply: "Done.".to_owned(), agent: "TaskAgent".to_owned(), tool_calls: Vec::new(), cost_usd: 0.0 }
    }

    fn asked() -> (Answers, oneshot::Receiver<TextReply>) {
        let mut answers = Answers::default();
        let (asker, asked) = oneshot::channel();
        let message = answers.expect(asker);
        answers.saving(CommitId(1));
        answers.answer(message, answer());
        answers.settle();
        (answers, asked)
    }

    #[test]
    fn an_answer_waits_for_the_commit_that_has_it() {
        let (mut answers, mut asked) = asked();
        // The commit under way began before the answer was known.
        answers.saved(CommitId(1));
        answers.saving(CommitId(2));
        answers.settle();
        assert!(asked.try_recv().is_err());
        answers.saved(CommitId(2));
        assert_eq!(asked.try_recv(), Ok(Ok(answer())));
    }

    #[test]
    fn a_store_that_fails_holds_no_answer_back() {
        let (mut answers, mut asked) = asked();
        answers.saved(CommitId(1));
        answers.settle();
        assert_eq!(asked.try_recv(), Ok(Ok(answer())));
    }

    #[test]
    fn who_is_refused_learns_why_and_nobody_else_does() {
        let (mut answers, mut asked) = asked();
        let (asker, mut other) = oneshot::channel();
        let message = answers.expect(asker);
        answers.refuse(message);
        assert_eq!(other.try_recv(), Ok(Err(TooManyTexts)));
        assert_eq!(asked.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    }

    #[test]
    fn at_the_end_nobody_waits() {
        let (mut answers, mut asked) = asked();
        let (asker, mut other) = oneshot::channel();
        answers.expect(asker);
        answers.end();
        assert_eq!(asked.try_recv(), Ok(Ok(answer())));
        assert_eq!(other.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
