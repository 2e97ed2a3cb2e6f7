//! The queue of messages to one connection, bounded in messages and in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc;

/// Most messages that wait for one connection. A connection that is further behind is dropped.
const QUEUE: usize = 1 << 16;
/// Most bytes of messages that wait for one connection. A connection that is further behind is
/// dropped.
const QUEUE_BYTES: usize = 64 << 20;

/// A command to the task of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Send this text.
    Text(String),
    /// Send this as bytes.
    Bytes(Vec<u8>),
    /// Close the connection after this time.
    Close(Duration),
    /// Cut the connection.
    Cut,
}

impl Frame {
    fn bytes(&self) -> usize {
        match self {
            Frame::Text(text) => text.len(),
            Frame::Bytes(bytes) => bytes.len(),
            Frame::Close(_) | Frame::Cut => 0,
        }
    }
}

/// The sending end of a connection's queue, bounded in messages and in bytes.
#[derive(Clone, Debug)]
pub struct Queue {
    frames: mpsc::Sender<Frame>,
    waiting: Arc<AtomicUsize>,
}

impl Queue {
    /// Queues a frame. False if the queue is full or the connection has ended.
    pub fn push(&self, frame: Frame) -> bool {
        let bytes = frame.bytes();
        if self.waiting.load(Relaxed).saturating_add(bytes) > QUEUE_BYTES {
            return false;
        }
        self.waiting.fetch_add(bytes, Relaxed);
        self.frames.try_send(frame).is_ok()
    }
}

/// The receiving end of a connection's queue.
#[derive(Debug)]
pub struct Waiting {
    frames: mpsc::Receiver<Frame>,
    waiting: Arc<AtomicUsize>,
}

impl Waiting {
    /// An empty queue: both ends.
    pub fn new() -> (Queue, Waiting) {
        let (queue, frames) = mpsc::channel(QUEUE);
        let waiting = Arc::new(AtomicUsize::new(0));
        let queue = Queue { frames: queue, waiting: Arc::clone(&waiting) };
        (queue, Waiting { frames, waiting })
    }

    /// Moves at most `most` frames into `batch`. Returns their number; 0: the connection was
    /// removed.
    pub async fn take(&mut self, batch: &mut Vec<Frame>, most: usize) -> usize {
        let before = batch.len();
        let count = self.frames.recv_many(batch, most).await;
        let bytes = batch.iter().skip(before).map(Frame::bytes).sum();
        self.waiting.fetch_sub(bytes, Relaxed);
        count
    }
}
