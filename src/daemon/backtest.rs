//! Plays the strategies over bars of the past, in this thread, with the stages of the daemon and
//! the core of the simulated exchange.

use super::chaos::interrupted;
use super::identity::Traded;
use super::past_signals::Signals;
use super::stop::Stop;
use super::{market, own_bars, read, recorded};
use crate::chaos::folder::Folder;
use crate::chaos::interrupt;
use crate::plain_run::{PlainFeed, PlainRun, STOP_ORDERS};
use everwarm_cli::BacktestConfig;
use everwarm_config::Config;
use everwarm_domain::fact::Body;
use everwarm_domain::id::Symbol;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::Fact;
use everwarm_runtime::files::write_whole;
use everwarm_runtime::store::archive::Archive;
use everwarm_sim::InitialBooks;
use everwarm_sim::market::{Market, Recording, Window};
use everwarm_trading::strategy;
use everwarm_views::backtest::{BacktestFold, BacktestView};
use everwarm_views::backup;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::signal_file;
use everwarm_words::text::instant;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Closes between two reports of progress.
const REPORT: u64 = 512;
/// Wall time in which the run ends after an interrupt.
pub(super) const END: Duration = Duration::from_secs(10);

/// Runs a backtest. The callback gets the minutes played, and all.
///
/// # Errors
/// The period has no close, or the run cannot be made.
pub fn run(
    asked: &BacktestConfig,
    on_progress: &dyn Fn(u64, u64),
) -> Result<BacktestView, Failure> {
    let (bars, signals) = Bars::of(asked)?;
    interrupted(Stop::new()?.may_take(END))?;
    if let Some(file) = &asked.save_signals {
        save(file, &signals)?;
    }
    let period = (asked.from.or(bars.start()), asked.to);
    let market = bars.market(&asked.config)?;
    let view = play(&asked.config, market, &signals, period, on_progress)?;
    let Some(dir) = &asked.journal else { return Ok(view) };
    let daemon = own_bars::traded(dir, (view.from, view.to))?;
    Ok(BacktestView { daemon: Some(daemon), ..view })
}

/// Writes signals as a file that another backtest takes.
fn save(file: &Path, signals: &Signals) -> Result<(), Failure> {
    let signals: Vec<_> = signals.rows().iter().map(|row| row.signal.clone()).collect();
    let written = signal_file::write(&signals).and_then(|text| write_whole(file, &text));
    written.map_err(|e| backup::failed(file, &e))
}

/// The bars that are played. Several plays share them.
pub(super) enum Bars {
    /// Those of files, read once.
    Read(Recording),
    /// Those of a journal. What lies before the first close is history.
    Own(Recording, UtcMs),
    /// Those of the synthetic market, computed each time.
    Made,
}

impl Bars {
    /// What the request plays: the bars, and the signals of external programs. Those of a file
    /// replace those of a journal.
    ///
    /// # Errors
    /// The bars or the signals cannot be read, or there are no bars.
    pub(super) fn of(asked: &BacktestConfig) -> Result<(Bars, Signals), Failure> {
        let given = asked.signals.as_deref().map(Signals::of_file).transpose()?;
        let source = &asked.config.market;
        let (bars, received) = match (&asked.journal, &source.recording) {
            (Some(dir), _) => {
                let (recording, start, received) = own_bars::read(dir)?;
                (Bars::Own(recording, start), received)
            }
            (None, Some(folder)) => (Bars::Read(read(folder, source)?), Signals::default()),
            (None, None) => (Bars::Made, Signals::default()),
        };
        Ok((bars, given.unwrap_or(received)))
    }

    /// When the account starts, if it is not said.
    pub(super) fn start(&self) -> Option<UtcMs> {
        match self {
            Bars::Own(_, start) => Some(*start),
            Bars::Read(_) | Bars::Made => None,
        }
    }

    /// The market, with the initial books of its exchange.
    ///
    /// # Errors
    /// The configured market does not exist.
    pub(super) fn market(
        &self,
        config: &Config,
    ) -> Result<(Box<dyn Market>, InitialBooks), Failure> {
        match self {
            Bars::Read(bars) | Bars::Own(bars, _) => Ok(recorded(&config.market, bars.clone())),
            Bars::Made => market(&config.market),
        }
    }
}

/// Plays the strategies of a configuration over a part of a market, with these signals.
///
/// # Errors
/// The part has no close or no end, a signal is refused, or the run cannot be made.
pub(super) fn play(
    config: &Config,
    (market, setup): (Box<dyn Market>, InitialBooks),
    signals: &Signals,
    (from, to): (Option<UtcMs>, Option<UtcMs>),
    on_progress: &dyn Fn(u64, u64),
) -> Result<BacktestView, Failure> {
    let failed = |why: String| Failure::new(Exit::Failed, why);
    let whole = (market.start(), market.end());
    let market = Window::of(market, from, to);
    let (from, to) = (market.start(), market.end().ok_or_else(endless)?);
    let settings = Traded::of(config, &market)?.settings;
    let symbols = traded(&settings, &market);
    let signals = signals.within((&settings, &symbols), whole, (from, to))?;
    let stages =
        everwarm_trading::specs_of(&[], &settings).map_err(|why| Failure::new(Exit::Usage, why))?;
    let folder = Folder::new().map_err(|e| failed(e.to_string()))?;
    let archive = Archive::open(&folder.path().join("history.redb"));
    let archive = Arc::new(archive.map_err(|e| failed(e.to_string()))?);
    let mut fold = BacktestFold::new(from, features(&settings));
    let mut each = |fact: &Fact<Body>| fold.fold(fact);
    let feed = PlainFeed {
        market: Box::new(market),
        setup: &setup,
        settings: &settings,
        stages: &stages,
        sessions: &Sessions::ALWAYS,
        stop_orders: STOP_ORDERS,
        installation: &config.installation,
    };
    let mut run = PlainRun::start(feed, &archive, &mut each).map_err(failed)?;
    let minutes = |time: UtcMs| u64::try_from((time - from) / MINUTE).unwrap_or_default();
    let (mut closes, mut signals) = (0, signals.into_iter().peekable());
    loop {
        while let Some(signal) = signals.next_if(|signal| run.precedes_close(signal.time)) {
            run.take_signal(signal).map_err(failed)?;
        }
        let Some(close) = run.next_close().map_err(failed)? else { break };
        closes += 1;
        if closes % REPORT == 1 {
            if interrupt::is_set() {
                return Err(Failure::new(Exit::Interrupted, "interrupted; there is no result"));
            }
            on_progress(minutes(close), minutes(to));
        }
    }
    drop(run);
    if closes == 0 {
        return Err(empty((from, to), whole));
    }
    on_progress(minutes(to), minutes(to));
    fold.finish().map_err(failed)
}

/// Why a market without end cannot be played whole.
pub(super) fn endless() -> Failure {
    let text = "the synthetic market has no end: give --to, or --recording";
    Failure::new(Exit::Usage, text)
}

/// Why a period without closes has no result.
pub(super) fn empty((from, to): (UtcMs, UtcMs), (start, end): (UtcMs, Option<UtcMs>)) -> Failure {
    let end = end.map_or_else(|| "without end".to_owned(), |end| format!("to {}", instant(end)));
    let text = format!(
        "there is no close between {} and {}: the market is from {} {end}",
        instant(from),
        instant(to),
        instant(start)
    );
    Failure::new(Exit::Usage, text)
}

/// The symbols that are traded.
fn traded(settings: &Settings, market: &Window) -> BTreeSet<Symbol> {
    let (all, names) = (market.instruments().iter(), &settings.universe.names);
    let all = all.map(|rule| rule.symbol);
    all.filter(|symbol| names.is_empty() || names.contains(symbol)).collect()
}

/// The features of each enabled strategy.
fn features(settings: &Settings) -> BTreeMap<String, Vec<String>> {
    let enabled = settings.strategy.0.iter().filter(|(_, one)| one.enabled);
    let of = enabled.filter_map(|(id, one)| {
        let kind = strategy::kind(&one.kind)?;
        let section = (kind.read)(&one.section).ok()?;
        Some((id.clone(), (kind.features)(&section)))
    });
    of.collect()
}
