//! Inputs that stand on what was known up to one input: they are said there or not at all.

use super::{AppendError, Appended, Enrol, Journal, Writer};
use everwarm_kernel::fact::Body;

impl<B: Body> Journal<B> {
    /// Appends inputs where `head` is the last input, as [`Journal::append`]. Returns none where
    /// another input came after it: the caller decides again. They have the event time of `head`.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_at(
        &self,
        writer: &Writer,
        head: u64,
        bodies: Vec<B>,
    ) -> Result<Option<Appended>, AppendError> {
        self.at((writer, head), (i64::MIN, bodies), Vec::new())
    }

    /// The same at event time `time`.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_behind(
        &self,
        writer: &Writer,
        head: u64,
        time: i64,
        bodies: Vec<B>,
    ) -> Result<Option<Appended>, AppendError> {
        self.at((writer, head), (time, bodies), Vec::new())
    }

    /// The same as [`Journal::append_at`], and in the same act stages join and leave before the
    /// inputs, each by an input of its own: who joins is given these inputs.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn enrol_at(
        &self,
        writer: &Writer,
        head: u64,
        bodies: Vec<B>,
        changes: Vec<Enrol>,
    ) -> Result<Option<Appended>, AppendError> {
        self.at((writer, head), (i64::MIN, bodies), changes)
    }

    fn at(
        &self,
        (writer, head): (&Writer, u64),
        (time, bodies): (i64, Vec<B>),
        changes: Vec<Enrol>,
    ) -> Result<Option<Appended>, AppendError> {
        let mut wake = Vec::new();
        let (appended, notify) = {
            let mut inner = self.lock();
            inner.open()?;
            if inner.writers.get(writer.name) != Some(&writer.incarnation) {
                return Err(AppendError::Fenced);
            }
            if inner.head != head {
                return Ok(None);
            }
            let enrols = !changes.is_empty();
            for change in changes {
                inner.enrol(change, &mut wake);
            }
            let notify = inner.append_inputs(time, bodies, &mut wake) || inner.want(enrols);
            (Appended { n: inner.head, row: inner.next_row - 1 }, notify)
        };
        self.tell(&wake, notify);
        Ok(Some(appended))
    }
}
