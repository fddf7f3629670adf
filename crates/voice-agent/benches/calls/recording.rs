//! What the recording of a call costs: tapes of calls in which one side or the other always speaks, in real time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;
use voice_agent::audio::format::AudioFormat;
use voice_agent::audio::frame::{FRAME_MS, encode_pcm16le};
use voice_agent::config::Recording;
use voice_agent::readiness::Readiness;
use voice_agent::recording::{Call, Parts, Recorder, Tape};
use voice_agent::store::{SqliteOptions, SqliteStore, SystemClock, UserId};
use voice_agent::telemetry::{Events, Metrics};
use voice_agent::vault::{Key, LocalKms, Vault};
use voice_core::consent::{Consent, ConsentState};
use voice_core::ids::SpeechId;

use crate::machine::{cpu_seconds, resident_mb};
use crate::microphone::Speech;
use crate::report::line;

/// Calls at once.
const CALLS: usize = 100;
/// How long each side speaks in turn, in frames.
const TURN_FRAMES: u64 = 200;
/// Frames of the agent's that are reported as played at once.
const REPORT_FRAMES: u64 = 5;
/// Before figures are taken everything is held back that will be.
const WARM_UP: Duration = Duration::from_secs(15);

/// What was used.
struct Used {
    cpu_percent: f64,
    memory_kb: f64,
}

/// Records for so long, and prints what it took.
pub(crate) async fn measure(speech: &Speech, seconds: u64) -> Result<()> {
    line("### Recording\n")?;
    line("| calls at once | processor, % of a core each | memory, KB each | targets |\n|---|---|---|---|")?;
    let Used { cpu_percent, memory_kb } = record(speech, Duration::from_secs(seconds)).await?;
    let met = if cpu_percent < 2.0 && memory_kb < 1_000.0 { "met" } else { "**missed**" };
    line(&format!("| {CALLS} | {cpu_percent:.2} | {memory_kb:.0} | < 2 %, < 1,000 KB: {met} |\n"))
}

async fn record(speech: &Speech, time: Duration) -> Result<Used> {
    let folder = tempfile::tempdir()?;
    let (recorder, tracker) = recorder(folder.path())?;
    let consent = Consent::restore(ConsentState { recording_announced: true, recording_enabled: true });
    let began = Instant::now();
    let call = |n: usize| Call {
        user: UserId::new(format!("user-{n}")),
        session: format!("session-{n}"),
        fence: 1,
        format: AudioFormat::Pcm24k,
        began,
    };
    let before_mb = resident_mb("self")?;
    let mut tapes: Vec<Tape> = (0..CALLS).map(|n| Tape::new(Some(Arc::clone(&recorder)), call(n))).collect();
    let agent = agents_audio(speech);
    let mut ticks = interval(Duration::from_millis(FRAME_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut cpu_before = None;
    for frame in 0.. {
        ticks.tick().await;
        let since = began.elapsed();
        if since >= WARM_UP && cpu_before.is_none() {
            cpu_before = Some(cpu_seconds("self")?);
        }
        if since >= WARM_UP + time {
            break;
        }
        let now_ms = u64::try_from(since.as_millis())?;
        for tape in &mut tapes {
            say(tape, &consent, (now_ms, frame), speech, &agent);
        }
    }
    let cpu = cpu_seconds("self")? - cpu_before.context("the time is longer than the warm-up")?;
    let memory_mb = resident_mb("self")? - before_mb;
    tapes.iter_mut().for_each(Tape::stop);
    tracker.close();
    tracker.wait().await;
    let each = CALLS as f64;
    Ok(Used { cpu_percent: 100.0 * cpu / time.as_secs_f64() / each, memory_kb: memory_mb * 1e3 / each })
}

/// One frame of a call: the side whose turn it is speaks, the other one's line is silent.
fn say(tape: &mut Tape, consent: &Consent, (now_ms, frame): (u64, u64), speech: &Speech, agent: &[u8]) {
    let permit = consent.permit();
    let (turn, at) = (frame / TURN_FRAMES, frame % TURN_FRAMES);
    // A microphone is never quite silent.
    let mut caller: [i16; 320] = std::array::from_fn(|n| ((n * 7) % 9) as i16);
    if turn.is_multiple_of(2) {
        caller = speech.frames[usize::try_from(at).unwrap_or(0) % speech.frames.len()];
    } else if (at + 1).is_multiple_of(REPORT_FRAMES) {
        let played_ms = (at + 1) * FRAME_MS;
        tape.agent(permit, now_ms, SpeechId(turn), played_ms, |from_ms, to_ms| {
            let bytes = |ms: u64| usize::try_from(ms).unwrap_or(0) * 48;
            agent.iter().cycle().skip(bytes(from_ms) % agent.len()).take(bytes(to_ms - from_ms)).copied().collect()
        });
    }
    tape.caller(permit, now_ms, &caller);
}

/// The same speech at 24 kHz, as the agent's.
fn agents_audio(speech: &Speech) -> Vec<u8> {
    let pcm: Vec<i16> = speech.frames.concat();
    let faster: Vec<i16> = (0..pcm.len() * 3 / 2).map(|n| pcm[n * 2 / 3]).collect();
    encode_pcm16le(&faster)
}

fn recorder(folder: &std::path::Path) -> Result<(Arc<Recorder>, TaskTracker)> {
    let store = Arc::new(SqliteStore::open(folder, SqliteOptions::default())?);
    let vault = Arc::new(Vault::new(store, Arc::new(LocalKms::new(Key::random()?, Vec::new()))));
    let events = Arc::new(Events::new(Metrics::new("rules", &[])));
    let tracker = TaskTracker::new();
    let parts = Parts {
        settings: Recording { enabled: true, ..Recording::default() },
        vault,
        readiness: Arc::new(Readiness::starting(Arc::clone(&events))),
        events,
        clock: Arc::new(SystemClock),
        tracker: tracker.clone(),
    };
    Ok((Recorder::new(parts, folder, "bench")?, tracker))
}
