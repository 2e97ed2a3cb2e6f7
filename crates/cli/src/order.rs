//! `everwarm order`, `close` and `cancel`: trade by hand in the running daemon.

use super::Core;
use super::query::Args;
use crate::print::{Printer, confirm};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_runtime::clock;
use everwarm_views::by_hand::{ByHandView, HandAction, HandResultView, HandState};
use everwarm_views::changes::BY_HAND;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::Asked;
use everwarm_words::text::{shell_word, wrap};

/// Flags of every request by hand.
#[derive(Clone, Debug, clap::Args)]
pub struct HandArgs {
    /// The reason; it is stored in the journal.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The id of the request [default: a new one]. A repeated id has no effect and prints the
    /// result of the first request.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: Args,
}

/// Flags of `order`.
#[derive(Clone, Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("amount"))]
pub struct OrderArgs {
    /// Buy, or sell what was bought by hand.
    #[arg(value_enum)]
    side: Does,
    /// The symbol.
    symbol: Symbol,
    /// Base units. A sale with a limit or a stop sells the whole lot, and needs no amount.
    #[arg(long, value_name = "N", group = "amount")]
    quantity: Option<Decimal>,
    /// Quote units: at the limit, or without one at the newest closing price.
    #[arg(long, value_name = "N", group = "amount")]
    quote: Option<Decimal>,
    /// Buy at this price or lower, quote units [default: at market]. The order works until it is
    /// filled or cancelled. Of a sale: sell the whole lot when its price reaches this.
    #[arg(long, value_name = "PRICE")]
    limit: Option<Decimal>,
    /// Cancel the unfilled part of a limit order to buy at the close this many minutes later.
    #[arg(long, value_name = "N", requires = "limit")]
    minutes: Option<u32>,
    /// Sell the whole lot when its price falls to this, quote units. Only for sell.
    #[arg(long, value_name = "PRICE")]
    stop: Option<Decimal>,
    #[command(flatten)]
    hand: HandArgs,
}

/// Sides of an order.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Does {
    /// Open a lot of the strategy `manual`.
    Buy,
    /// Sell the lot of the strategy `manual`, or a part of it.
    Sell,
}

/// Flags of `close`.
#[derive(Clone, Debug, clap::Args)]
pub struct CloseArgs {
    /// The symbol.
    symbol: Symbol,
    /// Sell only the lot of this strategy; `manual` for the lot bought by hand.
    #[arg(long, value_name = "ID")]
    strategy: Option<String>,
    #[command(flatten)]
    hand: HandArgs,
}

/// Flags of `cancel`.
#[derive(Clone, Debug, clap::Args)]
pub struct CancelArgs {
    /// Our id of the order, as `orders` lists it, or the unique beginning of one.
    order: String,
    #[command(flatten)]
    hand: HandArgs,
}

/// Buys or sells.
pub fn order(args: &OrderArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let action = match args.side {
        Does::Buy => HandAction::Buy,
        Does::Sell => HandAction::Sell,
    };
    let view = ByHandView {
        symbol: Some(args.symbol),
        quantity: args.quantity,
        quote: args.quote,
        limit: args.limit,
        stop: args.stop,
        minutes: args.minutes,
        ..args.hand.view(action)
    };
    let no_order = |_: &str| Err(Failure::new(Exit::Usage, "an order names no other order"));
    let (request, _) = view.request(no_order)?;
    let market = args.limit.or(args.stop).map_or(" at market", |_| "");
    let what = format!("{request}{market}");
    args.hand.apply(&view, &what, core, printer)
}

/// Sells the lots of a symbol.
pub fn close(args: &CloseArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let (symbol, strategy) = (args.symbol, args.strategy.clone());
    let what = match &strategy {
        Some(strategy) => format!("sell the lot of {strategy} in {symbol} at market"),
        None => format!("sell all lots of {symbol} at market"),
    };
    let view = ByHandView { symbol: Some(symbol), strategy, ..args.hand.view(HandAction::Close) };
    args.hand.apply(&view, &what, core, printer)
}

/// Cancels an order.
pub fn cancel(args: &CancelArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let order = Some(args.order.clone());
    let view = ByHandView { order, ..args.hand.view(HandAction::Cancel) };
    args.hand.apply(&view, &format!("cancel order {}", args.order), core, printer)
}

impl HandArgs {
    fn view(&self, action: HandAction) -> ByHandView {
        ByHandView {
            action,
            symbol: None,
            quantity: None,
            quote: None,
            limit: None,
            stop: None,
            minutes: None,
            strategy: None,
            order: None,
            reason: self.reason.clone(),
        }
    }

    /// Asks for confirmation and sends the request.
    fn apply(
        &self,
        view: &ByHandView,
        what: &str,
        core: &Core,
        printer: Printer,
    ) -> Result<Exit, Failure> {
        confirm(what, self.yes)?;
        let id = self.id.clone().unwrap_or_else(fresh);
        let asked = Asked::default().with("id", Some(&id));
        let answer = self.args.change(core, &BY_HAND, &asked, view).map_err(|failure| {
            // The daemon may have taken it before the connection ended.
            let lost = failure.exit == Exit::Unreachable && self.id.is_none();
            if !lost {
                return failure;
            }
            let id = shell_word(&id);
            let text = format!("{failure}. To repeat the request safely, add --id {id}");
            Failure { text, ..failure }
        })?;
        let result: HandResultView = answer.read()?;
        let exit = match result.state {
            HandState::Declined => Exit::Refused,
            HandState::Pending | HandState::Working | HandState::Done => Exit::Fine,
        };
        if self.args.json {
            return printer.answer(&answer).map(|_| exit);
        }
        let mut lines: Vec<String> =
            result.lines.iter().flat_map(|line| wrap(line, printer.width)).collect();
        if result.state != HandState::Declined && result.state != HandState::Done {
            lines.push(format!("to see its result later, repeat the command with --id {id}"));
        }
        printer.lines(&lines).map(|_| exit)
    }
}

/// A new id: the time and the process make it unique on this machine.
fn fresh() -> String {
    format!("cli-{:x}-{:x}", clock::wall().utc(), std::process::id())
}
