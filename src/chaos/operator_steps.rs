//! Script deeds that take several steps. Each is done once, even if a process or an actor is killed
//! in between.

use super::folder::Folder;
use super::invariants::Listed;
use super::script::{Act, ByHand, LOOK, NAME};
use everwarm_domain::fact::{Accept, Body, Ledger, Market, Operator};
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::manual::{Amount, Request};
use everwarm_domain::money::{Decimal, parse_decimal};
use everwarm_domain::order::{OrderIntent, OrderType, SendAttempt, Side};
use everwarm_domain::quarantine::Quarantines;
use everwarm_edge::board::Rest;
use everwarm_edge::market::universe;
use everwarm_edge::operation::config::Content;
use everwarm_edge::operation::reload::{Outcome, apply, standing};
use everwarm_edge::orders::gateway;
use everwarm_edge::world::World;
use everwarm_kernel::fact::{Fact, Rank};
use everwarm_runtime::chaos::Site;
use everwarm_runtime::journal::Journal;
use everwarm_runtime::parcel::{Packer, Record};
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::copy::CopyError;
use everwarm_trading::risk::sizing;
use everwarm_venue::port::Stamp;
use everwarm_venue::simulated::Admin;
use everwarm_views::backup::{self, About, FORMAT, HISTORY, JOURNAL};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::releasable;
use everwarm_views::reconcile::reconcile;
use serde_json::Value;
use std::io::Write;
use std::sync::{Arc, PoisonError};

/// All facts so far; none if the journal of a dying process cannot be read. Without them nobody
/// knows whether a deed is done.
fn facts(world: &World) -> Option<Vec<(u64, Fact<Body>)>> {
    let (mut all, mut from) = (Vec::new(), 0);
    loop {
        let chunks = world.journal.read(from, 512).ok()?;
        if chunks.is_empty() {
            return Some(all);
        }
        for chunk in chunks {
            let rows = chunk.facts.iter().zip(chunk.first_row..);
            all.extend(rows.filter(|(_, row)| *row >= from).map(|(fact, row)| (row, fact.clone())));
            from = from.max(chunk.last_row() + 1);
        }
    }
}

/// Waits until all consequences of the facts so far are done. Time may pass meanwhile, but no
/// close.
pub(super) async fn at_rest(world: &World) {
    loop {
        let n = world.journal.head();
        let idle = |who| world.board.rest(who, n) == Rest::Idle;
        if world.journal.settled() && [gateway::NAME, universe::NAME].into_iter().all(idle) {
            return;
        }
        world.board.write(NAME, n, Rest::Held);
        tokio::time::sleep(LOOK).await;
    }
}

/// Puts the previous configuration in force again.
pub(super) async fn roll_back(act: Act<'_>) -> bool {
    at_rest(act.world).await;
    let stands = standing(act.world);
    let mut rolled = act.progress.rolled.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if rolled.as_ref().is_none_or(|(number, _)| *number != act.number) {
        // There is no previous configuration.
        let Some(before) = stands.before.clone() else { return true };
        rolled = Some((act.number, before));
        let mut kept = act.progress.rolled.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone_from(&rolled);
    }
    let Some((_, before)) = rolled else { return false };
    apply(act.world, &before, &stands.now.source, false).await.is_ok()
}

/// Puts the content of the sources in force, unless the daemon refuses it.
pub(super) async fn reload(act: Act<'_>, content: &Content) -> bool {
    at_rest(act.world).await;
    match apply(act.world, content, &content.digest(), false).await {
        Ok(Outcome::Applied(_) | Outcome::Unchanged | Outcome::Refused(_)) => true,
        Ok(Outcome::Possible) | Err(_) => false,
    }
}

/// Packs a backup and reads it again.
pub(super) async fn back_up(act: Act<'_>) -> bool {
    let (journal, archive) = (Arc::clone(&act.world.journal), Arc::clone(&act.world.archive));
    let made = move || {
        let folder = Folder::new().map_err(|e| backup::failed("backup".as_ref(), &e))?;
        let file = folder.path().join("backup");
        backup::write(&file, false, |out| pack(&journal, &archive, out))
    };
    match tokio::task::spawn_blocking(made).await {
        Ok(Ok(view)) => view.about.row > 0,
        Ok(Err(_)) | Err(_) => false,
    }
}

fn pack(journal: &Journal<Body>, archive: &Archive, out: &mut dyn Write) -> Result<(), Failure> {
    let packed = || -> Result<(), CopyError> {
        let archive = archive.look_at()?;
        let journal = journal.store().look_at()?;
        let (life, row) = (journal.life, journal.row);
        let about = About { format: FORMAT, life, row, ..About::default() };
        let mut packer = Packer::new(out)?;
        packer.put(Record::About(&serde_json::to_vec(&about).expect("plain values")))?;
        packer.put(Record::Part(JOURNAL))?;
        journal.copy(&mut |record| packer.put(record))?;
        packer.put(Record::Part(HISTORY))?;
        archive.copy(&mut |record| packer.put(record))?;
        packer.finish()?;
        Ok(())
    };
    packed().map_err(|e| Failure::new(Exit::Failed, e.to_string()))
}

/// All facts so far; none before this life has compared the account. Until then it knows no
/// conflict and no surplus.
fn compared(world: &World) -> Option<Vec<(u64, Fact<Body>)>> {
    let (all, now) = (facts(world)?, world.journal.life());
    let compared = all.iter().any(|(_, fact)| match fact.body {
        Body::Ledger(Ledger::Reconciled { life, .. }) => life == now,
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => false,
    });
    compared.then_some(all)
}

/// Balance of an asset in the exchange's own books.
async fn balance(admin: &Admin, asset: &str) -> Option<Decimal> {
    let ledger = admin.ledger().await.ok()?;
    let mut rows = ledger["balances"].as_array()?.iter();
    let Some(row) = rows.find(|row| row["asset"] == asset) else { return Some(Decimal::ZERO) };
    let part = |name: &str| parse_decimal(row[name].as_str()?).ok();
    Some(part("free")? + part("locked")?)
}

/// The quote asset of the symbols.
fn quote(world: &World) -> Option<String> {
    let all = facts(world)?;
    let mut rules = all.iter().filter_map(|(_, fact)| match &fact.body {
        Body::Market(Market::Instruments { rules }) => rules.first(),
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => None,
    });
    rules.next().map(|rule| rule.quote.clone())
}

/// Pays into the account, or out of it. The balance shows whether that was done already.
pub(super) async fn pay(act: Act<'_>, amount: i64) -> bool {
    at_rest(act.world).await;
    let (Some(admin), Some(asset)) = (&act.world.admin, quote(act.world)) else { return false };
    let Some(now) = balance(admin, &asset).await else { return false };
    let before = {
        let mut paid = act.progress.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let before = paid.filter(|(number, _)| *number == act.number).unwrap_or((act.number, now));
        *paid = Some(before);
        before.1
    };
    now != before || admin.fund(&asset, &amount.to_string()).await.is_ok()
}

/// The reason that an operator gives for this deed.
fn reason(act: Act<'_>) -> String {
    format!("the script's word {}", act.number)
}

/// Quote units of a purchase by hand, and of a sale of a part.
const BOUGHT: i64 = 300;
const SOLD: i64 = 120;
/// How far below the last close a limit order by hand is, per mille, and how long it works.
const BELOW: i64 = 1;
const MINUTES: u32 = 4;

/// Trades by hand, unless it was requested before.
pub(super) async fn by_hand(act: Act<'_>, hand: ByHand, symbol: Symbol) -> bool {
    at_rest(act.world).await;
    let Some(all) = facts(act.world) else { return false };
    let id = format!("script-{}", act.number);
    let requested = all.iter().any(|(_, fact)| {
        matches!(&fact.body, Body::Operator(Operator::Manual { id: of, .. }) if *of == id)
    });
    let order = |side, quote: i64, limit: Option<Decimal>| {
        let minutes = if limit.is_none() { 0 } else { MINUTES };
        let amount = Amount::Quote(Decimal::from(quote));
        Request::Order { symbol, side, amount, limit, minutes }
    };
    let request = match hand {
        ByHand::Buy => order(Side::Buy, BOUGHT, None),
        ByHand::Limit => {
            let last = all.iter().rev().find_map(|(_, fact)| {
                let Body::Market(Market::Close { bars, .. }) = &fact.body else { return None };
                bars.iter().find(|bar| bar.symbol == symbol)
            });
            // A symbol without a close has no limit either: the request is declined.
            let close = last.map_or(Decimal::ONE, |bar| bar.close.decimal());
            order(Side::Buy, BOUGHT, Some(close * Decimal::new(1_000 - BELOW, 3)))
        }
        ByHand::SellPart => order(Side::Sell, SOLD, None),
        ByHand::Close => Request::Close { symbol, strategy: None },
    };
    let reason = reason(act);
    requested || act.append(Operator::Manual { id, request, reason }).await
}

/// Adopts the amount paid in, once the account shows it.
pub(super) async fn adopt(act: Act<'_>, amount: i64) -> bool {
    at_rest(act.world).await;
    let Some(asset) = quote(act.world) else { return false };
    let (reason, quantity) = (reason(act), Decimal::from(amount));
    let (mut done, mut seen) = (false, false);
    let Some(all) = compared(act.world) else { return false };
    for (_, fact) in all {
        if let Body::Operator(Operator::Adopted { reason: of, .. }) = &fact.body {
            done |= *of == reason;
        } else if let Body::Ledger(Ledger::Reconciled { foreign, .. }) = &fact.body {
            seen = foreign.iter().any(|(of, more)| *of == asset && *more >= quantity);
        }
    }
    let venue = VenueId::default();
    let adopted = Operator::Adopted { asset, quantity, position: None, reason, venue };
    // A surplus that does not exist is not adopted.
    done || !seen || act.append(adopted).await
}

/// Resolves every conflict with the quantity of the venue.
pub(super) async fn resolve(act: Act<'_>) -> bool {
    at_rest(act.world).await;
    let (Some(all), reason) = (compared(act.world), reason(act)) else { return false };
    let Ok(view) = reconcile(&Listed(&all, &[])) else { return false };
    for conflict in view.conflicts {
        let (conflict, accept, reason) = (conflict.conflict, Accept::Venue, reason.clone());
        if !act
            .append(Operator::Resolved { conflict, accept, reason, venue: VenueId::default() })
            .await
        {
            return false;
        }
    }
    true
}

/// Whether the exchange has an order of this id.
fn has(ledger: &Value, id: &str) -> bool {
    let mut orders = ledger["orders"].as_array().into_iter().flatten();
    orders.any(|order| order["client_order_id"] == id)
}

/// Sells the holding of a symbol without the daemon, as `everwarm panic` does.
pub(super) async fn panic(act: Act<'_>, symbol: Symbol) -> bool {
    at_rest(act.world).await;
    let Some(admin) = &act.world.admin else { return false };
    let Ok(ledger) = admin.ledger().await else { return false };
    let id = format!("{}{}-0", ClientOrderId::PANIC_PREFIX, act.number);
    if has(&ledger, &id) {
        return true;
    }
    let venue = &act.world.venue;
    let Ok(rules) = venue.instruments(&[symbol]).await else { return false };
    let Some(rule) = rules.first().filter(|rule| rule.trading) else { return true };
    // A stop order locks the balance.
    let Ok(open) = venue.open_orders(Some(symbol)).await else { return false };
    let stamp = Stamp::from(venue.validity(act.world.now()));
    if !open.is_empty() && venue.cancel_all(symbol, stamp).await.is_err() {
        return false;
    }
    let Some(held) = balance(admin, &rule.base).await else { return false };
    if held.is_zero() {
        return true;
    }
    let Ok(price) = venue.price(symbol).await else { return false };
    let Ok(quantity) = sizing::market(rule, held, price) else { return true };
    place(act.world, ClientOrderId(id), (symbol, Side::Sell, quantity)).await
}

/// Begins the ids of orders that a person places on the website of the venue.
pub(super) const BY_OTHERS: &str = "web-";

/// Trades on the website of the venue: buys for 400 quote units, or sells for 150.
pub(super) async fn trade(act: Act<'_>, side: Side, symbol: Symbol) -> bool {
    at_rest(act.world).await;
    let Some(admin) = &act.world.admin else { return false };
    let Ok(ledger) = admin.ledger().await else { return false };
    let id = format!("{BY_OTHERS}{}", act.number);
    if has(&ledger, &id) {
        return true;
    }
    let venue = &act.world.venue;
    let Ok(rules) = venue.instruments(&[symbol]).await else { return false };
    let Some(rule) = rules.first().filter(|rule| rule.trading) else { return true };
    let Ok(price) = venue.price(symbol).await else { return false };
    let worth = match side {
        Side::Buy => Decimal::from(400),
        Side::Sell => Decimal::from(150),
    };
    let quantity = worth.checked_div(price).unwrap_or_default();
    let Ok(quantity) = sizing::market(rule, quantity, price) else { return true };
    place(act.world, ClientOrderId(id), (symbol, side, quantity)).await
}

/// Places an order at the market without the daemon.
async fn place(
    world: &World,
    client_id: ClientOrderId,
    (symbol, side, quantity): (Symbol, Side, Decimal),
) -> bool {
    let now = world.now();
    let intent = OrderIntent {
        client_id: client_id.clone(),
        strategy: String::new(),
        symbol,
        side,
        order_type: OrderType::Market,
        quantity,
        price: None,
        close_time: now,
        valid_until: now,
        terms: Box::default(),
    };
    let validity = world.venue.validity(now);
    let attempt = SendAttempt { client_id, attempt: 1, validity };
    world.venue.place(&intent, &attempt).await.is_ok()
}

/// How many retries of a quarantine the journal has; none if it cannot be read.
pub(super) fn retries(world: &World) -> Option<usize> {
    let is_retry = |fact: &Fact<Body>| {
        matches!(fact.body, Body::Operator(Operator::Released { retry: true, .. }))
    };
    let all = facts(world)?;
    Some(all.iter().filter(|(_, fact)| is_retry(fact)).count())
}

/// Releases the last quarantine: retries the input, or drops it. A stopped stage keeps everything
/// from coming to rest, so a retry waits only until the stage has stopped.
pub(super) async fn release(act: Act<'_>, retry: bool) -> bool {
    if !retry {
        at_rest(act.world).await;
    }
    let Some(all) = facts(act.world) else { return false };
    let (mut quarantines, mut last) = (Quarantines::default(), None);
    for (_, fact) in &all {
        quarantines.fold(fact);
        if let Body::Operator(Operator::Quarantined { .. }) = &fact.body {
            last = Some(fact.key.n);
        }
    }
    let passed = act.world.journal.settled();
    let open = last.and_then(|id| Some((id, releasable(&quarantines, id, retry).ok()?)));
    let Some((id, quarantine)) = open else { return passed };
    let word = Operator::Released { quarantine: id, retry };
    if !retry {
        return act.append(word).await;
    }
    act.illness.repair();
    let journal = &act.world.journal;
    let writer = journal.writer("operator");
    let (rank, input) = (Rank(quarantine.rank), quarantine.input);
    act.world.chaos().point(Site::BeforeAppend, NAME);
    let Ok(at) = journal.release(&writer, Body::Operator(word), rank, input) else { return false };
    act.world.chaos().point(Site::AfterAppend, NAME);
    journal.durable(at.row).await
}
