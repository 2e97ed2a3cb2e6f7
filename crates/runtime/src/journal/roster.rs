//! The stages that take part: read when the journal is opened, changed by inputs.

use super::locked_state::{Inner, StageState};
use super::{AppendError, Appended, Journal, Waker, Writer};
use crate::store::{CheckpointRow, Op, Recovered, Store, StoreError};
use everwarm_kernel::fact::{Body, Mask, Rank, RuntimeEvent};
use everwarm_kernel::roster::{Joined, Member};
use everwarm_kernel::stage::Stage;
use std::sync::Arc;

/// Properties of a stage that the journal needs.
#[derive(Clone, Debug)]
pub struct StageInfo {
    /// Rank of the stage.
    pub rank: Rank,
    /// Name of the stage.
    pub name: &'static str,
    /// The kind it is an instance of, see [`Stage::instance_of`].
    pub instance_of: Option<&'static str>,
    /// Version of the stage.
    pub version: u16,
    /// Kinds of facts it sees.
    pub interest: Mask,
    /// Kinds of facts it appends.
    pub produces: Mask,
    /// Older versions whose saved states it reads.
    pub converts: &'static [u16],
    /// Its saved state before it received anything.
    pub fresh: Vec<u8>,
}

impl StageInfo {
    /// Reads the properties from a stage.
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
    /// A stage joins. Its rank must be free, or belong to a stage that has left and passed its last
    /// input.
    Join {
        /// Properties of the stage.
        info: StageInfo,
        /// Kind that it is an instance of.
        kind: String,
        /// Settings of the stage.
        settings: String,
    },
    /// The stage of this rank leaves.
    Leave(Rank),
}

/// Checks that `infos` holds every stage that takes part or has not passed its last input.
pub(super) fn check(
    store: &Store,
    found: &Recovered,
    infos: &[StageInfo],
) -> Result<(), StoreError> {
    for member in found.roster.iter().filter(|member| !member.is_over()) {
        let Joined { rank, id, kind, .. } = &member.who;
        if !infos.iter().any(|info| info.rank == *rank) {
            let reason = format!(
                "{id} of kind {kind} takes part in it at rank {}, which this program does not have",
                rank.0
            );
            return Err(StoreError::Foreign { path: store.path.clone(), reason });
        }
    }
    Ok(())
}

/// A stage that this program does not have. Its facts stay in the journal.
fn gone(rank: u16, version: u16) -> StageInfo {
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

/// Compares the roster of the file with these stages. Adds stages that this program does not have,
/// and marks stages that have yet to join. Returns the roster rows to write.
pub(super) fn enrol(found: &Recovered, stages: &mut Vec<StageState>) -> Vec<Member> {
    for (rank, passed) in found.passed.iter().filter(|(rank, _)| *rank != 0) {
        if !stages.iter().any(|s| s.info.rank.0 == *rank) {
            let mut state = StageState::new(gone(*rank, passed.version));
            (state.passed, state.spoke, state.since) = (passed.n, passed.version, passed.since);
            state.left = Some(passed.n + 1);
            stages.push(state);
        }
    }
    let is_new = found.row == 0;
    let spoke = |rank: Rank| found.passed.iter().any(|(of, _)| *of == rank.0);
    let mut rows = Vec::new();
    for state in stages.iter_mut() {
        let row = found.roster.iter().find(|member| member.who.rank == state.info.rank);
        if let Some(Member { who, joined, left, .. }) = row {
            (state.who, state.joined) = (who.clone(), *joined);
            state.left = state.left.or(*left);
        } else if (is_new || found.roster.is_empty())
            && (state.info.instance_of.is_none() || spoke(state.info.rank))
        {
            // A stage with facts from before rosters existed took part from the first input on.
            let (who, left, passed) = (state.who.clone(), state.left, state.passed);
            rows.push(Member { who, joined: 0, left, passed });
        } else {
            // The stage has yet to join.
            state.left = Some(1);
        }
    }
    rows
}

/// The roster entry of a stage without settings of its own.
pub(super) fn fixed(info: &StageInfo) -> Joined {
    let id = info.name.to_owned();
    let kind = info.instance_of.unwrap_or(info.name).to_owned();
    Joined { rank: info.rank, id, kind, version: info.version, settings: String::new() }
}

impl<B: Body> Inner<B> {
    pub(super) fn enrol(&mut self, change: Enrol, wake: &mut Vec<Arc<Waker>>) {
        match change {
            Enrol::Join { info, kind, settings } => {
                let who = Joined { kind, settings, ..fixed(&info) };
                self.join(info, who, wake);
            }
            Enrol::Leave(rank) => self.leave(rank, wake),
        }
    }

    fn join(&mut self, info: StageInfo, who: Joined, wake: &mut Vec<Arc<Waker>>) {
        self.append_inputs(i64::MIN, vec![B::runtime(RuntimeEvent::Joined(who.clone()))], wake);
        let (n, row) = (self.head, self.next_row - 1);
        let (version, state) = (info.version, info.fresh.clone());
        let saved = Arc::new(CheckpointRow { n, row, version, state });
        let mut new = StageState::new(info);
        new.who = who.clone();
        (new.passed, new.joined, new.spoke, new.since) = (n, n, version, n);
        (new.written, new.saved_behind) = (n, self.published);
        new.checkpoint = Some(Arc::clone(&saved));
        // Quarantined inputs of an earlier stage of this rank no longer count.
        new.poison_changed = true;
        self.pending_bytes += saved.state.len();
        self.pending.push(Op::Checkpoint(who.rank.0, saved));
        if let Some(index) = self.index_of_rank(who.rank.0) {
            let before = &self.stages[index];
            assert!(before.is_over(), "{} takes part already", before.info.name);
            // Appends of an earlier instance are rejected.
            new.incarnation = before.incarnation + 1;
            self.stages[index] = new;
        } else {
            self.stages.push(new);
        }
        self.roster.push(Member { who, joined: n, left: None, passed: n });
        self.relate();
    }

    fn leave(&mut self, rank: Rank, wake: &mut Vec<Arc<Waker>>) {
        let index = self.index_of(rank);
        assert!(self.stages[index].left.is_none(), "rank {} has left already", rank.0);
        self.append_inputs(i64::MIN, vec![B::runtime(RuntimeEvent::Left { rank })], wake);
        let (left, state) = (Some(self.head), &mut self.stages[index]);
        (state.left, state.next_wake) = (left, None);
        let (who, joined, passed) = (state.who.clone(), state.joined, state.passed);
        self.roster.push(Member { who, joined, left, passed });
        self.wake_ready(None, wake);
    }
}

impl<B: Body> Journal<B> {
    /// Appends inputs as [`Journal::append`] does. In the same act stages join and leave, each by
    /// an input of its own after `bodies`.
    ///
    /// # Errors
    /// See [`AppendError`].
    ///
    /// # Panics
    /// A stage joins that takes part, or one leaves that does not.
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
        self.notify(&wake, true);
        Ok(appended)
    }

    /// Joins the stages of this program that the journal does not know.
    pub(super) fn join_new(&self) {
        let mut inner = self.lock();
        let new = |s: &&StageState| s.left == Some(1) && s.joined == 0 && s.passed == 0;
        let infos: Vec<StageInfo> =
            inner.stages.iter().filter(new).map(|s| s.info.clone()).collect();
        for info in infos {
            let who = fixed(&info);
            inner.join(info, who, &mut Vec::new());
        }
    }

    /// All stages that take part or ever did, by rank.
    #[must_use]
    pub fn members(&self) -> Vec<Joined> {
        let mut all: Vec<Joined> = self.lock().stages.iter().map(|s| s.who.clone()).collect();
        all.sort_by_key(|who| who.rank);
        all
    }

    /// The stages that take part, by rank, with the name and the input by which the stage joined.
    /// The last value is the input by which a stage leaves that has not passed its last input yet.
    #[must_use]
    pub fn present(&self) -> Vec<(Rank, &'static str, u64, Option<u64>)> {
        let inner = self.lock();
        let mut all: Vec<_> =
            inner.present().map(|s| (s.info.rank, s.info.name, s.joined, s.left)).collect();
        all.sort_by_key(|(rank, ..)| *rank);
        all
    }
}
