//! Explains afterwards why a strategy gave no signal.

use super::{Strategy, View};

/// Receives the values that an instance received for one symbol, in the same order.
pub trait WhyNot {
    /// Takes the next values. Returns why they gave no signal; `None` if they gave one.
    fn see(&mut self, long: bool, view: &View<'_>) -> Option<String>;
}

/// One kind with its section and memory.
pub(super) struct AskedKind<S: Strategy> {
    section: S::Section,
    memory: S::Memory,
}

impl<S: Strategy> AskedKind<S> {
    pub(super) fn new(section: S::Section) -> AskedKind<S> {
        AskedKind { section, memory: S::Memory::default() }
    }
}

impl<S: Strategy> WhyNot for AskedKind<S> {
    fn see(&mut self, long: bool, view: &View<'_>) -> Option<String> {
        let before = self.memory.clone();
        let signal = S::update(&self.section, &mut self.memory, long, view);
        signal.is_none().then(|| S::why_not(&self.section, &before, long, view))
    }
}
