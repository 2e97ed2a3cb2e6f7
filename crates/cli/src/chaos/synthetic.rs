//! A synthetic market as a recording in a temporary folder.

use everwarm_domain::id::Symbol;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_sim::Protocol;
use everwarm_sim::market::{Market, Seeded, stocks, write_bars};
use everwarm_views::exit::{Exit, Failure};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Start of the market: 2026-01-05T14:30Z, a Monday, when New York opens.
const START: UtcMs = 1_767_623_400_000;
/// The shares of a market of stocks. They are cheap, so that an order is of several shares.
const STOCKS: [&str; 4] = ["BAC", "F", "PFE", "T"];
/// Number of symbols of any other market.
const SYMBOLS: usize = 4;

/// The recording. Its folder is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Synthetic(PathBuf);

impl Synthetic {
    /// Writes the first `closes` closes of the market of this seed.
    ///
    /// # Errors
    /// The files cannot be written.
    pub(super) fn write(protocol: Protocol, seed: u64, closes: u32) -> Result<Synthetic, Failure> {
        let failed = |why: String| {
            let text = format!("the synthetic market was not written: {why}");
            Failure::new(Exit::Failed, text)
        };
        let mut market = market(protocol, seed).map_err(failed)?;
        let folder = folder().map_err(|e| failed(e.to_string()))?;
        let synthetic = Synthetic(folder);
        let (first, mut end) = (market.start(), market.start());
        for _ in 0..closes {
            end = market.next_close(end).unwrap_or(end);
        }
        let symbols: Vec<Symbol> = market.instruments().iter().map(|rule| rule.symbol).collect();
        for symbol in symbols {
            let bars = market.bars(symbol, first, end - MINUTE, usize::MAX);
            let path = synthetic.0.join(format!("{symbol}_1m.csv"));
            write_bars(&path, &bars).map_err(|e| failed(format!("{}: {e}", path.display())))?;
        }
        Ok(synthetic)
    }

    /// The folder of the recording.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Synthetic {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The market from which the closes are taken.
fn market(protocol: Protocol, seed: u64) -> Result<Box<dyn Market>, String> {
    if !protocol.trades_shares() {
        return Ok(Box::new(Seeded::new(seed, SYMBOLS, START, 0)));
    }
    let names: Result<Vec<Symbol>, String> = STOCKS.into_iter().map(Symbol::named).collect();
    stocks::market(seed, &names?, START)
}

/// Makes a folder that was not there before.
fn folder() -> io::Result<PathBuf> {
    let mut number = 0_u32;
    loop {
        let name = format!("everwarm-market-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            // A killed process with the same id left it.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_sim::market::Recording;

    /// The closes of a recording, in order.
    fn closes(folder: &Path) -> Vec<UtcMs> {
        let mut recording = Recording::open(folder, None).unwrap();
        let (mut closes, mut at) = (Vec::new(), UtcMs::MIN);
        while let Some(close) = recording.next_close(at) {
            closes.push(close);
            at = close;
        }
        closes
    }

    #[test]
    fn a_market_of_stocks_has_the_closes_of_its_sessions_and_no_file_is_left() {
        let synthetic = Synthetic::write(Protocol::Alpaca, 1, 400).unwrap();
        let folder = synthetic.path().to_owned();
        let all = closes(&folder);
        assert_eq!(all.len(), 400);
        let night = all.windows(2).find(|pair| pair[1] - pair[0] > MINUTE).unwrap();
        assert_eq!(night[0], START + 390 * MINUTE, "the session ends at 21:00 UTC");
        assert_eq!(night[1] - night[0], (17 * 60 + 31) * MINUTE);
        let again = Synthetic::write(Protocol::Alpaca, 1, 400).unwrap();
        for name in STOCKS {
            let read = |of: &Synthetic| std::fs::read(of.0.join(format!("{name}_1m.csv"))).unwrap();
            assert_eq!(read(&again), read(&synthetic), "{name}");
        }
        drop(synthetic);
        assert!(!folder.exists());
        let pairs = Synthetic::write(Protocol::Binance, 1, 90).unwrap();
        assert_eq!(closes(pairs.path()).len(), 90);
    }
}
