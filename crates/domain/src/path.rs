//! Paths of the actors in the supervision tree. Only this file names them. Switches and facts of
//! supervision use them.

use crate::switch::Switches;

/// The closer, which makes closes of bars.
pub const CLOSER: &str = "root/trading/bars/closer";
/// Parent of the bar actors. Each has the name of its symbol.
pub const BARS: &str = "root/trading/bars/symbols";
/// The universe actor, which decides on the listed symbols and starts their bar actors.
pub const UNIVERSE: &str = "root/trading/bars/universe";
/// Parent of the sources.
pub const FEEDS: &str = "root/trading/feeds";
/// Parent of the venues.
pub const GATEWAYS: &str = "root/trading/gateways";
/// Parent of the stages. Each has its own name there.
pub const STAGES: &str = "root/trading/stages";
/// The config actor.
pub const CONFIG: &str = "root/trading/config";
/// The clock, which appends clock inputs.
pub const CLOCK: &str = "root/trading/clock";
/// The pacer, which moves time in lockstep.
pub const PACER: &str = "root/trading/pacer";
/// Name of a private stream, below its venue.
pub const PRIVATE: &str = "private";

/// The simulated exchange: its name in the tree, in metrics and in commands.
pub const SIMULATED: &str = "sim";

/// The names of the venue and the source, and the paths that contain them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Name of the venue.
    pub venue: &'static str,
    /// Name of the source.
    pub source: &'static str,
}

impl Places {
    /// Path of the gateway: order entry and reconciliation.
    #[must_use]
    pub fn gateway(&self) -> String {
        format!("{GATEWAYS}/{}/gateway", self.venue)
    }

    /// Path of the private stream.
    #[must_use]
    pub fn private(&self) -> String {
        format!("{GATEWAYS}/{}/{PRIVATE}", self.venue)
    }

    /// Path of the market streams.
    #[must_use]
    pub fn feed(&self) -> String {
        format!("{FEEDS}/{}/feed", self.source)
    }

    /// Path of an actor by its name at kill points. The name of a stage or an edge actor is its
    /// own. A symbol stands for its bar actor.
    #[must_use]
    pub fn of(&self, name: &str) -> String {
        // Symbols have no lowercase letters.
        let is_stage = name.bytes().any(|b| b.is_ascii_lowercase());
        match name {
            "closer" => CLOSER.to_owned(),
            "gateway" => self.gateway(),
            "clock" => CLOCK.to_owned(),
            "pacer" => PACER.to_owned(),
            PRIVATE => self.private(),
            "feed" => self.feed(),
            "universe" => UNIVERSE.to_owned(),
            "config" | "exchange" => format!("root/trading/{name}"),
            "projector" => "root/store/projector".to_owned(),
            stage if is_stage => format!("{STAGES}/{stage}"),
            symbol => format!("{BARS}/{symbol}"),
        }
    }

    /// The current path of an actor, given its path in versions with one venue. Other paths are
    /// returned unchanged.
    #[must_use]
    pub fn present(&self, path: &str) -> String {
        let all = [self.gateway(), self.private(), self.feed()];
        let now = all.into_iter().find(|now| former(now).as_deref() == Some(path));
        now.unwrap_or_else(|| path.to_owned())
    }
}

/// The path that an actor below a venue or a source had in versions with one of each. Stored
/// switches have such paths.
#[must_use]
pub fn former(path: &str) -> Option<String> {
    let below = |parent: &str| {
        let below = path.strip_prefix(parent)?.strip_prefix('/')?;
        below.split_once('/').map(|(_, own)| format!("{parent}/{own}"))
    };
    below(GATEWAYS).or_else(|| below(FEEDS))
}

/// The name of an actor in metrics and facts: its name in the tree, or `bar` for all bar actors.
/// Below venues and sources it includes the parent, because both may have the same name.
#[must_use]
pub fn label(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((BARS, _)) => "bar",
        Some((GATEWAYS | FEEDS, _)) => path.strip_prefix("root/trading/").unwrap_or(path),
        Some((_, name)) => name,
        None => path,
    }
}

/// Whether an operator turned off the actor at `path`, by its current or its former path.
#[must_use]
pub fn is_off(switches: &Switches, path: &str) -> bool {
    switches.is_off(path) || former(path).is_some_and(|former| switches.is_off(&former))
}
