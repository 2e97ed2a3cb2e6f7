//! Paths of the actors in the tree, named here only; the tree puts them there. Switches and facts
//! of supervision name actors by them.

use crate::switch::Switches;

/// Bars to closes.
pub const CLOSER: &str = "root/trading/bars/closer";
/// Parent of the bar actors; each is called like its symbol.
pub const BARS: &str = "root/trading/bars/symbols";
/// Which symbols are listed, and that they have their bar actors.
pub const UNIVERSE: &str = "root/trading/bars/universe";
/// Parent of the sources.
pub const FEEDS: &str = "root/trading/feeds";
/// Parent of the venues.
pub const GATEWAYS: &str = "root/trading/gateways";
/// Parent of the stages; each is called as it calls itself.
pub const STAGES: &str = "root/trading/stages";
/// What is configured.
pub const CONFIG: &str = "root/trading/config";
/// Clock inputs.
pub const CLOCK: &str = "root/trading/clock";
/// Lockstep.
pub const PACER: &str = "root/trading/pacer";
/// The name of a private stream, below its venue.
pub const PRIVATE: &str = "private";

/// The simulated exchange: its name in the tree, in metrics and in commands.
pub const SIMULATED: &str = "sim";

/// The places that bear the name of a venue or a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Name of the venue.
    pub venue: &'static str,
    /// Name of the source.
    pub source: &'static str,
}

impl Places {
    /// Order entry and reconciliation.
    #[must_use]
    pub fn gateway(&self) -> String {
        format!("{GATEWAYS}/{}/gateway", self.venue)
    }

    /// The private stream.
    #[must_use]
    pub fn private(&self) -> String {
        format!("{GATEWAYS}/{}/{PRIVATE}", self.venue)
    }

    /// The market streams.
    #[must_use]
    pub fn feed(&self) -> String {
        format!("{FEEDS}/{}/feed", self.source)
    }

    /// Path of an actor by its name at kill points: stages by theirs, the actors of the edge by
    /// theirs, and a symbol is that of its bars.
    #[must_use]
    pub fn of(&self, name: &str) -> String {
        // Symbols are written in capitals.
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

    /// The present path of an actor that had another one when there was one venue.
    #[must_use]
    pub fn present(&self, path: &str) -> String {
        let all = [self.gateway(), self.private(), self.feed()];
        let now = all.into_iter().find(|now| former(now).as_deref() == Some(path));
        now.unwrap_or_else(|| path.to_owned())
    }
}

/// The path that an actor below a venue or a source had when there was one of each. Switches
/// are stored under such paths.
#[must_use]
pub fn former(path: &str) -> Option<String> {
    let below = |parent: &str| {
        let below = path.strip_prefix(parent)?.strip_prefix('/')?;
        below.split_once('/').map(|(_, own)| format!("{parent}/{own}"))
    };
    below(GATEWAYS).or_else(|| below(FEEDS))
}

/// What an actor is called in metrics and facts: its name in the tree, `bar` for those of all
/// symbols; with the name of its parent where a venue and a source may have the same.
#[must_use]
pub fn label(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((BARS, _)) => "bar",
        Some((GATEWAYS | FEEDS, _)) => path.strip_prefix("root/trading/").unwrap_or(path),
        Some((_, name)) => name,
        None => path,
    }
}

/// Whether an operator turned off what is at `path`, by its path of now or by its former one.
#[must_use]
pub fn is_off(switches: &Switches, path: &str) -> bool {
    switches.is_off(path) || former(path).is_some_and(|former| switches.is_off(&former))
}
