//! The bars that a daemon traded on, from its data directory.

use crate::audit;
use everwarm_domain::fact::{Body, Ledger, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_history as history;
use everwarm_history::bars;
use everwarm_runtime::store::archive::Archive;
use everwarm_sim::market::Recording;
use everwarm_views::exit::{Exit, Failure};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// Reads the bars of a data directory that no process uses: those of its closes, and the history
/// before them. Also returns when the first close began. The account has the equity of the first
/// close, as cash.
///
/// # Errors
/// A daemon uses the directory, or it has no close.
pub(super) fn read(data_dir: &Path) -> Result<(Recording, UtcMs), Failure> {
    let dir = data_dir.display();
    let journal = audit::open(data_dir).map_err(|why| {
        if why.exit == Exit::Held {
            let more = "Stop the daemon, or give a directory with a restored backup of it";
            return Failure::new(Exit::Held, format!("{why}. {more}"));
        }
        if why.exit == Exit::Unreachable {
            let text = format!("{dir} has no journal: give the data directory of a daemon");
            return Failure::new(Exit::Usage, text);
        }
        why
    })?;
    let mut found = Found::default();
    journal.each(0, &mut |_, fact| {
        found.take(&fact.body);
        ControlFlow::Continue(())
    })?;
    let nothing = || {
        let text = format!("{dir} has no close with a bar: nothing can be played");
        Failure::new(Exit::Usage, text)
    };
    let first = found.first.ok_or_else(nothing)?;
    let archive = Archive::look(&data_dir.join(history::FILE))?;
    let mut symbols = BTreeMap::new();
    for (symbol, rule) in found.rules {
        let kept = archive.as_ref().map_or_else(
            || Ok(Vec::new()),
            |archive| bars::read(archive, Timeframe::M1, symbol, UtcMs::MIN..=UtcMs::MAX),
        )?;
        let mut bars: BTreeMap<UtcMs, Bar> =
            kept.into_iter().map(|bar| (bar.open_time, bar)).collect();
        bars.extend(found.closes.remove(&symbol).unwrap_or_default());
        symbols.insert(symbol, (rule, bars.into_values().collect()));
    }
    let quote =
        symbols.values().next().map(|(rule, _): &(Instrument, Vec<Bar>)| rule.quote.clone());
    let cash = quote.map(|quote| (quote, found.equity.unwrap_or_default()));
    let recording = Recording::of(symbols, cash.into_iter().collect()).ok_or_else(nothing)?;
    Ok((recording, first - MINUTE))
}

/// What the journal has.
#[derive(Default)]
struct Found {
    /// The newest rules of each instrument.
    rules: BTreeMap<Symbol, Instrument>,
    /// The bars of the closes, by symbol and opening time.
    closes: BTreeMap<Symbol, BTreeMap<UtcMs, Bar>>,
    /// The first close.
    first: Option<UtcMs>,
    /// The first equity, in units of the quote asset.
    equity: Option<Decimal>,
}

impl Found {
    fn take(&mut self, body: &Body) {
        match body {
            Body::Market(Market::Instruments { rules }) => {
                self.rules.extend(rules.iter().map(|rule| (rule.symbol, rule.clone())));
            }
            Body::Market(Market::Close { time, bars, .. }) => {
                self.first.get_or_insert(*time);
                for bar in bars {
                    self.closes.entry(bar.symbol).or_default().insert(bar.open_time, *bar);
                }
            }
            Body::Ledger(Ledger::Equity { equity, .. }) => {
                self.equity.get_or_insert(*equity);
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
}
