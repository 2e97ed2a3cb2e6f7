//! `everwarm history fetch`: past bars of a source, written as the files of a recording.
//! `everwarm history check --repair` fetches the bars that a file lacks in the same way.
//!
//! A file grows by blocks of pages from the bars that it has, and each write replaces it whole. So
//! a command that is killed leaves whole files, and the same command continues. A long series is
//! in memory alone.

mod fetcher;
mod patience;
mod plan;
mod response;
mod series;

use everwarm_adapters::{NeededKey, PUBLIC, PastBars, PublicSource};
use everwarm_cli::{FetchConfig, Wanted};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::SymbolRules;
use everwarm_domain::secret::Secret;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::clock::wall;
use everwarm_sim::market::add_rules;
use everwarm_venue::address::Address;
use everwarm_venue::clock::{Pace, SharedClock};
use everwarm_venue::port::{ErrorClass, VenueError};
use everwarm_venue::rate_limit::Note;
use everwarm_venue::{Opening, install_tls};
use everwarm_views::backup::failed;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::fetched::{FetchedSeriesView, FetchedView};
use fetcher::{AT_ONCE, Fetcher};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
pub(super) use patience::{asked_ms, patiently, why};
use plan::Plan;
pub(super) use response::check;
use std::sync::Arc;

/// Bars of a long series: 3 MB of memory.
const LONG: u64 = 40_000;

/// Fetches what the files lack. The callback gets the bars whose times were requested, and all.
///
/// # Errors
/// The request is wrong, the source cannot be used at all, or a file cannot be read or written. A
/// series that is not whole is in the result.
pub fn run(asked: &FetchConfig, on_progress: &dyn Fn(u64, u64)) -> Result<FetchedView, Failure> {
    let names = || PUBLIC.iter().map(|source| source.name).collect::<Vec<_>>().join(", ");
    let name = asked.source.as_deref().unwrap_or(PUBLIC[0].name);
    let source = PublicSource::named(name)
        .ok_or_else(|| usage(format!("--source: {name:?} is not one of: {}", names())))?;
    let address = address(source, asked.address.as_deref())?;
    let keys = keys(source, asked)?;
    install_tls();
    let failed = |e: String| Failure::new(Exit::Failed, e);
    let bars = (source.open)(address, &keys, opening()).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| failed(e.to_string()))?;
    runtime.block_on(fetch_all(asked, (source, &*bars), on_progress))
}

/// What an adapter gets that only reads.
pub(super) fn opening() -> Opening {
    Opening {
        recv_window: 0,
        clock: SharedClock::new(Pace::Real),
        wall: Arc::new(wall),
        note: Note::default(),
    }
}

fn usage(text: String) -> Failure {
    Failure::new(Exit::Usage, text)
}

/// The parts of the key that the source needs.
fn keys(source: &PublicSource, asked: &FetchConfig) -> Result<Vec<Secret>, Failure> {
    let Some(NeededKey { variables, page }) = &source.key else { return Ok(Vec::new()) };
    asked.keys.read(variables).map_err(|why| {
        let names = variables.join(" and ");
        usage(format!(
            "{} needs a key: {why}. Set {names}, or write lines like {}=... into a file of mode \
             600 and give it with --key-file. Get a key: {page}",
            source.title, variables[0]
        ))
    })
}

/// The address to ask.
fn address<'a>(source: &PublicSource, given: Option<&'a str>) -> Result<&'a str, Failure> {
    let Some(given) = given else { return Ok(source.address) };
    let address = Address::read(given).map_err(|why| usage(format!("--address: {why}")))?;
    match address.scheme {
        "https" => Ok(given),
        "http" if address.is_loopback() => Ok(given),
        "http" => Err(usage(format!(
            "--address: {given:?} is not encrypted. Use https; http is for this machine only."
        ))),
        _ => Err(usage(format!("--address: {given:?} does not begin with https"))),
    }
}

async fn fetch_all(
    asked: &FetchConfig,
    (source, bars): (&PublicSource, &dyn PastBars),
    on_progress: &dyn Fn(u64, u64),
) -> Result<FetchedView, Failure> {
    let title = source.title;
    let can = bars.capabilities();
    let now = patiently(async || bars.now().await).await.map_err(|e| no(title, &e))?;
    let final_before = now - can.settles;
    let through = match asked.wanted {
        Wanted::Span { to: Some(to), .. } => to.min(final_before),
        Wanted::Span { to: None, .. } | Wanted::Parts(_) => final_before,
    };
    let mut plans = Plan::all(asked, through)?;
    let rules = rules(&plan::symbols(&plans), title, bars).await?;
    let absent = |plan: &Plan| {
        let known = rules.iter().any(|rule| rule.symbol == plan.symbol);
        let missing = (!known).then(|| plan.symbol.to_string());
        let width = plan.timeframe;
        missing.or_else(|| (!can.widths.contains(&width)).then(|| format!("bars of {width}")))
    };
    match asked.wanted {
        Wanted::Span { .. } => refuse_absent(title, &plans, &rules, can.widths)?,
        Wanted::Parts(_) => {
            for plan in &mut plans {
                plan.refused = absent(plan).map(|what| format!("{title} has no {what}"));
            }
        }
    }
    std::fs::create_dir_all(&asked.out).map_err(|e| failed(&asked.out, &e))?;
    let is_recording = matches!(asked.wanted, Wanted::Span { .. });
    if is_recording {
        add_rules(&asked.out, &[]).map_err(|e| usage(e.to_string()))?;
    }
    let long = plans.iter().any(|plan| plan.held + plan.bars() > LONG);
    let fetcher = Fetcher::new(source, bars, plans.iter().map(Plan::bars).sum(), on_progress);
    let running = stream::iter(plans).map(|plan| fetcher.fetch(plan));
    let series: Vec<FetchedSeriesView> =
        running.buffered(if long { 1 } else { AT_ONCE }).try_collect().await?;
    if is_recording {
        let has_minutes = |rule: &&SymbolRules| {
            let of = |s: &FetchedSeriesView| s.symbol == rule.symbol;
            let minutes = |s: &FetchedSeriesView| s.timeframe == Timeframe::M1 && s.bars > 0;
            series.iter().any(|series| of(series) && minutes(series))
        };
        let rules: Vec<SymbolRules> = rules.iter().filter(has_minutes).cloned().collect();
        add_rules(&asked.out, &rules).map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
    }
    Ok(FetchedView { source: source.name.to_owned(), through, series })
}

/// Refuses a request that names a symbol or a width that the source does not have.
fn refuse_absent(
    title: &str,
    plans: &[Plan],
    rules: &[SymbolRules],
    widths: &[Timeframe],
) -> Result<(), Failure> {
    if let Some(plan) = plans.iter().find(|plan| !widths.contains(&plan.timeframe)) {
        return Err(usage(format!("--timeframes: {title} has no bars of {}", plan.timeframe)));
    }
    let unknown = |symbol: &&Symbol| !rules.iter().any(|rule| rule.symbol == **symbol);
    let symbols = plan::symbols(plans);
    let unknown: Vec<String> = symbols.iter().filter(unknown).map(Symbol::to_string).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(usage(format!("--symbols: {title} has no {}", unknown.join(", "))))
}

/// The rules of those symbols that the source has.
pub(super) async fn rules(
    symbols: &[Symbol],
    title: &str,
    bars: &dyn PastBars,
) -> Result<Vec<SymbolRules>, Failure> {
    match patiently(async || bars.rules(symbols.to_vec()).await).await {
        Ok(found) => Ok(found),
        Err(e) if !matches!(e.class, ErrorClass::Refused { .. }) => Err(no(title, &e)),
        Err(_) => {
            // One wrong name refuses the whole list.
            let mut found = Vec::new();
            for symbol in symbols {
                match patiently(async || bars.rules(vec![*symbol]).await).await {
                    Ok(one) => found.extend(one),
                    Err(e) if matches!(e.class, ErrorClass::Refused { .. }) => {}
                    Err(e) => return Err(no(title, &e)),
                }
            }
            Ok(found)
        }
    }
}

fn no(title: &str, error: &VenueError) -> Failure {
    Failure::new(Exit::Failed, format!("{title}: {error}"))
}

fn bars_in(times: &std::ops::RangeInclusive<UtcMs>, width: UtcMs) -> u64 {
    u64::try_from((times.end() - times.start()) / width + 1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_encrypted_unless_they_are_this_machine() {
        let at = |given| address(&PUBLIC[0], given).map_err(|e| e.to_string());
        assert_eq!(at(None), Ok(PUBLIC[0].address));
        assert!(at(Some("https://example.com")).is_ok());
        assert!(at(Some("http://127.0.0.1:80")).is_ok());
        for wrong in ["http://example.com", "wss://example.com", "example.com"] {
            assert!(at(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
