//! Somebody is erased after a real call: what was dialled, said, heard and asked for is nowhere any more, and old copies of the
//! recordings open nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use voice_agent::audio::resample::resample;
use voice_agent::embedded;
use voice_agent::model::runtime::default_models_dir;
use voice_agent::privacy::{Certificate, Statement};
use voice_agent::recording::Name;
use voice_agent::store::SqliteStore;
use voice_agent::vault::{UserKey, open};
use voice_caller::phone::Call;

use super::super::twilio::client::{AUTH_TOKEN, PUBLIC_URL};
use super::phone::wav;
use super::process::{Home, Process, clean, eventually, fixture, has};
use super::recording::{files, settings, telephone, unwrapped};
use super::storage::{S3, SECRET, home_settings};
use crate::privacy::unpacked;
use crate::redis_server::RedisServer;
use crate::server::problem;

const NUMBER: &str = "+15551234567";
const USER: &str = "phone:+15551234567";
const PRIVACY: &str = "who answers for people's rights in the test";

/// A house with one server: where it keeps what it is told.
struct House {
    home: Home,
    settings: Vec<(&'static str, String)>,
    redis: Option<RedisServer>,
    s3: Option<S3>,
    server: Process,
}

impl House {
    async fn new(storage: Vec<(&'static str, String)>, redis: Option<RedisServer>, s3: Option<S3>) -> Self {
        let home = Home::new().await;
        let mut settings = storage;
        settings.extend([
            ("TWILIO_AUTH_TOKEN", AUTH_TOKEN.to_owned()),
            ("PUBLIC_URL", PUBLIC_URL.to_owned()),
            ("PRIVACY_TOKEN", PRIVACY.to_owned()),
        ]);
        settings.extend(redis.as_ref().map(|redis| ("REDIS_URL", redis.url())));
        let mut its_own = settings.clone();
        its_own.push(("INPUT_LOG_DIR", home.path().join("input-logs").display().to_string()));
        let server = home.start_as("data", its_own).await;
        Self { home, settings, redis, s3, server }
    }

    /// A command of the binary, beside the server: on the same store, with a disk of its own.
    async fn command(&self, arguments: &[&str]) -> Output {
        let mut command = clean(env!("CARGO_BIN_EXE_voice-agent"));
        command.args(arguments).envs(self.settings.iter().map(|(name, value)| (*name, value)));
        command.env("DATA_DIR", self.home.path().join("command"));
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    }

    /// The wrapped key of whom this recording is of.
    async fn wrapped(&self, name: &Name) -> Option<String> {
        let Some(redis) = &self.redis else {
            return SqliteStore::read_key(&self.home.path().join("data"), &name.owner.to_string()).unwrap();
        };
        let client = redis::Client::open(redis.url()).unwrap();
        let mut store = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("GET").arg(format!("voice:key:{}", name.owner)).query_async(&mut store).await.unwrap()
    }

    /// The recordings in the storage.
    async fn recordings(&self) -> Vec<(Name, Vec<u8>)> {
        if let Some(s3) = &self.s3 {
            return s3.recordings().await;
        }
        let folder = self.home.path().join("data/recordings");
        let one = |path: PathBuf| {
            let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().parse().unwrap();
            (name, std::fs::read(&path).unwrap())
        };
        files(&folder).into_iter().map(one).collect()
    }

    /// Somebody has an old copy, and puts it back.
    async fn put_back(&self, name: &Name, bytes: &[u8]) {
        if let Some(s3) = &self.s3 {
            return s3.put(name, bytes).await;
        }
        let path = self.home.path().join("data/recordings").join(name.to_string());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Everything that is kept, said in the log or told to Prometheus, in small letters, by where it is.
    async fn everything(&self) -> Vec<(String, String)> {
        let mut folders = vec![self.home.path().to_owned()];
        folders.extend(self.redis.as_ref().map(|redis| redis.folder.path().to_owned()));
        folders.extend(self.s3.as_ref().map(|s3| s3.folder().to_owned()));
        let read = |path: PathBuf| (path.display().to_string(), lowered(&path));
        let mut all: Vec<_> = folders.iter().flat_map(|folder| files(folder)).map(read).collect();
        let log: String = self.server.logged("").iter().map(Value::to_string).collect();
        all.push(("the server's log".to_owned(), log.to_lowercase()));
        all.push(("the metrics".to_owned(), self.server.exposition().await.to_lowercase()));
        all
    }

    /// Whatever was kept and logged: no token and no key is in it.
    async fn tells_no_secret(&self) {
        let is_secret =
            |name: &str| ["_TOKEN", "_SECRET_ACCESS_KEY", "_MASTER_KEY"].iter().any(|end| name.ends_with(end));
        let secrets = self.settings.iter().filter(|(name, _)| is_secret(name)).map(|(_, secret)| secret.to_lowercase());
        let found = self.holding(&secrets.collect()).await;
        // Where the S3 server has its own credentials.
        let found: Vec<_> = found.into_iter().filter(|found| !found.ends_with("/s3.json")).collect();
        assert_eq!(found, [] as [String; 0]);
    }

    /// Which of these are where.
    async fn holding(&self, needles: &BTreeSet<String>) -> Vec<String> {
        let all = self.everything().await;
        let in_one = |(place, text): &(String, String)| {
            let found =
                needles.iter().filter(|needle| text.contains(*needle) || place.to_lowercase().contains(*needle));
            found.map(|needle| format!("{needle} in {place}")).collect::<Vec<_>>()
        };
        all.iter().flat_map(in_one).collect()
    }
}

fn lowered(path: &Path) -> String {
    // What goes meanwhile holds nothing.
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).to_lowercase()
}

/// A call by telephone, with two tasks of which one has a name in it. It is hung up.
async fn talk(server: &Process) {
    let (pause, patience) = (Duration::from_secs(5), Duration::from_secs(60));
    let mut call = Call::dial(telephone(server)).await.unwrap();
    call.hear_out(pause, patience).await.unwrap().expect("it announces and greets");
    let named = embedded::say(&default_models_dir(), "Add a task to call Angela Martinez.", 16_000).unwrap();
    for said in [wav(&fixture("voice_review_the_proposal.wav")), named] {
        let said = resample(&said, 16_000, 8_000).unwrap();
        call.say(&said, pause, patience).await.unwrap().expect("it answers");
    }
    call.hang_up().await;
    eventually("sound and words are stored", async || server.metric("voice_recordings_stored_total").await == 2.0)
        .await;
}

/// What the archive has that is the person's: the number, every title and its longer words, and whatever was said.
fn needles(archive: &Path) -> BTreeSet<String> {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let mut all: BTreeSet<String> = [NUMBER, "5551234567"].map(str::to_owned).into();
    let tasks: Value = serde_json::from_str(&read(&archive.join("tasks.json"))).unwrap();
    let titles: Vec<&str> =
        tasks["tasks"].as_array().unwrap().iter().map(|task| task["title"].as_str().unwrap()).collect();
    assert_eq!(titles.len(), 2, "{titles:?}");
    for title in titles {
        all.insert(title.to_lowercase());
        all.extend(
            title.to_lowercase().split(' ').filter(|word| word.len() >= 6 && *word != "review").map(str::to_owned),
        );
    }
    let sessions = files(&archive.join("sessions"));
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let session: Value = serde_json::from_str(&read(&sessions[0])).unwrap();
    let said = session["conversation_history"].as_array().unwrap().iter().filter(|item| item["role"] == "user");
    all.extend(said.map(|item| item["content"].as_str().unwrap().to_lowercase()));
    all
}

async fn is_erased_for_good(house: House, erase: &[&str]) {
    talk(&house.server).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (server, archive, certificate) = (house.server.url(""), at("archive.tar.gz"), at("certificate.json"));
    let exported = ["privacy", "export", "--server", &server, "--user", USER, "--to", &archive];
    let exported = house.command(&exported).await;
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let mut needles = needles(unpacked(&std::fs::read(&archive).unwrap()).path());
    assert!(needles.iter().any(|needle| needle.contains("proposal")) && needles.len() > 5, "{needles:?}");

    // Copies of before: they can be opened as long as the key is there.
    let copies = house.recordings().await;
    assert_eq!(copies.len(), 2, "sound and words");
    for (name, bytes) in &copies {
        let wrapped = house.wrapped(name).await.expect("there is a key");
        let key: UserKey = unwrapped(name, &wrapped).await;
        assert!(!open(bytes, &key).unwrap().text.is_empty());
        needles.insert(wrapped.to_lowercase());
    }
    let before = house.holding(&needles).await;
    for needle in &needles {
        assert!(before.iter().any(|found| found.starts_with(needle)), "{needle} is looked for in vain: {before:?}");
    }
    assert_eq!(files(&house.home.path().join("input-logs")).len(), 1);

    let mut arguments = vec!["privacy", "erase", "--user", USER, "--to", &certificate];
    arguments.extend(erase.iter().map(|argument| if argument.is_empty() { server.as_str() } else { *argument }));
    let erased = house.command(&arguments).await;
    let said = String::from_utf8_lossy(&erased.stderr).into_owned();
    assert_eq!(erased.status.code(), Some(0), "nothing is left to do: {said}");
    let Statement { key_destroyed, store_scrubbed, left, erased, .. } =
        Certificate::verify(&std::fs::read_to_string(&certificate).unwrap(), None).unwrap().statement;
    assert!(key_destroyed && store_scrubbed && left.is_empty(), "{left:?}");
    assert_eq!((erased["recordings"], erased["tasks"], erased["sessions"]), (2, 2, 1));

    assert_eq!(house.holding(&needles).await, [] as [String; 0]);
    assert!(house.recordings().await.is_empty());
    for folder in ["input-logs", "data/recordings-waiting"] {
        let left: Vec<PathBuf> = files(&house.home.path().join(folder));
        assert!(left.iter().all(|path| path.ends_with("lock")), "{left:?}");
    }
    house.tells_no_secret().await;
    for (name, bytes) in &copies {
        assert_eq!(house.wrapped(name).await, None);
        house.put_back(name, bytes).await;
        let answer = house.server.get(&format!("/api/admin/recordings/{name}"), PRIVACY).await;
        problem(answer, 404, "recording_erased").await;
    }
}

#[tokio::test]
async fn after_a_real_call_nothing_of_an_erased_caller_is_left_in_database_disk_or_log() {
    let house = House::new(settings().to_vec(), None, None).await;
    is_erased_for_good(house, &["--server", ""]).await;
}

#[tokio::test]
async fn after_a_real_call_nothing_of_an_erased_caller_is_left_in_redis_bucket_disk_or_log() {
    if !has("redis-server", "apt-get install redis-server") {
        return;
    }
    let Some(s3) = S3::start().await else { return };
    // A snapshot that is not packed: what is in it can be read, and so looked for.
    let redis = RedisServer::start_with(|_| ["--rdbcompression", "no"].map(str::to_owned).to_vec());
    let house = House::new(home_settings(s3.port(), SECRET), Some(redis), Some(s3)).await;
    // By the command itself, which has no server: the one that lives does its part, and says so.
    is_erased_for_good(house, &[]).await;
}
