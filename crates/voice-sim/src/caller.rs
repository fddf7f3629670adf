//! The scripted caller: speaks, pauses, goes on, cuts in, coughs, types, mutes, drops the line.

use voice_core::Input;
use voice_core::consent::ConsentFlow;
use voice_core::ids::ConnectionId;
use voice_core::input::HangUp;

use crate::queue::Event;
use crate::said;
use crate::seen::Seen;
use crate::world::{Checked, World};

/// The caller's state.
#[derive(Debug)]
pub(crate) struct Caller {
    acts: u64,
    /// The leg that is up, and whether audio flows on it.
    pub(crate) leg: Option<(u64, bool)>,
    next_leg: u64,
    muted: bool,
    /// The VAD hears speech.
    pub(crate) vad_on: bool,
    items: u64,
    messages: u64,
    hung_up: bool,
}

impl Caller {
    pub(crate) const fn new(acts: u64) -> Self {
        Self { acts, leg: None, next_leg: 0, muted: false, vad_on: false, items: 0, messages: 0, hung_up: false }
    }

    /// The process at the other end is gone.
    pub(crate) const fn leg_died(&mut self) {
        self.leg = None;
        self.vad_on = false;
        self.muted = false;
    }

    /// Whether this leg is up with audio.
    fn hears_on(&self, leg: u64) -> bool {
        self.leg == Some((leg, true)) && !self.muted
    }
}

impl World {
    /// The caller's next act.
    pub(crate) fn act(&mut self) -> Checked {
        let busy_until_ms = if self.caller.acts == 0 { self.last_act()? } else { Some(self.next_act()?) };
        self.caller.acts = self.caller.acts.saturating_sub(1);
        if let Some(at_ms) = busy_until_ms {
            let wait_ms = match self.dice.below(20) {
                0 => self.dice.between(5_000, 25_000),
                1..=6 => self.dice.below(450),
                _ => self.dice.below(self.profile.gap_ms),
            };
            self.queue.put(at_ms + wait_ms, None, Event::Act);
        }
        Ok(())
    }

    /// Answers until when the act takes, in world time.
    fn next_act(&mut self) -> Result<u64, crate::world::Violation> {
        let now_ms = self.now_ms;
        if self.session.is_none() {
            return Ok(now_ms + 500);
        }
        if self.profile.chaos || self.dice.chance(self.profile.faults.stray) {
            self.stray()?;
        }
        let Some((leg, voice)) = self.caller.leg else {
            // Sometimes the first thing is a message over HTTP.
            if self.caller.next_leg > 0 || self.dice.chance(100) {
                self.type_message(true)?;
            }
            if self.caller.next_leg == 0 {
                self.connect()?;
            }
            return Ok(now_ms + 50);
        };
        if self.dice.chance(self.profile.faults.leg_lost) {
            self.lose_leg(leg)?;
            return Ok(now_ms);
        }
        match self.dice.below(100) {
            0..=54 if voice => {
                let words = self.phrase();
                Ok(self.say(&words))
            }
            55..=61 if voice => Ok(self.cough()),
            62..=68 if voice => Ok(self.say(&["uh-huh".to_owned()])),
            69..=71 => {
                self.mute()?;
                Ok(now_ms)
            }
            72..=76 => {
                let recording = self.dice.chance(650);
                if !recording {
                    self.saw(Seen::ConsentWithdrawn);
                }
                self.feed(Input::Consent { recording })?;
                Ok(now_ms)
            }
            77..=79 => {
                self.saw(Seen::Burst);
                for _ in 0..self.dice.between(2, 11) {
                    self.type_message(false)?;
                }
                Ok(now_ms)
            }
            80..=81 => {
                self.saw(Seen::LegReplaced);
                self.connect()?;
                Ok(now_ms)
            }
            82..=84 => {
                // Noise that is never speech, or silence.
                if voice && self.dice.chance(700) {
                    self.doubts(leg);
                }
                Ok(now_ms + self.dice.below(4_000))
            }
            _ => {
                self.type_message(false)?;
                Ok(now_ms)
            }
        }
    }

    /// How the caller leaves; none when there is nothing more to do.
    fn last_act(&mut self) -> Result<Option<u64>, crate::world::Violation> {
        match (self.dice.below(6), self.caller.leg) {
            (0 | 1, _) if !self.caller.hung_up && self.session.is_some() => {
                self.caller.hung_up = true;
                let by = self.dice.pick(&[HangUp::Caller, HangUp::Caller, HangUp::Operator]);
                self.feed(Input::HangUp { by })?;
                Ok(None)
            }
            (2, Some((_, true))) => Ok(Some(self.say(&["goodbye".to_owned()]) + 20_000)),
            (3, Some((leg, _))) => {
                self.caller.hung_up = true;
                self.drop_leg(leg)?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn connect(&mut self) -> Checked {
        self.caller.next_leg += 1;
        let voice = !self.dice.chance(150);
        if !voice {
            self.saw(Seen::TextLeg);
        }
        self.caller.leg = Some((self.caller.next_leg, voice));
        self.caller.vad_on = false;
        self.caller.muted = false;
        self.ears.leg_changed();
        self.device.link.new_leg(self.now_ms, self.profile.faults.device_mute, &mut self.dice);
        let connection = ConnectionId(self.caller.next_leg);
        if let Some(round_trip_ms) = self.device.link.measured_ms() {
            self.later(round_trip_ms, Event::Give(Input::RoundTrip { connection, round_trip_ms }));
        }
        self.feed(Input::Connected { connection, voice })
    }

    /// The leg is lost, and sometimes the caller comes back.
    fn lose_leg(&mut self, leg: u64) -> Checked {
        self.saw(Seen::LegLost);
        let back_ms = match self.dice.below(6) {
            0 => None,
            1 => Some(self.dice.between(1, 200_000)),
            _ => Some(self.dice.between(1, 5_000)),
        };
        if let Some(back_ms) = back_ms {
            self.later(back_ms, Event::Back);
        }
        self.drop_leg(leg)
    }

    fn drop_leg(&mut self, leg: u64) -> Checked {
        self.caller.leg_died();
        self.ears.leg_changed();
        self.feed(Input::Disconnected { connection: ConnectionId(leg) })
    }

    /// The caller is back, if the line is still down.
    pub(crate) fn come_back(&mut self) -> Checked {
        if self.caller.leg.is_some() || self.caller.hung_up || self.session.is_none() {
            return Ok(());
        }
        self.saw(Seen::LegBack);
        self.connect()
    }

    fn mute(&mut self) -> Checked {
        self.saw(Seen::Muted);
        self.caller.muted = !self.caller.muted;
        if self.caller.muted && self.caller.vad_on {
            self.caller.vad_on = false;
            let last_speech_ms = self.now_ms - self.base_ms;
            return self.feed(Input::EndOfSpeech { last_speech_ms });
        }
        Ok(())
    }

    fn type_message(&mut self, over_http: bool) -> Checked {
        let text = self.phrase().join(" ");
        let message = if over_http || self.dice.chance(300) {
            self.caller.messages += 1;
            Some(self.caller.messages)
        } else {
            None
        };
        if self.caller.leg.is_none() {
            self.saw(Seen::NoLeg);
        }
        self.feed(Input::Text { text, message })
    }

    fn item(&mut self) -> String {
        self.caller.items += 1;
        format!("item{}", self.caller.items)
    }

    /// What the caller wants to say.
    fn phrase(&mut self) -> Vec<String> {
        let text = match self.dice.below(24) {
            0..=6 => format!("please add {}", self.item()),
            7 => format!("add {} and then add {}", self.item(), self.item()),
            8 => format!("now done {}", self.item()),
            9..=11 => "list my tasks".to_owned(),
            12 | 13 => "let us review them".to_owned(),
            14 => "well goodbye".to_owned(),
            15 if self.profile.config.consent != ConsentFlow::Elsewhere => "never record me again".to_owned(),
            20 | 21 if self.profile.config.consent == ConsentFlow::Ask => self.dice.pick(&said::YES).to_owned(),
            22 if self.profile.config.consent == ConsentFlow::Ask => "no thanks".to_owned(),
            23 if self.profile.config.consent == ConsentFlow::Ask => self.dice.pick(&said::NO_YES).to_owned(),
            15 | 16 => self.dice.pick(&said::STOPS).to_owned(),
            17 => format!("add {}. {}.", self.item(), self.dice.pick(&said::STOPS)),
            18 => "frob it".to_owned(),
            19 => format!("add {} and review then list it all for me if you would be so kind", self.item()),
            _ => "hello there my dear friend".to_owned(),
        };
        text.split(' ').map(str::to_owned).collect()
    }

    /// Puts a stretch of speech, with pauses inside. Answers its end in world time.
    fn say(&mut self, words: &[String]) -> u64 {
        let Some((leg, _)) = self.caller.leg else { return self.now_ms };
        let (notice_ms, hang_ms) = (self.dice.between(30, 120), self.dice.between(90, 260));
        let mut at_ms = self.now_ms + 1;
        let life = Some(self.life);
        let glitch = self.profile.faults.vad_glitch;
        self.doubts(leg);
        self.queue.put(at_ms + notice_ms, life, Event::SpeechOn { began_ms: at_ms, leg });
        for (index, word) in words.iter().enumerate() {
            at_ms += self.dice.between(120, 400);
            self.queue.put(at_ms, life, Event::Word { word: word.clone(), leg });
            if index + 1 == words.len() || !self.dice.chance(180) {
                continue;
            }
            let pause_ms = self.dice.between(100, 2_500);
            if pause_ms > notice_ms + hang_ms && !self.dice.chance(glitch) {
                self.queue.put(at_ms + hang_ms, life, Event::SpeechOff { last_ms: at_ms, leg });
                let began_ms = at_ms + pause_ms;
                self.queue.put(began_ms + notice_ms, life, Event::SpeechOn { began_ms, leg });
            }
            at_ms += pause_ms;
        }
        if self.dice.chance(20) {
            // Something in the background that the VAD takes for speech.
            at_ms += self.dice.between(1_000, 70_000);
        }
        self.queue.put(at_ms + hang_ms, life, Event::SpeechOff { last_ms: at_ms, leg });
        at_ms
    }

    /// Noise that the VAD takes for speech.
    fn cough(&mut self) -> u64 {
        let Some((leg, _)) = self.caller.leg else { return self.now_ms };
        let began_ms = self.now_ms;
        let last_ms = began_ms + self.dice.between(60, 1_100);
        let (notice_ms, hang_ms) = (self.dice.between(20, 60), self.dice.between(90, 260));
        self.doubts(leg);
        self.later(notice_ms, Event::SpeechOn { began_ms, leg });
        if self.dice.chance(500) {
            let pause_ms = self.dice.between(0, hang_ms);
            self.queue.put(last_ms + pause_ms, Some(self.life), Event::Doubt { leg });
        }
        self.queue.put(last_ms + hang_ms, Some(self.life), Event::SpeechOff { last_ms, leg });
        last_ms
    }

    /// The VAD hears what may become speech, or the end of it.
    pub(crate) fn doubt(&mut self, leg: u64) -> Checked {
        match (self.caller.hears_on(leg), self.caller.vad_on) {
            (false, _) => Ok(()),
            (true, false) => self.feed(Input::PossibleSpeech),
            (true, true) => {
                self.feed(Input::PossibleEnd)?;
                self.understand_at_pause();
                Ok(())
            }
        }
    }

    /// The doubts that begin now: of what will be speech, or of noise that never is.
    fn doubts(&mut self, leg: u64) {
        let many = if self.dice.chance(100) { self.dice.between(2, 12) } else { self.dice.between(0, 2) };
        for nth in 0..many {
            let from_ms = nth * 512;
            let wait_ms = self.dice.between(from_ms, from_ms + 300);
            self.later(wait_ms, Event::Doubt { leg });
        }
    }

    pub(crate) fn speech_on(&mut self, began_ms: u64, leg: u64) -> Checked {
        let doubled = self.dice.chance(self.profile.faults.vad_glitch);
        if !self.caller.hears_on(leg) || (self.caller.vad_on && !doubled) {
            return Ok(());
        }
        self.caller.vad_on = true;
        self.feed(Input::StartOfSpeech { at_ms: began_ms.saturating_sub(self.base_ms) })
    }

    pub(crate) fn speech_off(&mut self, last_ms: u64, leg: u64) -> Checked {
        let doubled = self.dice.chance(self.profile.faults.vad_glitch);
        if !self.caller.hears_on(leg) || (!self.caller.vad_on && !doubled) {
            return Ok(());
        }
        self.caller.vad_on = false;
        self.feed(Input::EndOfSpeech { last_speech_ms: last_ms.saturating_sub(self.base_ms) })
    }

    pub(crate) fn hear_word(&mut self, word: String, leg: u64) {
        if self.caller.hears_on(leg) {
            self.transcribe_word(word);
        }
    }
}
