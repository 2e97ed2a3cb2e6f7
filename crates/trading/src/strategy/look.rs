//! Why a strategy wished nothing, asked of the kind after the fact.

use super::{Strategy, View};

/// Sees the values that an instance saw of one symbol, in their order.
pub trait Look {
    /// The next values. Why it wished nothing at them; none where it wished.
    fn see(&mut self, long: bool, view: &View<'_>) -> Option<String>;
}

/// A kind that is asked.
pub(super) struct Looking<S: Strategy> {
    section: S::Section,
    memory: S::Memory,
}

impl<S: Strategy> Looking<S> {
    pub(super) fn new(section: S::Section) -> Looking<S> {
        Looking { section, memory: S::Memory::default() }
    }
}

impl<S: Strategy> Look for Looking<S> {
    fn see(&mut self, long: bool, view: &View<'_>) -> Option<String> {
        let before = self.memory.clone();
        let wish = S::update(&self.section, &mut self.memory, long, view);
        wish.is_none().then(|| S::why_not(&self.section, &before, long, view))
    }
}
