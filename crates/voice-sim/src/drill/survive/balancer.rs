//! A TCP balancer in front of several instances: it asks each whether it is ready, and sends connections to those that are.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Between two looks at an instance's readiness.
const LOOK: Duration = Duration::from_millis(100);
/// Longest wait for an instance's answer, and for a connection to it.
const ANSWER: Duration = Duration::from_millis(500);

/// An instance, and whether it was ready when it was last asked.
#[derive(Debug, Clone, Copy)]
struct Backend {
    address: SocketAddr,
    is_ready: bool,
}

/// The balancer; it ends with this value.
#[derive(Debug)]
pub(super) struct Balancer {
    address: SocketAddr,
    backends: Arc<Mutex<Vec<Backend>>>,
    _stop: DropGuard,
}

impl Balancer {
    /// Begins to listen on a free port of the loopback interface.
    pub(super) async fn start(client: reqwest::Client) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("the balancer's port")?;
        let (address, stop, backends) = (listener.local_addr()?, CancellationToken::new(), Arc::default());
        let looks = look(Arc::clone(&backends), client);
        let accepts = accept(listener, Arc::clone(&backends));
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = looks => {}
                () = accepts => {}
                () = stopped.cancelled() => {}
            }
        });
        Ok(Self { address, backends, _stop: stop.drop_guard() })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on this instance is asked too.
    pub(super) fn add(&self, address: SocketAddr) {
        lock(&self.backends).push(Backend { address, is_ready: true });
    }

    /// This instance is no more.
    pub(super) fn remove(&self, address: SocketAddr) {
        lock(&self.backends).retain(|backend| backend.address != address);
    }
}

fn lock(backends: &Mutex<Vec<Backend>>) -> std::sync::MutexGuard<'_, Vec<Backend>> {
    // Every change is complete in itself.
    backends.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn look(backends: Arc<Mutex<Vec<Backend>>>, client: reqwest::Client) {
    loop {
        let all: Vec<SocketAddr> = lock(&backends).iter().map(|backend| backend.address).collect();
        for address in all {
            let asked = client.get(format!("http://{address}/health/ready")).timeout(ANSWER).send().await;
            let is_ready = asked.is_ok_and(|answer| answer.status().is_success());
            if let Some(backend) = lock(&backends).iter_mut().find(|backend| backend.address == address) {
                backend.is_ready = is_ready;
            }
        }
        sleep(LOOK).await;
    }
}

async fn accept(listener: TcpListener, backends: Arc<Mutex<Vec<Backend>>>) {
    let next = Arc::new(AtomicUsize::new(0));
    loop {
        // What cannot be accepted is the caller's to try again.
        let Ok((mut caller, _)) = listener.accept().await else { continue };
        let (backends, next) = (Arc::clone(&backends), Arc::clone(&next));
        tokio::spawn(async move {
            if let Some(mut instance) = connect(&backends, &next).await {
                // Either side may go at any time: that is what is drilled.
                let _ended = copy_bidirectional(&mut caller, &mut instance).await;
            }
        });
    }
}

/// A connection to the next instance that is ready and takes it.
async fn connect(backends: &Mutex<Vec<Backend>>, next: &AtomicUsize) -> Option<TcpStream> {
    let ready: Vec<SocketAddr> =
        lock(backends).iter().filter(|backend| backend.is_ready).map(|backend| backend.address).collect();
    let first = next.fetch_add(1, Ordering::Relaxed);
    for at in 0..ready.len() {
        let address = ready[(first + at) % ready.len()];
        if let Ok(Ok(stream)) = timeout(ANSWER, TcpStream::connect(address)).await {
            // Frames of 20 ms are not to wait for one another.
            let _slower = stream.set_nodelay(true);
            return Some(stream);
        }
        if let Some(backend) = lock(backends).iter_mut().find(|backend| backend.address == address) {
            backend.is_ready = false;
        }
    }
    None
}
