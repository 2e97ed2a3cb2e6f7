//! The account while trading: when a check reads it, and when a snapshot counts.
//!
//! At a start none of our orders moves, so one snapshot is enough. Later an order may fill while
//! the account is read, and the venue's report may be some seconds old. So a snapshot counts under
//! three conditions. It was the same twice, [`CALM_MS`] apart. No order of ours was sent, queried
//! or reported meanwhile. It lists the same open orders of ours as the books, with the same fills.
//! Otherwise our orders are queried first; a difference that remains is reported.

use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{Balance, Charge};
use everwarm_domain::time::{DAY, UtcMs};
use everwarm_trading::orders::order_states::OrderStates;
use everwarm_venue::port::{AccountPicture, Venue, VenueError};
use std::collections::BTreeSet;

/// How long none of our orders may have moved before a check, and the time between two checks,
/// milliseconds of venue time. The venue's reports lag by less.
pub const CALM_MS: i64 = 10_000;

/// Age of the charges that a check reports, milliseconds. Each was seen by an earlier check.
const CHARGES_MS: i64 = 2 * DAY;

/// A snapshot of the account.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The balances, by asset.
    pub balances: Vec<Balance>,
    /// Assets with implausible balances, by name.
    pub unread: Vec<String>,
    /// The last amounts that the venue took and that no fill reports, with their ids.
    pub charges: Vec<(String, Charge)>,
    /// Open orders with their filled quantities, by id.
    open: Vec<(ClientOrderId, Symbol, Decimal)>,
}

impl Picture {
    /// Takes a snapshot: the balances first, so that later fills show in the orders. Weight 100.
    ///
    /// # Errors
    /// A request failed.
    pub async fn take(venue: &dyn Venue) -> Result<Picture, VenueError> {
        let AccountPicture { mut balances, unread, mut charges, .. } = venue.account().await?;
        let open = venue.open_orders(None).await?;
        let mut open: Vec<_> =
            open.into_iter().map(|o| (o.client_id, o.symbol, o.executed)).collect();
        open.sort();
        balances.sort_by(|a, b| a.asset.cmp(&b.asset));
        // Older ones were compared before.
        let since = venue.now().saturating_sub(CHARGES_MS);
        charges.retain(|(_, charge)| charge.time >= since);
        Ok(Picture { balances, unread, charges, open })
    }

    /// The open orders.
    #[must_use]
    pub fn open(&self) -> Vec<(ClientOrderId, Symbol)> {
        self.open.iter().map(|(id, symbol, _)| (id.clone(), *symbol)).collect()
    }

    /// Whether its open orders of ours are those of `book`, with the same fills.
    fn agrees(&self, book: &OrderStates) -> bool {
        let listed = self.open.iter().filter(|(id, ..)| id.is_ours());
        let listed: BTreeSet<_> = listed.map(|(id, _, executed)| (id, *executed)).collect();
        let working = book.open().map(|order| (&order.intent.client_id, order.executed));
        listed == working.collect()
    }
}

/// A check of the account, from its beginning to its end.
#[derive(Debug)]
pub struct AccountCheck {
    /// Number of actions on orders when it began.
    acts: u64,
    /// Venue time of its beginning.
    pub time: UtcMs,
    /// The snapshot, or why there is none.
    pub picture: Result<Picture, VenueError>,
}

/// The result of a check.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Nothing yet: check again after a while.
    Again,
    /// Query our orders, then check again.
    Ask,
    /// This snapshot counts.
    Stands(Picture),
}

/// State between checks. It ends with the instance; its successor begins anew.
#[derive(Debug, Default)]
pub struct Comparing {
    /// Number of actions on orders.
    acts: u64,
    /// Venue time from which on the account counts as calm.
    calm_at: UtcMs,
    before: Option<Picture>,
    asked: bool,
    /// Whether the account may differ from the books.
    doubtful: bool,
}

impl Comparing {
    /// Counts an action on orders. A check that began before has no result.
    pub fn acted(&mut self) {
        self.acts += 1;
    }

    /// Notes that an order of ours moves at venue time `now`, or may move.
    pub fn moved(&mut self, now: UtcMs) {
        self.acted();
        self.calm_at = now.saturating_add(CALM_MS);
        self.before = None;
    }

    /// Notes that the account may differ from the books: it is to be compared soon.
    pub fn doubt(&mut self) {
        self.doubtful = true;
    }

    /// Whether it is to be compared soon.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Notes that the account was reported.
    pub fn compared(&mut self) {
        self.doubtful = false;
    }

    /// Whether none of our orders has moved lately.
    #[must_use]
    pub fn is_calm(&self, now: UtcMs) -> bool {
        now >= self.calm_at
    }

    /// Begins a check at venue time `time`. The returned function ends it.
    pub fn look(
        &self,
        time: UtcMs,
    ) -> impl FnOnce(Result<Picture, VenueError>) -> AccountCheck + use<> {
        let acts = self.acts;
        move |picture| AccountCheck { acts, time, picture }
    }

    /// Judges a check that has ended. `still`: nothing is under way.
    pub fn judge(&mut self, look: AccountCheck, still: bool, book: &OrderStates) -> Verdict {
        let picture = match look.picture {
            Ok(picture) if still && look.acts == self.acts => picture,
            Ok(_) | Err(_) => {
                self.before = None;
                return Verdict::Again;
            }
        };
        if !picture.agrees(book) && !self.asked {
            (self.asked, self.before) = (true, None);
            return Verdict::Ask;
        }
        if self.before.as_ref() != Some(&picture) {
            self.before = Some(picture);
            return Verdict::Again;
        }
        (self.asked, self.before) = (false, None);
        Verdict::Stands(picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::fact::kinds::rank;
    use everwarm_domain::fact::{Body, Order};
    use everwarm_domain::order::{OrderIntent, OrderStatus, OrderType, Side};
    use everwarm_trading::testing::{dec, fact, input, sent, sym};
    use everwarm_venue::port::ErrorClass;

    fn picture(usdt: &str, open: &[(&str, &str)]) -> Picture {
        let (asset, free) = ("USDT".to_owned(), dec(usdt));
        let balances = vec![Balance { asset, free, locked: Decimal::ZERO }];
        let open = open
            .iter()
            .map(|(id, executed)| (ClientOrderId((*id).to_owned()), sym("BTCUSDT"), dec(executed)));
        let (unread, charges) = (Vec::new(), Vec::new());
        Picture { balances, unread, charges, open: open.collect() }
    }

    /// A book with one open order of ours.
    fn book() -> OrderStates {
        let client_id = ClientOrderId("ew-1".to_owned());
        let intent = OrderIntent {
            client_id: client_id.clone(),
            strategy: "s".to_owned(),
            symbol: sym("BTCUSDT"),
            side: Side::Buy,
            order_type: OrderType::Limit,
            quantity: Decimal::ONE,
            price: Some(dec("5")),
            close_time: 60_000,
            valid_until: i64::MAX,
            terms: Box::default(),
        };
        let mut book = OrderStates::default();
        book.fold(&fact(1, rank::ORDER_MANAGER.0, Body::Order(Order::Intent(intent))));
        book.fold(&input(2, sent("ew-1", 1, 60_000)));
        let changed = Order::Changed {
            client_id,
            symbol: sym("BTCUSDT"),
            status: OrderStatus::Open,
            venue_order_id: Some(7.into()),
            executed: Decimal::ZERO,
            executed_quote: Decimal::ZERO,
            reason: String::new(),
        };
        book.fold(&fact(3, rank::ORDER_MANAGER.0, Body::Order(changed)));
        assert_eq!(book.open().count(), 1);
        book
    }

    fn seen(comparing: &mut Comparing, picture: Picture, book: &OrderStates) -> Verdict {
        let look = comparing.look(1)(Ok(picture));
        comparing.judge(look, true, book)
    }

    #[test]
    fn an_account_counts_when_it_was_the_same_twice_and_nothing_moved() {
        let none = OrderStates::default();
        let it = || picture("9", &[("by-hand", "0")]);
        let mut comparing = Comparing::default();
        assert_eq!(seen(&mut comparing, it(), &none), Verdict::Again, "seen once");
        assert_eq!(seen(&mut comparing, it(), &none), Verdict::Stands(it()));
        assert_eq!(seen(&mut comparing, it(), &none), Verdict::Again, "and from the beginning");
        let other = picture("8", &[("by-hand", "0")]);
        assert_eq!(seen(&mut comparing, other.clone(), &none), Verdict::Again, "it moves");
        let filled = picture("8", &[("by-hand", "1")]);
        assert_eq!(seen(&mut comparing, filled, &none), Verdict::Again, "it moves on");
        // Between two checks something was sent.
        assert_eq!(seen(&mut comparing, other.clone(), &none), Verdict::Again);
        comparing.moved(5);
        assert!(!comparing.is_calm(5 + CALM_MS - 1) && comparing.is_calm(5 + CALM_MS));
        assert_eq!(seen(&mut comparing, other.clone(), &none), Verdict::Again);
        // During a check something was queried, or something is under way at its end.
        let look = comparing.look(1)(Ok(other.clone()));
        comparing.acted();
        assert_eq!(comparing.judge(look, true, &none), Verdict::Again);
        assert_eq!(seen(&mut comparing, other.clone(), &none), Verdict::Again);
        let look = comparing.look(1)(Ok(other.clone()));
        assert_eq!(comparing.judge(look, false, &none), Verdict::Again);
        assert_eq!(seen(&mut comparing, other.clone(), &none), Verdict::Again);
        let lost = VenueError { class: ErrorClass::NotSent, code: 0, text: String::new() };
        let look = comparing.look(1)(Err(lost));
        assert_eq!(comparing.judge(look, true, &none), Verdict::Again);
        assert_eq!(seen(&mut comparing, other.clone(), &none), Verdict::Again);
        assert_eq!(seen(&mut comparing, other.clone(), &none), Verdict::Stands(other));
    }

    #[test]
    fn orders_that_look_otherwise_are_asked_for_once_before_it_is_said() {
        let book = book();
        let agrees = || picture("9", &[("by-hand", "0"), ("ew-1", "0")]);
        for other in [
            picture("9", &[]),
            picture("9", &[("ew-1", "0.5")]),
            picture("9", &[("ew-1", "0"), ("ew-2", "0")]),
        ] {
            let mut comparing = Comparing::default();
            assert_eq!(seen(&mut comparing, other.clone(), &book), Verdict::Ask);
            assert_eq!(seen(&mut comparing, agrees(), &book), Verdict::Again, "news had come");
            assert_eq!(seen(&mut comparing, agrees(), &book), Verdict::Stands(agrees()));
            assert_eq!(seen(&mut comparing, other.clone(), &book), Verdict::Ask);
            assert_eq!(seen(&mut comparing, other.clone(), &book), Verdict::Again);
            assert_eq!(seen(&mut comparing, other.clone(), &book), Verdict::Stands(other));
        }
    }
}
