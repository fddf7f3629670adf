//! A listener that can refuse, and connections that can be cut.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::lock;
use super::service::Provider;
use super::shared::Shared;

/// Connections that a provider has open at most.
const MOST_CONNECTIONS: usize = 1_024;
/// Between attempts to get a closed port back.
const AGAIN: Duration = Duration::from_millis(20);

/// One TCP connection, as its requests see it.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    /// Its number at its provider, from 1.
    pub(crate) number: u64,
    cut: CancellationToken,
}

impl Wire {
    /// Ends the connection, whatever is going on in it.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }
}

/// All open connections, by their provider.
#[derive(Debug, Default)]
pub(crate) struct Wires(Mutex<BTreeMap<Provider, CancellationToken>>);

impl Wires {
    /// The end of a new connection, which comes with `stop` at the latest.
    fn open(&self, provider: Provider, stop: &CancellationToken) -> CancellationToken {
        lock(&self.0).entry(provider).or_insert_with(|| stop.child_token()).child_token()
    }

    /// Ends every connection that is open.
    pub(crate) fn cut(&self, provider: Provider) {
        if let Some(all) = lock(&self.0).remove(&provider) {
            all.cancel();
        }
    }
}

impl Connected<IncomingStream<'_, Gate>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        stream.io().wire.clone()
    }
}

/// The connection's bytes, until it is cut.
pub(crate) struct Cuttable {
    tcp: TcpStream,
    wire: Wire,
    is_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: OwnedSemaphorePermit,
}

impl Cuttable {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.is_cut.as_mut().poll(context).is_ready() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut"));
        }
        Ok(())
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

/// A provider's port.
pub(crate) struct Gate {
    provider: Provider,
    shared: Arc<Shared>,
    address: SocketAddr,
    /// None while the port is closed.
    listener: Option<TcpListener>,
    places: Arc<Semaphore>,
}

impl Gate {
    pub(crate) async fn bind(provider: Provider, port: u16, shared: Arc<Shared>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        Ok(Self { provider, shared, address, listener: Some(listener), places })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection, or none when the port is to be closed or could not be opened.
    async fn next(&mut self) -> Option<TcpStream> {
        let mut changes = self.shared.faults.watch();
        if self.shared.faults.is_closed(self.provider) {
            self.listener = None;
            let _the_faults_live_as_long = changes.changed().await;
            return None;
        }
        if self.listener.is_none() {
            match TcpListener::bind(self.address).await {
                Ok(listener) => self.listener = Some(listener),
                Err(_) => sleep(AGAIN).await,
            }
        }
        let listener = self.listener.as_ref()?;
        tokio::select! {
            biased;
            _ = changes.changed() => None,
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => Some(tcp),
                // Out of file handles, or the client is gone again: neither lasts.
                Err(_) => { sleep(AGAIN).await; None }
            },
        }
    }
}

impl Listener for Gate {
    type Io = Cuttable;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Cuttable, SocketAddr) {
        loop {
            let Some(tcp) = self.next().await else { continue };
            let number = self.shared.journal.connected(self.provider);
            if self.shared.faults.take_reset(self.provider) {
                let _closed_with_a_reset = tcp.set_zero_linger();
                continue;
            }
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { continue };
            let _a_little_slower_without = tcp.set_nodelay(true);
            let cut = self.shared.wires.open(self.provider, &self.shared.stop);
            let is_cut = Box::pin(cut.clone().cancelled_owned());
            return (Cuttable { tcp, wire: Wire { number, cut }, is_cut, _place: place }, self.address);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
