//! The page: what the caller reads, and whether it is what is said, heard and done.

use std::collections::{BTreeMap, BTreeSet};

use voice_core::ids::{ReplyId, TurnId, UtteranceId};

use crate::line::State;
use crate::world::{Checked, World, violated};

/// What one leg's client shows, and what it should.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// What this leg was shown of each reply, the newest last.
    captions: Vec<(ReplyId, String)>,
    /// The replies that any leg of this process was shown words of.
    known: BTreeSet<ReplyId>,
    /// Utterances whose words on the page are not final.
    open: BTreeSet<UtteranceId>,
    /// Chunks whose caption was looked for on this leg: speech and number.
    looked_for: BTreeSet<(u64, u32)>,
    /// Every word that was understood to its end, or typed.
    understood: BTreeSet<String>,
    /// The reply that was begun while the caller still spoke, last, and what it answers.
    pub(crate) guessed: Option<ReplyId>,
    guess: String,
    /// Where the speech of the utterance that was finished last ends, in milliseconds of the session's time.
    pub(crate) until_ms: u64,
    /// The same for each turn, when it ended.
    turn_until_ms: BTreeMap<TurnId, u64>,
}

impl Page {
    /// Another leg's page begins empty.
    pub(crate) fn new_leg(&mut self) {
        self.captions.clear();
        self.open.clear();
        self.looked_for.clear();
    }

    /// Words that may be acted on.
    pub(crate) fn understand(&mut self, text: &str) {
        self.understood.extend(text.split_whitespace().map(str::to_owned));
    }

    pub(crate) fn transcript(&mut self, utterance: UtteranceId, last: bool) {
        if last {
            self.open.remove(&utterance);
        } else {
            self.open.insert(utterance);
        }
    }

    pub(crate) fn end_turn(&mut self, turn: TurnId) {
        self.turn_until_ms.insert(turn, self.until_ms);
    }

    /// What history keeps of a reply takes the place of its caption.
    pub(crate) fn heard(&mut self, reply: ReplyId, heard: &str) {
        if let Some((_, caption)) = self.captions.iter_mut().find(|(id, _)| *id == reply) {
            heard.clone_into(caption);
        }
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl World {
    /// Words of a reply come to the page. Says whether this leg is told again what another leg was told.
    pub(crate) fn page_shows(&mut self, reply: ReplyId, text: &str) -> Result<bool, crate::world::Violation> {
        let known = !self.check.page.known.insert(reply);
        if self.caller.leg.is_none() {
            return Ok(false);
        }
        if let Some((_, caption)) = self.check.page.captions.iter_mut().find(|(id, _)| *id == reply) {
            caption.push(' ');
            caption.push_str(text);
            return Ok(false);
        }
        self.check_last_caption()?;
        self.check.page.captions.push((reply, text.to_owned()));
        Ok(known)
    }

    /// A reply that is over is on the page as history has it, or not at all.
    fn check_last_caption(&self) -> Checked {
        let (Some((reply, caption)), Some(session)) = (self.check.page.captions.last(), &self.session) else {
            return Ok(());
        };
        let history = session.snapshot().history;
        let whole = history.len() < self.profile.config.max_history && !self.profile.chaos;
        let caption = words(caption);
        let kept = caption.is_empty() || history.iter().rev().any(|message| words(&message.content) == caption);
        if whole && !kept {
            let text = format!("reply {reply} is over, and the page shows {caption:?}");
            return violated("a caption is history, or taken back", text);
        }
        Ok(())
    }

    /// What sounds can be read on this leg.
    pub(crate) fn check_captions(&mut self) -> Checked {
        if self.profile.chaos || self.caller.leg.is_none() {
            return Ok(());
        }
        for line in self.device.lines.iter().rev().take(2).filter(|line| line.state == State::Live && !line.paused) {
            let reached = |chunk: &&crate::line::Chunk| !chunk.dropped && chunk.heard_ms > 0;
            for chunk in line.chunks.iter().filter(reached) {
                if !self.check.page.looked_for.insert((line.id.0, chunk.index)) {
                    continue;
                }
                let caption = self.check.page.captions.iter().find(|(id, _)| *id == line.reply);
                let caption = caption.map(|(_, caption)| words(caption)).unwrap_or_default();
                // Of a chunk that was cut only the words that it kept.
                let played = chunk.words.join(" ");
                if !caption.contains(&played) {
                    let text = format!("{played:?} was played, this leg's caption is {caption:?}");
                    return violated("what is heard can be read", text);
                }
            }
        }
        Ok(())
    }

    /// Nobody works on this utterance any more: its words are final, or were taken back.
    pub(crate) fn check_transcript(&self, utterance: UtteranceId) -> Checked {
        if self.check.page.open.contains(&utterance) {
            let text = format!("utterance {utterance} is over, and its words stand there as unfinished");
            return self.strange("a transcript is final, or taken back", text);
        }
        Ok(())
    }

    /// The model is asked on the strength of words that were understood to their end, or of what may be all that is said: then
    /// they are to be by when anything of the answer is heard, shown or kept.
    pub(crate) fn check_asked(&mut self, reply: ReplyId, asked: &str) -> Checked {
        if self.check.page.guessed == Some(reply) {
            asked.clone_into(&mut self.check.page.guess);
            return Ok(());
        }
        self.check_understood(asked)
    }

    /// Something of this reply is heard, shown or kept.
    pub(crate) fn check_guess(&self, reply: ReplyId) -> Checked {
        let page = &self.check.page;
        if page.guessed == Some(reply) { self.check_understood(&page.guess) } else { Ok(()) }
    }

    fn check_understood(&self, asked: &str) -> Checked {
        if self.profile.config.max_text_chars <= 1_000 {
            return Ok(());
        }
        match asked.split_whitespace().find(|word| !self.check.page.understood.contains(*word)) {
            Some(word) => self.strange("nothing is done on half-understood words", format!("{word:?} of {asked:?}")),
            None => Ok(()),
        }
    }

    /// A latency is counted from the caller's end of speech, or from later.
    pub(crate) fn check_latency(&self, turn: TurnId, latency_ms: u64) -> Checked {
        let Some(until_ms) = self.check.page.turn_until_ms.get(&turn) else { return Ok(()) };
        let most_ms = (self.now_ms - self.base_ms).saturating_sub(*until_ms);
        if latency_ms > most_ms {
            let text = format!("{latency_ms} ms, the caller was silent for {most_ms} ms");
            return self.strange("latency begins with the caller's silence", text);
        }
        Ok(())
    }
}
