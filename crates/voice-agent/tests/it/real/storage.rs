//! Recordings in a real S3 server (SeaweedFS), which dies, stands still, is full, refuses, and is cut off in the middle of an upload.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use object_store::aws::AmazonS3Builder;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use voice_agent::recording::{Kind, Name};
use voice_agent::vault::{Header, Pseudonym, Sealer, open};

use super::process::{Home, PATIENCE, Process, clean, eventually, has};
use super::recording::{agreeing, files, key, nothing_is_readable, settings};
use crate::redis_server::RedisServer;

const ID: &str = "AKIDEXAMPLE";
pub(super) const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00";
const PRIVACY: &str = "who answers for people's rights in the test";
const BUCKET: &str = "voice-recordings";

/// An S3 server of a test's own.
pub(super) struct S3 {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl S3 {
    pub(super) async fn start() -> Option<Self> {
        if !has("weed", "scripts/setup.sh test installs it") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let who = serde_json::json!({"identities": [{
            "name": "voice",
            "credentials": [{"accessKey": ID, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }]});
        std::fs::write(folder.path().join("s3.json"), who.to_string()).unwrap();
        let port = free_port();
        let mut s3 = Self { child: launch(folder.path(), port, false), port, folder };
        s3.until_up().await;
        Some(s3)
    }

    /// Waits until it answers, and makes the bucket.
    async fn until_up(&mut self) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while self.bucket().put(&"probe".into(), "there".into()).await.is_err() {
            assert!(std::time::Instant::now() < deadline, "the S3 server does not start");
            assert!(self.child.try_wait().unwrap().is_none(), "the S3 server ended");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts again on what it left; full: on a disk on which it may not write any more.
    async fn restart(&mut self, is_full: bool) {
        self.child = launch(self.folder.path(), self.port, is_full);
        if !is_full {
            self.until_up().await;
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn bucket(&self) -> object_store::aws::AmazonS3 {
        AmazonS3Builder::new()
            .with_endpoint(format!("http://127.0.0.1:{}", self.port))
            .with_allow_http(true)
            .with_bucket_name(BUCKET)
            .with_region("us-east-1")
            .with_access_key_id(ID)
            .with_secret_access_key(SECRET)
            .with_retry(object_store::RetryConfig { max_retries: 0, ..Default::default() })
            .build()
            .unwrap()
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps what it has.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a recording there.
    pub(super) async fn put(&self, name: &Name, bytes: &[u8]) {
        self.bucket().put(&format!("calls/{name}").into(), bytes.to_vec().into()).await.unwrap();
    }

    /// The recordings in it, with their bytes.
    pub(super) async fn recordings(&self) -> Vec<(Name, Vec<u8>)> {
        let (bucket, prefix) = (self.bucket(), "calls".into());
        let objects: Vec<_> = bucket.list(Some(&prefix)).try_collect().await.unwrap();
        let mut all = Vec::new();
        for object in objects {
            let name = object.location.as_ref().strip_prefix("calls/").unwrap().parse().unwrap();
            let bytes = bucket.get(&object.location).await.unwrap().bytes().await.unwrap();
            all.push((name, bytes.to_vec()));
        }
        all
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // It is a test's: whether it had ended already does not matter.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn launch(folder: &Path, port: u16, is_full: bool) -> Child {
    let mut command = clean("weed");
    command.arg("server").arg(format!("-dir={}", folder.display())).args([
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3",
    ]);
    for (name, offset) in [("s3.port", 0), ("master.port", 1), ("volume.port", 2), ("filer.port", 3)] {
        command.arg(format!("-{name}={}", port + offset));
    }
    command.arg(format!("-s3.config={}", folder.join("s3.json").display()));
    command
        .arg("-master.volumeSizeLimitMB=64")
        .arg(format!("-volume.minFreeSpace={}", if is_full { "100" } else { "0.01" }));
    command.env("WEED_S3_SSE_KEK", "00".repeat(32)).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The first of four ports that are free, and those 10,000 above them, too.
fn free_port() -> u16 {
    (0..100)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() % 20_000 + 20_000)
        .find(|port| {
            (0..4)
                .flat_map(|n| [port + n, port + n + 10_000])
                .all(|p| std::net::TcpListener::bind(("127.0.0.1", p)).is_ok())
        })
        .unwrap()
}

/// The way to the server, on which so many bytes pass.
struct Way {
    port: u16,
    left: Arc<AtomicI64>,
}

impl Way {
    async fn to(port: u16, bytes: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (own, left) = (listener.local_addr().unwrap().port(), Arc::new(AtomicI64::new(bytes)));
        let budget = Arc::clone(&left);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(pass(from_client, to_server, Some(Arc::clone(&budget))));
                tokio::spawn(pass(from_server, to_client, None));
            }
        });
        Self { port: own, left }
    }
}

/// Passes bytes on, and waits when no more may pass.
async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    budget: Option<Arc<AtomicI64>>,
) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut piece).await {
        if count == 0 {
            break;
        }
        while budget.as_ref().is_some_and(|left| left.fetch_sub(count as i64, Ordering::SeqCst) < count as i64) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if to.write_all(&piece[..count]).await.is_err() {
            break;
        }
    }
    // The other side is told that nothing more comes; if it is gone, nobody needs to be.
    let _gone = to.shutdown().await;
}

pub(super) fn home_settings(port: u16, secret: &str) -> Vec<(&'static str, String)> {
    let mut all = settings().to_vec();
    all.extend([
        ("RECORDING_STORAGE", format!("s3://{BUCKET}/calls")),
        ("RECORDING_RETRY_MS", "200".to_owned()),
        ("RECORDING_ATTEMPT_MS", "2000".to_owned()),
        ("RECORDING_PART_MB", "5".to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
    ]);
    all
}

/// A conversation in writing whose words are recorded, from its beginning to its end.
async fn conversation(server: &Process) {
    let ada = agreeing(server, "ada").await;
    server.reply(&ada, "Add a task to water the rhododendron").await;
    server.request(reqwest::Method::DELETE, &format!("/api/sessions/{}", ada.id), &ada.token).send().await.unwrap();
}

async fn waiting(server: &Process) -> f64 {
    server.metric("voice_recordings_waiting").await
}

async fn reason(server: &Process) -> String {
    let (status, body) = server.readiness().await;
    assert_eq!(status, 200, "a storage that fails takes nobody out of service");
    body["reasons"].to_string()
}

async fn delivered(s3: &S3, data_dir: &Path, count: usize) {
    eventually("everything is delivered", async || s3.recordings().await.len() == count).await;
    eventually("nothing waits here", async || {
        files(&data_dir.join("recordings-waiting")).iter().all(|path| path.ends_with("lock"))
    })
    .await;
    for (name, sealed) in s3.recordings().await {
        let opened = open(&sealed, &key(data_dir, &name).await).unwrap();
        assert_eq!(opened.label, name.label());
        assert!(!sealed.windows(12).any(|part| part == b"rhododendron"));
    }
}

#[tokio::test]
async fn what_s3_does_not_take_waits_sealed_and_is_delivered() {
    let Some(mut s3) = S3::start().await else { return };
    let home = Home::new().await;
    let server = home.start_as("data", home_settings(s3.port, SECRET)).await;
    let data_dir = home.path().join("data");
    conversation(&server).await;
    delivered(&s3, &data_dir, 1).await;

    // It stands still.
    s3.signal("STOP");
    conversation(&server).await;
    eventually("it waits", async || waiting(&server).await == 1.0).await;
    assert!(reason(&server).await.contains("wait for their storage"));
    nothing_is_readable(&[data_dir.join("recordings-waiting")], &["rhododendron"]);
    s3.signal("CONT");
    delivered(&s3, &data_dir, 2).await;
    eventually("it is well again", async || server.readiness().await.1["status"] == "ready").await;

    // It is gone, and so is this process before it comes back.
    s3.kill();
    conversation(&server).await;
    eventually("it waits", async || waiting(&server).await == 1.0).await;
    server.kill();
    let server = home.start_as("data", home_settings(s3.port, SECRET)).await;
    eventually("the next process finds it", async || waiting(&server).await == 1.0).await;

    // It is there, and full.
    s3.restart(true).await;
    conversation(&server).await;
    eventually("both wait", async || waiting(&server).await == 2.0).await;
    s3.kill();
    s3.restart(false).await;
    delivered(&s3, &data_dir, 4).await;
    assert!(server.metric("voice_recordings_failed_total{reason=\"storage\"}").await >= 3.0);
    let said: String = server.logged("degraded").iter().map(ToString::to_string).collect();
    assert!(!said.contains(SECRET) && !said.contains('?'), "{said}");
}

#[tokio::test]
async fn credentials_that_are_refused_are_said_and_lose_nothing() {
    let Some(s3) = S3::start().await else { return };
    let home = Home::new().await;
    let data_dir = home.path().join("data");
    let server = home.start_as("data", home_settings(s3.port, "another secret")).await;
    conversation(&server).await;
    eventually("it waits", async || waiting(&server).await == 1.0).await;
    let said = reason(&server).await;
    assert!(said.contains("refuses the credentials") && !said.contains("another secret"), "{said}");
    server.kill();
    let _server = home.start_as("data", home_settings(s3.port, SECRET)).await;
    delivered(&s3, &data_dir, 1).await;
}

#[tokio::test]
async fn an_upload_that_is_killed_in_the_middle_is_made_again_whole() {
    let Some(s3) = S3::start().await else { return };
    let home = Home::new().await;
    let data_dir = home.path().join("data");
    let way = Way::to(s3.port, 9_000_000).await;
    let server = home.start_as("data", home_settings(way.port, SECRET)).await;
    conversation(&server).await;
    delivered(&s3, &data_dir, 1).await;
    let (small, _) = s3.recordings().await.remove(0);
    server.kill();
    // What an hour's call of a process that was killed has left.
    let big = long_recording(&data_dir, &small).await;
    let server = home.start_as("data", home_settings(way.port, SECRET)).await;
    eventually("it is in the middle of the upload", async || way.left.load(Ordering::SeqCst) < 0).await;
    server.kill();
    assert_eq!(s3.recordings().await.len(), 1, "half of it is nothing");
    way.left.store(i64::MAX, Ordering::SeqCst);
    let _server = home.start_as("data", home_settings(way.port, SECRET)).await;
    delivered(&s3, &data_dir, 2).await;
    let stored = s3.recordings().await.into_iter().find(|(name, _)| *name == big.0).unwrap().1;
    assert!(stored == big.1, "{} of {} bytes", stored.len(), big.1.len());
}

/// The settings of one of several instances whose Redis this is.
fn shared_settings(redis: &RedisServer, port: u16) -> Vec<(&'static str, String)> {
    let mut all = home_settings(port, SECRET);
    all.extend([
        ("REDIS_URL", redis.url()),
        // An upload that takes its time is not tried again meanwhile.
        ("RECORDING_ATTEMPT_MS", "120000".to_owned()),
        ("PRIVACY_TOKEN", PRIVACY.to_owned()),
    ]);
    all
}

#[tokio::test]
async fn an_upload_that_ends_after_an_erasure_elsewhere_leaves_nothing_in_the_bucket() {
    let Some(s3) = S3::start().await else { return };
    let (redis, home) = (RedisServer::start(), Home::new().await);
    let way = Way::to(s3.port, i64::MAX).await;
    let uploader = home.start_as("uploader", shared_settings(&redis, way.port)).await;
    let eraser = home.start_as("eraser", shared_settings(&redis, s3.port)).await;
    conversation(&uploader).await;
    eventually("it is stored", async || s3.recordings().await.len() == 1).await;
    let (name, copy) = s3.recordings().await.remove(0);
    way.left.store(0, Ordering::SeqCst);
    conversation(&uploader).await;
    eventually("it is in the middle of the upload", async || way.left.load(Ordering::SeqCst) < 0).await;

    let answer = eraser.post("/api/admin/privacy/erase", PRIVACY, &json!({"user_id": "ada"})).await;
    let certificate: Value = answer.json().await.unwrap();
    let statement = &certificate["statement"];
    assert_eq!(
        (&statement["key_destroyed"], &statement["erased"]["recordings"]),
        (&json!(true), &json!(1)),
        "{statement}"
    );
    assert_eq!(s3.recordings().await, [], "it found what was there");
    way.left.store(i64::MAX, Ordering::SeqCst);
    eventually("the upload ends", async || uploader.metric("voice_recordings_stored_total").await == 2.0).await;
    eventually("it is deleted", async || uploader.metric("voice_recordings_deleted_total").await == 1.0).await;
    assert_eq!(s3.recordings().await, []);
    let waiting = home.path().join("uploader/recordings-waiting");
    eventually("nothing waits", async || files(&waiting).iter().all(|path| path.ends_with("lock"))).await;

    // She is there again, and has another key; and this upload's process was killed at its end, before it could look.
    conversation(&uploader).await;
    eventually("it is stored", async || s3.recordings().await.len() == 1).await;
    let (present, _) = s3.recordings().await.remove(0);
    let key = object_store::path::Path::from(format!("calls/{name}"));
    s3.bucket().put(&key, copy.into()).await.unwrap();
    let next = home.start_as("next", shared_settings(&redis, s3.port)).await;
    eventually("the next look finds it", async || next.metric("voice_recordings_deleted_total").await == 1.0).await;
    let left: Vec<Name> = s3.recordings().await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, [present], "what she can be shown stays");
}

/// Puts a sealed file of 20 MB where a process that is gone would have left it.
async fn long_recording(data_dir: &Path, like: &Name) -> (Name, Vec<u8>) {
    let start: Timestamp = "2026-11-01T10:00:00Z".parse().unwrap();
    let name = Name::new(like.owner, "long", start, 1, Kind::Sound);
    let (mut sealer, mut sealed) = Sealer::new(&key(data_dir, &name).await, &name.label()).unwrap();
    for n in 0..320_u32 {
        sealer.seal(&[n as u8; 64 * 1024], &mut sealed).unwrap();
    }
    sealer.finish(&mut sealed).unwrap();
    let path: PathBuf = data_dir.join("recordings-waiting/gone").join(name.to_string());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, &sealed).unwrap();
    let owner: Pseudonym = Header::read(&mut sealed.as_slice()).unwrap().owner;
    assert_eq!(owner, like.owner);
    (name, sealed)
}
