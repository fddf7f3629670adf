//! A TCP balancer in front of several instances: it asks each whether it is ready, and sends a connection to the one that has the fewest.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// What is known of all instances.
#[derive(Debug, Default)]
struct Table {
    backends: Vec<Backend>,
    /// Which caller's connection goes to which instance.
    lines: HashMap<SocketAddr, SocketAddr>,
}

impl Table {
    fn backend(&mut self, address: SocketAddr) -> Option<&mut Backend> {
        self.backends.iter_mut().find(|backend| backend.address == address)
    }

    /// A connection is over. An instance that broke it off is not asked again before it says that it is ready, if there is another.
    fn line_ended(&mut self, from: SocketAddr, broke: bool) {
        let Some(address) = self.lines.remove(&from) else { return };
        let has_others = self.backends.iter().any(|backend| backend.is_ready && backend.address != address);
        if let Some(backend) = self.backend(address).filter(|_| broke && has_others) {
            backend.is_ready = false;
        }
    }

    /// The instances that are ready, those with the fewest connections first.
    fn ready(&self) -> Vec<SocketAddr> {
        let ready = self.backends.iter().filter(|backend| backend.is_ready);
        let mut addresses: Vec<SocketAddr> = ready.map(|backend| backend.address).collect();
        addresses.sort_by_key(|address| self.lines.values().filter(|to| *to == address).count());
        addresses
    }
}

/// The balancer; it ends with this value.
#[derive(Debug)]
pub(super) struct Balancer {
    address: SocketAddr,
    table: Arc<Mutex<Table>>,
    _stop: DropGuard,
}

impl Balancer {
    /// Begins to listen on a free port of the loopback interface.
    pub(super) async fn start(client: reqwest::Client) -> Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), client).await
    }

    /// The same at this address.
    pub(super) async fn listen(address: SocketAddr, client: reqwest::Client) -> Result<Self> {
        let listener = TcpListener::bind(address).await.context("the balancer's port")?;
        let (address, stop, table) = (listener.local_addr()?, CancellationToken::new(), Arc::default());
        let looks = look(Arc::clone(&table), client);
        let accepts = accept(listener, Arc::clone(&table));
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = looks => {}
                () = accepts => {}
                () = stopped.cancelled() => {}
            }
        });
        Ok(Self { address, table, _stop: stop.drop_guard() })
    }

    /// Where callers connect.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this instance is asked too.
    pub(super) fn add(&self, address: SocketAddr) {
        lock(&self.table).backends.push(Backend { address, is_ready: true });
    }

    /// The instance that has this caller's connection.
    pub(super) fn instance_of(&self, caller: SocketAddr) -> Option<SocketAddr> {
        lock(&self.table).lines.get(&caller).copied()
    }

    /// This instance is no more.
    pub(super) fn remove(&self, address: SocketAddr) {
        lock(&self.table).backends.retain(|backend| backend.address != address);
    }
}

/// A balancer in front of instances that somebody else starts; it ends with this value.
#[derive(Debug)]
pub struct Balanced {
    balancer: Balancer,
}

impl Balanced {
    /// Listens at an address, and sends connections to the instances at these.
    ///
    /// # Errors
    /// When the address is taken, or there is no HTTP client.
    pub async fn start(listen: SocketAddr, instances: &[SocketAddr]) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
        let balancer = Balancer::listen(listen, client).await?;
        instances.iter().for_each(|instance| balancer.add(*instance));
        Ok(Self { balancer })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.balancer.address()
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    // Every change is complete in itself.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn look(table: Arc<Mutex<Table>>, client: reqwest::Client) {
    loop {
        let all: Vec<SocketAddr> = lock(&table).backends.iter().map(|backend| backend.address).collect();
        for address in all {
            let asked = client.get(format!("http://{address}/health/ready")).timeout(ANSWER).send().await;
            let is_ready = asked.is_ok_and(|answer| answer.status().is_success());
            if let Some(backend) = lock(&table).backend(address) {
                backend.is_ready = is_ready;
            }
        }
        sleep(LOOK).await;
    }
}

async fn accept(listener: TcpListener, table: Arc<Mutex<Table>>) {
    loop {
        // What cannot be accepted is the caller's to try again.
        let Ok((mut caller, from)) = listener.accept().await else { continue };
        let table = Arc::clone(&table);
        tokio::spawn(async move {
            if let Some(mut instance) = connect(&table, from).await {
                // Frames of 20 ms are not to wait for one another.
                let _slower = caller.set_nodelay(true).and_then(|()| instance.set_nodelay(true));
                // Either side may go at any time: that is what is drilled.
                let ended = copy_bidirectional(&mut caller, &mut instance).await;
                lock(&table).line_ended(from, ended.is_err());
            }
        });
    }
}

/// A connection to the first instance that is ready and takes it.
async fn connect(table: &Mutex<Table>, from: SocketAddr) -> Option<TcpStream> {
    let ready = lock(table).ready();
    for address in ready {
        // It counts from now on: many may come in one moment.
        lock(table).lines.insert(from, address);
        if let Ok(Ok(stream)) = timeout(ANSWER, TcpStream::connect(address)).await {
            return Some(stream);
        }
        if let Some(backend) = lock(table).backend(address) {
            backend.is_ready = false;
        }
    }
    lock(table).lines.remove(&from);
    None
}
