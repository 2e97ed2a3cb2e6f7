//! The public shapes of reloads and of operator switches.

use super::stored_texts::shown;
use super::views::DifferenceView;
use everwarm_domain::fact::BreakerLevel;
use everwarm_domain::switch::{SafeStep, Switch, Switches};
use everwarm_domain::time::UtcMs;
use everwarm_words::shapes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Trigger of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// SIGHUP.
    Signal,
    /// A changed file.
    File,
    /// The API, also used by the command.
    Api,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Trigger; 3] = [Trigger::Signal, Trigger::File, Trigger::Api];

    /// Its name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Trigger::Signal => "signal",
            Trigger::File => "file",
            Trigger::Api => "api",
        }
    }
}

/// Result of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReloadResult {
    /// Applied: in force now.
    Applied,
    /// Unchanged: the sources have the same values.
    Unchanged,
    /// Invalid: the sources have errors.
    Invalid,
    /// Rejected: positions or a key that needs a restart forbid it; nothing was applied.
    Rejected,
    /// Rolled back: the earlier configuration is in force.
    RolledBack,
    /// The rollback failed.
    RollbackFailed,
    /// Dry run: it would be applied.
    Possible,
}

impl ReloadResult {
    /// The results that metrics count.
    pub const COUNTED: [ReloadResult; 6] = [
        ReloadResult::Applied,
        ReloadResult::Unchanged,
        ReloadResult::Invalid,
        ReloadResult::Rejected,
        ReloadResult::RolledBack,
        ReloadResult::RollbackFailed,
    ];

    /// Its name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ReloadResult::Applied => "applied",
            ReloadResult::Unchanged => "unchanged",
            ReloadResult::Invalid => "invalid",
            ReloadResult::Rejected => "rejected",
            ReloadResult::RolledBack => "rolled_back",
            ReloadResult::RollbackFailed => "rollback_failed",
            ReloadResult::Possible => "possible",
        }
    }

    /// Whether the sources were refused: they are still wrong, or differ from what is in force.
    #[must_use]
    pub const fn is_refused(self) -> bool {
        match self {
            ReloadResult::Invalid | ReloadResult::Rejected => true,
            ReloadResult::Applied
            | ReloadResult::Unchanged
            | ReloadResult::RolledBack
            | ReloadResult::RollbackFailed
            | ReloadResult::Possible => false,
        }
    }

    /// Whether the sources were accepted or unchanged.
    #[must_use]
    pub const fn is_success(self) -> bool {
        match self {
            ReloadResult::Applied
            | ReloadResult::Unchanged
            | ReloadResult::RolledBack
            | ReloadResult::Possible => true,
            ReloadResult::Invalid | ReloadResult::Rejected | ReloadResult::RollbackFailed => false,
        }
    }
}

/// Session of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Whether it is signed in: it has a cookie for the token.
    pub signed_in: bool,
}

/// One reload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReloadView {
    /// Wall time, UTC milliseconds.
    pub time: UtcMs,
    /// Its trigger.
    pub trigger: Trigger,
    /// Its result.
    pub result: ReloadResult,
    /// The generation in force afterwards.
    pub generation: u64,
    /// The changes, applied or not.
    pub changes: Vec<DifferenceView>,
    /// Each reason against it, one sentence each, with place or key.
    pub reasons: Vec<String>,
    /// Keys that need a restart; one of them blocks the whole reload.
    pub restart: Vec<String>,
}

/// Number of reloads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadCountView {
    /// Their trigger.
    pub trigger: Trigger,
    /// Their result.
    pub result: ReloadResult,
    /// Their number since the process began.
    pub count: u64,
}

/// The configuration in force, and reloads since the process began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReloadsView {
    /// The generation in force; it rises with each change.
    pub generation: u64,
    /// Keys whose configured value needs a restart.
    pub restart_pending: Vec<String>,
    /// The last reload.
    pub last: Option<ReloadView>,
    /// Wall time of the last successful reload, UTC milliseconds.
    pub last_success: Option<UtcMs>,
    /// Counts of every trigger with every result.
    pub counts: Vec<ReloadCountView>,
}

/// The key that enables a strategy.
#[must_use]
pub fn enables(strategy: &str) -> String {
    format!("strategy.{strategy}.enabled")
}

/// The switches of operators, and their effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SwitchesView {
    /// The level that they allow; the breaker may allow less.
    #[schema(value_type = shapes::BreakerLevel)]
    pub allows: BreakerLevel,
    /// The reasons of that level, one sentence each.
    pub reasons: Vec<String>,
    /// Strategies that the configuration turned off, by name.
    #[serde(default)]
    pub configured_off: Vec<String>,
    /// The switches in force.
    #[serde(flatten)]
    #[schema(value_type = shapes::Switches)]
    pub switches: Switches,
}

impl SwitchesView {
    /// The view of the switches in force, and of strategies that the configuration turned off.
    #[must_use]
    pub fn of(switches: &Switches, configured_off: Vec<String>) -> SwitchesView {
        let (allows, reasons) = switches.level();
        let reasons = reasons.iter().map(|reason| shown(reason)).collect();
        SwitchesView { allows, reasons, configured_off, switches: switches.clone() }
    }

    /// Strategies and branches that are off, and who turned them off; one sentence each.
    #[must_use]
    pub fn off(&self) -> Vec<String> {
        let by_operators = self.switches.strategies.iter().chain(&self.switches.processes);
        let by_operators =
            by_operators.map(|(name, why)| format!("{name}, by an operator: {}", why.reason));
        let by = |name: &String| format!("{name}, by the configuration ({})", enables(name));
        by_operators.chain(self.configured_off.iter().map(by)).collect()
    }
}

/// A switch of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchRequest {
    /// The switch.
    pub switch: Switch,
    /// The reason; kept in the journal.
    pub reason: String,
}

/// Result of a switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SwitchedView {
    /// The result in words.
    pub text: String,
    /// Whether it changed anything.
    pub changed: bool,
    /// The switches in force now.
    #[serde(flatten)]
    pub standing: SwitchesView,
}

/// The body of a change that needs a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonView {
    /// The reason; kept in the journal.
    #[schema(min_length = 1, pattern = "\\S")]
    pub reason: String,
}

/// A step of a safe start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SafeView {
    /// The step.
    #[schema(value_type = shapes::SafeStep)]
    pub step: SafeStep,
    /// The reason; kept in the journal.
    #[schema(min_length = 1, pattern = "\\S")]
    pub reason: String,
}

/// A strategy or branch to turn on or off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedView {
    /// Id of a strategy, or path of a branch in the tree.
    #[schema(min_length = 1)]
    pub name: String,
    /// The reason; kept in the journal.
    #[schema(min_length = 1, pattern = "\\S")]
    pub reason: String,
}
