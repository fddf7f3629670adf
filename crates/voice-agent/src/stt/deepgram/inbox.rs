//! From the session's task to the line's: commands in order, without waiting on either side.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use voice_core::ids::UtteranceId;

/// Most commands that wait. A begun utterance drops what waits of the one before, so only audio in tiny pieces comes near.
const MAX_COMMANDS: usize = 2_048;

/// What a session wants of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// An utterance begins; the one before is forgotten.
    Begin(UtteranceId),
    /// Its audio.
    Audio(Bytes),
    /// Its final text is wanted, of this revision; so many milliseconds at its end are silence.
    Finish(u32, u64),
    /// It is over.
    Forget(UtteranceId),
    /// More of it came than fits here: the line's task was kept from taking it. Nothing more of it comes.
    Overflow,
}

/// The queue. When it is full, the utterance is given up, and the next one begins with an empty queue.
#[derive(Debug)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    news: Notify,
    closed: CancellationToken,
}

#[derive(Debug)]
struct Waiting {
    commands: VecDeque<Command>,
    audio_bytes: usize,
    max_audio_bytes: usize,
    overflowed: bool,
}

impl Inbox {
    /// An empty one, for so much audio.
    pub(super) fn new(max_audio_bytes: usize) -> Self {
        let waiting = Waiting { commands: VecDeque::new(), audio_bytes: 0, max_audio_bytes, overflowed: false };
        Self { waiting: Mutex::new(waiting), news: Notify::new(), closed: CancellationToken::new() }
    }

    /// Puts a command in.
    pub(super) fn put(&self, command: Command) {
        self.lock().put(command);
        self.news.notify_one();
    }

    /// No more commands come.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Waits until no more commands come.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Waits for the next command; none once it is closed: nobody waits for what those would bring. Safe to cancel.
    pub(super) async fn next(&self) -> Option<Command> {
        loop {
            if self.closed.is_cancelled() {
                return None;
            }
            if let Some(command) = self.lock().take() {
                return Some(command);
            }
            tokio::select! {
                () = self.news.notified() => {}
                () = self.closed.cancelled() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every change is whole before a panic could come.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn put(&mut self, command: Command) {
        match &command {
            Command::Begin(_) => {
                self.clear();
                self.overflowed = false;
            }
            Command::Audio(audio) => {
                if self.overflowed || audio.is_empty() {
                    return;
                }
                self.audio_bytes += audio.len();
            }
            Command::Finish(..) if self.overflowed => return,
            Command::Finish(..) | Command::Forget(_) | Command::Overflow => {}
        }
        if self.commands.len() >= MAX_COMMANDS || self.audio_bytes > self.max_audio_bytes {
            let begin = self.commands.pop_front().filter(|first| matches!(first, Command::Begin(_)));
            self.clear();
            self.overflowed = true;
            // So that it is clear which one is given up.
            self.commands.extend(begin);
            self.commands.push_back(Command::Overflow);
            return;
        }
        self.commands.push_back(command);
    }

    fn take(&mut self) -> Option<Command> {
        let command = self.commands.pop_front()?;
        if let Command::Audio(audio) = &command {
            self.audio_bytes -= audio.len();
        }
        Some(command)
    }

    fn clear(&mut self) {
        self.commands.clear();
        self.audio_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox() -> Inbox {
        Inbox::new(100)
    }

    fn audio(length: usize) -> Command {
        Command::Audio(vec![0; length].into())
    }

    async fn all(inbox: &Inbox) -> Vec<Command> {
        let mut all = Vec::new();
        while !inbox.lock().commands.is_empty() {
            all.extend(inbox.next().await);
        }
        all
    }

    #[tokio::test]
    async fn commands_come_in_order_and_audio_makes_room_when_it_is_taken() {
        let inbox = inbox();
        let commands = [Command::Begin(UtteranceId(1)), audio(100), Command::Finish(1, 0)];
        commands.iter().for_each(|command| inbox.put(command.clone()));
        assert_eq!(all(&inbox).await, commands);
        inbox.put(audio(100));
        inbox.put(Command::Forget(UtteranceId(1)));
        assert_eq!(all(&inbox).await, [audio(100), Command::Forget(UtteranceId(1))]);
    }

    #[tokio::test]
    async fn an_utterance_that_does_not_fit_is_given_up_and_the_next_one_is_not() {
        let inbox = inbox();
        inbox.put(Command::Begin(UtteranceId(1)));
        inbox.put(audio(60));
        inbox.put(audio(60));
        inbox.put(audio(1));
        inbox.put(Command::Finish(1, 0));
        assert_eq!(all(&inbox).await, [Command::Begin(UtteranceId(1)), Command::Overflow]);
        inbox.put(audio(1));
        inbox.put(Command::Begin(UtteranceId(2)));
        inbox.put(audio(60));
        assert_eq!(all(&inbox).await, [Command::Begin(UtteranceId(2)), audio(60)]);
    }

    #[tokio::test]
    async fn a_beginning_drops_what_waits_and_empty_audio_is_none() {
        let inbox = inbox();
        let begin = |id| Command::Begin(UtteranceId(id));
        [begin(1), audio(90), begin(2), audio(0), audio(90)].into_iter().for_each(|command| inbox.put(command));
        assert_eq!(all(&inbox).await, [begin(2), audio(90)]);
    }

    #[tokio::test]
    async fn tiny_pieces_are_bounded_too() {
        let inbox = Inbox::new(usize::MAX);
        for _ in 0..MAX_COMMANDS + 5 {
            inbox.put(audio(1));
        }
        assert_eq!(all(&inbox).await, [Command::Overflow]);
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_news_and_of_the_end() {
        let inbox = std::sync::Arc::new(inbox());
        let waiting = std::sync::Arc::clone(&inbox);
        let waiter = tokio::spawn(async move { (waiting.next().await, waiting.next().await) });
        tokio::task::yield_now().await;
        inbox.put(Command::Finish(1, 0));
        while !inbox.lock().commands.is_empty() {
            tokio::task::yield_now().await;
        }
        inbox.close();
        assert_eq!(waiter.await.unwrap(), (Some(Command::Finish(1, 0)), None));
    }
}
