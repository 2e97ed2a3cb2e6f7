//! Removes bars of minutes that are too old. Wider bars stay for ever: a year of hours is as large
//! as six days of minutes.

use super::key_encoding::{time_key, timeframe_key};
use super::projection::BARS;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::store::archive::{Archive, ArchiveError, Op};

/// The widths that are removed.
const WIDTHS: [Timeframe; 2] = [Timeframe::M1, Timeframe::M5];
/// Rows of one commit. A row has the bars of all symbols.
const ROWS: usize = 256;

/// Removes the bars from facts that opened before `before`, event time. Returns the number of rows.
/// After a crash, the next call removes the rest.
///
/// # Errors
/// The file could not be read or written.
pub fn trim(archive: &Archive, before: UtcMs) -> Result<u64, ArchiveError> {
    let mut removed = 0;
    for width in WIDTHS {
        let width = timeframe_key(width);
        let row = |time: UtcMs| [&[width][..], &time_key(time)].concat();
        let (first, last) = (row(UtcMs::MIN), row(before));
        loop {
            let rows = archive.range(BARS, &first..=&last, false, ROWS)?;
            let keys = rows.into_iter().map(|(key, _)| key).filter(|key| *key < last);
            let ops: Vec<Op> = keys.map(|key| Op::Delete { table: BARS, key }).collect();
            removed += ops.len() as u64;
            archive.commit(&ops, false)?;
            if ops.len() < ROWS {
                break;
            }
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Projector;
    use crate::bars::read;
    use everwarm_domain::fact::{Analysis, Body, Market};
    use everwarm_domain::id::Symbol;
    use everwarm_domain::market::{Bar, RolledBar};
    use everwarm_domain::money::Price;
    use everwarm_domain::time::MINUTE;
    use everwarm_kernel::fact::{Fact, Key};
    use std::path::Path;
    use std::sync::Arc;

    fn bar(open_time: UtcMs) -> Bar {
        let price = Price::e8(100_000_000);
        let (symbol, volume) = (Symbol::named("AAA").unwrap(), 1.into());
        Bar { symbol, open_time, open: price, high: price, low: price, close: price, volume }
    }

    #[test]
    fn old_minutes_go_and_wider_bars_stay() {
        let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
        let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
        let mut facts = Vec::new();
        for n in 0..600_i64 {
            let time = (n + 1) * MINUTE;
            let body = Body::Market(Market::close(time, vec![bar(n * MINUTE)], Vec::new()));
            let key = Key { n: n.unsigned_abs() + 1, rank: 0, i: 0 };
            facts.push(Fact { key, time, version: 0, because: Vec::new(), body });
            for timeframe in [Timeframe::M5, Timeframe::M15] {
                if time % timeframe.ms() == 0 {
                    let bar = bar(time - timeframe.ms());
                    let bars = vec![RolledBar { bar, count: 15, complete: true }];
                    let body = Body::Analysis(Analysis::Rolled { timeframe, bars });
                    let key = Key { rank: 100, ..key };
                    facts.push(Fact { key, time, version: 1, because: Vec::new(), body });
                }
            }
        }
        projector.apply((1..).zip(&facts), facts.len() as u64, true).unwrap();
        let symbol = Symbol::named("AAA").unwrap();
        let first = |width| {
            let bars = read(&archive, width, symbol, UtcMs::MIN..=UtcMs::MAX).unwrap();
            (bars.len(), bars[0].open_time / MINUTE)
        };
        assert_eq!(trim(&archive, 500 * MINUTE).unwrap(), 500 + 100);
        assert_eq!(trim(&archive, 500 * MINUTE).unwrap(), 0);
        assert_eq!(first(Timeframe::M1), (100, 500));
        assert_eq!(first(Timeframe::M5), (20, 500));
        assert_eq!(first(Timeframe::M15), (40, 0));
    }
}
