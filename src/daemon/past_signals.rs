//! The signals of external programs that a backtest takes: those of a file, or those that a daemon
//! received.

use super::external::check;
use everwarm_domain::external::ExternalSignal;
use everwarm_domain::fact::{Body, Market, Operator};
use everwarm_domain::id::Symbol;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Fact;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::signal_file::{self, SignalRow};
use everwarm_words::text::instant;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The signals that are played, by time.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// The file that has them; none: a daemon received them.
    file: Option<PathBuf>,
    rows: Vec<SignalRow>,
}

impl Signals {
    /// Those of a file.
    ///
    /// # Errors
    /// See [`signal_file::read`].
    pub(super) fn of_file(file: &Path) -> Result<Signals, Failure> {
        Ok(Signals { file: Some(file.to_owned()), rows: signal_file::read(file)? })
    }

    /// Those that a daemon received.
    pub(super) fn received(signals: Vec<ExternalSignal>) -> Signals {
        let rows = signals.into_iter().map(|signal| SignalRow { line: 0, signal });
        Signals { file: None, rows: rows.collect() }
    }

    /// All of them.
    pub(super) fn rows(&self) -> &[SignalRow] {
        &self.rows
    }

    /// Those after `from` and up to `to`, by time. Before it, bars are history.
    ///
    /// The settings may be others than those of the daemon that received them: a signal that the
    /// API would refuse now is left out.
    ///
    /// # Errors
    /// A signal of a file is outside of the whole market, or the API would refuse it. The text
    /// names its line.
    pub(super) fn within(
        &self,
        (settings, symbols): (&Settings, &BTreeSet<Symbol>),
        whole: (UtcMs, Option<UtcMs>),
        (from, to): (UtcMs, UtcMs),
    ) -> Result<Vec<&ExternalSignal>, Failure> {
        let mut within = Vec::new();
        for row in &self.rows {
            let checked = check(settings, false, symbols, &row.signal);
            match (&self.file, checked.and_then(|()| inside(row.signal.time, whole))) {
                (Some(file), Err(why)) => {
                    let text = format!("{}: line {}: {why}", file.display(), row.line);
                    return Err(Failure::new(Exit::Usage, text));
                }
                (None, Err(_)) => {}
                (_, Ok(())) => {
                    if from < row.signal.time && row.signal.time <= to {
                        within.push(&row.signal);
                    }
                }
            }
        }
        Ok(within)
    }
}

/// Checks that the market is known at a time.
fn inside(time: UtcMs, (start, end): (UtcMs, Option<UtcMs>)) -> Result<(), Failure> {
    if time >= start && end.is_none_or(|end| time <= end) {
        return Ok(());
    }
    let end = end.map_or_else(|| "without end".to_owned(), |end| format!("to {}", instant(end)));
    let text = format!(
        "there are no bars at {}: the market is from {} {end}. Remove the line, or play longer \
         bars",
        instant(time),
        instant(start)
    );
    Err(Failure::new(Exit::Usage, text))
}

/// Collects the signals that a daemon received, each with the time at which a backtest takes it.
#[derive(Debug, Default)]
pub(super) struct Received {
    signals: Vec<ExternalSignal>,
    /// Signals before the newest close.
    before: usize,
    /// The newest close.
    close: Option<UtcMs>,
    known: BTreeSet<(String, String)>,
}

impl Received {
    /// Takes one fact, in the order of the journal.
    pub(super) fn take(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Market(Market::Close { time, .. }) => {
                // A close arrives after its minute, maybe also after a signal of the next one. The
                // signal was decided without it.
                for signal in self.signals.iter_mut().skip(self.before) {
                    signal.time = signal.time.min(time - 1);
                }
                self.before = self.signals.len();
                self.close = Some(*time);
            }
            Body::Operator(Operator::Signalled(signal)) => {
                if self.known.insert((signal.strategy.clone(), signal.id.clone())) {
                    let last = self.signals.last().map(|last| last.time);
                    let time = fact.time.max(last.max(self.close).unwrap_or(fact.time));
                    self.signals.push(ExternalSignal { time, ..(**signal).clone() });
                }
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

    /// The signals, by time. A repeated id has no effect, so only its first signal is there.
    pub(super) fn signals(self) -> Vec<ExternalSignal> {
        self.signals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::market::Bar;
    use everwarm_domain::order::Side;
    use everwarm_domain::settings::Size;
    use everwarm_domain::time::MINUTE;
    use everwarm_kernel::fact::Key;
    use everwarm_sim::market::{Market as _, Seeded};

    const START: UtcMs = 1_767_571_200_000;

    fn signal(id: &str, time: UtcMs) -> ExternalSignal {
        let made = Seeded::new(1, 1, START, 60);
        ExternalSignal {
            id: id.to_owned(),
            strategy: "trend".to_owned(),
            symbol: made.instruments()[0].symbol,
            side: Side::Buy,
            confidence_ppm: 1_000_000,
            stop: None,
            target: None,
            time,
            reason: "a test".to_owned(),
        }
    }

    fn fact(time: UtcMs, body: Body) -> Fact<Body> {
        let key = Key { n: 1, rank: 0, i: 0 };
        Fact { key, time, version: 0, because: Vec::new(), body }
    }

    fn received(id: &str, time: UtcMs) -> Fact<Body> {
        // A sender may be late.
        let body = Operator::Signalled(Box::new(signal(id, time - 5)));
        fact(time, Body::Operator(body))
    }

    fn close(time: UtcMs) -> Fact<Body> {
        fact(time, Body::Market(Market::close(time, Vec::<Bar>::new(), Vec::new())))
    }

    #[test]
    fn a_signal_keeps_its_place_between_two_closes() {
        let mut all = Received::default();
        for fact in [
            received("early", START + 7),
            close(START + MINUTE),
            // The clock was set back.
            received("slow", START + MINUTE - 3),
            received("again", START + MINUTE + 9),
            received("slow", START + MINUTE + 10),
            // The next minute has ended, and its close comes after the signal.
            received("fast", START + 2 * MINUTE + 40),
            close(START + 2 * MINUTE),
            received("last", START + 2 * MINUTE),
        ] {
            all.take(&fact);
        }
        let all: Vec<_> = all.signals().into_iter().map(|of| (of.id, of.time - START)).collect();
        let expected = [
            ("early", 7),
            ("slow", MINUTE),
            ("again", MINUTE + 9),
            ("fast", 2 * MINUTE - 1),
            ("last", 2 * MINUTE),
        ];
        assert_eq!(all, expected.map(|(id, time)| (id.to_owned(), time)));
    }

    #[test]
    fn signals_of_a_daemon_that_no_longer_fit_are_left_out_and_those_of_a_file_refused() {
        let of = |strategy: &str, time| ExternalSignal {
            strategy: strategy.to_owned(),
            ..signal(strategy, START + time)
        };
        let symbols = BTreeSet::from([signal("", 0).symbol]);
        let mut settings = Settings::default();
        settings.strategy.set_size("trend", Size::default());
        settings.strategy.0.get_mut("trend").unwrap().kind = "external".to_owned();
        let whole = (START, Some(START + 60 * MINUTE));
        let period = (START + MINUTE, START + 9 * MINUTE);
        let all = [of("trend", MINUTE), of("trend", MINUTE + 1), of("gone", 2 * MINUTE)];
        let mut signals = Signals::received(all.to_vec());
        let of_daemon = signals.within((&settings, &symbols), whole, period).unwrap();
        assert_eq!(of_daemon, [&all[1]], "that at the start belongs to the minute before");
        signals.file = Some(PathBuf::from("a.csv"));
        let refused = |signals: &Signals| {
            signals.within((&settings, &symbols), whole, period).unwrap_err().text
        };
        let text = refused(&signals);
        assert!(text.starts_with("a.csv: line 0: there is no strategy \"gone\""), "{text}");
        signals.rows = vec![SignalRow { line: 3, signal: of("trend", -1) }];
        let text = refused(&signals);
        assert!(text.starts_with("a.csv: line 3: there are no bars at"), "{text}");
    }
}
