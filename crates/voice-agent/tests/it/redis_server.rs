//! A `redis-server` of a test's own, which keeps every write on the disk. Also of the store's own tests.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

/// A server of this test's own, on a free port of the loopback interface.
pub(crate) struct RedisServer {
    pub(crate) child: Child,
    pub(crate) port: u16,
    pub(crate) folder: tempfile::TempDir,
    more: Vec<String>,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| Vec::new())
    }

    /// With more settings than the usual ones, some of which name its port.
    pub(crate) fn start_with(more: impl Fn(u16) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Somebody else may take the port in between: then the server ends, and the next one is tried.
        for _ in 0..20 {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let more = more(port);
            if let Some(child) = launch(port, folder.path(), &more) {
                return Self { child, port, folder, more };
            }
        }
        panic!("no redis-server started; is it installed?");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it as the kernel would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on what it left.
    pub(crate) fn restart(&mut self) {
        self.child = launch(self.port, self.folder.path(), &self.more).unwrap();
    }

    /// STOP lets it stand still, CONT go on.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Tells it something, which it does.
    pub(crate) fn tell(&self, command: &str) {
        let mut line = std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        writeln!(line, "{command}\r").unwrap();
        let mut answer = String::new();
        BufReader::new(line).read_line(&mut answer).unwrap();
        assert_eq!(answer.trim_end(), "+OK", "{command}");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It is a test's: whether it had ended already does not matter.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn launch(port: u16, folder: &std::path::Path, more: &[String]) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(folder).args(more);
    ready(command, "Ready to accept connections")
}

/// Waits until it says so, or has ended.
pub(crate) fn ready(mut command: Command, words: &str) -> Option<Child> {
    let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().expect("redis-server is installed");
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|line| line.contains(words));
    if !ready {
        child.wait().unwrap();
    }
    ready.then_some(child)
}
