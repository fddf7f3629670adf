//! What a caller lives through, and where it is right now.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A caller who is there again and speaks sooner than this was quicker than an agent who would have spoken in time.
const TO_BEGIN: Duration = Duration::from_millis(500);

/// What happens to the call, as its drill says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Callers talk.
    Talk,
    /// No new sentence is begun.
    Finish,
    /// Callers hang up.
    HangUp,
}

/// How a caller came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Leg {
    #[default]
    Browser,
    Phone,
}

/// What goes on in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Doing {
    #[default]
    Nothing,
    /// The caller speaks.
    Speaks,
    /// The caller has spoken, and waits.
    Waits,
    /// The agent speaks.
    Listens,
}

/// A connection that was lost.
#[derive(Debug, Clone)]
pub(super) struct Loss {
    pub(super) at: Instant,
    /// What went on.
    pub(super) doing: Doing,
    /// When the connection was there again.
    pub(super) back: Option<Instant>,
    /// The next agent audio after it.
    pub(super) heard: Option<Instant>,
    /// The agent said that it is back.
    pub(super) said_so: bool,
    /// The caller spoke before the agent was heard: who speaks is not talked over, and gets an answer instead.
    pub(super) spoke_first: bool,
    /// What was understood of the agent until the next loss.
    pub(super) understood: String,
}

/// What one caller lived through.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) leg: Leg,
    /// The user, and by telephone the call's id.
    pub(super) user: String,
    pub(super) call: Option<String>,
    pub(super) losses: Vec<Loss>,
    /// When each sentence was said, and how long it took to the first audio of its answer.
    pub(super) answers: Vec<(Instant, Duration)>,
    /// Titles that the agent said it has added.
    pub(super) added: Vec<String>,
    /// When each of them was acknowledged, by browser.
    pub(super) told: Vec<(Instant, String)>,
    /// Titles that the agent promised to add when the store is back.
    pub(super) promised: Vec<String>,
    /// How often the agent said that it is back.
    pub(super) backs: usize,
    /// How often it greeted.
    pub(super) greetings: usize,
    /// Webhooks that failed, and whose fallback did not.
    pub(super) fallbacks: usize,
    /// The call ended before the caller wanted it to, and why.
    pub(super) ended: Option<String>,
    /// The caller's tasks at the end.
    pub(super) titles: Vec<String>,
    /// The history's lines of the caller, at the end.
    pub(super) said: Vec<String>,
}

impl Life {
    /// The connection is lost.
    pub(super) fn lose(&mut self, doing: Doing) {
        let at = Instant::now();
        self.losses.push(Loss {
            at,
            doing,
            back: None,
            heard: None,
            said_so: false,
            spoke_first: false,
            understood: String::new(),
        });
    }

    /// A connection is there.
    pub(super) fn connect(&mut self) {
        if let Some(Loss { back: back @ None, .. }) = self.losses.last_mut() {
            *back = Some(Instant::now());
        }
    }

    /// The caller begins to speak.
    pub(super) fn speak(&mut self) {
        if let Some(loss) = self.losses.last_mut()
            && loss.heard.is_none()
            && loss.back.is_some_and(|back| back.elapsed() < TO_BEGIN)
        {
            loss.spoke_first = true;
        }
    }

    /// The agent is heard, and answers what was said then, if something was.
    pub(super) fn hear(&mut self, said: Option<Instant>) {
        let now = Instant::now();
        self.answers.extend(said.map(|said| (said, now - said)));
        if let Some(Loss { back: Some(_), heard: heard @ None, .. }) = self.losses.last_mut() {
            *heard = Some(now);
        }
    }

    /// The agent said this, and so often in it that it is back.
    pub(super) fn understand(&mut self, heard: &str, backs: usize) {
        self.backs += backs;
        if let Some(loss) = self.losses.last_mut() {
            loss.said_so |= backs > 0;
            loss.understood.push_str(heard);
            loss.understood.push_str(" / ");
        }
    }

    /// The next agent audio after each loss, also where another loss came before it; none where nothing was heard any more.
    pub(super) fn heard_after(&self) -> impl Iterator<Item = (&Loss, Option<Instant>)> {
        let from = |index: usize| self.losses[index..].iter().find_map(|loss| loss.heard);
        self.losses.iter().enumerate().map(move |(index, loss)| (loss, from(index)))
    }

    /// Losses behind which there was time to say "I'm back" to a caller who was quiet, and nobody did.
    pub(super) fn unsaid(&self, time: Duration) -> Vec<&Loss> {
        let next = self.losses.iter().skip(1).map(|loss| Some(loss.at)).chain([None]);
        let had_time = |loss: &Loss, next: Option<Instant>| next.is_none_or(|next| next - loss.at >= time);
        self.losses
            .iter()
            .zip(next)
            .filter(|(loss, next)| !loss.said_so && !loss.spoke_first && had_time(loss, *next))
            .map(|(loss, _)| loss)
            .collect()
    }

    /// Tasks that were acknowledged, or promised, and are not there.
    pub(super) fn missing(&self) -> Vec<&String> {
        self.added.iter().chain(&self.promised).filter(|title| !self.titles.contains(title)).collect()
    }

    /// Tasks that are there more than once.
    pub(super) fn doubled(&self) -> Vec<&String> {
        let count = |title: &String| self.titles.iter().filter(|other| *other == title).count();
        self.titles.iter().filter(|title| count(title) > 1).collect()
    }

    /// Tasks that were acknowledged and whose sentence is not in the history.
    pub(super) fn forgotten(&self) -> Vec<&String> {
        self.added.iter().filter(|title| !self.said.iter().any(|said| said.contains(title.as_str()))).collect()
    }
}

/// Where a caller is right now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// The caller's end of its connection, if it has one.
    pub(super) line: Option<SocketAddr>,
    pub(super) doing: Doing,
}

/// What a caller tells of itself while it talks.
#[derive(Debug, Clone, Default)]
pub(super) struct Seat(Arc<Mutex<Place>>);

impl Seat {
    fn lock(&self) -> MutexGuard<'_, Place> {
        // Every change is complete in itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn place(&self) -> Place {
        *self.lock()
    }

    pub(super) fn sit(&self, line: Option<SocketAddr>, doing: Doing) {
        *self.lock() = Place { line, doing };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_who_speaks_at_once_is_not_told_that_the_agent_is_back() {
        let mut life = Life::default();
        for (after, first) in [(Some(200), true), (Some(900), false), (None, false)] {
            life.lose(Doing::Nothing);
            life.connect();
            if let Some(after) = after {
                tokio::time::advance(Duration::from_millis(after)).await;
                life.speak();
            }
            tokio::time::advance(Duration::from_secs(7)).await;
            life.hear(None);
            life.speak();
            assert_eq!(life.losses.last().map(|loss| loss.spoke_first), Some(first), "{after:?}");
        }
        assert_eq!(life.unsaid(Duration::from_secs(6)).len(), 2);
        life.understand("I'm back.", 1);
        assert_eq!((life.backs, life.unsaid(Duration::from_secs(6)).len()), (1, 1));
    }

    #[test]
    fn what_is_lost_doubled_or_forgotten_is_told() {
        let own = |titles: &[&str]| titles.iter().map(|title| (*title).to_owned()).collect::<Vec<_>>();
        let life = Life {
            added: own(&["buy milk", "find paper", "read book"]),
            promised: own(&["send letter"]),
            titles: own(&["buy milk", "buy milk", "read book"]),
            said: own(&["add a task to buy milk", "add a task to find paper"]),
            ..Life::default()
        };
        assert_eq!(life.missing(), ["find paper", "send letter"]);
        assert_eq!(life.doubled(), ["buy milk", "buy milk"]);
        assert_eq!(life.forgotten(), ["read book"]);
    }
}
