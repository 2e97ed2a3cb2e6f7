//! The SDK: what the program of a strategy of your own needs.
//!
//! A crate of yours depends on this one, implements [`Strategy`] and calls
//! [`main_with`]. Its program has every command of everwarm. `everwarm strategy
//! new NAME` writes such a crate, and `docs/how-to/own-strategy.md` explains it.
//!
//! ```no_run
//! use everwarm::sdk::{Exit, Intent, Setting, Strategy, StrategySignal, Timeframe, View};
//! use serde::{Deserialize, Serialize};
//!
//! struct Rise;
//!
//! #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
//! struct Section {}
//!
//! impl Strategy for Rise {
//!     const KIND: &'static str = "rise";
//!     const VERSION: u16 = 1;
//!     const SETTINGS: &'static [Setting] = &[];
//!     type Section = Section;
//!     /// The close before, quote units.
//!     type Memory = f64;
//!
//!     fn timeframe(_: &Section) -> Timeframe {
//!         Timeframe::M5
//!     }
//!
//!     fn features(_: &Section) -> Vec<String> {
//!         vec!["close@5m".to_owned()]
//!     }
//!
//!     fn update(
//!         _: &Section,
//!         before: &mut f64,
//!         long: bool,
//!         view: &View<'_>,
//!     ) -> Option<StrategySignal> {
//!         let [close] = *view.values else { return None };
//!         let rises = close > std::mem::replace(before, close);
//!         let intent = if long { Intent::Close } else { Intent::Open };
//!         let reason = format!("the close is {close}");
//!         (rises != long).then(|| StrategySignal::new(intent, 500_000, reason))
//!     }
//!
//!     fn why_not(_: &Section, before: &f64, _: bool, _: &View<'_>) -> String {
//!         format!("the direction from {before} did not change")
//!     }
//! }
//!
//! fn main() -> Exit {
//!     everwarm::main_with(&[everwarm::kind::<Rise>()])
//! }
//! ```

pub use everwarm_domain::features::FeatureHead;
pub use everwarm_domain::id::Symbol;
pub use everwarm_domain::money::{Decimal, Price};
pub use everwarm_domain::order::ExitPrices;
pub use everwarm_domain::settings::ExitRules;
pub use everwarm_domain::settings::exits::ProfitRow;
pub use everwarm_domain::signal::Intent;
pub use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
pub use everwarm_trading::strategy::{
    Added, Condition, Conditions, Edge, Form, Kind, LotView, Setting, Strategy, StrategySignal,
    TIMEFRAME, View, Wrong, first_lack, ppm, saturating, show,
};
pub use everwarm_views::exit::Exit;

use crate::daemon::CORE;
use everwarm_cli as cli;
use everwarm_cli::print::note;
use everwarm_trading::strategy;

/// The kind of strategy that a type implements.
#[must_use]
pub const fn kind<S: Strategy>() -> Kind {
    Kind::of::<S>()
}

/// Runs the command line with kinds of strategies of your own besides the built-in ones. Returns
/// the exit code of the process. Call it once, as the whole of `main`.
///
/// A kind that cannot work is printed with the reason, and ends with [`Exit::Usage`].
#[must_use]
pub fn main_with(kinds: &[Kind]) -> Exit {
    if let Err(why) = strategy::add(kinds) {
        note(&format!("everwarm: {why}"));
        return Exit::Usage;
    }
    cli::main(&CORE)
}

/// Plays rows of feature values of one symbol, one minute apart, through a strategy. Returns the
/// intents of the signals that the daemon would take. Each is filled immediately, with one base
/// unit at a price of 1. It is for unit tests.
pub fn play<'a, S: Strategy>(
    section: &S::Section,
    rows: impl IntoIterator<Item = &'a [f64]>,
) -> Vec<Option<Intent>> {
    let symbol = Symbol::named("TEST").expect("it is a name");
    let (mut memory, mut lot) = (S::Memory::default(), LotView::default());
    let mut intents = Vec::new();
    for (time, values) in (1..).map(|minute| minute * MINUTE).zip(rows) {
        let close = Price::e8(100_000_000);
        let head = FeatureHead { symbol, time, close };
        let long = !lot.held.is_zero();
        let signal = S::update(section, &mut memory, long, &View { head, values, lot });
        let taken = signal.map(|signal| signal.intent).filter(|intent| match intent {
            Intent::Open => !long,
            Intent::Add | Intent::Reduce | Intent::Close => long,
        });
        match taken {
            Some(Intent::Open | Intent::Add) => lot.held += Decimal::ONE,
            Some(Intent::Reduce | Intent::Close) => lot.held = Decimal::ZERO,
            None => {}
        }
        intents.push(taken);
    }
    intents
}
