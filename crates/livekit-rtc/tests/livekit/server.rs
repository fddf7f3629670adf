//! A livekit-server of a test's own, on free ports of the loopback.

use std::fs::File;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use livekit_rtc::token::{AccessToken, ApiKey, Grants};
use livekit_rtc::{Address, Event, Events, Room, RoomOptions};

pub(crate) const SECRET: &str = "a secret of at least thirty-two characters";

pub(crate) struct Server {
    binary: PathBuf,
    folder: PathBuf,
    pub(crate) process: Option<Child>,
    pub(crate) port: u16,
}

impl Server {
    /// A running server; nothing, and a word about it, if there is none on this machine.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::start_with(test, "")
    }

    /// The same with more configuration below `rtc:`.
    pub(crate) fn start_with(test: &str, rtc: &str) -> Option<Self> {
        let Some(binary) = std::env::var_os("LIVEKIT_SERVER") else {
            skip(test, "LIVEKIT_SERVER names no server (make test-livekit)");
            return None;
        };
        // RUST_LOG=livekit_rtc=debug,is=debug shows what a failed test was about.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        std::fs::create_dir_all(&folder).unwrap();
        let http = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let ports = [http.local_addr(), tcp.local_addr(), udp.local_addr()].map(|address| address.unwrap().port());
        let [port, tcp_port, udp_port] = ports;
        let config = format!(
            "port: {port}\nbind_addresses: [127.0.0.1]\nlogging: {{level: info}}\nkeys: {{devkey: {SECRET}}}\n\
             rtc:\n  tcp_port: {tcp_port}\n  udp_port: {udp_port}\n  node_ip: 127.0.0.1\n  \
             use_external_ip: false\n  enable_loopback_candidate: true\n  interfaces: {{includes: [lo]}}\n{rtc}"
        );
        std::fs::write(folder.join("livekit.yaml"), config).unwrap();
        drop((http, tcp, udp));
        let mut server = Self { binary: binary.into(), folder, process: None, port };
        server.run();
        Some(server)
    }

    fn run(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.join("server.log")).unwrap();
        let process = Command::new(&self.binary)
            .arg("--config")
            .arg(self.folder.join("livekit.yaml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "the server does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it as a crash does, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.run();
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn address(&self) -> Address {
        address(self.port)
    }

    pub(crate) fn key() -> ApiKey {
        ApiKey::new("devkey", SECRET)
    }

    pub(crate) fn token(room: &str, identity: &str) -> String {
        AccessToken::new(Grants::join(room)).identity(identity).sign(&Self::key(), SystemTime::now()).unwrap()
    }

    pub(crate) async fn join(&self, room: &str, identity: &str) -> (Room, Events) {
        self.join_with(room, identity, RoomOptions::default()).await
    }

    pub(crate) async fn join_with(&self, room: &str, identity: &str, options: RoomOptions) -> (Room, Events) {
        join_at(self.port, room, identity, options).await
    }

    /// Calls the server's API: the status, and the answer.
    pub(crate) async fn call(
        &self,
        service: &str,
        method: &str,
        grants: Grants,
        body: serde_json::Value,
    ) -> serde_json::Value {
        let token = AccessToken::new(grants).sign(&Self::key(), SystemTime::now()).unwrap();
        let url = format!("{}/twirp/livekit.{service}/{method}", self.address().http());
        let response = reqwest::Client::new().post(url).bearer_auth(token).json(&body).send().await.unwrap();
        assert!(response.status().is_success(), "{method}: {}", response.status());
        response.json().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn address(port: u16) -> Address {
    Address::parse(&format!("ws://127.0.0.1:{port}")).unwrap()
}

pub(crate) async fn join_at(port: u16, room: &str, identity: &str, options: RoomOptions) -> (Room, Events) {
    Room::connect(address(port), Server::token(room, identity), options).await.unwrap()
}

/// Says past the harness that a test was left out.
pub(crate) fn skip(test: &str, why: &str) {
    let mut past_the_harness = std::io::stderr();
    writeln!(past_the_harness, "SKIPPED {test}: {why}").unwrap();
}

/// The next event that is looked for; others are passed over.
pub(crate) async fn until<T>(events: &mut Events, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
    let mut passed = Vec::new();
    let looking = async {
        while let Some(event) = events.next().await {
            if let Some(found) = wanted(&event) {
                return found;
            }
            passed.push(format!("{event:?}"));
        }
        panic!("the stay ended after {passed:#?}");
    };
    let found = tokio::time::timeout(Duration::from_secs(30), looking).await;
    found.unwrap_or_else(|_| panic!("the event did not come in 30 s; others were {passed:#?}"))
}

/// The next track that reaches us.
pub(crate) async fn subscribed(events: &mut Events) -> livekit_rtc::Track {
    until(events, |event| match event {
        Event::TrackSubscribed { track, .. } => Some(track.clone()),
        _ => None,
    })
    .await
}
