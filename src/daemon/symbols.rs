//! Adds or removes a symbol with an operator's input, which the universe then follows.

use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::id::Symbol;
use everwarm_domain::path;
use everwarm_edge::market::universe::UniverseMsg;
use everwarm_edge::world::World;
use everwarm_views::changes::SymbolsChange;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::known_symbols::meant;
use everwarm_views::views::{SymbolView, SymbolsChangeView};
use tokio::runtime::Handle;

/// Name of the operator as a writer.
const NAME: &str = "operator";

/// Appends the input; returns when it is on disk. A symbol in `listed` may be removed whatever the
/// venue reports.
///
/// # Errors
/// The venue does not have the symbol or does not answer, or the journal has ended.
pub fn change(
    world: &World,
    listed: &[SymbolView],
    change: SymbolsChange,
) -> Result<SymbolsChangeView, Failure> {
    let (symbol, wanted) = match change {
        SymbolsChange::Want(symbol, wanted) => (symbol, wanted),
        SymbolsChange::Refresh => {
            world.send(path::UNIVERSE, UniverseMsg::Refresh);
            let text = "the daemon polls the venue's symbol list".to_owned();
            return Ok(SymbolsChangeView { text });
        }
    };
    if wanted || !listed.iter().any(|row| row.symbol == symbol) {
        known(world, symbol)?;
    }
    let body = Body::Operator(Operator::SymbolWanted { symbol, wanted });
    let writer = world.journal.writer(NAME);
    let appended = world.journal.append(&writer, world.now(), vec![body]);
    let ended = |e: String| Failure::new(Exit::StoreFailed, e);
    let row = appended.map_err(|e| ended(e.to_string()))?.row;
    if !Handle::current().block_on(world.journal.durable(row)) {
        return Err(ended("the journal is closed; the daemon is stopping".to_owned()));
    }
    let text = if wanted {
        format!("{symbol} is added: it trades as soon as its history is loaded")
    } else {
        format!("{symbol} is removed: no entries, and it ends when its position is closed")
    };
    Ok(SymbolsChangeView { text })
}

/// Checks that the venue has a symbol.
fn known(world: &World, symbol: Symbol) -> Result<(), Failure> {
    let asked = Handle::current().block_on(world.venue.instruments(&[]));
    let rules = asked.map_err(|e| Failure::new(Exit::Unreachable, format!("the venue: {e}")))?;
    if rules.iter().any(|rule| rule.symbol == symbol) {
        return Ok(());
    }
    let near = meant(symbol, rules.iter().map(|rule| rule.symbol)).unwrap_or_default();
    Err(Failure::new(Exit::Refused, format!("the venue does not list {symbol}{near}")))
}
