//! The public shapes of `verify`, `replay` and `chaos`.

use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Facts of another version of a stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OtherVersionView {
    /// The stage.
    pub stage: String,
    /// Number of its facts.
    pub facts: u64,
    /// Last input of that version; none: unknown.
    pub until: Option<u64>,
}

/// Result of `verify`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyView {
    /// Number of inputs.
    pub inputs: u64,
    /// Number of derived facts that were compared.
    pub facts: u64,
    /// Facts of other versions of stages: not compared.
    #[serde(default)]
    pub others: Vec<OtherVersionView>,
    /// Checkpoints, which a start reads instead of the first facts, by rank: two of each stage.
    #[serde(default)]
    pub checkpoints: Vec<CheckpointView>,
    /// Facts that do not follow from their inputs, and damaged checkpoints; empty: there are none.
    pub problems: Vec<ProblemView>,
    /// Inputs with numbers beyond the limits, which every stage ignores.
    #[serde(default)]
    pub beyond: Vec<ProblemView>,
    /// The facts that were removed, if any were. Facts before that place are not compared.
    #[serde(default)]
    pub removed: Option<RemovedView>,
}

/// Facts that the retention removed from a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedView {
    /// Number of removed facts.
    pub facts: u64,
    /// The last input that is not compared. The stored states of the stages are those after it.
    pub input: u64,
    /// Event time of that input, UTC milliseconds.
    pub time: UtcMs,
}

/// A checkpoint of one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointView {
    /// The stage; its rank if this version has none there.
    pub stage: String,
    /// The input of the checkpoint.
    pub input: u64,
    /// Result of the comparison.
    pub state: CheckpointState,
}

/// A checkpoint compared with the state that the facts give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckpointState {
    /// Equal.
    Same,
    /// Different or unreadable. A start that cannot read it uses the one before, or the facts. A
    /// start that can read it continues with a wrong state.
    Damaged,
    /// Another version of the stage saved it: a start does not read it.
    OtherVersion,
    /// Not compared: it contains more than the facts.
    Follower,
}

/// A derived fact that does not follow from its inputs, or a damaged checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemView {
    /// Key of the fact; of a checkpoint, its input and rank.
    pub key: String,
    /// Its kind; `Checkpoint` for one.
    pub kind: String,
    /// The fact in the journal, and the fact that was expected.
    pub text: String,
}

/// Result of `replay`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayView {
    /// Inputs of the period.
    pub inputs: u64,
    /// The facts of each stage compared, by rank.
    pub stages: Vec<ReplayedStageView>,
    /// Number of different facts.
    pub differing: u64,
    /// The first of them by time, 100 at most.
    pub differences: Vec<DecidedView>,
}

/// The facts of one stage, then and now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayedStageView {
    /// The stage; its rank if this version has none there.
    pub stage: String,
    /// Number of equal facts.
    pub same: u64,
    /// Number of facts only in the journal, or different now.
    pub then_only: u64,
    /// Number of facts only now, or different then.
    pub now_only: u64,
}

/// A fact that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecidedView {
    /// Key of the fact.
    pub key: String,
    /// Its time, UTC milliseconds.
    pub time: UtcMs,
    /// Its kind.
    pub kind: String,
    /// The fact in the journal; none: there is none.
    pub then: Option<String>,
    /// The fact of this version; none: there is none.
    pub now: Option<String>,
}

/// Result of `chaos`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChaosView {
    /// Closes of the recording.
    pub closes: u64,
    /// Number of runs, with the undisturbed one.
    pub runs: u64,
    /// Number of processes of all runs.
    pub lives: u64,
    /// Injected faults, by kind and place.
    #[serde(rename = "struck")]
    pub injected: Vec<InjectedFaultsView>,
    /// Time from the end of an actor until it ran again: median, 99th percentile, maximum;
    /// microseconds.
    pub restarts_us: [u64; 3],
    /// Time from the start of a killed process until it traded again, likewise.
    pub starts_us: [u64; 3],
    /// Planned faults that were not injected, because their place was not reached.
    pub missed: u64,
    /// Whether the repeated runs depend on timing.
    pub by_chance: bool,
    /// Wall time of all runs, microseconds.
    pub wall_us: u64,
    /// Runs with different results.
    pub differences: Vec<UnequalView>,
}

impl ChaosView {
    /// Whether no fault was injected, so that equal results prove nothing.
    #[must_use]
    pub fn injected_nothing(&self) -> bool {
        self.injected.iter().all(|row| row.times == 0)
    }
}

/// Faults of one kind at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InjectedFaultsView {
    /// `kill`, `panic`, `crash`, `disk` or `exchange`.
    pub what: String,
    /// The place, or the step of the start.
    pub place: String,
    /// Their number.
    pub times: u64,
}

/// A run with a different result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnequalView {
    /// The first difference.
    pub why: String,
    /// The command that repeats it.
    pub again: String,
}
