//! Why a strategy wished nothing, asked of the kind after the fact.

use super::{Strategy, View};

/// Sees the values that an instance saw of one symbol, in their order.
pub trait WhyNot {
    /// The next values. Why it wished nothing at them; none where it wished.
    fn see(&mut self, long: bool, view: &View<'_>) -> Option<String>;
}

/// A kind that is asked.
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
        let wish = S::update(&self.section, &mut self.memory, long, view);
        wish.is_none().then(|| S::why_not(&self.section, &before, long, view))
    }
}
