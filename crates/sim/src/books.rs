//! The exchange's books on disk: its core as a stage over its own journal.

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
    /// Of the file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Of the core: it cannot be restored or cannot go on.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The journal has ended.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Waits until a row is on disk. It is separate from the books, so that nobody waits while holding
/// them.
#[derive(Clone)]
pub struct Gate(Arc<Journal<SimFact>>);

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("durable_row", &self.0.durable_row()).finish_non_exhaustive()
    }
}

impl Gate {
    /// Resolves when `row` is on disk; false if the journal ended before.
    pub async fn durable(&self, row: u64) -> bool {
        self.0.durable(row).await
    }

    /// Waits while the disk is too far behind.
    pub async fn room(&self) {
        self.0.room().await;
    }
}

/// The books. Dropping them flushes everything and releases the file, which takes a moment.
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

/// Reads every fact of the books in a directory without changing them. Returns their number; `None`
/// if there are no books.
///
/// # Errors
/// They cannot be read.
pub fn count(dir: &Path) -> Result<Option<u64>, BooksError> {
    let file = dir.join(FILE);
    if !file.exists() {
        return Ok(None);
    }
    let mut facts = 0;
    Store::open_read_only(&file, APPLICATION)?.scan::<SimFact>(0, &mut |_, _| {
        facts += 1;
        ControlFlow::Continue(())
    })?;
    Ok(Some(facts))
}

impl Books {
    /// The file of the books in a directory, created if absent. If two exchanges start at the same
    /// moment, one creates it and the other finds it locked.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn store(dir: &Path) -> Result<Store, StoreError> {
        let file = dir.join(FILE);
        // On systems without such locks, the file has its own once it is created.
        let lock = Lock::file(&file.with_extension("lock"));
        if let Ok(None) = lock {
            return Err(StoreError::Held(file));
        }
        let opened = Store::open(&file, APPLICATION);
        drop(lock);
        opened
    }

    /// Opens the books in a file as of the last commit. New books are empty.
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
        let (runner, _) = Runner::resume(Arc::clone(&journal), stage, Arc::new(NoLibrary))?;
        let writer = journal.writer("desk");
        let mut books = Books { journal, writer, runner };
        books.catch_up()?;
        Ok(books)
    }

    /// The state they are in.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        self.runner.stage()
    }

    /// The gate to wait at before a result is reported.
    #[must_use]
    pub fn gate(&self) -> Gate {
        Gate(Arc::clone(&self.journal))
    }

    /// Appends an input. Returns the resulting facts, and the row that must be on disk before they
    /// are reported.
    ///
    /// # Errors
    /// The journal has ended. It is unknown whether the input is in it.
    pub fn request(&mut self, input: SimFact) -> Result<(Vec<SimFact>, u64), BooksError> {
        self.journal.append(&self.writer, self.exchange().now(), vec![input])?;
        let said = self.catch_up()?;
        Ok((said, self.journal.last_row()))
    }

    fn catch_up(&mut self) -> Result<Vec<SimFact>, RunError> {
        let mut said = Vec::new();
        while self.runner.catch_up(1, |fact| said.push(fact.body.clone()))? {}
        Ok(said)
    }

    /// Saves the state, so that the next start need not read the journal.
    pub fn save(&mut self) {
        self.runner.save();
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        self.journal.close();
    }
}
