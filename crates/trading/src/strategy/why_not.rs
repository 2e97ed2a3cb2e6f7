//! Explains afterwards what a strategy decided for a symbol, and why it gave no signal.

use super::conditions::Conditions;
use super::{LotView, Strategy, StrategySignal, View};
use everwarm_domain::features::FeatureHead;
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_kernel::state;
use serde::{Deserialize, Serialize};

/// Format of the saved memory.
const FORMAT: u8 = 1;

/// What the newest values of a symbol gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Symbol, time and closing price of their bar.
    pub head: FeatureHead,
    /// What the strategy held of the symbol.
    pub lot: LotView,
    /// The signal, if they gave one.
    pub signal: Option<StrategySignal>,
    /// The conditions of the signal, or why these values cannot be judged.
    pub judged: Result<Conditions, String>,
}

/// Receives the values that an instance received, in the same order.
pub trait WhyNot {
    /// Takes the next values of a symbol.
    fn see(&mut self, long: bool, view: &View<'_>);
    /// What the newest values of the symbol gave; none: there are none.
    fn verdict(&self, symbol: Symbol) -> Option<Verdict>;
    /// Why the newest values of the symbol gave no signal; none: they gave one, or there are none.
    fn why(&self, symbol: Symbol) -> Option<String>;
    /// Forgets a symbol.
    fn forget(&mut self, symbol: Symbol);
    /// The memory of each symbol, to continue with [`WhyNot::load`]. The newest values are not part
    /// of it.
    fn save(&self) -> Vec<u8>;
    /// Takes over a saved memory.
    ///
    /// # Errors
    /// Another version saved it, or the bytes are damaged.
    fn load(&mut self, bytes: &[u8]) -> Result<(), String>;
}

/// The saved memory.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Saved<S: Strategy> {
    /// The version of the kind. Another one may remember something else.
    version: u16,
    symbols: SymbolMap<S::Memory>,
}

/// One kind with its section and memory.
pub(super) struct AskedKind<S: Strategy> {
    section: S::Section,
    symbols: SymbolMap<Line<S>>,
}

/// One symbol.
struct Line<S: Strategy> {
    memory: S::Memory,
    newest: Option<Newest<S>>,
}

impl<S: Strategy> Default for Line<S> {
    fn default() -> Self {
        Line { memory: S::Memory::default(), newest: None }
    }
}

/// The newest values of a symbol, and all that they were judged by.
struct Newest<S: Strategy> {
    /// The memory before them.
    before: S::Memory,
    long: bool,
    head: FeatureHead,
    values: Vec<f64>,
    lot: LotView,
    signal: Option<StrategySignal>,
}

impl<S: Strategy> Newest<S> {
    fn view(&self) -> View<'_> {
        View { head: self.head, values: &self.values, lot: self.lot }
    }
}

impl<S: Strategy> AskedKind<S> {
    pub(super) fn new(section: S::Section) -> AskedKind<S> {
        AskedKind { section, symbols: SymbolMap::default() }
    }

    fn newest(&self, symbol: Symbol) -> Option<&Newest<S>> {
        self.symbols.get(symbol)?.newest.as_ref()
    }
}

impl<S: Strategy> WhyNot for AskedKind<S> {
    fn see(&mut self, long: bool, view: &View<'_>) {
        let line = self.symbols.entry(view.head.symbol);
        let before = line.memory.clone();
        let signal = S::update(&self.section, &mut line.memory, long, view);
        // The room of the former values serves again.
        let mut values = line.newest.take().map(|newest| newest.values).unwrap_or_default();
        values.clear();
        values.extend_from_slice(view.values);
        let (head, lot) = (view.head, view.lot);
        line.newest = Some(Newest { before, long, head, values, lot, signal });
    }

    fn verdict(&self, symbol: Symbol) -> Option<Verdict> {
        let newest = self.newest(symbol)?;
        let judged = S::conditions(&self.section, &newest.before, newest.long, &newest.view());
        let (head, lot, signal) = (newest.head, newest.lot, newest.signal.clone());
        Some(Verdict { head, lot, signal, judged })
    }

    fn why(&self, symbol: Symbol) -> Option<String> {
        let newest = self.newest(symbol).filter(|newest| newest.signal.is_none())?;
        Some(S::why_not(&self.section, &newest.before, newest.long, &newest.view()))
    }

    fn forget(&mut self, symbol: Symbol) {
        self.symbols.remove(symbol);
    }

    fn save(&self) -> Vec<u8> {
        let mut symbols = SymbolMap::default();
        for (symbol, line) in self.symbols.iter() {
            symbols.insert(symbol, line.memory.clone());
        }
        state::save(FORMAT, &Saved::<S> { version: S::VERSION, symbols })
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Saved { version, symbols } = state::load::<Saved<S>>(FORMAT, bytes)?;
        if version != S::VERSION {
            return Err(format!("version {version} saved it, this is version {}", S::VERSION));
        }
        self.symbols = SymbolMap::default();
        for (symbol, memory) in symbols.iter() {
            self.symbols.insert(symbol, Line { memory: memory.clone(), newest: None });
        }
        Ok(())
    }
}
