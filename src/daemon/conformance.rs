//! Runs the comparison of a venue with its documentation, until it ends or a signal comes.

use super::runtime;
use super::stop::Stop;
use everwarm_cli::ConformanceRequest;
use everwarm_config::venue::EXTERNAL;
use everwarm_config::{Config, Pace, Remote, VenueSource};
use everwarm_domain::id::Symbol;
use everwarm_runtime::clock::wall;
use everwarm_venue::conformance::record::{FILE, FORMAT, Head, Played};
use everwarm_venue::conformance::{Answers, Conformance, Report, StepResult, Task, WalkError};
use everwarm_views::exit::{Exit, Failure};
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Runs `everwarm conformance`.
///
/// # Errors
/// Money is real there, the venue does not respond, or a record cannot be read or written.
pub fn run(request: &ConformanceRequest, on_step: &dyn Fn(&StepResult)) -> Result<Report, Failure> {
    match request {
        ConformanceRequest::Play(folder) => play(folder, on_step),
        ConformanceRequest::Walk { config, symbol, record, wait } => {
            let VenueSource::Remote(remote) = &config.venue else {
                return Err(Failure::new(Exit::Usage, "the venue is not external"));
            };
            let record = record.as_ref().map(|folder| folder.join(FILE));
            let walk = remote.conformance.clone();
            let unread = || Failure::new(Exit::Failed, "the key of the account was not read");
            let walk = walk.ok_or_else(unread)?;
            test_money(remote, walk.as_ref())?;
            let symbol = chosen(*symbol, remote)?;
            let head = head(config, remote, symbol);
            walked(walk.as_ref(), (head, symbol, *wait), Answers::Venue(record), on_step)
        }
    }
}

/// Refuses real money, by the environment and by every address.
fn test_money(remote: &Remote, walk: &dyn Conformance) -> Result<(), Failure> {
    let refused = |why: String| Failure::new(Exit::Refused, why);
    if remote.live {
        return Err(refused(format!("{} trades real money", remote.place())));
    }
    walk.is_test_money().map_err(refused)
}

fn chosen(symbol: Option<Symbol>, remote: &Remote) -> Result<Symbol, Failure> {
    let first = symbol.or_else(|| remote.symbols.first().copied());
    first.ok_or_else(|| {
        let text = "market.symbols names no symbol. Name one: --symbol BTCUSDT";
        Failure::new(Exit::Usage, text)
    })
}

fn head(config: &Config, remote: &Remote, symbol: Symbol) -> Head {
    let started = wall().utc();
    let pace = match config.market.pace {
        Pace::Lockstep => 1,
        Pace::Times(factor) => factor,
    };
    Head {
        format: FORMAT,
        venue: remote.kind.to_owned(),
        environment: remote.environment.to_owned(),
        symbol: symbol.to_string(),
        walk: format!("{started:x}"),
        pace,
        started,
    }
}

/// Judges a record.
fn play(folder: &Path, on_step: &dyn Fn(&StepResult)) -> Result<Report, Failure> {
    let usage = |why: String| Failure::new(Exit::Usage, why);
    let played = Played::read(folder).map_err(usage)?;
    let head = played.head.clone();
    let symbol = Symbol::named(&head.symbol).map_err(usage)?;
    let venue = EXTERNAL.iter().find(|venue| venue.kind == head.venue);
    let unknown = || {
        let file = folder.join(FILE);
        usage(format!("{}, line 1: no venue is named {:?}", file.display(), head.venue))
    };
    let walk = (venue.ok_or_else(unknown)?.conformance)(&[], None).map_err(usage)?;
    // A record answers immediately.
    let about = (head, symbol, Duration::from_secs(1));
    walked(walk.as_ref(), about, Answers::Record(played), on_step)
}

/// Walks, and ends early at a signal.
fn walked(
    walk: &dyn Conformance,
    (head, symbol, patience): (Head, Symbol, Duration),
    answers: Answers,
    on_step: &dyn Fn(&StepResult),
) -> Result<Report, Failure> {
    let signals = Stop::new()?;
    everwarm_venue::install_tls();
    let (end, stop) = watch::channel(false);
    let now = Arc::new(|| wall().utc());
    let mut on_step = |step: &StepResult| on_step(step);
    let on_step = &mut on_step;
    let task = Task { head, symbol, answers, patience, now, stop, on_step };
    let report = runtime(1, "control")?.block_on(async {
        let ended = async {
            signals.asked().await;
            end.send_replace(true);
            // The walk ends by itself now.
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            report = walk.walk(task) => report,
            never = ended => match never {},
        }
    });
    report.map_err(|why| match why {
        WalkError::Unreachable(why) => Failure::new(Exit::Unreachable, format!("the venue: {why}")),
        WalkError::Key(why) => {
            let text = format!("the venue refuses the key: {why}. Check venue.key and its secret.");
            Failure::new(Exit::Failed, text)
        }
        WalkError::Record(why) => Failure::new(Exit::Failed, why),
    })
}
