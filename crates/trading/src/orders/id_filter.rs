//! Says of most unknown ids that they are unknown, without a search.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Words of 64 bits. With two bits for each of 1,200 ids, one unknown id in 700 passes.
const WORDS: usize = 1 << 10;

/// A Bloom filter over ids, see B. H. Bloom, Space/time trade-offs in hash coding, 1970. It is
/// derived from the ids, so it is not saved, and an empty one passes every id.
#[derive(Clone, Default)]
pub(super) struct IdFilter(Option<Box<[u64; WORDS]>>);

impl IdFilter {
    /// The filter of these ids.
    pub(super) fn of<'a>(ids: impl Iterator<Item = &'a [u8]>) -> IdFilter {
        let mut filter = IdFilter(Some(Box::new([0; WORDS])));
        ids.for_each(|id| filter.add(id));
        filter
    }

    /// Whether nothing is known about ids.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds an id; an empty filter stays empty.
    pub(super) fn add(&mut self, id: &[u8]) {
        let Some(words) = &mut self.0 else { return };
        for (word, bit) in bits(id) {
            words[word] |= bit;
        }
    }

    /// False if the id was not added.
    pub(super) fn passes(&self, id: &[u8]) -> bool {
        let passes =
            |words: &[u64; WORDS]| bits(id).iter().all(|(word, bit)| words[*word] & bit != 0);
        self.0.as_deref().is_none_or(passes)
    }
}

/// The two bits of an id: word, and bit in it.
fn bits(id: &[u8]) -> [(usize, u64); 2] {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    [[a, b], [c, d]].map(u16::from_le_bytes).map(|at| (usize::from(at >> 6), 1 << (at & 63)))
}

/// What it is derived from is compared.
impl PartialEq for IdFilter {
    fn eq(&self, _: &IdFilter) -> bool {
        true
    }
}

impl fmt::Debug for IdFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdFilter")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_every_known_id_and_few_others() {
        let id = |n: usize| format!("ew-{n:016x}").into_bytes();
        let known: Vec<Vec<u8>> = (0..1_200).map(id).collect();
        let filter = IdFilter::of(known.iter().map(Vec::as_slice));
        assert!(known.iter().all(|id| filter.passes(id)));
        let others = (1_200..101_200).filter(|n| filter.passes(&id(*n))).count();
        assert!((1..500).contains(&others), "{others}");
        assert!(IdFilter::default().passes(b"any"));
    }
}
