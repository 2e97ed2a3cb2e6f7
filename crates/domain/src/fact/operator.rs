//! Facts about the process, the clock and the runtime, and commands of operators.

use super::{Accept, Conflict};
use crate::external::ExternalSignal;
use crate::id::{Symbol, VenueId};
use crate::manual::Request;
use crate::money::Decimal;
use crate::settings::Settings;
use crate::switch::Switch;
use crate::time::UtcMs;
use crate::token::Token;
use everwarm_kernel::fact::Effect;
use serde::{Deserialize, Serialize};

/// Inputs: the process, the clock, operators and the runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operator {
    /// A run began on this data directory. Synced.
    Started {
        /// Number of the run, from 1.
        life: u64,
        /// Identity of the installation, part of every client order id.
        installation: String,
        /// Raised by a restore, a wipe or an operator; part of every client order id.
        epoch: u64,
    },
    /// A person confirmed the account that may trade real money from here on, and its limits.
    /// Another account needs its own confirmation; the last one is in force. Synced.
    LiveConfirmed {
        /// The venue's number of the account.
        account: String,
        /// Most quote amount of one entry.
        per_order: Decimal,
        /// Most quote amount of all entries of a UTC day.
        per_day: Decimal,
        /// The venue of the account.
        #[serde(default)]
        venue: VenueId,
    },
    /// The earliest wake-up of a stage is due.
    Clock {
        /// Event time, UTC milliseconds.
        time: UtcMs,
    },
    /// The configuration in force from here on. Synced.
    ConfigApplied {
        /// Number of the configuration, from 1.
        generation: u64,
        /// The settings as JSON; see [`Settings`].
        text: String,
        /// Origins of values other than the defaults: (key, origin).
        origins: Vec<(String, String)>,
        /// Every value that may change while the daemon trades, as JSON: (key, value).
        #[serde(default)]
        values: Vec<(String, String)>,
        /// Digest of the configuration sources when it was put in force. After a rollback the
        /// sources differ from what is in force; a start does not undo the rollback.
        #[serde(default)]
        source: String,
        /// Former settings of strategies that may still hold lots opened under them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        retained: Vec<Retained>,
    },
    /// An operator turned something on or off, until an operator changes it again. Synced.
    Switched {
        /// The switch.
        switch: Switch,
        /// Why, in the operator's words.
        reason: String,
    },
    /// A stage has a new version from here on.
    StageUpgraded {
        /// Its rank.
        rank: u16,
        /// Its version before.
        from: u16,
        /// Its version from here on.
        to: u16,
    },
    /// A stage takes part from the next input on. Synced, because its facts depend on this one.
    StageJoined {
        /// Its rank.
        rank: u16,
        /// Its name.
        id: String,
        /// Its kind: the stage that it is an instance of.
        kind: String,
        /// Its version at the beginning.
        version: u16,
        /// Its settings, as in the configuration; empty: none.
        settings: String,
    },
    /// A stage no longer takes part. The input before this one was its last. Synced.
    StageLeft {
        /// Its rank.
        rank: u16,
    },
    /// A stage failed too often at an input, or its supervisor stopped it from an input on. Synced,
    /// and known before a replay.
    Quarantined {
        /// Rank of the stage.
        rank: u16,
        /// Its name.
        stage: String,
        /// Number of the input.
        input: u64,
        /// What the runtime does about it.
        effect: Effect,
        /// Leaving out these symbols lets the stage pass. Empty: leaving out symbols does not help.
        symbols: Vec<Symbol>,
        /// Number of failures.
        failures: u32,
        /// Error text of the last failure.
        why: String,
    },
    /// A quarantine ends. An operator ends it, or the runtime if the stage was stopped by its
    /// supervisor. Synced.
    Released {
        /// Number of the `Quarantined` input.
        quarantine: u64,
        /// Whether the stage is tried again. If not, its absence is accepted.
        retry: bool,
    },
    /// A branch of the supervision tree was stopped by its supervisor, or runs again. Synced. At
    /// the start of a run all branches are up.
    Branch {
        /// Its path in the tree.
        path: String,
        /// How it ended last, if it is stopped.
        down: Option<String>,
    },
    /// An operator decided whether a symbol is traded. This overrides every rule. Synced.
    SymbolWanted {
        /// The symbol.
        symbol: Symbol,
        /// Whether it is to be traded.
        wanted: bool,
    },
    /// An operator resolved a conflict. Synced.
    Resolved {
        /// Both sides, as the operator saw them.
        conflict: Conflict,
        /// The side that the operator accepts.
        accept: Accept,
        /// Why, in the operator's words.
        reason: String,
        /// The venue of the account.
        #[serde(default)]
        venue: VenueId,
    },
    /// An operator adopted a surplus into the books. Synced.
    Adopted {
        /// The asset.
        asset: String,
        /// The quantity. At most the external quantity is adopted.
        quantity: Decimal,
        /// The position that it becomes part of, and the last price, which is its cost. None: it is
        /// cash.
        position: Option<(Symbol, Decimal)>,
        /// Why, in the operator's words.
        reason: String,
        /// The venue of the account.
        #[serde(default)]
        venue: VenueId,
    },
    /// Supervisors restarted actors that had ended unexpectedly. Restarts are gathered, so that
    /// frequent ones do not fill the journal.
    Restarted {
        /// The restarts, by actor and cause.
        actors: Vec<Restarts>,
    },
    /// What limits trading changed in the health of the daemon and its surroundings. It lists all
    /// problems that exist now. Synced.
    Health {
        /// The problems, each with the reason that users read.
        problems: Vec<(HealthCheck, String)>,
    },
    /// An operator requests an order, the exit of lots or a cancel by hand. A repeated id has no
    /// effect. Synced.
    Manual {
        /// The id that the client gave the request, at most 64 characters.
        id: String,
        /// What is requested.
        request: Request,
        /// Why, in the operator's words.
        reason: String,
    },
    /// An operator sent a command from afar, in a chat. What it does follows as inputs of the same
    /// commit. Each update counts once. Synced.
    RemoteCommand {
        /// The service that delivered it, like `telegram`.
        via: String,
        /// The service's number of the message. Later messages have larger ones.
        update: i64,
        /// Who sent it, as the service names them, at most 64 characters.
        who: String,
        /// The command, at most 256 characters.
        text: String,
    },
    /// An external program sends a signal to a strategy. A repeated id has no effect. Synced.
    Signalled(Box<ExternalSignal>),
    /// An operator changed the registry of tokens: all of this, or nothing. Synced.
    Tokens {
        /// Tokens that are removed first, by name.
        removed: Vec<Symbol>,
        /// Tokens that are added, by name.
        added: Vec<Token>,
    },
}

impl Operator {
    /// An applied configuration with these settings, without origins and values.
    #[must_use]
    pub fn configured(generation: u64, settings: &Settings) -> Operator {
        let (text, source) = (settings.to_text(), String::new());
        let (origins, values) = (Vec::new(), Vec::new());
        let retained = Vec::new();
        Operator::ConfigApplied { generation, text, origins, values, source, retained }
    }
}

/// Former settings of a strategy, which may still hold lots opened under them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retained {
    /// The id of the strategy.
    pub id: String,
    /// Its section of the configuration at that time, as JSON.
    pub settings: String,
    /// Its kind.
    pub kind: String,
}

/// What trading needs to be healthy. The daemon watches it while venue time passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthCheck {
    /// The venue responds.
    Venue,
    /// Closes come during trading hours.
    Market,
    /// This machine's clock agrees with the venue's.
    Clock,
    /// The disk takes what is committed.
    Disk,
}

/// The number of restarts of one actor for one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarts {
    /// Its name in the tree. The bar actors of all symbols are `bar`.
    pub actor: String,
    /// Why it had ended, in one word, as in the metrics.
    pub reason: String,
    /// The number of restarts.
    pub times: u32,
}
