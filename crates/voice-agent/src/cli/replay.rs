//! `voice-agent replay`: a session's log of inputs, run through the core again.

use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use voice_core::log::{Digest, Entry, Header, LOG_VERSION};
use voice_core::{Input, Output};

use super::{Failure, key};
use crate::config::{Config, ConfigError, Loaded};
use crate::vault::{self, Opener, SealError};

/// What can be done about a log that stays sealed.
const NO_KEY: &str = "its key cannot be had: set DATA_DIR or REDIS_URL as the server has it that wrote it";

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// The log, as a server with `INPUT_LOG_DIR` writes it. A sealed one is opened with that server's settings: its
    /// `DATA_DIR` or `REDIS_URL`, where the caller's key is, and its `RECORDING_MASTER_KEY`, if it has one.
    file: PathBuf,
    /// Print each input and output as a line of JSON.
    #[arg(long)]
    json: bool,
    /// Print only where the replay differs, if it does.
    #[arg(long, short)]
    quiet: bool,
}

/// Replays a log. A sealed one is opened with the key that the settings lead to.
pub(super) fn run(args: &ReplayArgs, settings: impl FnOnce() -> Result<Loaded, ConfigError>) -> Result<(), Failure> {
    let about = || args.file.display().to_string();
    let mut file = BufReader::new(std::fs::File::open(&args.file).context("cannot be read").with_context(about)?);
    let is_sealed = file.fill_buf().map_err(anyhow::Error::from).with_context(about)?.starts_with(b"VOICESLD");
    let (log, is_whole): (Box<dyn BufRead>, bool) = if is_sealed {
        let (text, whole) = unseal(file, &settings()?.config).with_context(about)?;
        if text.is_empty() && !whole {
            return Err(anyhow::anyhow!("was cut off within its first sealed piece: nothing of it can be read"))
                .with_context(about)?;
        }
        (Box::new(Cursor::new(text)), whole)
    } else {
        (Box::new(file), true)
    };
    Ok(replay(args, log, is_whole, &mut std::io::stdout().lock()).with_context(about)?)
}

/// The text of a sealed log, as far as it goes, and whether that is all of it.
fn unseal(mut file: impl Read, config: &Config) -> anyhow::Result<(Vec<u8>, bool)> {
    let header = vault::Header::read(&mut file)?;
    let key = key::of(config, header.owner)
        .context(NO_KEY)?
        .context("its caller was forgotten, or it is another server's log")?;
    let mut opener = Opener::new(file, &header, &key)?;
    let mut text = Vec::new();
    loop {
        match opener.next_chunk() {
            Ok(Some(piece)) => text.extend_from_slice(&piece),
            // The call goes on, or its process was killed.
            Err(SealError::Truncated { .. }) => return Ok((text, false)),
            Ok(None) => return Ok((text, true)),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Replays and prints; `is_whole` says whether the log has its end. A digest that differs is an error that names the line and the time.
fn replay(args: &ReplayArgs, log: impl BufRead, is_whole: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let mut lines = log.lines().enumerate().peekable();
    let Some((_, first)) = lines.next() else { bail!("is empty") };
    let header: Header = serde_json::from_str(&first?).context("line 1 is no header of a session's log")?;
    if header.version > LOG_VERSION {
        bail!("is of form {}; this version reads up to {LOG_VERSION}", header.version);
    }
    let mut session = header.begin()?;
    let mut digest = Digest::default();
    let mut inputs = 0;
    let mut cut = false;
    while let Some((at, line)) = lines.next() {
        let entry: Entry = match serde_json::from_str(&line?) {
            Ok(entry) => entry,
            // The last line of a killed process may be cut off.
            Err(error) if error.is_eof() && lines.peek().is_none() => {
                cut = true;
                break;
            }
            Err(error) => return Err(error).with_context(|| format!("line {} is no input", at + 1)),
        };
        inputs += 1;
        if !args.quiet {
            print_input(args, entry.at_ms, &entry.input, out)?;
        }
        session.handle_input(entry.at_ms, entry.input);
        while let Some(output) = session.poll_output() {
            digest.add(&output)?;
            if !args.quiet {
                print_output(args, entry.at_ms, &output, out)?;
            }
        }
        if digest.value() != entry.digest {
            bail!("line {}, {} ms: the session behaves differently from then on", at + 1, entry.at_ms);
        }
    }
    if !args.json {
        let end = match (cut, is_whole) {
            (true, _) => "; the last line is half, and what came after it is not known",
            (false, false) => {
                "; the log has no end (the call goes on, or its process was killed): what came after is not known"
            }
            (false, true) => "",
        };
        writeln!(out, "{inputs} inputs replayed, bit for bit the same{end}")?;
    }
    Ok(())
}

fn print_input(args: &ReplayArgs, at_ms: u64, input: &Input, out: &mut impl Write) -> anyhow::Result<()> {
    if args.json {
        writeln!(out, "{}", serde_json::json!({"at_ms": at_ms, "in": input}))?;
    } else if !matches!(
        input,
        Input::Tick | Input::PlayoutPosition { .. } | Input::RoundTrip { .. } | Input::TtsAudio { .. }
    ) {
        writeln!(out, "{} → {}", clock(at_ms), brief(&serde_json::to_value(input)?, "input"))?;
    }
    Ok(())
}

fn print_output(args: &ReplayArgs, at_ms: u64, output: &Output, out: &mut impl Write) -> anyhow::Result<()> {
    if args.json {
        writeln!(out, "{}", serde_json::json!({"at_ms": at_ms, "out": output}))?;
        return Ok(());
    }
    let mut value = serde_json::to_value(output)?;
    // What is long and stands elsewhere in the timeline already.
    for key in ["chat", "snapshot"] {
        if let Some(object) = value.as_object_mut() {
            object.remove(key);
        }
    }
    writeln!(out, "{}   ← {}", clock(at_ms), brief(&value, "output"))?;
    Ok(())
}

/// Seconds since the session's start.
fn clock(at_ms: u64) -> String {
    format!("{:>6}.{:03}", at_ms / 1_000, at_ms % 1_000)
}

/// The name of a thing, and its fields.
fn brief(value: &serde_json::Value, tag: &str) -> String {
    let Some(object) = value.as_object() else { return value.to_string() };
    let name = object.get(tag).and_then(serde_json::Value::as_str).unwrap_or_default();
    let fields: Vec<String> =
        object.iter().filter(|(key, _)| *key != tag).map(|(key, value)| format!("{key}={value}")).collect();
    format!("{name} {}", fields.join(" ")).trim_end().to_owned()
}
