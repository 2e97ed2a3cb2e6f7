//! The event stream of a page: first everything, then the changes, up to four times a second.
//! Nothing queues for a slow reader. Each event is made when the reader is ready. A reader that
//! missed too much gets everything again.

use super::picture::PageObserver;
use super::versions::Delta;
use everwarm_runtime::clock;
use everwarm_views::questions::Context;
use futures_util::stream::unfold;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Time between two polls, so changes are sent at most four times a second.
const EVERY: Duration = Duration::from_millis(250);
/// After this time without a change, a reader gets an event with the clocks only.
const BEAT: Duration = Duration::from_secs(2);
/// Versions that a reader may miss before it gets everything again.
const BEHIND: u64 = 15;
/// Maximum number of readers.
const READERS: usize = 24;

/// Polls the daemon while there are readers, and sends each of them the changes.
#[derive(Clone)]
pub struct Stream(Arc<Shared>);

struct Shared {
    look: Mutex<PageObserver>,
    /// Number of polls so far.
    looks: watch::Sender<u64>,
    closed: watch::Sender<bool>,
    readers: Mutex<Readers>,
    skipped: AtomicU64,
    /// Start of this process. Versions of other processes do not count.
    began: i64,
}

#[derive(Default)]
struct Readers {
    number: usize,
    looking: bool,
}

impl Default for Stream {
    fn default() -> Stream {
        Stream(Arc::new(Shared {
            look: Mutex::default(),
            looks: watch::Sender::new(0),
            closed: watch::Sender::new(false),
            readers: Mutex::default(),
            skipped: AtomicU64::new(0),
            began: clock::wall().utc(),
        }))
    }
}

/// The maximum number of readers is reached.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Stream {
    /// Ends all streams, also later ones.
    pub fn close(&self) {
        self.0.closed.send_replace(true);
    }

    /// Number of readers.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.0.readers().number
    }

    /// How often a slow reader was skipped ahead.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.0.skipped.load(Ordering::Relaxed)
    }

    /// Adds a reader. `last` is the id of the last event it saw, if it reconnects.
    ///
    /// # Errors
    /// The maximum number of readers is reached.
    pub fn read(
        &self,
        context: &Arc<dyn Context>,
        last: Option<&str>,
    ) -> Result<
        impl futures_util::Stream<Item = Result<String, std::convert::Infallible>> + use<>,
        Full,
    > {
        let shared = &self.0;
        let looking = {
            let mut readers = shared.readers();
            if readers.number >= READERS {
                return Err(Full);
            }
            readers.number += 1;
            std::mem::replace(&mut readers.looking, true)
        };
        if !looking {
            tokio::spawn(keep_looking(Arc::clone(shared), Arc::clone(context)));
        }
        let ours = last.and_then(|id| id.split_once('-'));
        let ours = ours.filter(|(began, _)| *began == shared.began.to_string());
        let reader = Reader {
            seen: ours.and_then(|(_, version)| version.parse().ok()),
            looks: shared.looks.subscribe(),
            closed: shared.closed.subscribe(),
            spoke: clock::now(),
            shared: Arc::clone(shared),
        };
        Ok(unfold(reader, |mut reader| async {
            let text = reader.next().await?;
            Some((Ok(text), reader))
        }))
    }
}

impl Shared {
    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) -> MutexGuard<'_, PageObserver> {
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are readers. If not, polling stops.
    fn is_read(&self) -> bool {
        let mut readers = self.readers();
        readers.looking = readers.number > 0 && !*self.closed.borrow();
        readers.looking
    }
}

async fn keep_looking(shared: Arc<Shared>, context: Arc<dyn Context>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shared.is_read() {
        every.tick().await;
        let (looker, context) = (Arc::clone(&shared), Arc::clone(&context));
        // Polling reads files, which must not block the sockets.
        let done = tokio::task::spawn_blocking(move || looker.look().look(context.as_ref()));
        if let Err(e) = done.await {
            tracing::warn!("the page's data was not updated: {e}");
        }
        shared.looks.send_modify(|looks| *looks += 1);
    }
}

struct Reader {
    shared: Arc<Shared>,
    seen: Option<u64>,
    looks: watch::Receiver<u64>,
    closed: watch::Receiver<bool>,
    spoke: Instant,
}

impl Reader {
    /// The next event; none at the end of the process.
    async fn next(&mut self) -> Option<String> {
        loop {
            if *self.closed.borrow_and_update() {
                return None;
            }
            tokio::select! {
                closed = self.closed.changed() => {
                    closed.ok()?;
                    continue;
                }
                looked = self.looks.changed() => looked.ok()?,
            }
            if let Some(text) = self.news() {
                self.spoke = clock::now();
                return Some(text);
            }
        }
    }

    fn news(&mut self) -> Option<String> {
        let look = self.shared.look();
        let missed = self.seen.map(|seen| look.versions.version().saturating_sub(seen));
        if missed.is_some_and(|missed| missed > BEHIND) {
            self.seen = None;
            self.shared.skipped.fetch_add(1, Ordering::Relaxed);
        }
        let delta = look.versions.since(self.seen);
        let clocks = look.clocks().to_owned();
        drop(look);
        match delta {
            Some(Delta { version, whole, members }) => {
                self.seen = Some(version);
                let kind = if whole { "snapshot" } else { "change" };
                let began = self.shared.began;
                Some(format!(
                    "id: {began}-{version}\nevent: {kind}\ndata: {{{clocks},{members}}}\n\n"
                ))
            }
            None if self.spoke.elapsed() >= BEAT => {
                Some(format!("event: beat\ndata: {{{clocks}}}\n\n"))
            }
            None => None,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.readers().number -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::versions::{Rows, Section};
    use super::*;

    fn reader(shared: &Arc<Shared>, seen: Option<u64>) -> Reader {
        shared.readers().number += 1;
        Reader {
            shared: Arc::clone(shared),
            seen,
            looks: shared.looks.subscribe(),
            closed: shared.closed.subscribe(),
            spoke: clock::now(),
        }
    }

    fn change(shared: &Shared, n: u64) {
        let rows = Rows::from([("a".to_owned(), n.to_string()), ("b".to_owned(), 0.to_string())]);
        let mut look = shared.look();
        look.versions.put(Section::Table("t"), rows);
        assert!(look.versions.seal());
    }

    #[test]
    fn a_slow_reader_is_sent_the_sum_and_one_that_missed_much_everything() {
        let stream = Stream::default();
        let shared = &stream.0;
        change(shared, 1);
        let mut reader = reader(shared, None);
        let first = reader.news().unwrap();
        assert!(first.starts_with(&format!("id: {}-1\nevent: snapshot\ndata: {{", shared.began)));
        assert!(first.ends_with("\"cells\":{\"t\":{\"a\":1,\"b\":0}},\"gone\":{}}\n\n"));
        assert_eq!(reader.news(), None);
        for n in 2..=BEHIND + 1 {
            change(shared, n);
        }
        let news = reader.news().unwrap();
        assert!(news.contains("-16\nevent: change\n") && news.contains("{\"a\":16}"), "{news}");
        assert_eq!(stream.skipped(), 0);
        for n in 1..=BEHIND + 1 {
            change(shared, 100 + n);
        }
        assert!(reader.news().unwrap().contains("event: snapshot\n"));
        assert_eq!((stream.skipped(), stream.readers()), (1, 1));
        drop(reader);
        assert_eq!(stream.readers(), 0);
    }

    #[tokio::test]
    async fn a_stream_ends_when_it_is_closed_and_so_does_one_that_begins_then() {
        let stream = Stream::default();
        let mut waiting = reader(&stream.0, None);
        let waits = tokio::spawn(async move { waiting.next().await });
        tokio::task::yield_now().await;
        stream.close();
        assert_eq!(waits.await.unwrap(), None);
        assert_eq!(reader(&stream.0, Some(1)).next().await, None);
    }
}
