//! Appends inputs only if no other input came since the caller decided on them.

use super::{AppendError, Appended, Enrol, Journal, Writer};
use everwarm_kernel::fact::Body;

impl<B: Body> Journal<B> {
    /// Appends inputs as [`Journal::append`] does, if `head` is still the last input. They have the
    /// event time of `head`. Returns none if another input came after `head`. The caller then
    /// decides again.
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

    /// As [`Journal::append_at`], with event time `time`.
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

    /// As [`Journal::append_at`]. In the same act stages join and leave before the inputs, each by
    /// an input of its own. A stage that joins receives these inputs.
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
        self.notify(&wake, notify);
        Ok(Some(appended))
    }
}
