//! `everwarm reconcile`, `resolve` and `adopt`: compare the account with the books, resolve a
//! conflict, take over a surplus.

use super::Core;
use super::query::Args;
use crate::print::{Printer, confirm};
use everwarm_domain::fact::{Accept, Dispute};
use everwarm_domain::money::Decimal;
use everwarm_views::changes::{ADOPT, RESOLVE};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, RECONCILE};
use everwarm_views::sentences;
use everwarm_views::views::{
    AdoptView, AdoptedView, BalanceView, ConflictView, ExternalSaleView, OpenView, ReconcileView,
    ResolveView, ResolvedView,
};
use everwarm_words::text::{Table, instant, plain, wrap};

/// Prints the account at the venue beside the books.
pub fn print(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let answer = args.daemon(core)?.ask(&RECONCILE, &Asked::default())?;
    let view: ReconcileView = answer.read()?;
    let exit = if view.conflicts.is_empty() { Exit::Fine } else { Exit::Problems };
    if args.json {
        return printer.answer(&answer).map(|_| exit);
    }
    if view.time.is_none() {
        printer.note("the account has not been compared yet");
        return Ok(exit);
    }
    printer.lines(&lines(&view, printer.width)).map(|_| exit)
}

/// Both sides as text.
pub fn lines(view: &ReconcileView, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(time) = view.time {
        let life = view.life;
        lines.push(format!("last compared {} UTC, in run {life}", instant(time)));
    }
    lines.push(String::new());
    let mut table = Table::new(&["asset", ">books", ">external", ">venue", ">difference", ""]);
    for row in &view.balances {
        let amounts = [row.ours, row.foreign, row.theirs, row.difference].map(plain);
        let cells = std::iter::once(row.asset.clone()).chain(amounts);
        table.row(cells.chain([balance(row, view)]).collect());
    }
    lines.extend(table.lines(width));
    for AdoptedView { asset, quantity, reason, .. } in &view.adopted {
        let much = plain(*quantity);
        let text = format!(
            "adopted since then: {much} {asset}, reason: {reason}. Books and external include it."
        );
        lines.extend(wrap(&text, width));
    }
    if !view.orders.is_empty() {
        let mut table = Table::new(&["order", "symbol", "books", "venue", ""]);
        for row in &view.orders {
            let ours = row.ours.map_or("-", sentences::status);
            let theirs = if row.open { "open" } else { "not open" };
            table.row(vec![
                row.client_order_id.to_string(),
                row.symbol.to_string(),
                ours.to_owned(),
                theirs.to_owned(),
                order(row, view).to_owned(),
            ]);
        }
        lines.push(String::new());
        lines.extend(table.lines(width));
    }
    lines.push(String::new());
    if view.conflicts.is_empty() {
        lines.push("no unexplained differences".to_owned());
    }
    for ConflictView { id, conflict } in &view.conflicts {
        lines.extend(wrap(&format!("conflict {id}  {}", sentences::conflict(conflict)), width));
    }
    for sale in &view.sales {
        lines.extend(wrap(&sold(sale), width));
    }
    if !view.conflicts.is_empty() {
        lines
            .push("resolve each: everwarm resolve ID --accept venue|ours --reason TEXT".to_owned());
    }
    if view.balances.iter().any(|row| row.foreign > Decimal::ZERO) {
        let text = "take a surplus into the books: everwarm adopt ASSET --reason TEXT";
        lines.push(text.to_owned());
    }
    for resolved in &view.resolved {
        let (id, both) = (&resolved.conflict.id, sentences::conflict(&resolved.conflict.conflict));
        let text = format!(
            "resolved {id}  {both}: {}, reason: {}",
            sentences::accepted(resolved.accept),
            resolved.reason
        );
        lines.extend(wrap(&text, width));
    }
    lines
}

/// What an external order sold, and what to do about it.
fn sold(sale: &ExternalSaleView) -> String {
    let ExternalSaleView { asset, symbol, client_order_id, venue_order_id, time, .. } = sale;
    let (quantity, beyond) = (plain(sale.quantity), plain(sale.beyond));
    format!(
        "external order {client_order_id} (venue id {venue_order_id}) sold {quantity} {symbol} at \
         {} UTC. The lot of manual explains all but {beyond} {asset}. If you placed it, accept \
         the venue. If not, replace the API key of the account first.",
        instant(*time)
    )
}

fn balance(row: &BalanceView, view: &ReconcileView) -> String {
    let about =
        |c: &&ConflictView| c.conflict.dispute == Dispute::Balance && c.conflict.about == row.asset;
    if let Some(conflict) = view.conflicts.iter().find(about) {
        return format!("shortage, conflict {}", conflict.id);
    }
    if !row.set_aside.is_zero() {
        return format!("{} may be missing, accepted by an operator", plain(row.set_aside));
    }
    if row.foreign.is_zero() { String::new() } else { "surplus, never traded".to_owned() }
}

/// Flags of `adopt`.
#[derive(Clone, Debug, clap::Args)]
pub struct AdoptArgs {
    /// The asset, as `reconcile` names it.
    asset: String,
    /// The quantity [default: the whole external balance].
    quantity: Option<Decimal>,
    /// The reason; it is stored in the journal.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: Args,
}

/// Takes a surplus into the books. The operator gives the reason.
pub fn adopt(args: &AdoptArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let (asset, quantity) = (args.asset.clone(), args.quantity);
    let much = quantity.map_or("all surplus".to_owned(), plain);
    confirm(&format!("take {much} {asset} into the books; it may be traded then"), args.yes)?;
    let word = AdoptView { asset, quantity, reason: args.reason.clone() };
    let answer = args.args.change(core, &ADOPT, &Asked::default(), &word)?;
    if args.args.json {
        return printer.answer(&answer);
    }
    printer.lines(&[adopted(&answer.read()?)]).map(|_| Exit::Fine)
}

fn adopted(view: &AdoptedView) -> String {
    let (much, asset) = (plain(view.quantity), &view.asset);
    let place = view
        .symbol
        .map_or("cash".to_owned(), |symbol| format!("a position in {symbol} at its last price"));
    format!("adopted {much} {asset} as {place}; this is no profit or loss")
}

fn order<'a>(row: &OpenView, view: &'a ReconcileView) -> &'a str {
    let about = |c: &&ConflictView| c.conflict.order().as_ref() == Some(&row.client_order_id);
    match (view.conflicts.iter().find(about), row.foreign) {
        (Some(conflict), _) => &conflict.id,
        (None, true) => "external, never touched",
        (None, false) => "",
    }
}

/// The side to accept.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Word {
    /// The venue's side: the books take it over as an adjustment, without profit or loss.
    Venue,
    /// The side of the books: the venue's side is ignored until it changes.
    Ours,
}

/// Flags of `resolve`.
#[derive(Clone, Debug, clap::Args)]
pub struct ResolveArgs {
    /// Id of the conflict, as `reconcile` shows it.
    id: String,
    /// The side to accept.
    #[arg(long, value_enum)]
    accept: Word,
    /// The reason; it is stored in the journal.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: Args,
}

/// Resolves a conflict.
pub fn resolve(args: &ResolveArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let accept = match args.accept {
        Word::Venue => Accept::Venue,
        Word::Ours => Accept::Ours,
    };
    confirm(&format!("conflict {}: {}", args.id, sentences::accepted(accept)), args.yes)?;
    let word = ResolveView { accept, reason: args.reason.clone() };
    let asked = Asked::default().with("id", Some(&args.id));
    let answer = args.args.change(core, &RESOLVE, &asked, &word)?;
    if args.args.json {
        return printer.answer(&answer);
    }
    let view: ResolvedView = answer.read()?;
    let line =
        format!("conflict {} is resolved: {}", view.conflict.id, sentences::accepted(view.accept));
    printer.lines(&[line]).map(|_| Exit::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_adopted_after_the_comparison_is_shown_with_its_time() {
        let adopted = AdoptedView {
            asset: "USDT".to_owned(),
            quantity: Decimal::from(200),
            symbol: None,
            reason: "a deposit".to_owned(),
        };
        let view = ReconcileView {
            time: Some(0),
            life: 2,
            adopted: vec![adopted],
            ..ReconcileView::default()
        };
        let printed = lines(&view, 200).join("\n");
        assert!(printed.starts_with("last compared 1970-01-01 00:00"), "{printed}");
        let words =
            "adopted since then: 200 USDT, reason: a deposit. Books and external include it.";
        assert!(printed.contains(words), "{printed}");
    }
}
