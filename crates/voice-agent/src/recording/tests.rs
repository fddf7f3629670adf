use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;
use voice_core::consent::{Consent, ConsentState, RecordingPermit};
use voice_core::ids::{ReplyId, SpeechId, UtteranceId};
use voice_core::output::ClientEvent;

use super::retention::Deleted;
use super::*;
use crate::audio::format::AudioFormat;
use crate::audio::frame::encode_pcm16le;
use crate::store::{
    Channel, InstanceId, SessionDoc, SessionId, SqliteOptions, SqliteStore, Store, SystemClock, UserId,
};
use crate::telemetry::Metrics;
use crate::vault::{End, Fate, Key, Kms, LocalKms, NoKms};

mod room;

/// Recordings in a folder of their own.
struct Case {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
    master: Key,
    settings: Recording,
}

/// One process.
struct Running {
    recorder: Arc<Recorder>,
    tracker: TaskTracker,
    vault: Arc<Vault>,
    readiness: Arc<Readiness>,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), SqliteOptions::default()).unwrap());
        let settings = Recording { enabled: true, ..Recording::default() };
        Self { folder, store, master: Key::random().unwrap(), settings }
    }

    fn start(&self, instance: &str) -> Running {
        self.start_with(instance, Arc::new(LocalKms::new(self.master.clone(), Vec::new())))
    }

    fn start_with(&self, instance: &str, kms: Arc<dyn Kms>) -> Running {
        let vault = Arc::new(Vault::new(Arc::clone(&self.store), kms));
        let events = Arc::new(Events::new(Metrics::new("rules", &[])));
        let readiness = Arc::new(Readiness::starting(Arc::clone(&events)));
        let tracker = TaskTracker::new();
        let parts = Parts {
            settings: self.settings.clone(),
            vault: Arc::clone(&vault),
            events,
            clock: Arc::new(SystemClock),
            readiness: Arc::clone(&readiness),
            tracker: tracker.clone(),
        };
        let recorder = Recorder::new(parts, self.folder.path(), instance).unwrap();
        Running { recorder, tracker, vault, readiness }
    }

    /// Every file below the folder but the store's.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = spool::files(self.folder.path()).unwrap();
        files.retain(|path| !path.to_string_lossy().contains("voice-agent.") && !path.ends_with("lock"));
        files
    }
}

impl Running {
    fn tape(&self, format: AudioFormat) -> Tape {
        let call = Call { user: ana(), session: "s1".to_owned(), fence: 3, format, began: Instant::now() };
        Tape::new(Some(Arc::clone(&self.recorder)), call)
    }

    /// Everything that was taped is complete and stored.
    async fn settle(&self) {
        self.tracker.close();
        self.tracker.wait().await;
        self.recorder.flush().await;
    }

    async fn one(&self, kind: Kind) -> Opened {
        let all = self.recorder.list(None).await.unwrap();
        let mut found = all.into_iter().filter(|one| one.name.kind == kind);
        let one = found.next().unwrap();
        assert_eq!(found.next(), None);
        self.recorder.open(&one.name).await.unwrap().unwrap()
    }
}

fn ana() -> UserId {
    UserId::new("phone:+15551234567")
}

fn agreed() -> Consent {
    Consent::restore(ConsentState { recording_announced: true, recording_enabled: true })
}

/// A tone of this pitch.
fn tone(hz: f32, rate: f32, count: usize) -> Vec<i16> {
    (0..count).map(|n| ((n as f32 * hz * std::f32::consts::TAU / rate).sin() * 9_000.0) as i16).collect()
}

/// How loud a stretch of a side is, root mean square.
fn loudness(side: &[i16], from_ms: usize, to_ms: usize) -> f64 {
    let part = &side[from_ms * 16..(to_ms * 16).min(side.len())];
    (part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len().max(1) as f64).sqrt()
}

/// The caller speaks for a second from `from_ms` on, and is silent for another.
fn caller_speaks(tape: &mut Tape, permit: Option<&RecordingPermit>, from_ms: u64) {
    let speech = tone(300.0, 16_000.0, 16_000);
    for n in 0..100_usize {
        let silence = [0; 320];
        let frame = speech.get(n * 320..(n + 1) * 320).unwrap_or(&silence);
        tape.caller(permit, from_ms + 20 * (n as u64 + 1), frame);
    }
}

/// Waits until the part's task has taken what was taped.
async fn taken(tape: &Tape) {
    while tape.waiting() > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The agent's speech was played for a second, from `from_ms` on.
fn agent_speaks(tape: &mut Tape, permit: Option<&RecordingPermit>, speech: u64, from_ms: u64) {
    let audio = encode_pcm16le(&tone(500.0, 24_000.0, 24_000));
    for played_ms in (100..=1_000).step_by(100) {
        tape.agent(permit, from_ms + played_ms, SpeechId(speech), played_ms, |from, to| {
            audio[from as usize * 48..to as usize * 48].to_vec()
        });
    }
}

#[tokio::test]
async fn each_side_is_heard_when_it_spoke_and_on_its_own_side() {
    let case = Case::new();
    let here = case.start("one");
    let (consent, mut tape) = (agreed(), here.tape(AudioFormat::Pcm24k));
    caller_speaks(&mut tape, consent.permit(), 5_000);
    agent_speaks(&mut tape, consent.permit(), 1, 6_200);
    tape.stop();
    here.settle().await;
    let recording = here.one(Kind::Sound).await;
    assert_eq!(recording.end, End::Whole);
    let [caller, agent] = decode(&recording.text).unwrap();
    assert!((2_000..=2_400).contains(&(caller.len() / 16)), "{}", caller.len() / 16);
    assert!(loudness(&caller, 100, 900) > 3_000.0 && loudness(&agent, 0, 1_100) < 30.0);
    assert!(loudness(&caller, 1_200, 2_000) < 100.0 && loudness(&agent, 1_300, 2_100) > 3_000.0);
}

#[tokio::test]
async fn a_telephones_agent_is_recorded_too() {
    let case = Case::new();
    let here = case.start("one");
    let (consent, mut tape) = (agreed(), here.tape(AudioFormat::Mulaw8k));
    let audio: Vec<u8> = tone(500.0, 8_000.0, 8_000).into_iter().map(crate::audio::mulaw::encode).collect();
    tape.agent(consent.permit(), 1_000, SpeechId(1), 1_000, |from, to| {
        audio[from as usize * 8..to as usize * 8].to_vec()
    });
    tape.stop();
    here.settle().await;
    let [_, agent] = decode(&here.one(Kind::Sound).await.text).unwrap();
    assert!(loudness(&agent, 100, 900) > 3_000.0);
}

#[tokio::test]
async fn without_consent_no_file_exists() {
    let case = Case::new();
    let here = case.start("one");
    let (consent, mut tape) = (Consent::default(), here.tape(AudioFormat::Pcm24k));
    caller_speaks(&mut tape, consent.permit(), 0);
    agent_speaks(&mut tape, consent.permit(), 1, 0);
    tape.event(consent.permit(), 0, &said(1, "my secret"));
    tape.stop();
    here.settle().await;
    assert_eq!(case.files(), Vec::<PathBuf>::new());
    assert!(case.store.keys(None).await.unwrap().keys.is_empty(), "and no key was made for it");
}

#[tokio::test]
async fn what_sounded_before_consent_and_after_its_end_is_in_no_file() {
    let case = Case::new();
    let here = case.start("one");
    let (mut consent, mut tape) = (Consent::default(), here.tape(AudioFormat::Pcm24k));
    let mut asked = Vec::new();
    let mut played = |tape: &mut Tape, consent: &Consent, played_ms| {
        tape.agent(consent.permit(), played_ms, SpeechId(1), played_ms, |from, to| {
            asked.push((from, to));
            vec![1; (to - from) as usize * 48]
        });
    };
    played(&mut tape, &consent, 400);
    consent.set(true);
    played(&mut tape, &consent, 500);
    played(&mut tape, &consent, 450);
    consent.stop();
    assert!(tape.is_on());
    tape.stop();
    played(&mut tape, &consent, 700);
    consent.set(true);
    played(&mut tape, &consent, 800);
    tape.stop();
    assert_eq!(asked, [(400, 500), (700, 800)]);
    here.settle().await;
    let all = here.recorder.list(None).await.unwrap();
    assert_eq!(all.len(), 2, "each consent has a part of its own");
}

fn said(id: u64, text: &str) -> ClientEvent {
    ClientEvent::Transcript { utterance_id: UtteranceId(id), text: text.to_owned(), r#final: true }
}

#[tokio::test]
async fn the_words_are_beside_the_sound_and_nothing_on_the_disk_can_be_read() {
    let case = Case::new();
    let here = case.start("one");
    let (consent, mut tape) = (agreed(), here.tape(AudioFormat::Pcm24k));
    caller_speaks(&mut tape, consent.permit(), 0);
    tape.event(consent.permit(), 1_000, &said(1, "water the rhododendron"));
    tape.words(consent.permit(), 1_500, ReplyId(1), "Added.");
    tape.stop();
    here.settle().await;
    let words = String::from_utf8(here.one(Kind::Words).await.text).unwrap();
    let lines: Vec<serde_json::Value> = words.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = |at_ms: u64, who, text| serde_json::json!({"at_ms": at_ms, "who": who, "text": text});
    assert_eq!(lines, [line(980, "caller", "water the rhododendron"), line(1_480, "agent", "Added.")]);
    let files = case.files();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        let (name, bytes) = (file.display().to_string(), std::fs::read(&file).unwrap());
        for readable in ["OggS", "OpusHead", "rhododendron", "Added", "15551234567"] {
            assert!(!bytes.windows(readable.len()).any(|part| part == readable.as_bytes()), "{readable} in {name}");
            assert!(!name.contains(readable));
        }
    }
}

#[tokio::test]
async fn digits_that_are_keyed_in_a_row_are_not_kept() {
    let case = Case::new();
    let here = case.start("one");
    let (consent, mut tape) = (agreed(), here.tape(AudioFormat::Pcm24k));
    for n in 0..5 {
        caller_speaks(&mut tape, consent.permit(), 2_000 * n);
        if n == 1 {
            tape.key(2_200);
            tape.key(2_600);
        }
        taken(&tape).await;
    }
    tape.stop();
    here.settle().await;
    let [caller, _] = decode(&here.one(Kind::Sound).await.text).unwrap();
    assert!(loudness(&caller, 100, 900) > 3_000.0 && loudness(&caller, 8_200, 8_900) > 3_000.0);
    assert!(loudness(&caller, 1_900, 6_500) < 400.0, "{}", loudness(&caller, 1_900, 6_500));
}

#[tokio::test]
async fn a_killed_process_leaves_what_it_had_to_the_next() {
    let case = Case::new();
    let here = case.start("one");
    let key = here.vault.user_key(&ana()).await.unwrap();
    let name = Name::new(key.owner(), "s1", SystemClock.now(), 3, Kind::Words);
    let spool = here.recorder.spool.as_ref().unwrap();
    let mut writing = spool.create(&name, &key).unwrap();
    writing.append(b"one\n").unwrap();
    writing.append(b"two\n").unwrap();
    here.recorder.flush().await;
    assert_eq!(here.recorder.list(None).await.unwrap(), [], "what is being written does not wait");
    // Killed: the file breaks off in a chunk, and its lock is free.
    drop(writing);
    let part = case.files().remove(0);
    assert!(part.to_string_lossy().ends_with(".part"));
    let file = std::fs::OpenOptions::new().write(true).open(&part).unwrap();
    file.set_len(file.metadata().unwrap().len() - 5).unwrap();
    drop(here);
    let next = case.start("two");
    next.recorder.flush().await;
    let opened = next.one(Kind::Words).await;
    assert_eq!((opened.text, opened.end), (b"one\n".to_vec(), End::Recovered));
    assert!(
        !case.files().iter().any(|path| path.to_string_lossy().contains("recordings-waiting")),
        "{:?}",
        case.files()
    );
}

#[tokio::test]
async fn what_waits_in_the_folder_of_a_process_that_lives_is_counted() {
    let case = Case::new();
    let (here, there) = (case.start("one"), case.start("two"));
    let key = there.vault.user_key(&ana()).await.unwrap();
    let name = Name::new(key.owner(), "s1", SystemClock.now(), 3, Kind::Words);
    there.recorder.spool.as_ref().unwrap().create(&name, &key).unwrap().finish().unwrap();
    let waiting = async |process: &Running| process.recorder.waiting_elsewhere(key.owner()).await.unwrap();
    assert_eq!((waiting(&here).await, waiting(&there).await), (1, 0));
    assert_eq!(here.recorder.delete_of(key.owner()).await.unwrap(), 0, "it is not this process' to delete");
    here.vault.destroy_user_key(&ana()).await.unwrap();
    there.recorder.flush().await;
    assert_eq!(waiting(&here).await, 0, "its own deletes it when it looks");
}

#[tokio::test]
async fn what_a_storage_refuses_waits_and_is_delivered_later() {
    let mut case = Case::new();
    let blocked = case.folder.path().join("blocked");
    std::fs::write(&blocked, "a file, and no folder").unwrap();
    case.settings.storage = blocked.display().to_string();
    let here = case.start("one");
    let (consent, mut tape) = (agreed(), here.tape(AudioFormat::Pcm24k));
    caller_speaks(&mut tape, consent.permit(), 0);
    tape.stop();
    here.settle().await;
    let waits = here.recorder.spool.as_ref().unwrap().waiting().unwrap();
    assert_eq!(waits.len(), 1);
    let report = here.readiness.report();
    assert!(report.reasons.iter().any(|one| one.part == "recording" && one.reason.contains("wait")), "{report:?}");
    std::fs::remove_file(&blocked).unwrap();
    here.recorder.flush().await;
    assert!(here.readiness.report().reasons.iter().all(|one| one.part != "recording"));
    assert_eq!(here.one(Kind::Sound).await.end, End::Whole);
}

#[tokio::test]
async fn too_much_that_waits_ends_the_recording_and_not_the_call() {
    let mut case = Case::new();
    case.settings.spool_max_mb = 0;
    let here = case.start("one");
    here.recorder.waiting_bytes.store(1, Ordering::Relaxed);
    let (consent, mut tape) = (agreed(), here.tape(AudioFormat::Pcm24k));
    caller_speaks(&mut tape, consent.permit(), 0);
    assert!(!tape.is_on());
    here.settle().await;
    assert_eq!(case.files(), Vec::<PathBuf>::new());
}

/// What a round of retention deletes that finds nothing that it cannot delete.
async fn expired(recorder: &Recorder, now: Timestamp) -> Deleted {
    let retention::Round { deleted, refused } = retention::expire(recorder, now).await;
    assert!(refused.is_none(), "{refused:?}");
    deleted
}

#[tokio::test]
async fn the_old_are_deleted_and_a_destroyed_key_opens_nothing() {
    let case = Case::new();
    let here = case.start("one");
    let (consent, mut tape) = (agreed(), here.tape(AudioFormat::Pcm24k));
    caller_speaks(&mut tape, consent.permit(), 0);
    tape.stop();
    here.settle().await;
    let name = here.recorder.list(None).await.unwrap().remove(0).name;
    let day = jiff::SignedDuration::from_hours(24);
    let in_days = |days| SystemClock.now() + day * days;
    assert_eq!(expired(&here.recorder, in_days(89)).await, Deleted::default());
    here.vault.destroy_user_key(&ana()).await.unwrap();
    assert!(matches!(here.recorder.open(&name).await, Err(RecordingError::Erased)));
    assert_eq!(expired(&here.recorder, in_days(91)).await, Deleted { old: 1, unreadable: 0 });
    assert_eq!(here.recorder.open(&name).await.unwrap(), None);
    assert_eq!(case.files(), Vec::<PathBuf>::new());
}

/// A session that goes on: after an erasure nothing is kept of any other.
async fn session(case: &Case) {
    let now = SystemClock.now();
    let doc = SessionDoc {
        session_id: SessionId::new("s1"),
        user_id: ana(),
        channel: Channel::Phone,
        conversation_history: Vec::new(),
        current_agent: "TaskAgent".to_owned(),
        created_at: now,
        last_activity: now,
        context: serde_json::Map::new(),
    };
    if case.store.load_session(doc.session_id.clone()).await.unwrap().is_none() {
        case.store.create_session(doc, [7; 32], InstanceId::new("one")).await.unwrap();
    }
}

/// A recording of ana's that is stored.
async fn stored(case: &Case, instance: &str) -> Name {
    session(case).await;
    let here = case.start(instance);
    let before = here.recorder.list(None).await.unwrap();
    let (consent, mut tape) = (agreed(), here.tape(AudioFormat::Pcm24k));
    caller_speaks(&mut tape, consent.permit(), 0);
    tape.stop();
    here.settle().await;
    let all = here.recorder.list(None).await.unwrap();
    all.into_iter().find(|one| !before.contains(one)).unwrap().name
}

#[tokio::test]
async fn what_came_to_the_storage_after_an_erasure_goes_in_the_next_round() {
    let case = Case::new();
    let late = stored(&case, "one").await;
    let here = case.start("two");
    let round = async || expired(&here.recorder, SystemClock.now()).await;
    assert_eq!(round().await, Deleted::default(), "nobody was erased");
    let path = case.folder.path().join("recordings").join(late.to_string());
    let copy = std::fs::read(&path).unwrap();
    here.vault.destroy_user_key(&ana()).await.unwrap();
    assert_eq!(round().await, Deleted { old: 0, unreadable: 1 });
    assert_eq!(case.files(), Vec::<PathBuf>::new());

    // She is there again, with another key, and an upload that took its time comes to its end.
    let present = stored(&case, "three").await;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, copy).unwrap();
    assert_eq!(round().await, Deleted { old: 0, unreadable: 1 });
    let left: Vec<Name> = here.recorder.list(None).await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(left, [present]);
    assert_eq!(round().await, Deleted::default());
}

#[tokio::test]
async fn what_waits_under_a_key_that_was_destroyed_goes_from_the_storage_too() {
    let case = Case::new();
    let name = stored(&case, "one").await;
    let here = case.start("two");
    // Its process was killed when all of it was stored, and before it had let go of it.
    let [at, waits] = ["recordings", "recordings-waiting/gone"].map(|folder| case.folder.path().join(folder));
    let waits = waits.join(name.to_string());
    std::fs::create_dir_all(waits.parent().unwrap()).unwrap();
    std::fs::copy(at.join(name.to_string()), waits).unwrap();
    here.vault.destroy_user_key(&ana()).await.unwrap();
    here.recorder.flush().await;
    assert_eq!(case.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_waits_for_a_key_that_the_store_lost_waits_on() {
    let case = Case::new();
    let name = stored(&case, "one").await;
    let elsewhere = Case::new();
    let waits = elsewhere.folder.path().join("recordings-waiting/gone").join(name.to_string());
    std::fs::create_dir_all(waits.parent().unwrap()).unwrap();
    std::fs::copy(case.folder.path().join("recordings").join(name.to_string()), waits).unwrap();
    let here = elsewhere.start("one");
    here.recorder.flush().await;
    let all = here.recorder.list(None).await.unwrap();
    assert!(all.len() == 1 && all[0].is_waiting && all[0].name == name, "{all:?}");
    assert!(here.readiness.report().reasons.iter().any(|one| one.reason.contains("is not in the store")));
}

#[tokio::test]
async fn the_old_and_the_unreadable_are_deleted_without_the_master_key() {
    let case = Case::new();
    stored(&case, "one").await;
    let keyless = case.start_with("two", Arc::new(NoKms));
    let day = jiff::SignedDuration::from_hours(24);
    let in_days = async |days| expired(&keyless.recorder, SystemClock.now() + day * days).await;
    assert_eq!(in_days(89).await, Deleted::default());
    assert_eq!(in_days(91).await, Deleted { old: 1, unreadable: 0 });
    stored(&case, "three").await;
    case.start("four").vault.destroy_user_key(&ana()).await.unwrap();
    assert_eq!(in_days(0).await, Deleted { old: 0, unreadable: 1 });
    // Whether what there is now is under an earlier key cannot be known.
    stored(&case, "five").await;
    assert_eq!(in_days(0).await, Deleted::default());
    assert_eq!(in_days(91).await, Deleted { old: 1, unreadable: 0 });
    assert_eq!(case.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_recording_under_another_name_is_refused() {
    let case = Case::new();
    let here = case.start("one");
    let (consent, mut tape) = (agreed(), here.tape(AudioFormat::Pcm24k));
    caller_speaks(&mut tape, consent.permit(), 0);
    tape.stop();
    here.settle().await;
    let name = here.recorder.list(None).await.unwrap().remove(0).name;
    let other = Name { fence: 4, ..name.clone() };
    let path = |name: &Name| case.folder.path().join("recordings").join(name.to_string());
    std::fs::rename(path(&name), path(&other)).unwrap();
    assert!(matches!(here.recorder.open(&other).await, Err(RecordingError::Misnamed(_))));
}
