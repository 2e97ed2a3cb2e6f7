//! Compares checkpoints with the state that the facts before them give. A start only checks that
//! the bytes of a checkpoint are whole, so the audit checks its content.
//!
//! The state of a stage is a function of facts: it is derived again and compared. Followers also
//! keep venue reports and their own actions that are not in facts. Of their checkpoints, only the
//! bytes are checked.

use super::again::Again;
use super::store_failure;
use crate::daemon_run::{APPLICATION, LIVE_FILE, places};
use everwarm_cli::store_check::CHECKPOINT;
use everwarm_kernel::fact::Key;
use everwarm_kernel::state;
use everwarm_runtime::journal::StageInfo;
use everwarm_runtime::store::{CheckpointRow, Store};
use everwarm_trading::{StageSpec, specs_joined};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::views::{CheckpointState, CheckpointView, ProblemView};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// The checkpoints of a journal, compared as its inputs are read.
pub(super) struct Saved {
    /// Checkpoints not compared yet, by their input, with their rank.
    left: BTreeMap<u64, Vec<(u16, CheckpointRow)>>,
    /// By rank.
    stages: BTreeMap<u16, StageInfo>,
    compared: BTreeMap<u16, Vec<CheckpointView>>,
    damaged: Vec<Damaged>,
    specs: Vec<StageSpec>,
}

struct Damaged {
    rank: u16,
    input: u64,
    why: String,
    /// Whether a start notices the damage and ignores the checkpoint.
    noticed: bool,
}

impl Saved {
    /// Sorts out checkpoints that are not derived again; compares none yet.
    pub(super) fn new(specs: Vec<StageSpec>, all: Vec<(u16, CheckpointRow)>) -> Saved {
        let stages = places(&specs).into_iter().map(|place| (place.rank.0, place)).collect();
        let (left, compared) = (BTreeMap::new(), BTreeMap::new());
        let mut saved = Saved { left, stages, compared, damaged: Vec::new(), specs };
        for (rank, row) in all {
            let follows = !saved.specs.iter().any(|spec| spec.rank.0 == rank);
            let other = |stage: &&StageInfo| stage.version != row.version;
            let reads = |stage: &StageInfo| state::check(&stage.fresh, &row.state);
            let stage = saved.stages.get(&rank);
            if !follows && stage.is_some_and(|stage| other(&stage)) {
                saved.add(rank, row.n, CheckpointState::OtherVersion);
            } else if let Some(Err(why)) = stage.filter(|stage| !other(stage)).map(reads) {
                saved.wrong(rank, row.n, format!("it cannot be read ({why})"), true);
            } else if follows {
                saved.add(rank, row.n, CheckpointState::Follower);
            } else {
                let at = saved.left.entry(row.n).or_default();
                // A test rig has the same checkpoint from several runs.
                if !at.iter().any(|(of, other)| (*of, other) == (rank, &row)) {
                    at.push((rank, row));
                }
            }
        }
        saved
    }

    /// Compares the checkpoints at input `n`, which is in this row and was just derived.
    pub(super) fn compare(&mut self, n: u64, row: u64, again: &Again) {
        // An earlier input of this number does not exist.
        let early = self.left.range(..n).map(|(n, _)| *n).collect::<Vec<u64>>();
        for n in early {
            for (rank, _) in self.left.remove(&n).unwrap_or_default() {
                self.wrong(rank, n, "there is no such input".to_owned(), false);
            }
        }
        for (rank, saved) in self.left.remove(&n).unwrap_or_default() {
            match differs(self.spec(rank), &saved, row, again) {
                None => self.add(rank, n, CheckpointState::Same),
                Some(why) => self.wrong(rank, n, why, false),
            }
        }
    }

    /// Results by rank, and the problems, for a journal that ends with input `last`.
    pub(super) fn end(&mut self, last: u64) -> (Vec<CheckpointView>, Vec<ProblemView>) {
        for (n, at) in std::mem::take(&mut self.left) {
            for (rank, _) in at {
                self.wrong(rank, n, format!("the journal ends with input {last}"), true);
            }
        }
        let damaged = std::mem::take(&mut self.damaged);
        let problems = damaged.iter().map(|one| self.problem(one)).collect();
        let compared = std::mem::take(&mut self.compared).into_values().flatten().collect();
        (compared, problems)
    }

    fn add(&mut self, rank: u16, input: u64, state: CheckpointState) {
        let view = CheckpointView { stage: self.name(rank), input, state };
        self.compared.entry(rank).or_default().push(view);
    }

    fn wrong(&mut self, rank: u16, input: u64, why: String, noticed: bool) {
        self.add(rank, input, CheckpointState::Damaged);
        self.damaged.push(Damaged { rank, input, why, noticed });
    }

    fn problem(&self, damaged: &Damaged) -> ProblemView {
        let Damaged { rank, input, why, noticed } = damaged;
        let stage = self.name(*rank);
        let all = self.compared.get(rank).into_iter().flatten();
        let sound = |one: &&CheckpointView| {
            matches!(one.state, CheckpointState::Same | CheckpointState::Follower)
        };
        let follows = match all.filter(sound).map(|one| one.input).max() {
            _ if !noticed => format!(
                "Stop the daemon, then remove it: everwarm store forget {stage}. The next start \
                 derives the state from the facts"
            ),
            Some(other) => format!("The next start uses the one at input {other}"),
            None => "The next start derives the state from the facts".to_owned(),
        };
        let text =
            format!("the checkpoint of {stage} at input {input} is damaged: {why}. {follows}");
        let key = Key { n: *input, rank: *rank, i: 0 }.to_string();
        ProblemView { key, kind: CHECKPOINT.to_owned(), text }
    }

    fn spec(&self, rank: u16) -> Option<StageSpec> {
        self.specs.iter().find(|spec| spec.rank.0 == rank).copied()
    }

    fn name(&self, rank: u16) -> String {
        self.stages.get(&rank).map_or_else(|| rank.to_string(), |stage| stage.name.to_owned())
    }
}

/// What is wrong with a checkpoint of a stage; none: nothing.
fn differs(
    spec: Option<StageSpec>,
    saved: &CheckpointRow,
    row: u64,
    again: &Again,
) -> Option<String> {
    if saved.row != row {
        return Some(format!("it names row {}, its input lies in row {row}", saved.row));
    }
    let spec = spec?;
    let derived = again.state(spec.rank.0)?;
    if derived == saved.state {
        return None;
    }
    // Compares the state after loading: an older program may have written another form.
    let loaded = catch_unwind(AssertUnwindSafe(|| {
        let mut stage = spec.build();
        stage.load(&saved.state).map(|()| stage.save())
    }));
    match loaded {
        Ok(Ok(loaded)) if loaded == derived => None,
        Ok(Ok(_)) => Some("it is another state than the facts before it give".to_owned()),
        Ok(Err(why)) => Some(format!("it cannot be read ({why})")),
        Err(_) => Some("it cannot be read (the stage panics at it)".to_owned()),
    }
}

/// Removes both checkpoints of a stage from the files of a stopped daemon. The next start derives
/// the state from the facts. Returns the input of the newest checkpoint; none where there was none.
///
/// # Errors
/// There is no such stage, it is a follower, or the files cannot be used.
pub fn forget(data_dir: &Path, stage: &str) -> Result<Option<u64>, Failure> {
    let file = data_dir.join(LIVE_FILE);
    if !file.exists() {
        let text = format!("{} holds no journal: there is nothing to forget", data_dir.display());
        return Err(Failure::new(Exit::Unreachable, text));
    }
    let store = Store::open(&file, APPLICATION).map_err(|e| store_failure(&e))?;
    let roster = store.roster().map_err(|e| store_failure(&e))?;
    let specs = specs_joined(roster.iter().map(|member| &member.who));
    let Some(spec) = specs.iter().find(|spec| spec.name == stage) else {
        let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
        let follows = places(&specs).iter().any(|place| place.name == stage);
        let why = if follows {
            format!("{stage} keeps more than facts, so its checkpoint cannot be derived again")
        } else {
            format!("there is no stage {stage}")
        };
        let text = format!("{why}; the stages are {}", names.join(", "));
        return Err(Failure::new(Exit::Usage, text));
    };
    store.forget_checkpoint(spec.rank.0).map_err(|e| store_failure(&e))
}
