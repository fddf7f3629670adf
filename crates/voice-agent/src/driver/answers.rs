//! Who waits for the answer to a typed message. An answer is an acknowledgement: it is given when the turn is saved, or
//! cannot be saved now, so that a process that dies right after it has lost nothing of it. So is the word that recording stopped: whoever
//! reads it is not recorded by the next process either.

use std::collections::BTreeMap;

use tokio::sync::oneshot;
use voice_core::ids::CommitId;
use voice_core::output::ClientEvent;

use super::Driver;
use super::api::{Outbound, TextAnswer, TextReply, TooManyTexts};

/// How many text messages by telephone a session names that it has saved the answer to, or a part of it; the oldest goes first.
const MOST_KEPT: usize = 16;

/// Who waits for an answer, and the name of a text message by telephone.
type Asker = (oneshot::Sender<TextReply>, Option<String>);

/// An answer that is known, and not given yet.
#[derive(Debug)]
struct Held {
    asker: oneshot::Sender<TextReply>,
    /// The text message's name.
    sid: Option<String>,
    answer: TextAnswer,
    /// The commit that saves it; none until there is one.
    commit: Option<CommitId>,
}

/// The askers of one session.
#[derive(Debug, Default)]
pub(super) struct Answers {
    last: u64,
    waiting: BTreeMap<u64, Asker>,
    held: Vec<Held>,
    /// The text messages of whose answers something is saved.
    kept: Vec<String>,
    /// What the caller is told when it is saved, and the commit that saves it; none until there is one.
    news: Vec<(Option<CommitId>, ClientEvent)>,
    /// The commit that the store has not answered yet.
    in_flight: Option<CommitId>,
}

impl Answers {
    /// Nobody asks yet. These text messages were answered before.
    pub(super) fn after(kept: Vec<String>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// The text messages of whose answers something is saved, the newest last.
    pub(super) fn kept(&self) -> &[String] {
        &self.kept
    }

    /// Somebody asks. Answers the number of the message.
    pub(super) fn expect(&mut self, asker: oneshot::Sender<TextReply>, sid: Option<String>) -> u64 {
        self.last += 1;
        self.waiting.insert(self.last, (asker, sid));
        self.last
    }

    /// The message was refused: its asker learns so at once.
    pub(super) fn refuse(&mut self, message: u64) {
        if let Some((asker, _)) = self.waiting.remove(&message) {
            // Whoever asked may have gone.
            let _gone = asker.send(Err(TooManyTexts));
        }
    }

    /// The message was answered.
    pub(super) fn answer(&mut self, message: u64, answer: TextAnswer) {
        if let Some((asker, sid)) = self.waiting.remove(&message) {
            self.held.push(Held { asker, sid, answer, commit: None });
        }
    }

    /// What was answered up to now is being saved; and what a tool did for the message that is being answered, the oldest one.
    pub(super) fn saving(&mut self, commit: CommitId, with_tools: bool) {
        self.in_flight = Some(commit);
        for held in self.held.iter_mut().filter(|held| held.commit.is_none()) {
            held.commit = Some(commit);
            keep(&mut self.kept, held.sid.take());
        }
        if with_tools && let Some((_, sid)) = self.waiting.values().next() {
            keep(&mut self.kept, sid.clone());
        }
        for (saved_by, _) in self.news.iter_mut().filter(|(saved_by, _)| saved_by.is_none()) {
            *saved_by = Some(commit);
        }
    }

    /// The caller is told this when it is saved.
    fn withhold(&mut self, news: ClientEvent) {
        self.news.push((None, news));
    }

    /// The store took the commit, or refused it. Answers what the caller is told now.
    #[must_use]
    fn saved(&mut self, commit: CommitId) -> Vec<ClientEvent> {
        self.in_flight.take_if(|in_flight| *in_flight == commit);
        self.give(|saved_by| saved_by == Some(commit))
    }

    /// Nothing else will happen until something does: with no commit under way, none is coming, so nobody waits for it. Answers what the caller is told now.
    #[must_use]
    fn settle(&mut self) -> Vec<ClientEvent> {
        if self.in_flight.is_none() { self.give(|saved_by| saved_by.is_none()) } else { Vec::new() }
    }

    /// Whether nobody waits, for an answer or for the store.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.waiting.is_empty() && self.held.is_empty()
    }

    /// The session is over: what is known is said, and whoever waits for more learns that it will not come.
    pub(super) fn end(&mut self) {
        // The end itself is told elsewhere, and says more.
        let _untold = self.give(|_| true);
        self.waiting.clear();
    }

    fn give(&mut self, is_due: impl Fn(Option<CommitId>) -> bool) -> Vec<ClientEvent> {
        for Held { asker, answer, .. } in self.held.extract_if(.., |held| is_due(held.commit)) {
            // Whoever asked may have gone.
            let _gone = asker.send(Ok(answer));
        }
        self.news.extract_if(.., |(saved_by, _)| is_due(*saved_by)).map(|(_, news)| news).collect()
    }
}

/// Names a text message as kept, once.
fn keep(kept: &mut Vec<String>, sid: Option<String>) {
    let Some(sid) = sid else { return };
    kept.retain(|known| *known != sid);
    kept.push(sid);
    if kept.len() > MOST_KEPT {
        kept.remove(0);
    }
}

impl Driver {
    /// Sends an event; that recording stopped is told when it is saved, for a process that dies before would be followed by one that records.
    pub(super) fn send_event(&mut self, event: ClientEvent) {
        if matches!(event, ClientEvent::Recording { enabled: false }) {
            self.answers.withhold(event);
        } else {
            self.send(Outbound::Event(event));
        }
    }

    /// The store took the commit, or refused it, or nobody is to wait for it any longer.
    pub(super) fn acknowledge(&mut self, commit: CommitId) {
        let told = self.answers.saved(commit);
        told.into_iter().for_each(|event| self.send(Outbound::Event(event)));
    }

    /// Nothing else will happen until something does.
    pub(super) fn settle_answers(&mut self) {
        let told = self.answers.settle();
        told.into_iter().for_each(|event| self.send(Outbound::Event(event)));
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
        let message = answers.expect(asker, None);
        answers.saving(CommitId(1), false);
        answers.answer(message, answer());
        assert_eq!(answers.settle(), []);
        (answers, asked)
    }

    #[test]
    fn an_answer_waits_for_the_commit_that_has_it() {
        let (mut answers, mut asked) = asked();
        // The commit under way began before the answer was known.
        assert_eq!(answers.saved(CommitId(1)), []);
        answers.saving(CommitId(2), false);
        assert_eq!(answers.settle(), []);
        assert!(asked.try_recv().is_err());
        assert_eq!(answers.saved(CommitId(2)), []);
        assert_eq!(asked.try_recv(), Ok(Ok(answer())));
    }

    #[test]
    fn a_store_that_fails_holds_no_answer_back() {
        let (mut answers, mut asked) = asked();
        assert_eq!(answers.saved(CommitId(1)), []);
        assert_eq!(answers.settle(), []);
        assert_eq!(asked.try_recv(), Ok(Ok(answer())));
    }

    #[test]
    fn that_recording_stopped_is_told_when_it_is_saved() {
        let stopped = || ClientEvent::Recording { enabled: false };
        let mut answers = Answers::default();
        answers.saving(CommitId(1), false);
        answers.withhold(stopped());
        assert_eq!(answers.saved(CommitId(1)), [], "that commit began before");
        answers.saving(CommitId(2), false);
        assert_eq!(answers.settle(), []);
        assert_eq!(answers.saved(CommitId(2)), [stopped()]);
        // What changed nothing is saved by nothing.
        answers.withhold(stopped());
        assert_eq!(answers.settle(), [stopped()]);
    }

    #[test]
    fn who_is_refused_learns_why_and_nobody_else_does() {
        let (mut answers, mut asked) = asked();
        let (asker, mut other) = oneshot::channel();
        let message = answers.expect(asker, None);
        answers.refuse(message);
        assert_eq!(other.try_recv(), Ok(Err(TooManyTexts)));
        assert_eq!(asked.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    }

    #[test]
    fn at_the_end_nobody_waits() {
        let (mut answers, mut asked) = asked();
        let (asker, mut other) = oneshot::channel();
        answers.expect(asker, None);
        answers.end();
        assert_eq!(asked.try_recv(), Ok(Ok(answer())));
        assert_eq!(other.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn a_text_message_is_kept_with_what_its_tool_did_and_with_its_answer() {
        let mut answers = Answers::after(vec!["SM0".to_owned()]);
        let ask = |answers: &mut Answers, sid: &str| answers.expect(oneshot::channel().0, Some(sid.to_owned()));
        let (first, _second) = (ask(&mut answers, "SM1"), ask(&mut answers, "SM2"));
        answers.saving(CommitId(1), false);
        assert_eq!(answers.kept(), ["SM0"], "that it came is no answer");
        answers.saving(CommitId(2), true);
        assert_eq!(answers.kept(), ["SM0", "SM1"]);
        answers.answer(first, answer());
        answers.saving(CommitId(3), false);
        assert_eq!(answers.kept(), ["SM0", "SM1"]);
        answers.saving(CommitId(4), true);
        assert_eq!(answers.kept(), ["SM0", "SM1", "SM2"]);
        for number in 3..40 {
            let message = ask(&mut answers, &format!("SM{number}"));
            answers.answer(message, answer());
            answers.saving(CommitId(number), false);
        }
        assert_eq!((answers.kept().len(), answers.kept().last().unwrap().as_str()), (MOST_KEPT, "SM39"));
    }
}
