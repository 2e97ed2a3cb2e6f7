//! `everwarm signal`: sends the signal of an external program to its strategy.

use super::Core;
use super::query::Args;
use crate::print::{Printer, confirm};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_views::changes::SIGNAL;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::external::{ExternalSignalView, TakenSignalView};
use everwarm_views::questions::Asked;
use everwarm_views::views::Outcome;
use everwarm_words::text::wrap;

/// Flags of `signal`.
#[derive(Clone, Debug, clap::Args)]
pub struct SignalArgs {
    /// The strategy, of the kind `external`.
    strategy: String,
    /// The symbol: BTCUSDT, or with the name of an exchange before it: BINANCE:BTCUSDT.
    symbol: String,
    /// Open the lot of the strategy, or close it.
    #[arg(value_enum)]
    side: Does,
    /// The id of the signal. A repeated id has no effect and prints the first outcome.
    #[arg(long, value_name = "ID")]
    id: String,
    /// The reason; it is stored in the journal.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// When the signal was made, on the clock of the venue: UTC milliseconds, or like
    /// 2026-01-05T07:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Age from which the signal is refused, seconds [default: 120].
    #[arg(long, value_name = "N")]
    max_age_s: Option<u32>,
    /// Its confidence, from 0 to 1 [default: 1].
    #[arg(long, value_name = "N")]
    confidence: Option<Decimal>,
    /// Price below which the lot is sold [default: the exit rules of the strategy]. Only for buy.
    #[arg(long, value_name = "PRICE")]
    stop: Option<Decimal>,
    /// Price at which the lot is sold with a profit [default: the exit rules]. Only for buy.
    #[arg(long, value_name = "PRICE")]
    target: Option<Decimal>,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: Args,
}

/// Sides of a signal.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Does {
    /// Open the lot of the strategy.
    Buy,
    /// Close the lot of the strategy.
    Sell,
}

/// Sends a signal.
pub fn signal(args: &SignalArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let (side, does) = match args.side {
        Does::Buy => (Side::Buy, "buy"),
        Does::Sell => (Side::Sell, "sell"),
    };
    confirm(&format!("signal {does} {} to {}", args.symbol, args.strategy), args.yes)?;
    let view = ExternalSignalView {
        id: args.id.clone(),
        strategy: args.strategy.clone(),
        symbol: args.symbol.clone(),
        side,
        reason: args.reason.clone(),
        time: args.time.clone(),
        max_age_s: args.max_age_s,
        confidence: args.confidence,
        stop: args.stop,
        target: args.target,
    };
    let answer = args.args.change(core, &SIGNAL, &Asked::default(), &view)?;
    let taken: TakenSignalView = answer.read()?;
    let outcome = taken.signal.as_ref().map(|signal| signal.outcome);
    let exit = if outcome == Some(Outcome::Declined) { Exit::Refused } else { Exit::Fine };
    if args.args.json {
        return printer.answer(&answer).map(|_| exit);
    }
    let key = &taken.key;
    let line = match &taken.signal {
        None => format!("in the journal as {key}, without an outcome. To see it: everwarm signals"),
        Some(signal) => match (&signal.declined, &signal.client_order_id) {
            (Some(why), _) => format!("declined: {why}"),
            (None, Some(order)) => format!("approved: order {order}"),
            (None, None) => format!("in the journal as {key}, not decided yet"),
        },
    };
    printer.lines(&wrap(&line, printer.width)).map(|_| exit)
}
