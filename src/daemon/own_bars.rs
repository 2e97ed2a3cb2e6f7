//! The bars that a daemon traded on, and what it did, from its data directory.

use super::past_signals::{Received, Signals};
use crate::audit;
use everwarm_domain::fact::{Body, Ledger, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_history as history;
use everwarm_history::bars;
use everwarm_history::queries::HistoryError;
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_sim::market::Recording;
use everwarm_views::backtest::{BacktestFold, DaemonResult};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// Reads the bars of a data directory that no process uses: those of its closes, and the history
/// before them. Also returns when the first close began, and the signals of external programs that
/// the daemon received. The account has the equity of the first close, as cash.
///
/// # Errors
/// A daemon uses the directory, or it has no close.
pub(super) fn read(data_dir: &Path) -> Result<(Recording, UtcMs, Signals), Failure> {
    let dir = data_dir.display();
    let journal = opened(data_dir)?;
    let (mut found, mut received) = (Found::default(), Received::default());
    // Of removed closes, those that led to an order remain: they would be bars with gaps.
    let whole_from = journal.store().map_or(Ok(1), Store::whole_from);
    let whole_from = whole_from.map_err(|e| audit::store_failure(&e))?;
    journal.each(0, &mut |row, fact| {
        let of_a_close = matches!(
            fact.body,
            Body::Market(Market::Close { .. }) | Body::Ledger(Ledger::Equity { .. })
        );
        if row >= whole_from || !of_a_close {
            found.take(&fact.body);
            received.take(fact);
        }
        ControlFlow::Continue(())
    })?;
    let signals = Signals::received(received.signals());
    let nothing = || {
        let text = format!("{dir} has no close with a bar: nothing can be played");
        Failure::new(Exit::Usage, text)
    };
    let first = found.first.ok_or_else(nothing)?;
    let archive = Archive::look(&data_dir.join(history::FILE))?;
    let kept = |symbol| match &archive {
        Some(archive) => bars::read(archive, Timeframe::M1, symbol, UtcMs::MIN..=UtcMs::MAX),
        None => Ok(Vec::new()),
    };
    let symbols: Vec<Symbol> = found.rules.keys().copied().collect();
    let recording = found.recording(&kept)?.ok_or_else(nothing)?;
    // What the daemon fetched of wider bars.
    let mut older = BTreeMap::new();
    for width in Timeframe::ALL.into_iter().filter(|width| *width != Timeframe::M1) {
        for symbol in &symbols {
            let Some(archive) = &archive else { continue };
            let bars = bars::read_fetched(archive, (width, *symbol), &(UtcMs::MIN..=UtcMs::MAX))?;
            older.insert((*symbol, width), bars.into_values().collect());
        }
    }
    Ok((recording.with_older(older), first - MINUTE, signals))
}

/// What the daemon did after the start of the account, up to the last close and its executions.
///
/// # Errors
/// See [`read`].
pub(super) fn traded(data_dir: &Path, (from, to): (UtcMs, UtcMs)) -> Result<DaemonResult, Failure> {
    let mut fold = BacktestFold::new(from, BTreeMap::new());
    opened(data_dir)?.each(0, &mut |_, fact| {
        if matches!(&fact.body, Body::Market(Market::Close { time, .. }) if *time > to) {
            return ControlFlow::Break(());
        }
        fold.fold(fact);
        ControlFlow::Continue(())
    })?;
    let traded = |view| DaemonResult::Traded(Box::new(view));
    Ok(fold.finish().map_or_else(DaemonResult::Differs, traded))
}

fn opened(data_dir: &Path) -> Result<Box<dyn JournalFacts>, Failure> {
    let dir = data_dir.display();
    audit::open(data_dir).map_err(|why| {
        if why.exit == Exit::Held {
            let more = "Stop the daemon, or give a directory with a restored backup of it";
            return Failure::new(Exit::Held, format!("{why}. {more}"));
        }
        if why.exit == Exit::Unreachable {
            let text = format!("{dir} has no journal: give the data directory of a daemon");
            return Failure::new(Exit::Usage, text);
        }
        why
    })
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
    /// The closes with the history that `kept` has of a symbol; none without any bar. The venue
    /// lists more instruments than are traded.
    fn recording(
        mut self,
        kept: &dyn Fn(Symbol) -> Result<Vec<Bar>, HistoryError>,
    ) -> Result<Option<Recording>, HistoryError> {
        let mut symbols = BTreeMap::new();
        for (symbol, rule) in self.rules {
            let mut bars: BTreeMap<UtcMs, Bar> =
                kept(symbol)?.into_iter().map(|bar| (bar.open_time, bar)).collect();
            bars.extend(self.closes.remove(&symbol).unwrap_or_default());
            symbols.insert(symbol, (rule, bars.into_values().collect::<Vec<Bar>>()));
        }
        let traded = symbols.values().find(|(_, bars)| !bars.is_empty());
        let cash = traded.map(|(rule, _)| (rule.quote.clone(), self.equity.unwrap_or_default()));
        Ok(Recording::of(symbols, cash.into_iter().collect()))
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_sim::market::{Market as _, Seeded};

    #[test]
    fn the_cash_is_in_the_quote_asset_of_what_traded() {
        let start = 1_767_571_200_000;
        let mut made = Seeded::new(1, 1, start, 60);
        let traded = made.instruments()[0].clone();
        let symbol = Symbol::named("AAABTC").unwrap();
        let other = Instrument { symbol, quote: "BTC".to_owned(), ..traded.clone() };
        let (time, bars) = (start + MINUTE, made.bars_closing(start + MINUTE));
        let mut found = Found::default();
        found.take(&Body::Market(Market::Instruments { rules: vec![other, traded.clone()] }));
        let close = Market::Close { time, bars, missing: Vec::new(), odd: Vec::new() };
        found.take(&Body::Market(close));
        found.equity = Some(Decimal::ONE_HUNDRED);
        let past = made.bars(traded.symbol, start - 9 * MINUTE, start - MINUTE, usize::MAX);
        let kept = |of| Ok(if of == traded.symbol { past.clone() } else { Vec::new() });
        let recording = found.recording(&kept).unwrap().unwrap();
        assert_eq!(recording.balances(), [("USDT".to_owned(), Decimal::ONE_HUNDRED)]);
        assert_eq!(recording.instruments(), std::slice::from_ref(&traded));
        assert_eq!(recording.bar_count(), 9 + 1, "the history and the close");
        let none = Found::default().recording(&kept).unwrap();
        assert!(none.is_none(), "nothing traded");
    }
}
