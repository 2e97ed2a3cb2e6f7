//! Checks whether a symbol is known, so that a misspelt one differs from one without data.

use super::exit::{Exit, Failure};
use super::views::SymbolView;
use everwarm_domain::id::Symbol;
use everwarm_domain::nearest::nearest;
use everwarm_domain::time::Timeframe;
use everwarm_history::bars;
use everwarm_runtime::store::archive::Archive;

/// Checks that `symbol` is listed, or that bars of it are stored.
///
/// # Errors
/// Neither is true, or the file could not be read.
pub fn known(symbol: Symbol, listed: &[SymbolView], archive: &Archive) -> Result<(), Failure> {
    if listed.iter().any(|row| row.symbol == symbol) {
        return Ok(());
    }
    // The widest bars first: they are the fewest, and most symbols have some.
    for timeframe in Timeframe::ALL.into_iter().rev() {
        if !bars::page(archive, timeframe, symbol, &Some(1).into())?.rows.is_empty() {
            return Ok(());
        }
    }
    let more = if listed.is_empty() {
        "; no symbol is listed yet".to_owned()
    } else {
        meant(symbol, listed.iter().map(|row| row.symbol))
            .unwrap_or_else(|| "; `everwarm symbols list` shows the symbols".to_owned())
    };
    let text = format!("there is no symbol {symbol}{more}");
    Err(Failure::new(Exit::Failed, text).coded("no-such-symbol"))
}

/// The question whether a similar known symbol was meant; none if no symbol is similar. Case does
/// not matter.
#[must_use]
pub fn meant(symbol: Symbol, known: impl Iterator<Item = Symbol>) -> Option<String> {
    let known: Vec<Symbol> = known.collect();
    let word = symbol.as_str().to_ascii_uppercase();
    let near = nearest(&word, known.iter().map(Symbol::as_str))?;
    Some(format!("; did you mean {near}?"))
}
