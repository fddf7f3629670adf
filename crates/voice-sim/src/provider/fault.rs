//! What goes wrong, where, and how often.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::lock;
use super::service::{Provider, Service};

/// Faults that are on at most.
const MOST: usize = 100;

/// How a provider fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// No connection: the port is closed. A counted one lets the client connect, and resets the connection.
    Refuse,
    /// An error status; in an open stream, the provider's own message of that error.
    Status(u16, Option<u64>),
    /// 429 because the account is empty: waiting does not help.
    Quota,
    /// 404 `model_not_found`.
    ModelNotFound,
    /// Accepts, and says nothing (more).
    Hang,
    /// Goes on, but slower than real time.
    Dribble,
    /// Goes on without anything in it: spaces, or silence; for ever, or as long as the client wants.
    Spaces,
    /// The connection is gone, without a goodbye.
    Cut,
    /// One message that cannot be parsed.
    Malformed,
    /// Messages and fields that nobody has heard of. They must be harmless.
    Unknown,
    /// Audio of another format; an STT claims that it got some.
    WrongAudio,
    /// Success, and nothing in it.
    Empty,
}

impl FaultKind {
    /// Where it happens unless told.
    const fn usual_place(self) -> Place {
        match self {
            Self::Refuse | Self::Status(..) | Self::Quota | Self::ModelNotFound => Place::Connect,
            Self::Cut => Place::Mid(2),
            _ => Place::Start,
        }
    }

    /// Whether it can happen there.
    const fn fits(self, place: Place) -> bool {
        match self {
            Self::Refuse | Self::ModelNotFound => matches!(place, Place::Connect),
            Self::Status(..) | Self::Quota | Self::Hang | Self::Cut => true,
            _ => !matches!(place, Place::Connect),
        }
    }

    /// The status of an error, and the seconds in its `Retry-After`.
    pub(crate) const fn status(self) -> Option<(u16, Option<u64>)> {
        match self {
            Self::Status(status, retry_after_s) => Some((status, retry_after_s)),
            Self::Quota => Some((429, None)),
            Self::ModelNotFound => Some((404, None)),
            _ => None,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Status(status, None) => return write!(formatter, "{status}"),
            Self::Status(status, Some(seconds)) => return write!(formatter, "{status}:{seconds}"),
            Self::Refuse => "refuse",
            Self::Quota => "quota",
            Self::ModelNotFound => "model_not_found",
            Self::Hang => "hang",
            Self::Dribble => "dribble",
            Self::Spaces => "spaces",
            Self::Cut => "cut",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::WrongAudio => "wrong_audio",
            Self::Empty => "empty",
        };
        formatter.write_str(name)
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "refuse" => Self::Refuse,
            "quota" => Self::Quota,
            "model_not_found" => Self::ModelNotFound,
            "hang" => Self::Hang,
            "dribble" => Self::Dribble,
            "spaces" => Self::Spaces,
            "cut" => Self::Cut,
            "malformed" => Self::Malformed,
            "unknown" => Self::Unknown,
            "wrong_audio" => Self::WrongAudio,
            "empty" => Self::Empty,
            _ => {
                let (status, seconds) = text.split_once(':').map_or((text, None), |(status, s)| (status, Some(s)));
                let status = status.parse().ok().filter(|status| (400..600).contains(status));
                let seconds =
                    seconds.map(str::parse).transpose().map_err(|_| format!("{text:?}: seconds are whole"))?;
                Self::Status(status.ok_or_else(|| format!("no fault is called {text:?}"))?, seconds)
            }
        })
    }
}

/// Where in a request a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Before the first byte of an answer.
    Connect,
    /// After opening (the head of a response, a handshake), before the first useful token, transcript or audio.
    Start,
    /// After so many useful ones.
    Mid(u64),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "connect" => Ok(Self::Connect),
            None if text == "start" => Ok(Self::Start),
            None if text == "mid" => Ok(Self::Mid(2)),
            Some(("mid", after)) => after.parse().map(Self::Mid).map_err(|_| format!("{text:?}: mid:N, N a number")),
            _ => Err(format!("{text:?} is none of connect, start, mid:N")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => formatter.write_str("connect"),
            Self::Start => formatter.write_str("start"),
            Self::Mid(after) => write!(formatter, "mid:{after}"),
        }
    }
}

/// A fault that is to be on. As text: `target[/model]=kind[@place][*times]`, such as `llm=hang@start` or
/// `openai/gpt-4o-mini=429:2@connect*2` (two requests are answered 429 with `Retry-After: 2`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What fails.
    pub services: Vec<Service>,
    /// Only requests for this model.
    pub model: Option<String>,
    /// How.
    pub kind: FaultKind,
    /// Where.
    pub place: Place,
    /// How many requests; all of them, until it is cleared, when none.
    pub times: Option<u32>,
}

impl Fault {
    /// A fault at its usual place.
    pub fn new(services: impl IntoIterator<Item = Service>, kind: FaultKind) -> Self {
        Self { services: services.into_iter().collect(), model: None, kind, place: kind.usual_place(), times: None }
    }

    /// The same at another place.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// The same for one model.
    #[must_use]
    pub fn model(self, model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..self }
    }

    /// The same for the next so many requests only.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// A fault that cannot happen there, or that concerns nothing.
    pub fn check(&self) -> Result<(), String> {
        if self.services.is_empty() || self.times == Some(0) {
            return Err(format!("{self} concerns nothing"));
        }
        if !self.kind.fits(self.place) {
            return Err(format!("{} cannot happen at {}", self.kind, self.place));
        }
        Ok(())
    }

    /// A fault as the control API takes it: `{"provider":"openai","model":"gpt-4o-mini","fault":"hang","at":"start","times":2}`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let object = value.as_object().ok_or("a fault is an object")?;
        let known = ["provider", "model", "fault", "at", "times"];
        if let Some(other) = object.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("a fault has no {other:?}"));
        }
        let text = |key: &str| match object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format!("{key:?} is a string")),
        };
        let services = Service::of_name(text("provider")?.ok_or("\"provider\" is missing")?)?;
        let mut fault = Self::new(services, text("fault")?.ok_or("\"fault\" is missing")?.parse()?);
        fault.model = text("model")?.map(str::to_owned);
        if let Some(place) = text("at")? {
            fault.place = place.parse()?;
        }
        fault.times = match object.get("times") {
            None | Some(Value::Null) => None,
            Some(times) => {
                let times = times.as_u64().and_then(|times| u32::try_from(times).ok());
                Some(times.ok_or("\"times\" is a whole number")?)
            }
        };
        fault.check()?;
        Ok(fault)
    }

    fn concerns(&self, service: Service, model: Option<&str>) -> bool {
        self.services.contains(&service) && self.model.as_deref().is_none_or(|wanted| Some(wanted) == model)
    }

    /// Whether it closes a provider's port for everyone.
    fn closes(&self, provider: Provider) -> bool {
        let all = provider.services().all(|service| self.services.contains(&service));
        self.kind == FaultKind::Refuse && self.model.is_none() && all
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.services.iter().map(|service| service.name()).collect();
        formatter.write_str(&names.join("+"))?;
        if let Some(model) = &self.model {
            write!(formatter, "/{model}")?;
        }
        write!(formatter, "={}@{}", self.kind, self.place)?;
        if let Some(times) = self.times {
            write!(formatter, "*{times}")?;
        }
        Ok(())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (target, rest) = text.split_once('=').ok_or_else(|| format!("{text:?} is not target=fault"))?;
        let (name, model) = target.split_once('/').map_or((target, None), |(name, model)| (name, Some(model)));
        let (rest, times) = match rest.split_once('*') {
            Some((rest, times)) => (rest, Some(times.parse().map_err(|_| format!("{text:?}: times is a number"))?)),
            None => (rest, None),
        };
        let (kind, place) = rest.split_once('@').map_or((rest, None), |(kind, place)| (kind, Some(place)));
        let mut services = Vec::new();
        for name in name.split('+') {
            services.extend(Service::of_name(name)?);
        }
        let mut fault = Self::new(services, kind.parse()?);
        (fault.model, fault.times) = (model.map(str::to_owned), times);
        if let Some(place) = place {
            fault.place = place.parse()?;
        }
        fault.check()?;
        Ok(fault)
    }
}

/// Where a request is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Now {
    Connect,
    /// After so many useful items.
    Open(u64),
}

/// The faults that are on.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Each with what is left of its times, and how often it happened.
    on: Mutex<Vec<(Fault, u64)>>,
    changed: watch::Sender<u64>,
}

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        let on = faults.into_iter().map(|fault| (fault, 0)).collect();
        Self { on: Mutex::new(on), changed: watch::Sender::new(0) }
    }

    /// Switches one on. The newest one counts first.
    pub(crate) fn add(&self, fault: Fault) -> Result<(), String> {
        fault.check()?;
        let mut on = lock(&self.on);
        if on.len() >= MOST {
            return Err(format!("{MOST} faults are on already"));
        }
        on.insert(0, (fault, 0));
        drop(on);
        self.tell();
        Ok(())
    }

    /// Switches off all faults of these services.
    pub(crate) fn clear(&self, services: &[Service]) {
        lock(&self.on).retain_mut(|(fault, _)| {
            fault.services.retain(|service| !services.contains(service));
            !fault.services.is_empty()
        });
        self.tell();
    }

    /// The fault that happens now, which counts as one of its times.
    pub(crate) fn take(&self, service: Service, model: Option<&str>, now: Now) -> Option<FaultKind> {
        self.take_if(|fault| {
            let there = match (fault.place, now) {
                (Place::Connect, Now::Connect) => true,
                (Place::Start, Now::Open(after)) => after == 0,
                (Place::Mid(wanted), Now::Open(after)) => after >= wanted,
                _ => false,
            };
            there && fault.concerns(service, model)
        })
    }

    /// Whether a provider's port is closed until further notice.
    pub(crate) fn is_closed(&self, provider: Provider) -> bool {
        lock(&self.on).iter().any(|(fault, _)| fault.times.is_none() && fault.closes(provider))
    }

    /// Whether the next connection is to be reset; counts.
    pub(crate) fn take_reset(&self, provider: Provider) -> bool {
        self.take_if(|fault| fault.times.is_some() && fault.closes(provider)).is_some()
    }

    fn take_if(&self, wanted: impl Fn(&Fault) -> bool) -> Option<FaultKind> {
        let mut on = lock(&self.on);
        let place = on.iter().position(|(fault, _)| wanted(fault))?;
        let (fault, happened) = &mut on[place];
        *happened += 1;
        let kind = fault.kind;
        if let Some(times) = &mut fault.times {
            *times -= 1;
            if *times == 0 {
                on.remove(place);
            }
        }
        drop(on);
        self.tell();
        Some(kind)
    }

    /// Wakes whoever waits for a change.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn to_json(&self) -> Value {
        let on = lock(&self.on);
        let faults = on.iter().map(|(fault, happened)| json!({"fault": fault.to_string(), "happened": happened}));
        Value::Array(faults.collect())
    }

    fn tell(&self) {
        self.changed.send_modify(|changes| *changes += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_written_as_it_is_read() {
        for text in [
            "chat=hang@start",
            "chat/gpt-4o-mini=429:2@connect*2",
            "cartesia+elevenlabs=cut@mid:3",
            "deepgram=refuse@connect",
            "whisper=quota@connect*1",
            "chat=503@mid:4",
        ] {
            let fault: Fault = text.parse().expect(text);
            assert_eq!(fault.to_string(), text);
        }
        assert_eq!("llm=cut".parse::<Fault>().map(|fault| fault.place), Ok(Place::Mid(2)));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "llm",
            "llm=",
            "llm=sleep",
            "nobody=hang",
            "llm=hang@noon",
            "llm=hang*0",
            "llm=hang*x",
            "llm=200",
            "llm=refuse@start",
            "llm=empty@connect",
            "llm=429:soon",
            "llm=hang@mid:x",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text:?}");
        }
        for value in [json!([]), json!({"provider": "llm"}), json!({"provider": "llm", "fault": "hang", "when": 1})] {
            assert!(Fault::from_json(&value).is_err(), "{value}");
        }
        let fault =
            Fault::from_json(&json!({"provider": "openai", "model": "m", "fault": "hang", "at": "mid:2", "times": 3}));
        assert_eq!(fault.expect("a fault").to_string(), "chat+models+whisper/m=hang@mid:2*3");
    }

    #[test]
    fn a_counted_fault_happens_so_often() {
        let faults = Faults::new(vec!["llm/a=500*2".parse().expect("a fault")]);
        let take = |model| faults.take(Service::Chat, Some(model), Now::Connect);
        assert_eq!(take("b"), None);
        assert_eq!(
            (take("a"), take("a"), take("a")),
            (Some(FaultKind::Status(500, None)), Some(FaultKind::Status(500, None)), None)
        );
    }

    #[test]
    fn places_are_reached_in_order() {
        let faults = Faults::new(vec!["tts=hang@mid:3".parse().expect("a fault")]);
        let take = |after| faults.take(Service::Cartesia, None, Now::Open(after));
        assert_eq!((take(0), take(2)), (None, None));
        assert_eq!((take(3), take(9)), (Some(FaultKind::Hang), Some(FaultKind::Hang)));
        faults.clear(&[Service::ElevenLabs]);
        assert_eq!(take(3), Some(FaultKind::Hang));
        faults.clear(&[Service::Cartesia]);
        assert_eq!(take(3), None);
    }

    #[test]
    fn a_port_is_closed_only_for_everyone_behind_it() {
        let faults = Faults::new(vec!["llm=refuse".parse().expect("a fault")]);
        assert!(!faults.is_closed(Provider::OpenAi));
        faults.add("openai=refuse".parse().expect("a fault")).expect("there is room");
        assert!(faults.is_closed(Provider::OpenAi) && !faults.is_closed(Provider::Deepgram));
        faults.clear(&Service::ALL);
        faults.add("deepgram=refuse*1".parse().expect("a fault")).expect("there is room");
        assert!(!faults.is_closed(Provider::Deepgram));
        assert!(faults.take_reset(Provider::Deepgram) && !faults.take_reset(Provider::Deepgram));
    }
}
