//! What the proofs show: the journal derived again, and a recording played under misfortune.

use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What another version of a stage said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OtherVersionView {
    /// The stage.
    pub stage: String,
    /// Facts of it.
    pub facts: u64,
    /// The last input it speaks for; none: no end is known.
    pub until: Option<u64>,
}

/// What `verify` found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyView {
    /// Inputs gone through.
    pub inputs: u64,
    /// Derived facts compared.
    pub facts: u64,
    /// What other versions of stages said: taken as it is.
    #[serde(default)]
    pub others: Vec<OtherVersionView>,
    /// Checkpoints, which a start reads instead of the first facts, by rank: two of each stage.
    #[serde(default)]
    pub checkpoints: Vec<CheckpointView>,
    /// Facts that are not what their inputs imply, and damaged checkpoints; empty: there are none.
    pub problems: Vec<ProblemView>,
    /// Inputs with numbers beyond the limits, which no stage believes.
    #[serde(default)]
    pub beyond: Vec<ProblemView>,
}

/// The saved state of one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointView {
    /// The stage; its rank where this version has none there.
    pub stage: String,
    /// The input it stands at.
    pub input: u64,
    /// How it compares.
    pub state: CheckpointState,
}

/// How a checkpoint compares with the state that the facts before it give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckpointState {
    /// It is the same.
    Same,
    /// It is another, or cannot be read. A start that cannot read it uses the one before, or the
    /// facts. A start that can read it goes on wrongly.
    Damaged,
    /// Another version of the stage saved it: a start does not read it.
    OtherVersion,
    /// It holds more than facts, so facts cannot tell whether it is right: not compared.
    Follower,
}

/// A derived fact that is not what its inputs imply, or a damaged checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemView {
    /// Key of the fact; of a checkpoint, its input and rank.
    pub key: String,
    /// Its kind; `Checkpoint` for one.
    pub kind: String,
    /// What is in the journal and what should be.
    pub text: String,
}

/// What `replay` came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayView {
    /// Inputs of the period.
    pub inputs: u64,
    /// How what each stage said about them compares, in the order in which they speak.
    pub stages: Vec<ReplayedStageView>,
    /// Facts that are not as then.
    pub differing: u64,
    /// The first of them by time, 100 at most.
    pub differences: Vec<DecidedView>,
}

/// What one stage said then and now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayedStageView {
    /// The stage; its rank where this version has none there.
    pub stage: String,
    /// Facts that are the same.
    pub same: u64,
    /// Facts of then that are not said now, or otherwise.
    pub then_only: u64,
    /// Facts of now that were not said then, or otherwise.
    pub now_only: u64,
}

/// A fact that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecidedView {
    /// Key of the fact.
    pub key: String,
    /// Its time, UTC milliseconds.
    pub time: UtcMs,
    /// Its kind.
    pub kind: String,
    /// What the journal holds; none: nothing.
    pub then: Option<String>,
    /// What is said now; none: nothing.
    pub now: Option<String>,
}

/// What came of `chaos`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChaosView {
    /// Closes of the recording.
    pub closes: u64,
    /// Runs, the undisturbed one included.
    pub runs: u64,
    /// Lives of all runs.
    pub lives: u64,
    /// What struck, by what and where.
    pub struck: Vec<StruckView>,
    /// From the end of an actor until it was up again: half of them, 99 of 100, all; microseconds.
    pub restarts_us: [u64; 3],
    /// From the start of a killed process until it traded again, likewise.
    pub starts_us: [u64; 3],
    /// Strikes that never fell: their passing, or their operation of the disk, did not come.
    pub missed: u64,
    /// Whether what was run again strikes at moments that depend on timing.
    pub by_chance: bool,
    /// Wall time of it all, microseconds.
    pub wall_us: u64,
    /// Runs that came to another end.
    pub differences: Vec<UnequalView>,
}

impl ChaosView {
    /// Whether nothing struck, so that no difference proves nothing.
    #[must_use]
    pub fn struck_nothing(&self) -> bool {
        self.struck.iter().all(|row| row.times == 0)
    }
}

/// What struck while a recording was played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StruckView {
    /// `kill`, `panic`, `crash`, `disk` or `exchange`.
    pub what: String,
    /// At which point, or in which part of a life.
    pub place: String,
    /// How often.
    pub times: u64,
}

/// A run that came to another end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnequalView {
    /// The first difference.
    pub why: String,
    /// What repeats it.
    pub again: String,
}
