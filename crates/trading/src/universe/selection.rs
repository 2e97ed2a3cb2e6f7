//! Applies the configured rule and the operator's commands to the symbols of a venue.

use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::day_stats::DayStats;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::settings::{MarketLimits, Selection, sizes};
use everwarm_domain::time::{DAY, UtcMs};
use std::collections::BTreeMap;

/// Most listed symbols: the capacity of one venue connection, less a reserve.
pub const SYMBOLS_MAX: usize = 1000;
/// A listed symbol stays while its volume is among the first `top` and a quarter more, and while
/// its market is up to a quarter beyond the limits. So symbols at a limit do not change with every
/// query.
const EDGE: usize = 4;

/// Most open stop orders of one symbol at a venue, and the symbols that take fewer.
pub(super) type StopOrders = (u32, Vec<(Symbol, u32)>);

/// The venue's response: rules by symbol, and their markets if the rule uses them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Venue {
    /// Rules of all its symbols.
    pub rules: Vec<Instrument>,
    /// The last 24 hours by symbol; empty: not queried.
    pub days: BTreeMap<Symbol, DayStats>,
    /// Opening times of the first daily bars. A symbol without one has no bar yet; empty: not
    /// queried.
    pub first_bars: BTreeMap<Symbol, UtcMs>,
    /// Time of the response, UTC milliseconds.
    pub time: UtcMs,
    /// Order types that it takes; `None`: not queried.
    pub capabilities: Option<Capabilities>,
    /// Most open stop orders of one symbol, 0: it takes none; and the symbols that take fewer, with
    /// their number.
    pub stop_orders: StopOrders,
    /// Whether it takes a stop and a limit order as a pair.
    pub pairs: bool,
    /// Whether its instruments may be split, and it reports splits.
    pub splits: bool,
    /// Trading sessions; `None`: it trades always.
    pub sessions: Option<Sessions>,
    /// Time zone and next days, as day number and beginning. `None`: days are those of UTC.
    pub day_begins: Option<(String, Vec<(i64, UtcMs)>)>,
}

/// The symbols to trade, with the reason for each. `listed` returns whether a symbol is
/// listed and wanted already.
#[must_use]
pub fn wanted(
    rule: &Selection,
    words: &BTreeMap<Symbol, bool>,
    venue: &Venue,
    listed: impl Fn(Symbol) -> bool,
) -> BTreeMap<Symbol, String> {
    let mut chosen = by_rule(rule, venue, listed);
    for (symbol, wanted) in words {
        if *wanted {
            chosen.insert(*symbol, "an operator added it".to_owned());
        } else {
            chosen.remove(symbol);
        }
    }
    while chosen.len() > SYMBOLS_MAX {
        chosen.pop_last();
    }
    chosen
}

fn by_rule(
    rule: &Selection,
    venue: &Venue,
    listed: impl Fn(Symbol) -> bool,
) -> BTreeMap<Symbol, String> {
    let why = if rule.names.is_empty() { "the rule takes it" } else { "it is named" };
    let mut fitting = candidates(rule, venue, &listed);
    fitting.retain(|symbol| outside(&rule.limits, venue, *symbol, listed(*symbol)).is_none());
    if rule.ranks() {
        let volume = |symbol: &Symbol| venue.days.get(symbol).copied().unwrap_or_default().volume;
        fitting.sort_by(|a, b| volume(b).cmp(&volume(a)).then(a.cmp(b)));
        if rule.top > 0 {
            let top = usize::try_from(rule.top).unwrap_or(usize::MAX);
            fitting.truncate(top + top / EDGE);
            // Listed symbols come first; both groups stay sorted by volume.
            fitting.sort_by_key(|symbol| !listed(*symbol));
            fitting.truncate(top);
        }
    }
    let mut chosen: BTreeMap<Symbol, String> =
        fitting.into_iter().map(|symbol| (symbol, why.to_owned())).collect();
    if !rule.ranks() {
        // A named symbol is wanted even if the venue does not have it.
        let absent =
            rule.names.iter().filter(|name| venue.rules.iter().all(|r| r.symbol != **name));
        let absent = absent.filter(|name| !rule.exclude.contains(name));
        chosen.extend(absent.map(|name| (*name, why.to_owned())));
    }
    chosen
}

/// The symbols that the rule takes, before the limits of their markets and their rank. The age of
/// these needs to be known.
pub fn candidates(rule: &Selection, venue: &Venue, listed: impl Fn(Symbol) -> bool) -> Vec<Symbol> {
    let fits = |it: &&Instrument| {
        (rule.names.is_empty() || rule.names.binary_search(&it.symbol).is_ok())
            && (rule.quote.is_empty() || rule.quote == it.quote)
            && !rule.exclude.contains(&it.symbol)
            // A listed symbol that is halted will trade again. An unnamed symbol is not added while
            // halted.
            && (it.trading || !rule.names.is_empty() || listed(it.symbol))
    };
    let fitting = venue.rules.iter().filter(fits).map(|it| it.symbol);
    let volume = |symbol: &Symbol| venue.days.get(symbol).copied().unwrap_or_default().volume;
    fitting.filter(|symbol| !rule.ranks() || volume(symbol) >= rule.min_volume).collect()
}

/// Why the market of a symbol is outside the limits; `None`: it is within them.
pub(super) fn outside(
    limits: &MarketLimits,
    venue: &Venue,
    symbol: Symbol,
    listed: bool,
) -> Option<String> {
    let of = venue.days.get(&symbol).copied().unwrap_or_default();
    // A listed symbol stays up to a quarter beyond.
    let more = |limit: u32| if listed { limit.saturating_add(limit / 4) } else { limit };
    let less = |limit: u32| if listed { limit - limit / 4 } else { limit };
    let percent = sizes::percent;
    if limits.max_spread_ppm > 0 {
        let most = percent(limits.max_spread_ppm);
        match of.spread_ppm {
            None => return Some("it has no bid or no ask".to_owned()),
            Some(spread) if spread > more(limits.max_spread_ppm) => {
                return Some(format!("its spread is above {most}"));
            }
            Some(_) => {}
        }
    }
    let (least, most) = (limits.min_volatility_ppm, limits.max_volatility_ppm);
    if least > 0 || most > 0 {
        let Some(range) = of.range_ppm else {
            return Some("it had no trade in 24 hours".to_owned());
        };
        if range < less(least) {
            return Some(format!("its range of 24 hours is below {}", percent(least)));
        }
        if most > 0 && range > more(most) {
            return Some(format!("its range of 24 hours is above {}", percent(most)));
        }
    }
    let first = venue.first_bars.get(&symbol);
    let age = first.map_or(0, |first| (venue.time - first).div_euclid(DAY));
    let least = limits.min_age_d;
    (age < i64::from(least)).then(|| format!("it is younger than {least} days"))
}
