//! A Sentinel of a test's own.

use std::process::{Child, Command};

use crate::redis_server::ready;

/// A Sentinel, on a free port of the loopback interface.
pub(crate) struct Sentinel {
    child: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

impl Sentinel {
    /// With this configuration, for its port.
    pub(crate) fn start(config: impl Fn(u16) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sentinel.conf");
        for _ in 0..20 {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            std::fs::write(&file, config(port)).unwrap();
            let mut command = Command::new("redis-server");
            command.arg(&file).arg("--sentinel");
            if let Some(child) = ready(command, "+monitor") {
                return Self { child, port, _folder: folder };
            }
        }
        panic!("no Sentinel started");
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // It is a test's: whether it had ended already does not matter.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
