//! Connections that can be cut: closed with a TCP reset instead of a normal close.

use super::request_queue::Desk;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use everwarm_runtime::clock;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// How long a connection may stay without a request. Clients drop unused connections earlier.
const IDLE: Duration = Duration::from_mins(5);

/// What the exchange waits for on a connection.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// The head of a request, since this time.
    Head(Instant),
    /// The first byte of the next request, since this time.
    Nothing(Instant),
    /// The exchange's own response, or the messages of a stream.
    Answer,
}

#[derive(Debug)]
struct Shared {
    cut: AtomicBool,
    reader: Mutex<Option<Waker>>,
    expected: Mutex<Expected>,
}

impl Shared {
    fn expected(&self) -> MutexGuard<'_, Expected> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the exchange still waits for the peer.
    fn left(&self, head: Duration) -> Duration {
        match *self.expected() {
            Expected::Head(since) => head.saturating_sub(since.elapsed()),
            Expected::Nothing(since) => IDLE.saturating_sub(since.elapsed()).min(head),
            Expected::Answer => head,
        }
    }
}

/// The handle of one connection.
#[derive(Clone, Debug)]
pub struct Line(Arc<Shared>);

impl Line {
    /// The handle of a new connection. The head of its first request may take this long. So may
    /// each later head, from its first byte on.
    fn begin(head: Duration) -> Line {
        let expected = Mutex::new(Expected::Head(clock::now()));
        let shared = Shared { cut: AtomicBool::new(false), reader: Mutex::default(), expected };
        let line = Line(Arc::new(shared));
        tokio::spawn(hurry(Arc::downgrade(&line.0), head));
        line
    }

    /// Records that the head of a request has arrived.
    pub fn has_head(&self) {
        *self.0.expected() = Expected::Answer;
    }

    /// Records that a request got its response.
    pub fn was_answered(&self) {
        *self.0.expected() = Expected::Nothing(clock::now());
    }

    /// Records that bytes were read.
    fn has_read(&self) {
        let mut expected = self.0.expected();
        if let Expected::Nothing(_) = *expected {
            *expected = Expected::Head(clock::now());
        }
    }

    /// Cuts the connection: the other side sees a reset.
    pub fn cut(&self) {
        self.0.cut.store(true, Relaxed);
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn is_cut(&self) -> bool {
        self.0.cut.load(Relaxed)
    }

    fn checked(&self) -> io::Result<()> {
        if self.is_cut() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

/// Watches a connection until it ends, and cuts it if its peer takes too long.
async fn hurry(shared: Weak<Shared>, head: Duration) {
    while let Some(left) = shared.upgrade().map(|shared| shared.left(head)) {
        if left.is_zero() {
            // The connection may have ended meanwhile.
            if let Some(shared) = shared.upgrade() {
                Line(shared).cut();
            }
            return;
        }
        tokio::time::sleep(left).await;
    }
}

/// Accepts connections that can be cut.
pub struct Lines(pub TcpListener, pub Arc<Desk>);

impl Listener for Lines {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Frames and responses are small and frequent. None waits for the acknowledgement of the
        // last one.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a socket keeps small frames back");
        }
        (Wire { stream, line: Line::begin(self.1.patience().head) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Lines>> for Line {
    fn connect_info(stream: IncomingStream<'_, Lines>) -> Line {
        stream.io().line.clone()
    }
}

/// A TCP connection that can be cut.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    line: Line,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.line.is_cut()
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::debug!(%error, "a connection ends without a reset");
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The waker is stored before the check, so that a cut in between wakes the task.
        *self.line.0.reader.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(context.waker().clone());
        self.line.checked()?;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.line.has_read();
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.line.checked()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.line.checked()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.checked()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.line.is_cut() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
