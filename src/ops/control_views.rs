//! What people are told of reloads and of what operators have switched.

use super::stored::shown;
use super::views::DifferenceView;
use crate::shapes;
use everwarm_domain::fact::BreakerLevel;
use everwarm_domain::switch::{SafeStep, Switch, Switches};
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who wants the configuration to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// SIGHUP.
    Signal,
    /// A file that changed.
    File,
    /// The API, and with it the command.
    Api,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Trigger; 3] = [Trigger::Signal, Trigger::File, Trigger::Api];

    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Trigger::Signal => "signal",
            Trigger::File => "file",
            Trigger::Api => "api",
        }
    }
}

/// What became of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReloadResult {
    /// In force from here on.
    Applied,
    /// The sources say what they said.
    Unchanged,
    /// Something is wrong with them.
    Invalid,
    /// What is held, or a key that takes a restart, forbids it; nothing of it is in force.
    Rejected,
    /// What was in force before is again.
    RolledBack,
    /// And could not be.
    RollbackFailed,
    /// It would be applied: only asked.
    Possible,
}

impl ReloadResult {
    /// Those that are counted.
    pub const COUNTED: [ReloadResult; 6] = [
        ReloadResult::Applied,
        ReloadResult::Unchanged,
        ReloadResult::Invalid,
        ReloadResult::Rejected,
        ReloadResult::RolledBack,
        ReloadResult::RollbackFailed,
    ];

    /// The word.
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

    /// Whether the sources were taken, or said nothing new.
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

/// Whether a page may change something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// It may: it has a cookie for the token.
    pub signed_in: bool,
}

/// One reload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReloadView {
    /// Wall time, UTC milliseconds.
    pub time: UtcMs,
    /// Who wanted it.
    pub trigger: Trigger,
    /// What became of it.
    pub result: ReloadResult,
    /// The configuration in force afterwards.
    pub generation: u64,
    /// What changes, or would.
    pub changes: Vec<DifferenceView>,
    /// Everything in its way, one sentence each: with place or key, and cause.
    pub reasons: Vec<String>,
    /// Keys that take a restart; for one of them nothing of the whole is applied.
    pub restart: Vec<String>,
}

/// How often reloads came to an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadCountView {
    /// Who wanted them.
    pub trigger: Trigger,
    /// What became of them.
    pub result: ReloadResult,
    /// How many since the process began.
    pub count: u64,
}

/// The configuration in force, and reloads since the process began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReloadsView {
    /// Number of the configuration in force; it rises with each.
    pub generation: u64,
    /// Keys that say something else than the process runs with, and take a restart.
    pub restart_pending: Vec<String>,
    /// The last reload.
    pub last: Option<ReloadView>,
    /// Wall time of the last one that went well, UTC milliseconds.
    pub last_success: Option<UtcMs>,
    /// Every trigger with every result.
    pub counts: Vec<ReloadCountView>,
}

/// The key that enables a strategy.
#[must_use]
pub fn enables(strategy: &str) -> String {
    format!("strategy.{strategy}.enabled")
}

/// What operators allow, and what of their words stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SwitchesView {
    /// What they allow; the breaker may allow less.
    #[schema(value_type = shapes::BreakerLevel)]
    pub allows: BreakerLevel,
    /// Why not everything, one sentence each.
    pub reasons: Vec<String>,
    /// Strategies that the configuration has off, whatever operators say, by name.
    #[serde(default)]
    pub configured_off: Vec<String>,
    /// What stands.
    #[serde(flatten)]
    #[schema(value_type = shapes::Switches)]
    pub switches: Switches,
}

impl SwitchesView {
    /// Of what stands, and of strategies that the configuration has off.
    #[must_use]
    pub fn of(switches: &Switches, configured_off: Vec<String>) -> SwitchesView {
        let (allows, reasons) = switches.level();
        let reasons = reasons.iter().map(|reason| shown(reason)).collect();
        SwitchesView { allows, reasons, configured_off, switches: switches.clone() }
    }

    /// What is turned off by itself, and by whom, one sentence each.
    #[must_use]
    pub fn off(&self) -> Vec<String> {
        let said = self.switches.strategies.iter().chain(&self.switches.processes);
        let said = said.map(|(name, said)| format!("{name}, by an operator: {}", said.reason));
        let by = |name: &String| format!("{name}, by the configuration ({})", enables(name));
        said.chain(self.configured_off.iter().map(by)).collect()
    }
}

/// A word of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchWord {
    /// What is switched.
    pub switch: Switch,
    /// Why; kept in the journal.
    pub reason: String,
}

/// What became of a word of an operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SwitchedView {
    /// In words.
    pub text: String,
    /// Whether it changed anything.
    pub changed: bool,
    /// What stands now.
    #[serde(flatten)]
    pub standing: SwitchesView,
}

/// The body of a change that needs a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonView {
    /// Why; kept in the journal.
    #[schema(min_length = 1, pattern = "\\S")]
    pub reason: String,
}

/// A step of a careful start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SafeView {
    /// How much may be done.
    #[schema(value_type = shapes::SafeStep)]
    pub step: SafeStep,
    /// Why; kept in the journal.
    #[schema(min_length = 1, pattern = "\\S")]
    pub reason: String,
}

/// What is turned on or off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedView {
    /// A strategy by its name, a process by its place in the tree.
    #[schema(min_length = 1)]
    pub name: String,
    /// Why; kept in the journal.
    #[schema(min_length = 1, pattern = "\\S")]
    pub reason: String,
}
