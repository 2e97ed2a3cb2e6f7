//! The roster: read when the journal is opened, changed by inputs.

use super::inner::{Inner, StageState};
use super::{AppendError, Appended, Journal, Waker, Writer};
use crate::store::{CheckpointRow, Op, Recovered, Store, StoreError};
use everwarm_kernel::fact::{Body, Mask, Rank, RuntimeEvent};
use everwarm_kernel::roster::{Joined, Member};
use everwarm_kernel::stage::Stage;
use std::sync::Arc;

/// The properties of a stage that the journal needs.
#[derive(Clone, Debug)]
pub struct StageInfo {
    /// Its rank.
    pub rank: Rank,
    /// Its name.
    pub name: &'static str,
    /// The kind it is an instance of, see [`Stage::instance_of`].
    pub instance_of: Option<&'static str>,
    /// Its version.
    pub version: u16,
    /// The kinds it sees.
    pub interest: Mask,
    /// The kinds it appends.
    pub produces: Mask,
    /// Older versions whose saved states it can load.
    pub converts: &'static [u16],
    /// Its saved state before the first input.
    pub fresh: Vec<u8>,
}

impl StageInfo {
    /// The properties of `stage`.
    #[must_use]
    pub fn of<B: Body>(stage: &dyn Stage<Body = B>) -> StageInfo {
        StageInfo {
            rank: stage.rank(),
            name: stage.name(),
            instance_of: stage.instance_of(),
            version: stage.version(),
            interest: stage.interest(),
            produces: stage.produces(),
            converts: stage.converts(),
            fresh: stage.save(),
        }
    }
}

/// A change of the roster.
#[derive(Clone, Debug)]
pub enum Enrol {
    /// This stage joins, with this kind and these settings. Its rank is free, or its holder has
    /// left and passed its last input.
    Join {
        /// The stage.
        info: StageInfo,
        /// The kind to make.
        kind: String,
        /// The settings to make it with.
        settings: String,
    },
    /// The stage of this rank leaves.
    Leave(Rank),
}

/// Checks that all stages are present that take part or have not passed their last input.
pub(super) fn check(
    store: &Store,
    found: &Recovered,
    infos: &[StageInfo],
) -> Result<(), StoreError> {
    for member in found.roster.iter().filter(|member| !member.is_over()) {
        let Joined { rank, id, kind, .. } = &member.stage;
        if !infos.iter().any(|info| info.rank == *rank) {
            let reason = format!(
                "{id} of kind {kind} takes part in it at rank {}, which this program does not have",
                rank.0
            );
            return Err(StoreError::NotAStore { path: store.path.clone(), reason });
        }
    }
    Ok(())
}

/// A stage that this program does not have. Its facts stay in the journal.
fn absent_stage(rank: u16, version: u16) -> StageInfo {
    StageInfo {
        rank: Rank(rank),
        name: "gone",
        instance_of: None,
        version,
        interest: Mask::NONE,
        produces: Mask::ALL,
        converts: &[],
        fresh: Vec::new(),
    }
}

/// Merges the roster of the file into these stages. Adds absent stages and marks those that have to
/// join. Returns the rows to write.
pub(super) fn enrol(found: &Recovered, stages: &mut Vec<StageState>) -> Vec<Member> {
    for (rank, passed) in found.passed.iter().filter(|(rank, _)| *rank != 0) {
        if !stages.iter().any(|s| s.info.rank.0 == *rank) {
            let mut state = StageState::new(absent_stage(*rank, passed.version));
            (state.passed, state.last_version, state.since) =
                (passed.n, passed.version, passed.since);
            state.left = Some(passed.n + 1);
            stages.push(state);
        }
    }
    let is_new = found.row == 0;
    let has_passed = |rank: Rank| found.passed.iter().any(|(of, _)| *of == rank.0);
    let mut rows = Vec::new();
    for state in stages.iter_mut() {
        let row = found.roster.iter().find(|member| member.stage.rank == state.info.rank);
        if let Some(Member { stage, joined, left, .. }) = row {
            (state.stage, state.joined) = (stage.clone(), *joined);
            state.left = state.left.or(*left);
        } else if (is_new || found.roster.is_empty())
            && (state.info.instance_of.is_none() || has_passed(state.info.rank))
        {
            // A stage from before the roster existed took part from the first input on.
            let (entry, left, passed) = (state.stage.clone(), state.left, state.passed);
            rows.push(Member { stage: entry, joined: 0, left, passed });
        } else {
            // It has to join.
            state.left = Some(1);
        }
    }
    rows
}

/// A stage that joins without settings.
pub(super) fn fixed(info: &StageInfo) -> Joined {
    let id = info.name.to_owned();
    let kind = info.instance_of.unwrap_or(info.name).to_owned();
    Joined { rank: info.rank, id, kind, version: info.version, settings: String::new() }
}

impl<B: Body> Inner<B> {
    pub(super) fn enrol(&mut self, change: Enrol, wake: &mut Vec<Arc<Waker>>) {
        match change {
            Enrol::Join { info, kind, settings } => {
                let stage = Joined { kind, settings, ..fixed(&info) };
                self.join(info, stage, wake);
            }
            Enrol::Leave(rank) => self.leave(rank, wake),
        }
    }

    fn join(&mut self, info: StageInfo, entry: Joined, wake: &mut Vec<Arc<Waker>>) {
        self.append_inputs(i64::MIN, vec![B::runtime(RuntimeEvent::Joined(entry.clone()))], wake);
        let (n, row) = (self.head, self.next_row - 1);
        let (version, state) = (info.version, info.fresh.clone());
        let saved = Arc::new(CheckpointRow { n, row, version, state });
        let mut new = StageState::new(info);
        new.stage = entry.clone();
        (new.passed, new.joined, new.last_version, new.since) = (n, n, version, n);
        (new.written, new.saved_behind) = (n, self.published);
        new.checkpoint = Some(Arc::clone(&saved));
        // The skips of the earlier holder of this rank end here.
        new.poison_changed = true;
        self.pending_bytes += saved.state.len();
        self.pending.push(Op::Checkpoint(entry.rank.0, saved));
        if let Some(index) = self.index_of_rank(entry.rank.0) {
            let before = &self.stages[index];
            assert!(before.is_over(), "{} takes part already", before.info.name);
            // Appends of an earlier instance are rejected from here on.
            new.incarnation = before.incarnation + 1;
            self.stages[index] = new;
        } else {
            self.stages.push(new);
        }
        self.roster.push(Member { stage: entry, joined: n, left: None, passed: n });
        self.relate();
    }

    fn leave(&mut self, rank: Rank, wake: &mut Vec<Arc<Waker>>) {
        let index = self.index_of(rank);
        assert!(self.stages[index].left.is_none(), "rank {} has left already", rank.0);
        self.append_inputs(i64::MIN, vec![B::runtime(RuntimeEvent::Left { rank })], wake);
        let (left, state) = (Some(self.head), &mut self.stages[index]);
        (state.left, state.next_wake) = (left, None);
        let (entry, joined, passed) = (state.stage.clone(), state.joined, state.passed);
        self.roster.push(Member { stage: entry, joined, left, passed });
        self.wake_ready(None, wake);
    }
}

impl<B: Body> Journal<B> {
    /// Appends inputs like [`Journal::append`]. In the same act stages join and leave behind them,
    /// each by an input of its own.
    ///
    /// # Errors
    /// See [`AppendError`].
    ///
    /// # Panics
    /// A stage joins that takes part already, or one leaves that does not.
    pub fn append_and_enrol(
        &self,
        writer: &Writer,
        time: i64,
        bodies: Vec<B>,
        changes: Vec<Enrol>,
    ) -> Result<Appended, AppendError> {
        let mut wake = Vec::new();
        let appended = {
            let mut inner = self.lock();
            inner.open()?;
            if inner.writers.get(writer.name) != Some(&writer.incarnation) {
                return Err(AppendError::Fenced);
            }
            inner.append_inputs(time, bodies, &mut wake);
            for change in changes {
                inner.enrol(change, &mut wake);
            }
            inner.want(true);
            inner.wake_ready(None, &mut wake);
            Appended { n: inner.head, row: inner.next_row - 1 }
        };
        self.wake_up(&wake, true);
        Ok(appended)
    }

    /// Stages of this program that are not in the journal join it.
    pub(super) fn join_new(&self) {
        let mut inner = self.lock();
        let new = |s: &&StageState| s.left == Some(1) && s.joined == 0 && s.passed == 0;
        let infos: Vec<StageInfo> =
            inner.stages.iter().filter(new).map(|s| s.info.clone()).collect();
        for info in infos {
            let stage = fixed(&info);
            inner.join(info, stage, &mut Vec::new());
        }
    }

    /// All stages that take part or did, by rank.
    #[must_use]
    pub fn members(&self) -> Vec<Joined> {
        let mut all: Vec<Joined> = self.lock().stages.iter().map(|s| s.stage.clone()).collect();
        all.sort_by_key(|stage| stage.rank);
        all
    }

    /// The stages that take part, by rank: name, the input by which it joined, and the one by which
    /// it left if it has not passed it yet.
    #[must_use]
    pub fn present(&self) -> Vec<(Rank, &'static str, u64, Option<u64>)> {
        let inner = self.lock();
        let mut all: Vec<_> =
            inner.present().map(|s| (s.info.rank, s.info.name, s.joined, s.left)).collect();
        all.sort_by_key(|(rank, ..)| *rank);
        all
    }
}
