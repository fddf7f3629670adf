//! A port: accept, limit, serve, and stop without cutting anybody off.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::add_extension::AddExtension;

use crate::transport::{Counted, Received};

/// A bound port.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    max_connections: usize,
    head_timeout: Duration,
}

/// How many connections the system keeps while all of ours are taken.
const BACKLOG: u32 = 1_024;

impl Door {
    /// Binds an address. `send_buffer` is the system's buffer of each connection, in bytes.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(
        addr: SocketAddr,
        send_buffer: usize,
        max_connections: usize,
        head_timeout: Duration,
    ) -> io::Result<Self> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restarted server must not wait for the old one's connections to be forgotten.
        socket.set_reuseaddr(true)?;
        // Connections inherit it. Without it the system lets a slow reader pile up megabytes before anybody notices.
        socket.set_send_buffer_size(u32::try_from(send_buffer).unwrap_or(u32::MAX))?;
        socket.bind(addr)?;
        let listener = socket.listen(BACKLOG)?;
        Ok(Self { listener, max_connections: max_connections.min(Semaphore::MAX_PERMITS), head_timeout })
    }

    /// Where it listens: the port that the system chose, when 0 was asked for.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Serves until `stop` is cancelled, and then until what was asked is answered. Upgraded connections are not waited
/// for: their owners end them.
pub async fn serve(door: Door, router: Router, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(door.max_connections));
    let connections = TaskTracker::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        let stream = tokio::select! {
            accepted = door.listener.accept() => match accepted {
                Ok((stream, _peer)) => stream,
                Err(error) => {
                    // Too many open files, mostly. Trying again at once would only burn the processor.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        let (router, stop, head_timeout) = (router.clone(), stop.clone(), door.head_timeout);
        connections.spawn(async move {
            carry(stream, router, stop, head_timeout).await;
            drop(slot);
        });
    }
    connections.close();
    connections.wait().await;
}

async fn carry(stream: TcpStream, router: Router, stop: CancellationToken, head_timeout: Duration) {
    // Frames of 20 ms must not wait for one another in the system.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection without TCP_NODELAY");
    }
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(64 * 1024);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30)).max_concurrent_streams(64);
    let received = Received::default();
    let service = TowerToHyperService::new(AddExtension::new(router, received.clone()));
    let io = TokioIo::new(Counted::new(stream, received));
    let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(io, service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        // The other side's doing: it went away, was too slow, or did not speak HTTP.
        tracing::debug!(error = error.to_string(), "a connection ended");
    }
}
