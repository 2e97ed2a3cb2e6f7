//! The exchange's books on disk: its pure core as a stage over its own journal.

use super::exchange::{Exchange, SimFact};
use everwarm_kernel::fact::NoLibrary;
use everwarm_runtime::files::Lock;
use everwarm_runtime::journal::{AppendError, Journal, Options, StageInfo, Writer};
use everwarm_runtime::runner::{RunError, Runner};
use everwarm_runtime::store::{Store, StoreError};
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Name of the application in its store.
pub const APPLICATION: &str = "everwarm-sim";
/// Name of the file in the data directory.
pub const FILE: &str = "books.redb";

/// Why the books cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The file cannot be opened, read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The core cannot be restored or cannot continue.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The journal has ended.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Waits until appended facts are on disk. It is separate from the books, so that a waiting task
/// does not lock them.
#[derive(Clone)]
pub struct Gate(Arc<Journal<SimFact>>);

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("durable_row", &self.0.durable_row()).finish_non_exhaustive()
    }
}

impl Gate {
    /// Resolves when `row` is on disk; false if the journal ended before that.
    pub async fn durable(&self, row: u64) -> bool {
        self.0.durable(row).await
    }

    /// Waits while the disk is too far behind.
    pub async fn room(&self) {
        self.0.room().await;
    }
}

/// The open books. Dropping them flushes all facts and closes the file, which takes a moment.
pub struct Books {
    journal: Arc<Journal<SimFact>>,
    writer: Writer,
    runner: Runner<Exchange>,
}

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Books").field("head", &self.journal.head()).finish_non_exhaustive()
    }
}

/// Reads all facts of the books in a directory and counts them, without changes. None if there are
/// no books.
///
/// # Errors
/// The books cannot be read.
pub fn count(dir: &Path) -> Result<Option<u64>, BooksError> {
    let file = dir.join(FILE);
    if !file.exists() {
        return Ok(None);
    }
    let mut facts = 0;
    Store::look(&file, APPLICATION)?.scan::<SimFact>(0, &mut |_, _| {
        facts += 1;
        ControlFlow::Continue(())
    })?;
    Ok(Some(facts))
}

impl Books {
    /// Opens or creates the file of the books in a directory. If two exchanges start at the same
    /// time, one of them gets [`StoreError::Held`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn store(dir: &Path) -> Result<Store, StoreError> {
        let file = dir.join(FILE);
        // On systems without such locks, the file has a lock of its own once it exists.
        let lock = Lock::file(&file.with_extension("lock"));
        if let Ok(None) = lock {
            return Err(StoreError::Held(file));
        }
        let opened = Store::open(&file, APPLICATION);
        drop(lock);
        opened
    }

    /// Opens the books in a file, in the state of the last commit. New books are empty.
    ///
    /// # Errors
    /// See [`BooksError`].
    pub fn open(
        store: Store,
        on_failure: impl Fn(&StoreError) + Send + Sync + 'static,
    ) -> Result<Books, BooksError> {
        let stage = Box::new(Exchange::default());
        let info = vec![StageInfo::of(&*stage)];
        let journal = Journal::open(store, info, Options::new(on_failure))?;
        let (runner, _) = Runner::recover_stage(Arc::clone(&journal), stage, Arc::new(NoLibrary))?;
        let writer = journal.writer("desk");
        let mut books = Books { journal, writer, runner };
        books.catch_up()?;
        Ok(books)
    }

    /// The current state of the exchange.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        self.runner.stage()
    }

    /// The gate to wait at before anything is sent.
    #[must_use]
    pub fn gate(&self) -> Gate {
        Gate(Arc::clone(&self.journal))
    }

    /// Appends an input. Returns the facts that follow, and the row that must be on disk before
    /// they are sent.
    ///
    /// # Errors
    /// The journal has ended. It may or may not contain the input.
    pub fn request(&mut self, input: SimFact) -> Result<(Vec<SimFact>, u64), BooksError> {
        self.journal.append(&self.writer, self.exchange().now(), vec![input])?;
        let facts = self.catch_up()?;
        Ok((facts, self.journal.last_row()))
    }

    fn catch_up(&mut self) -> Result<Vec<SimFact>, RunError> {
        let mut facts = Vec::new();
        while self.runner.catch_up(1, |fact| facts.push(fact.body.clone()))? {}
        Ok(facts)
    }

    /// Saves a checkpoint, so that the next start need not read the whole journal.
    pub fn save(&mut self) {
        self.runner.save();
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        self.journal.close();
    }
}
