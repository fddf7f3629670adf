//! Recordings of calls that move to another process: each makes its part, and together they hold the call until the caller says stop.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use voice_agent::embedded;
use voice_agent::model::runtime::default_models_dir;
use voice_agent::recording::{Kind, Name, decode};
use voice_agent::vault::{End, Opened, UserKey, open};

use super::{agreeing, files, heard, nothing_is_readable, says, settings, unwrapped};
use crate::real::phone::{Phone, wav};
use crate::real::process::{Home, Process, eventually, fixture, has};
use crate::redis_server::RedisServer;
use crate::server::Session;

const OPERATOR: &str = "an operator of the test";
/// What is held back of a call before it is on the disk, in milliseconds.
const DELAY_MS: u64 = 1_000;
/// Settling, the delay, and one look of the writer, in milliseconds: what was said before that is on the disk.
pub(in crate::real) const ON_DISK_MS: u64 = 4_000;

/// One part of a recording, opened.
#[derive(Debug)]
pub(in crate::real) struct Part {
    pub(in crate::real) name: Name,
    pub(in crate::real) end: End,
    /// What was heard of each side.
    pub(in crate::real) caller: String,
    pub(in crate::real) agent: String,
    /// How long it is, in milliseconds.
    pub(in crate::real) duration_ms: u64,
    /// The lines of its transcript, in small letters.
    pub(in crate::real) words: Vec<(String, String)>,
}

impl Part {
    /// Whether these words are in what this side said, in sound and in writing.
    pub(in crate::real) fn has(&self, who: &str, words: &str) -> bool {
        let sound = if who == "caller" { &self.caller } else { &self.agent };
        sound.contains(words) && self.writes(who, words)
    }

    /// Whether these words are in its transcript. The recogniser does not understand all that the agent's voice says: its first words, which
    /// follow each other without a pause, are looked for here.
    pub(in crate::real) fn writes(&self, who: &str, words: &str) -> bool {
        self.words.iter().any(|(of, text)| of == who && text.contains(words))
    }

    /// Whether these words are nowhere in it.
    pub(in crate::real) fn lacks(&self, words: &str) -> bool {
        let written = self.words.iter().any(|(_, text)| text.contains(words));
        !self.caller.contains(words) && !self.agent.contains(words) && !written
    }
}

/// A user's key that lies in this Redis.
async fn key(redis: &RedisServer, name: &Name) -> UserKey {
    let mut store = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let wrapped: String =
        redis::cmd("GET").arg(format!("voice:key:{}", name.owner)).query_async(&mut store).await.unwrap();
    unwrapped(name, &wrapped).await
}

/// The parts that are stored below a data folder, in the order in which they were made. Everything is of one session, and was listed so.
pub(in crate::real) async fn parts(redis: &RedisServer, data_dir: &Path, server: &Process) -> Vec<Part> {
    let folder = data_dir.join("recordings");
    let (mut sounds, mut written) = (Vec::new(), Vec::new());
    for path in files(&folder) {
        let name: Name = path.strip_prefix(&folder).unwrap().to_str().unwrap().parse().unwrap();
        let opened = open(&std::fs::read(&path).unwrap(), &key(redis, &name).await).unwrap();
        assert_eq!(opened.label, name.label());
        if name.kind == Kind::Sound { sounds.push((name, opened)) } else { written.push((name, opened)) }
    }
    sounds.sort_by_key(|(name, _)| name.start);
    let listed: Value = server.get("/api/admin/recordings", OPERATOR).await.json().await.unwrap();
    let listed: Vec<Name> = listed["recordings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap().parse().unwrap())
        .collect();
    for (name, _) in sounds.iter().chain(&written) {
        assert!(listed.contains(name) && listed.len() == sounds.len() + written.len(), "{name} in {listed:?}");
        assert!(listed.iter().all(|one| (one.owner, &one.session) == (name.owner, &name.session)), "{listed:?}");
    }
    let words_of =
        |name: &Name| written.iter().find(|(of, _)| *of == name.with_kind(Kind::Words)).map(|(_, opened)| opened);
    sounds.iter().map(|(name, sound)| part(name, sound, words_of(name))).collect()
}

fn part(name: &Name, sound: &Opened, words: Option<&Opened>) -> Part {
    let [caller, agent] = decode(&sound.text).unwrap();
    let text = words.map_or_else(String::new, |words| String::from_utf8(words.text.clone()).unwrap().to_lowercase());
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let field = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    Part {
        name: name.clone(),
        end: sound.end,
        duration_ms: caller.len() as u64 / 16,
        words: lines.map(|line| (field(&line, "who"), field(&line, "text"))).collect(),
        caller: heard(&caller),
        agent: heard(&agent),
    }
}

/// The settings of instances that share a Redis, and record.
pub(in crate::real) fn shared(redis: &RedisServer) -> Vec<(&'static str, String)> {
    let mut all = settings().to_vec();
    all.extend([
        ("REDIS_URL", redis.url()),
        ("RECORDING_DELAY_MS", DELAY_MS.to_string()),
        ("ADMIN_TOKEN", OPERATOR.to_owned()),
    ]);
    all
}

/// A Redis, and two instances on it and on one disk: none where there is no `redis-server`.
async fn two() -> Option<(RedisServer, Home, Process, Process)> {
    if !has("redis-server", "apt-get install redis-server") {
        return None;
    }
    let (redis, home) = (RedisServer::start(), Home::new().await);
    let first = home.start_as("data", shared(&redis)).await;
    let second = home.start_as("data", shared(&redis)).await;
    Some((redis, home, first, second))
}

/// The rest of the call in its next process: a question, "stop recording", and what is said after it.
async fn goes_on(phone: &mut Phone, server: &Process, ada: &Session) {
    says(phone, &wav(&fixture("stt_what_are_my_tasks.wav"))).await;
    phone.for_ms(300).await;
    phone.say(&embedded::say(&default_models_dir(), "Stop recording.", 16_000).unwrap());
    phone.until("it stops", |phone| phone.last("recording").is_some_and(|event| event["enabled"] == false)).await;
    phone.until("it says so", Phone::is_quiet).await;
    phone.for_ms(1_500).await;
    says(phone, &wav(&fixture("stt_undo_the_last_change.wav"))).await;
    server.request(reqwest::Method::DELETE, &format!("/api/sessions/{}", ada.id), &ada.token).send().await.unwrap();
}

/// Both parts hold what was said in their time, on both sides, and nothing after "stop recording".
pub(in crate::real) fn hold_the_call(before: &Part, after: &Part) {
    assert!(before.has("caller", "proposal") && before.has("agent", "added"), "{before:#?}");
    assert!(after.has("caller", "what are my tasks") && after.has("agent", "review the proposal"), "{after:#?}");
    assert!(before.name.start < after.name.start && before.name.fence < after.name.fence, "{before:#?} {after:#?}");
    for part in [before, after] {
        assert!(["undo the", "undid", "has been stopped"].iter().all(|words| part.lacks(words)), "{part:#?}");
    }
    assert!(after.lacks("added") && after.end == End::Whole, "nothing is in both, and it was ended: {after:#?}");
}

async fn stored(data_dir: &Path, count: usize) {
    let sealed = async || files(&data_dir.join("recordings")).len();
    eventually("all files are stored", async || sealed().await == count).await;
    let waiting = async || files(&data_dir.join("recordings-waiting"));
    eventually("nothing waits", async || waiting().await.iter().all(|path| path.ends_with("lock"))).await;
}

#[tokio::test]
async fn a_call_that_is_handed_over_is_recorded_in_both_processes_until_the_caller_says_stop() {
    let Some((redis, home, mut first, second)) = two().await else { return };
    let data_dir = home.path().join("data");
    let ada = agreeing(&first, "ada.lovelace").await;
    let mut phone = Phone::call(&first, &ada).await;
    phone.until_greeted().await;
    says(&mut phone, &wav(&fixture("voice_review_the_proposal.wav"))).await;
    first.terminate();
    assert_eq!(phone.until_closed().await, 4007);
    let mut phone = Phone::call(&second, &ada).await;
    let ready = phone.last("ready").unwrap();
    assert_eq!((&ready["resumed"], &ready["recording"]), (&Value::Bool(true), &Value::Bool(true)));
    goes_on(&mut phone, &second, &ada).await;
    assert_eq!(first.exit().await.code(), Some(0));
    stored(&data_dir, 4).await;

    let all = parts(&redis, &data_dir, &second).await;
    let [before, after] = all.as_slice() else { panic!("{all:#?}") };
    hold_the_call(before, after);
    assert!(before.end == End::Whole && before.writes("agent", "how can i help"), "{before:#?}");
    assert!(before.lacks("what are my tasks") && after.lacks("how can i help with"), "{all:#?}");
    nothing_is_readable(
        &["recordings", "recordings-waiting"].map(|name| data_dir.join(name)),
        &["proposal", "lovelace"],
    );
}

#[tokio::test]
async fn of_a_killed_process_the_recording_is_whole_to_its_last_page_and_the_next_one_goes_on() {
    let Some((redis, home, first, second)) = two().await else { return };
    let data_dir = home.path().join("data");
    let ada = agreeing(&first, "ada.lovelace").await;
    let mut phone = Phone::call(&first, &ada).await;
    let began = std::time::Instant::now();
    phone.until_greeted().await;
    says(&mut phone, &wav(&fixture("voice_review_the_proposal.wav"))).await;
    phone.for_ms(ON_DISK_MS).await;
    // In the midst of a sentence.
    phone.say(&wav(&fixture("stt_what_are_my_tasks.wav")));
    phone.for_ms(600).await;
    let lasted = began.elapsed();
    first.kill();
    assert_eq!(phone.until_closed().await, 1006);
    let mut phone = Phone::call(&second, &ada).await;
    assert_eq!(phone.last("ready").unwrap()["recording"], true);
    phone.until_greeted().await;
    goes_on(&mut phone, &second, &ada).await;
    stored(&data_dir, 4).await;

    let all = parts(&redis, &data_dir, &second).await;
    let [before, after] = all.as_slice() else { panic!("{all:#?}") };
    hold_the_call(before, after);
    assert_eq!(before.end, End::Recovered);
    assert!(before.writes("agent", "how can i help") && after.writes("agent", "i'm back"), "{all:#?}");
    let lost = lasted.saturating_sub(Duration::from_millis(before.duration_ms));
    assert!(lost < Duration::from_millis(ON_DISK_MS), "{lost:?} of {lasted:?} are lost: {before:#?}");
    nothing_is_readable(
        &["recordings", "recordings-waiting"].map(|name| data_dir.join(name)),
        &["proposal", "lovelace"],
    );
}

#[tokio::test]
async fn who_said_stop_is_not_recorded_by_the_next_process_however_soon_the_first_dies() {
    let Some((redis, home, first, second)) = two().await else { return };
    let data_dir = home.path().join("data");
    let ada = agreeing(&first, "ada.lovelace").await;
    let mut phone = Phone::call(&first, &ada).await;
    phone.until_greeted().await;
    phone.say(&embedded::say(&default_models_dir(), "Stop recording.", 16_000).unwrap());
    phone.until("it stops", |phone| phone.last("recording").is_some_and(|event| event["enabled"] == false)).await;
    first.kill();
    assert_eq!(phone.until_closed().await, 1006);
    let mut phone = Phone::call(&second, &ada).await;
    assert_eq!(phone.last("ready").unwrap()["recording"], false);
    phone.until_greeted().await;
    says(&mut phone, &wav(&fixture("stt_what_are_my_tasks.wav"))).await;
    second.request(reqwest::Method::DELETE, &format!("/api/sessions/{}", ada.id), &ada.token).send().await.unwrap();
    eventually("it is over", async || second.metric("voice_agent_active_sessions").await == 0.0).await;
    let waiting = data_dir.join("recordings-waiting");
    eventually("nothing waits", async || files(&waiting).iter().all(|path| path.ends_with("lock"))).await;
    let all = parts(&redis, &data_dir, &second).await;
    assert!(all.len() == 1 && all[0].lacks("what are my tasks"), "{all:#?}");
}
