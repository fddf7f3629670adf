//! The tool calls of an answer, put together from their pieces.
//!
//! A piece names its call by `index`, if the server is careful. Some leave it out, or have it 0 in every piece, or begin at 1;
//! some send whole calls, several in one event; some repeat the `id` and the name in later pieces, some send them empty,
//! some send none.

use serde::Deserialize;
use serde_json::{Deserializer, Map, Value};
use voice_core::agents::SAY_ARGUMENT;

use crate::tools::takes_words;

/// Most calls of one answer.
const MAX_CALLS: usize = 64;
/// In so many bytes of a call's arguments its words are looked for while it is being written.
const MAX_BYTES_OF_WORDS: usize = 4 * 1024;
/// Most bytes of an answer's arguments, all together.
const MAX_BYTES: usize = 64 * 1024;

/// A piece of a call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct CallDelta {
    index: Option<i64>,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct FunctionDelta {
    name: Option<String>,
    /// A string that is a piece of JSON; some servers send the object itself.
    arguments: Option<Value>,
}

/// These calls are not the protocol: no call can be made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// A call that is whole: the tool's name, and its arguments.
pub(super) type WholeCall = (String, Map<String, Value>);

#[derive(Debug, Clone, Default)]
struct Call {
    index: Option<i64>,
    id: String,
    name: String,
    arguments: String,
}

/// The calls so far, in the order in which they began.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    /// How many were given out.
    given: usize,
    bytes: usize,
    /// What is to be said once the first call is carried out was given out, or will not be.
    has_words: bool,
}

impl Calls {
    /// Takes a piece.
    pub(super) fn push(&mut self, delta: CallDelta) -> Result<(), Malformed> {
        let function = delta.function.unwrap_or_default();
        let piece = Piece {
            index: delta.index,
            id: delta.id.unwrap_or_default(),
            name: function.name.unwrap_or_default(),
            arguments: match function.arguments {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text,
                Some(Value::Object(object)) => Value::Object(object).to_string(),
                Some(_) => return Err(Malformed),
            },
        };
        self.bytes += piece.arguments.len();
        if self.bytes > MAX_BYTES {
            return Err(Malformed);
        }
        match self.target(&piece) {
            // More of a call that was whole: then it was not.
            Some(at) if at < self.given && !piece.arguments.trim().is_empty() => Err(Malformed),
            Some(at) => {
                self.calls[at].add(piece);
                Ok(())
            }
            None if self.calls.len() >= MAX_CALLS => Err(Malformed),
            None => {
                self.calls.push(Call { index: piece.index, ..Call::default() });
                self.calls.last_mut().ok_or(Malformed)?.add(piece);
                Ok(())
            }
        }
    }

    /// The call that a piece belongs to; none when it begins another one.
    fn target(&self, piece: &Piece) -> Option<usize> {
        let at = match piece.index {
            Some(index) => self.calls.iter().rposition(|call| call.index == Some(index))?,
            None => {
                let same = self.calls.iter().rposition(|call| !piece.id.is_empty() && call.id == piece.id);
                same.or(self.calls.len().checked_sub(1))?
            }
        };
        (!piece.begins_another(&self.calls[at])).then_some(at)
    }

    /// Whether some are not given out yet.
    pub(super) fn is_pending(&self) -> bool {
        self.calls[self.given..].iter().any(|call| !call.is_blank())
    }

    /// The next call that is surely whole, because another one has begun behind it.
    pub(super) fn poll_whole(&mut self) -> Option<WholeCall> {
        if self.given + 1 >= self.calls.len() {
            return None;
        }
        // Without arguments it may be that they are still to come.
        let call = &self.calls[self.given];
        let arguments = object(&call.arguments).filter(|_| !call.name.is_empty())?;
        self.given += 1;
        Some(given(&call.name, arguments))
    }

    /// What is to be said once the first call is carried out, as soon as that argument is whole. Once.
    pub(super) fn poll_words(&mut self) -> Option<String> {
        let call = self.calls.first().filter(|call| !self.has_words && takes_words(&call.name))?;
        // With the whole call they come in it.
        let is_whole = self.calls.len() > 1 || self.given > 0 || object(&call.arguments).is_some();
        self.has_words = is_whole || call.arguments.len() > MAX_BYTES_OF_WORDS;
        let words = whole_string(&call.arguments, SAY_ARGUMENT).filter(|_| !self.has_words)?;
        self.has_words = true;
        Some(words)
    }

    /// Nothing more comes: all that are left.
    pub(super) fn take_rest(&mut self) -> Result<Vec<WholeCall>, Malformed> {
        let rest = &self.calls[self.given..];
        self.given = self.calls.len();
        rest.iter().filter(|call| !call.is_blank()).map(Call::whole).collect()
    }
}

struct Piece {
    index: Option<i64>,
    id: String,
    name: String,
    arguments: String,
}

impl Piece {
    /// Whether it cannot belong to this call, though its index is the same.
    fn begins_another(&self, call: &Call) -> bool {
        let renamed = !self.name.is_empty() && !call.name.is_empty();
        let is_whole = || object(&call.arguments).is_some();
        if self.id.is_empty() || call.id.is_empty() {
            return renamed && (self.name != call.name || is_whole());
        }
        self.id != call.id || (renamed && !self.arguments.trim().is_empty() && is_whole())
    }
}

impl Call {
    /// What is known is not overwritten, least of all with nothing.
    fn add(&mut self, piece: Piece) {
        if self.id.is_empty() {
            self.id = piece.id;
        }
        if self.name.is_empty() {
            self.name = piece.name;
        }
        self.arguments.push_str(&piece.arguments);
    }

    /// A place that was announced and never filled.
    fn is_blank(&self) -> bool {
        self.name.is_empty() && self.arguments.trim().is_empty()
    }

    fn whole(&self) -> Result<WholeCall, Malformed> {
        let arguments = match self.arguments.trim() {
            "" | "null" => Map::new(),
            json => object(json).ok_or(Malformed)?,
        };
        if self.name.is_empty() { Err(Malformed) } else { Ok(given(&self.name, arguments)) }
    }
}

/// A call as it is given out, without words that nobody offered room for.
fn given(name: &str, mut arguments: Map<String, Value>) -> WholeCall {
    if !takes_words(name) {
        arguments.remove(SAY_ARGUMENT);
    }
    (name.to_owned(), arguments)
}

/// The string under this key of an object that may still be on its way, once its closing quote has come.
fn whole_string(json: &str, key: &str) -> Option<String> {
    let mut rest = json.trim_start().strip_prefix('{')?;
    loop {
        let (name, after) = first_value(rest)?;
        let (value, after) = first_value(after.trim_start().strip_prefix(':')?)?;
        if name.as_str()? == key {
            return value.as_str().map(str::to_owned);
        }
        rest = after.trim_start().strip_prefix(',')?;
    }
}

/// The value that a piece of JSON begins with, and what stands behind it. A number at the very end may be longer than it looks.
fn first_value(json: &str) -> Option<(Value, &str)> {
    let mut values = Deserializer::from_str(json).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, &json[values.byte_offset()..]))
}

fn object(json: &str) -> Option<Map<String, Value>> {
    // Cheap to rule out, and asked for every piece of a call that is not whole.
    if json.trim_end().ends_with('}') { serde_json::from_str(json).ok() } else { None }
}
