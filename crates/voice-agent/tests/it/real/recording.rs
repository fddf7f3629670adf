//! Calls that are recorded: what is in the files that are left, opened with their key.

pub(super) mod moved;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use voice_agent::audio::resample::resample;
use voice_agent::embedded;
use voice_agent::model::runtime::default_models_dir;
use voice_agent::recording::{Name, decode};
use voice_agent::store::SqliteStore;
use voice_agent::vault::{End, Key, Kms, LocalKms, Opened, UserKey, open};
use voice_caller::phone::Call;
use voice_caller::twilio::Twilio;

use super::super::twilio::client::{AUTH_TOKEN, CALL, PUBLIC_URL};
use super::browser::transcribe;
use super::phone::{Phone, wav};
use super::process::{Home, Process, eventually, fixture};
use crate::server::Session;

/// The master key of these tests.
const MASTER: [u8; 32] = [7; 32];

/// What a recorded server is told. What takes long on a small and busy machine has not failed.
pub(super) fn settings() -> [(&'static str, String); 4] {
    let patient = "15000".to_owned();
    [
        ("RECORDING_ENABLED", "true".to_owned()),
        ("RECORDING_MASTER_KEY", STANDARD.encode(MASTER)),
        ("DEADLINE_TTS_MS", patient.clone()),
        ("DEADLINE_STT_MS", patient),
    ]
}

/// The user's key, as whoever has the store and the master key finds it.
pub(super) async fn key(data_dir: &Path, name: &Name) -> UserKey {
    let wrapped = SqliteStore::read_key(data_dir, &name.owner.to_string()).unwrap().unwrap();
    unwrapped(name, &wrapped).await
}

/// The key of whom this recording is of, out of what is in the store.
pub(super) async fn unwrapped(name: &Name, wrapped: &str) -> UserKey {
    let kms: Arc<dyn Kms> = Arc::new(LocalKms::new(Key::from_bytes(&MASTER), Vec::new()));
    UserKey::new(name.owner, kms.unwrap(&name.owner.to_string(), wrapped).await.unwrap())
}

/// The recordings that are stored below a data folder, opened, in the order of their names.
pub(super) async fn stored(data_dir: &Path) -> Vec<(Name, Opened)> {
    let folder = data_dir.join("recordings");
    let mut all = Vec::new();
    for path in files(&folder) {
        let name: Name = path.strip_prefix(&folder).unwrap().to_str().unwrap().parse().unwrap();
        let opened = open(&std::fs::read(&path).unwrap(), &key(data_dir, &name).await).unwrap();
        assert_eq!(opened.label, name.label());
        all.push((name, opened));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Every file below a folder.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Nothing below these folders can be read by anybody without a key.
pub(super) fn nothing_is_readable(folders: &[PathBuf], words: &[&str]) {
    for path in folders.iter().flat_map(|folder| files(folder)) {
        let bytes = std::fs::read(&path).unwrap();
        for word in ["OggS", "OpusHead", "at_ms"].iter().chain(words) {
            assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word} in {}", path.display());
        }
        assert!(words.iter().all(|word| !path.to_string_lossy().contains(word)), "{}", path.display());
    }
}

/// A caller who agrees to be recorded.
pub(super) async fn agreeing(server: &Process, user: &str) -> Session {
    server.session(&json!({"user_id": user, "time_zone": "Europe/Berlin", "recording_consent": true})).await
}

/// What is heard on a side: each stretch of speech by itself, as the recogniser has it in a call.
pub(super) fn heard(side: &[i16]) -> String {
    const FRAME: usize = 320;
    const PAUSE: usize = 40 * FRAME;
    const ROOM: usize = 10 * FRAME;
    // A recording begins and ends with speech; the recogniser is used to a moment of silence before and behind it.
    let side = [&[0; ROOM][..], side, &[0; ROOM]].concat();
    let loud =
        side.chunks(FRAME).enumerate().filter(|(_, frame)| frame.iter().any(|sample| sample.unsigned_abs() > 600));
    let mut stretches: Vec<(usize, usize)> = Vec::new();
    for at in loud.map(|(n, _)| n * FRAME) {
        match stretches.last_mut() {
            Some((_, end)) if at < *end + PAUSE => *end = at + FRAME,
            _ => stretches.push((at, at + FRAME)),
        }
    }
    let words = stretches
        .into_iter()
        .filter(|(from, to)| to - from > 5 * FRAME)
        .map(|(from, to)| transcribe(&side[from.saturating_sub(ROOM)..(to + ROOM).min(side.len())]));
    words.collect::<Vec<_>>().join(" | ")
}

async fn says(phone: &mut Phone, what: &[i16]) {
    let turns = phone.all("turn").len();
    phone.say(what);
    phone.until("it is answered", |phone| phone.all("turn").len() > turns && phone.is_quiet()).await;
}

#[tokio::test]
async fn a_call_is_recorded_as_each_side_said_it_until_the_caller_says_stop() {
    let home = Home::with(settings().each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    let server = home.start().await;
    let data_dir = home.path().join("data");
    let ada = agreeing(&server, "ada.lovelace").await;
    let mut phone = Phone::call(&server, &ada).await;
    assert_eq!(phone.last("ready").unwrap()["records"], true);
    phone.until_greeted().await;
    says(&mut phone, &wav(&fixture("voice_review_the_proposal.wav"))).await;
    phone.for_ms(300).await;
    phone.say(&embedded::say(&default_models_dir(), "Stop recording.", 16_000).unwrap());
    phone.until("it stops", |phone| phone.last("recording").is_some_and(|event| event["enabled"] == false)).await;
    phone.until("it says so", Phone::is_quiet).await;
    phone.for_ms(1_500).await;
    says(&mut phone, &wav(&fixture("stt_undo_the_last_change.wav"))).await;
    server.request(reqwest::Method::DELETE, &format!("/api/sessions/{}", ada.id), &ada.token).send().await.unwrap();
    eventually("both files are stored", async || server.metric("voice_recordings_stored_total").await == 2.0).await;

    let all = stored(&data_dir).await;
    let [(_, sound), (_, words)] = all.as_slice() else { panic!("{all:?}") };
    let [caller, agent] = decode(&sound.text).unwrap();
    assert_eq!(sound.end, End::Whole);
    let (caller, agent) = (heard(&caller), heard(&agent));
    assert!(caller.contains("proposal") && !caller.contains("undo"), "the caller: {caller}");
    assert!(agent.contains("help") && agent.contains("added"), "the agent: {agent}");
    assert!(
        !agent.contains("undo") && !agent.contains("undid") && !caller.contains("how can i help"),
        "{agent} / {caller}"
    );
    let words = String::from_utf8(words.text.clone()).unwrap();
    let lines: Vec<Value> = words.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["who"] == "caller" && line["text"].as_str().unwrap().contains("proposal")));
    assert!(lines.iter().any(|line| line["who"] == "agent") && !words.to_lowercase().contains("undo"), "{words}");
    nothing_is_readable(
        &["recordings", "recordings-waiting"].map(|name| data_dir.join(name)),
        &["proposal", "lovelace"],
    );
}

/// A telephone's side of Twilio, whose number begins like this.
pub(super) fn telephone(server: &Process) -> Twilio {
    Twilio {
        client: reqwest::Client::new(),
        public_url: PUBLIC_URL.to_owned(),
        reached_at: server.url(""),
        account: "AC0123456789abcdef0123456789abcdef".to_owned(),
        auth_token: AUTH_TOKEN.to_owned(),
        number: "+15005550006".to_owned(),
        call: CALL.to_owned(),
        caller: "+15551234567".to_owned(),
    }
}

#[tokio::test]
async fn a_telephones_call_is_recorded_after_its_announcement_until_the_caller_says_stop() {
    let settings = settings();
    let [one, two, three, four] = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let home = Home::with([one, two, three, four, ("TWILIO_AUTH_TOKEN", AUTH_TOKEN), ("PUBLIC_URL", PUBLIC_URL)]).await;
    let server = home.start().await;
    // A machine that is busy makes one piece of a sentence long after the other: who speaks then has not heard the announcement.
    let (pause, patience) = (Duration::from_secs(5), Duration::from_secs(60));
    let mut call = Call::dial(telephone(&server)).await.unwrap();
    call.hear_out(pause, patience).await.unwrap().expect("it announces and greets");
    let by_phone = |pcm: &[i16]| resample(pcm, 16_000, 8_000).unwrap();
    let stop = embedded::say(&default_models_dir(), "Stop recording.", 16_000).unwrap();
    for said in [wav(&fixture("voice_review_the_proposal.wav")), stop, wav(&fixture("stt_undo_the_last_change.wav"))] {
        call.say(&by_phone(&said), pause, patience).await.unwrap().expect("it answers");
    }
    call.hang_up().await;
    eventually("both files are stored", async || server.metric("voice_recordings_stored_total").await == 2.0).await;

    let data_dir = home.path().join("data");
    let all = stored(&data_dir).await;
    let [(_, sound), (_, words)] = all.as_slice() else { panic!("{all:?}") };
    let [caller, agent] = decode(&sound.text).unwrap();
    let (caller, agent) = (heard(&caller), heard(&agent));
    assert!(caller.contains("proposal") && !caller.contains("undo"), "the caller: {caller}");
    assert!(agent.contains("added") && !agent.contains("undid") && !agent.contains("recorded"), "the agent: {agent}");
    let words = String::from_utf8(words.text.clone()).unwrap().to_lowercase();
    assert!(words.contains("proposal") && words.contains("added"), "{words}");
    assert!(!words.contains("undo") && !words.contains("undid") && !words.contains("may be recorded"), "{words}");
    nothing_is_readable(
        &["recordings", "recordings-waiting"].map(|name| data_dir.join(name)),
        &["proposal", "15551234567"],
    );
}

#[tokio::test]
async fn without_consent_and_where_nothing_is_recorded_no_file_is_made() {
    let home = Home::with(settings().each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    let server = home.start().await;
    let ada = server.user("ada").await;
    let mut phone = Phone::call(&server, &ada).await;
    phone.until_greeted().await;
    server.reply(&ada, "Add a task to buy milk").await;
    drop(phone);
    drop(server);
    let data_dir = home.path().join("data");
    let left = files(&data_dir).into_iter().filter(|path| path.to_string_lossy().contains("recording"));
    let left: Vec<PathBuf> = left.filter(|path| !path.ends_with("lock")).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_killed_process_loses_no_more_than_is_held_back() {
    let settings = settings();
    let [one, two, three, four] = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let home = Home::with([one, two, three, four, ("RECORDING_DELAY_MS", "1000")]).await;
    let data_dir = home.path().join("data");
    let server = home.start().await;
    let ada = agreeing(&server, "ada").await;
    let mut phone = Phone::call(&server, &ada).await;
    phone.until_greeted().await;
    says(&mut phone, &wav(&fixture("voice_review_the_proposal.wav"))).await;
    // Settling, the delay, and one look of the writer.
    phone.for_ms(4_000).await;
    server.kill();
    nothing_is_readable(&[data_dir.join("recordings-waiting")], &["proposal"]);
    assert!(files(&data_dir.join("recordings-waiting")).iter().any(|path| path.to_string_lossy().ends_with(".part")));

    let server = home.start().await;
    eventually("it is stored", async || server.metric("voice_recordings_stored_total").await >= 1.0).await;
    let all = stored(&data_dir).await;
    let sound = &all.iter().find(|(name, _)| name.to_string().contains(".ogg")).unwrap().1;
    assert_eq!(sound.end, End::Recovered);
    let [caller, agent] = decode(&sound.text).unwrap();
    let (caller, agent) = (heard(&caller), heard(&agent));
    assert!(caller.contains("proposal") && agent.contains("added"), "{caller} / {agent}");
}
