//! Samples of the dominance, as facts have them.

use super::key_encoding::time_key;
use super::queries::{HistoryError, decode};
use everwarm_domain::dominance::Dominance;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::store::archive::Archive;

/// Samples. Key: their time.
pub const DOMINANCE: &str = "dominance.1";
/// Samples that are read at once: a month of them, less than half a megabyte.
const AT_ONCE: usize = 4_096;

/// The newest sample; none: there is none.
///
/// # Errors
/// The file could not be read, or is damaged.
pub fn newest(archive: &Archive) -> Result<Option<Dominance>, HistoryError> {
    archive.last(DOMINANCE)?.map(|(_, value)| decode(DOMINANCE, &value)).transpose()
}

/// Calls `see` with each sample from a time on, ascending.
///
/// # Errors
/// The file could not be read, or is damaged.
pub fn each_from(
    archive: &Archive,
    from: UtcMs,
    see: &mut dyn FnMut(&Dominance),
) -> Result<(), HistoryError> {
    let mut from = time_key(from).to_vec();
    loop {
        let rows = archive.range(DOMINANCE, &from..=&[u8::MAX; 64][..], false, AT_ONCE)?;
        let whole = rows.len() == AT_ONCE;
        for (key, value) in rows {
            see(&decode(DOMINANCE, &value)?);
            from = key;
        }
        if !whole {
            return Ok(());
        }
        from.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Projector;
    use everwarm_domain::fact::{Body, Market};
    use everwarm_domain::money::Decimal;
    use everwarm_kernel::fact::{Fact, Key};
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn samples_are_read_by_their_time_in_as_many_parts_as_it_takes() {
        let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
        let read = |from: UtcMs| {
            let mut times = Vec::new();
            each_from(&archive, from, &mut |sample| times.push(sample.time)).unwrap();
            times
        };
        assert_eq!((newest(&archive).unwrap(), read(0)), (None, vec![]));
        let sample = |time: UtcMs| {
            let (btc, usdt) = (Decimal::new(58_383_219_412, 9), Decimal::new(46, 1));
            Dominance { source: "s".to_owned(), time, btc, usdt, every_s: 600 }
        };
        let count = 2 * i64::try_from(AT_ONCE).unwrap() + 3;
        let fact = |n: i64| {
            let key = Key { n: n.unsigned_abs() + 1, rank: 0, i: 0 };
            let body = Body::Market(Market::Dominance(sample(n * 600_000)));
            Fact { key, time: 0, version: 1, because: Vec::new(), body }
        };
        let facts: Vec<Fact<Body>> = (0..count).map(fact).collect();
        let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
        projector.apply((1..).zip(&facts), facts.len() as u64, true).unwrap();
        assert_eq!(newest(&archive).unwrap(), Some(sample((count - 1) * 600_000)));
        assert_eq!(read(0), (0..count).map(|n| n * 600_000).collect::<Vec<_>>());
        assert_eq!(read((count - 2) * 600_000 + 1), [(count - 1) * 600_000]);
    }
}
