//! The fault matrix: what can go wrong at which provider, and where.

use voice_core::provider::Stage;

use crate::provider::{Fault, FaultKind, Provider};

/// A model of the shipped chain that is served no more.
pub(super) const RETIRED: &str = "gpt-3.5-turbo";

/// What the caller says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// A wish that takes a tool: two requests to the language model, and a short answer.
    Task,
    /// Nothing that takes a tool: one request, and an answer of eleven words.
    Talk,
    /// The same with a pause in it, after which a recogniser has made what came before it final.
    Halting,
    /// A question whose answer may be given again.
    List,
}

impl Says {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Task => "add a task to buy milk",
            Self::Talk => "i would like to talk about coffee and cake",
            Self::Halting => "i would like to … talk about coffee and cake",
            Self::List => "what are my tasks",
        }
    }

    /// The titles of the caller's tasks afterwards.
    pub const fn tasks(self) -> &'static [&'static str] {
        match self {
            Self::Task => &["buy milk"],
            Self::Talk | Self::Halting | Self::List => &[],
        }
    }
}

/// One fault of the first provider of a stage, at one place.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Whose fault it is.
    pub stage: Stage,
    /// The fault, until it is cleared.
    pub fault: Fault,
    /// What the caller says.
    pub says: Says,
    /// For which reasons the next provider may take over; none for a fault that does no harm.
    pub reasons: &'static [&'static str],
}

impl Cell {
    /// The provider whose open connections are cut when the fault begins, so that it is met.
    pub fn cuts(&self) -> Option<Provider> {
        let meets_connections = self.fault.place == crate::provider::Place::Connect;
        self.fault.services.first().filter(|_| meets_connections).map(|service| service.provider())
    }

    /// The label of the first provider, as the server has it.
    pub const fn first(&self) -> &'static str {
        match self.stage {
            Stage::Stt => "deepgram",
            Stage::Llm => "gpt-4o-mini",
            Stage::Tts => "cartesia",
        }
    }

    /// Whether the provider can be used as if nothing were wrong.
    pub fn is_harmless(&self) -> bool {
        self.fault.kind == FaultKind::Unknown
    }
}

/// A row: the fault, and the reasons for which the next provider may take over.
type Row = (&'static str, &'static [&'static str]);

const SILENT: &[&str] = &["timeout", "stalled"];
const UNREACHABLE: &[&str] = &["unavailable", "disconnected", "timeout"];
const BROKEN_OFF: &[&str] = &["disconnected", "unavailable"];
const NONSENSE: &[&str] = &["protocol"];
/// By its silence, or by the end that comes without audio, whichever comes first.
const EMPTY: &[&str] = &["protocol", "timeout", "stalled"];

/// Before the first byte of an answer, at every stage.
const CONNECT: [Row; 10] = [
    ("refuse@connect", UNREACHABLE),
    ("hang@connect", SILENT),
    ("cut@connect", UNREACHABLE),
    ("401@connect", &["auth"]),
    ("400@connect", &["bad_request"]),
    ("429@connect", &["rate_limited"]),
    ("429:1@connect", &["rate_limited"]),
    ("500@connect", &["unavailable"]),
    ("503@connect", &["unavailable"]),
    // Deepgram says it with a 400 that names the model: a 404 of its is a wrong request.
    ("model_not_found@connect", &["not_served", "bad_request"]),
];

/// After a recogniser's socket is open. (Deepgram has no stream of an error's own for `quota`; `402` is its account's.)
const STT: [Row; 20] = [
    ("402@connect", &["quota"]),
    ("hang@start", SILENT),
    ("dribble@start", SILENT),
    ("spaces@start", &["timeout", "protocol"]),
    ("cut@start", BROKEN_OFF),
    ("malformed@start", NONSENSE),
    ("unknown@start", &[]),
    ("wrong_audio@start", &["bad_request", "protocol"]),
    ("empty@start", &["timeout", "protocol"]),
    ("500@start", &["unavailable"]),
    ("hang@mid:1", SILENT),
    ("dribble@mid:1", SILENT),
    ("cut@mid:1", BROKEN_OFF),
    ("malformed@mid:1", NONSENSE),
    ("unknown@mid:1", &[]),
    ("wrong_audio@mid:1", &["bad_request", "protocol"]),
    ("empty@mid:1", &["timeout", "protocol"]),
    ("spaces@mid:1", &["timeout", "protocol"]),
    ("500@mid:1", &["unavailable"]),
    // Words are final already, and of the rest there are none.
    ("empty@mid:3", NONSENSE),
];

/// After the head of a language model's answer. (It sends no audio; `402` is `quota` at OpenAI.)
const LLM: [Row; 22] = [
    ("quota@connect", &["quota"]),
    ("hang@start", SILENT),
    ("dribble@start", SILENT),
    ("spaces@start", SILENT),
    ("cut@start", BROKEN_OFF),
    ("malformed@start", NONSENSE),
    ("unknown@start", &[]),
    ("empty@start", NONSENSE),
    ("429@start", &["rate_limited"]),
    ("quota@start", &["quota"]),
    ("500@start", &["unavailable"]),
    ("503@start", &["unavailable"]),
    ("hang@mid:2", SILENT),
    ("dribble@mid:2", SILENT),
    ("spaces@mid:2", SILENT),
    ("cut@mid:2", BROKEN_OFF),
    ("malformed@mid:2", NONSENSE),
    ("unknown@mid:2", &[]),
    ("429@mid:2", &["rate_limited"]),
    ("quota@mid:2", &["quota"]),
    ("500@mid:2", &["unavailable"]),
    ("503@mid:2", &["unavailable"]),
];

/// After a voice's socket is open.
const TTS: [Row; 24] = [
    ("402@connect", &["quota"]),
    ("hang@start", SILENT),
    ("dribble@start", SILENT),
    ("spaces@start", &["timeout", "stalled", "protocol"]),
    ("cut@start", BROKEN_OFF),
    ("malformed@start", NONSENSE),
    ("unknown@start", &[]),
    ("wrong_audio@start", NONSENSE),
    ("empty@start", EMPTY),
    ("402@start", &["quota"]),
    ("429@start", &["rate_limited"]),
    ("500@start", &["unavailable"]),
    ("503@start", &["unavailable"]),
    ("hang@mid:3", SILENT),
    ("dribble@mid:3", SILENT),
    ("cut@mid:3", BROKEN_OFF),
    ("malformed@mid:3", NONSENSE),
    ("unknown@mid:3", &[]),
    ("wrong_audio@mid:3", NONSENSE),
    ("empty@mid:3", EMPTY),
    ("402@mid:3", &["quota"]),
    ("429@mid:3", &["rate_limited"]),
    ("500@mid:3", &["unavailable"]),
    ("503@mid:3", &["unavailable"]),
];

/// All cells of a stage.
///
/// # Errors
/// Only if a row of the matrix is no fault.
pub fn matrix(stage: Stage) -> Result<Vec<Cell>, String> {
    let (target, rows): (&str, &[Row]) = match stage {
        Stage::Stt => ("deepgram", &STT),
        Stage::Llm => ("chat/gpt-4o-mini", &LLM),
        Stage::Tts => ("cartesia", &TTS),
    };
    let mut cells = Vec::new();
    for (fault, reasons) in CONNECT.iter().chain(rows).copied() {
        let says: &[Says] = match stage {
            // What breaks off in a text is another thing than what breaks off in a tool's call.
            Stage::Llm if fault.contains("@mid") => &[Says::Talk, Says::Task],
            Stage::Tts if fault.contains("@mid") => &[Says::Talk],
            Stage::Stt if fault.ends_with("@mid:3") => &[Says::Halting],
            _ => &[Says::Task],
        };
        let fault: Fault = format!("{target}={fault}").parse()?;
        cells.extend(says.iter().map(|&says| Cell { stage, fault: fault.clone(), says, reasons }));
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_a_fault_that_can_happen() {
        for stage in [Stage::Stt, Stage::Llm, Stage::Tts] {
            let cells = matrix(stage).expect("rows are faults");
            assert!(cells.iter().all(|cell| cell.is_harmless() == cell.reasons.is_empty()), "{stage:?}");
            assert!(cells.iter().all(|cell| cell.cuts().is_none_or(|_| cell.fault.to_string().contains("@connect"))));
        }
    }
}
