//! Chooses the saved state from which a stage starts: the newest one that this program can read,
//! else the one before it. Without one, the stage reads its history again: from the first fact on,
//! or from a stored state of the plain loop, if facts were removed.

use super::StageInfo;
use super::locked_state::StageState;
use crate::store::{CheckpointRow, Recovered, Slots, Store, StoreError};
use everwarm_kernel::fact::Body;
use everwarm_kernel::state;
use std::sync::Arc;

/// A saved state that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The stage.
    pub stage: &'static str,
    /// The input at which it was saved.
    pub n: u64,
    /// What is wrong with it.
    pub why: String,
    /// The input of the earlier state that is used instead; none if the stage reads its history
    /// again.
    pub instead: Option<u64>,
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Damaged { stage, n, why, .. } = self;
        write!(f, "the checkpoint of {stage} at input {n} is damaged: {why}")?;
        match self.instead {
            Some(before) => write!(f, "; {stage} starts from the one at input {before}"),
            None => write!(f, "; {stage} derives its state from the first fact on"),
        }
    }
}

/// Whether the stage can read a saved state. None if it is of another version that the stage does
/// not convert.
fn reads(info: &StageInfo, row: &CheckpointRow) -> Option<Result<(), String>> {
    if row.version == info.version {
        return Some(state::check(&info.fresh, &row.state));
    }
    // For another version, only the checksum can be checked.
    info.converts.contains(&row.version).then(|| state::head(&row.state).map(drop))
}

/// Gives each stage the state it starts from. Returns the damaged states, and the slots of the good
/// ones.
pub(super) fn choose_checkpoints(
    found: &Recovered,
    stages: &mut [StageState],
) -> (Vec<Damaged>, Slots) {
    let (mut damaged, mut slots) = (Vec::new(), Slots::default());
    for state in stages.iter_mut().filter(|state| !state.is_over()) {
        let rank = state.info.rank.0;
        let first = damaged.len();
        // An earlier stage of this rank saved the states from before the join.
        let of = |of: u16, row: &CheckpointRow| of == rank && row.n >= state.joined;
        for (_, slot, row) in found.checkpoints.iter().filter(|(rank, _, row)| of(*rank, row)) {
            let why = match reads(&state.info, row) {
                None => continue,
                Some(Err(why)) => why,
                Some(Ok(())) if row.n > state.passed || row.row > found.row => {
                    "the journal has no such input".to_owned()
                }
                Some(Ok(())) => {
                    slots.good(rank, *slot);
                    state.written = row.n;
                    state.checkpoint = Some(Arc::new(row.clone()));
                    break;
                }
            };
            damaged.push(Damaged { stage: state.info.name, n: row.n, why, instead: None });
        }
        let instead = state.checkpoint.as_ref().map(|row| row.n);
        if instead.is_none() && damaged.len() > first {
            slots.bad(rank);
        }
        damaged[first..].iter_mut().for_each(|one| one.instead = instead);
    }
    (damaged, slots)
}

/// Checks that each stage without a saved state can read its history again. If facts were removed,
/// it begins at a stored state of the plain loop. Returns these states with the places of their
/// stages.
pub(super) fn past<B: Body>(
    store: &Store,
    stages: &[StageState],
    damaged: &mut [Damaged],
) -> Result<Vec<(usize, CheckpointRow)>, StoreError> {
    let whole_from = store.whole_from()?;
    if let Some(one) = damaged.iter().find(|one| one.instead.is_none()) {
        store.check_segments().map_err(|e| lost(store, one, &e.to_string()))?;
    }
    let mut instead = Vec::new();
    if whole_from == 1 {
        return Ok(instead);
    }
    let reads_past = |state: &StageState| {
        !state.is_over() && state.checkpoint.is_none() && state.passed > state.joined
    };
    for (index, state) in stages.iter().enumerate().filter(|(_, state)| reads_past(state)) {
        let rank = state.info.rank.0;
        let usable = |saved: &CheckpointRow| {
            saved.n >= state.joined
                && saved.row >= whole_from
                && matches!(reads(&state.info, saved), Some(Ok(())))
        };
        let Some(saved) = store.stage_state::<B>(rank, state.passed, usable)? else {
            let why = format!("facts before row {whole_from} were removed");
            let none = Damaged {
                stage: state.info.name,
                n: state.passed,
                why: format!("version {} does not read it", state.info.version),
                instead: None,
            };
            let one = damaged.iter().rfind(|one| one.stage == state.info.name);
            return Err(lost(store, one.unwrap_or(&none), &why));
        };
        let of = damaged.iter_mut().filter(|one| one.stage == state.info.name);
        of.for_each(|one| one.instead = Some(saved.n));
        instead.push((index, saved));
    }
    Ok(instead)
}

fn lost(store: &Store, damaged: &Damaged, because: &str) -> StoreError {
    let Damaged { stage, n, why, .. } = damaged;
    let path = store.path().to_owned();
    let reason = format!(
        "the checkpoint of {stage} at input {n} cannot be read ({why}), no other can, and the \
         facts it would be derived from are not all there: {because}. Restore a backup"
    );
    StoreError::Torn { path, reason }
}
