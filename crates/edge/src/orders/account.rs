//! The account while it trades: when it is looked at, and when a look counts.
//!
//! At a start nothing of ours moves, so one look is enough. Later it is not: an order may fill
//! while the account is read, and what the venue tells may be some seconds old. So a picture counts
//! only when it was the same twice, [`CALM_MS`] apart, when nothing was sent, asked or heard of our
//! orders while it was taken, and when it lists those orders as working that we do, as far filled.
//! Where it does not, our orders are asked for first; what is then still otherwise is said.

use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Balance;
use everwarm_domain::time::UtcMs;
use everwarm_trading::orders::book::OrderBook;
use everwarm_venue::port::{AccountPicture, Venue, VenueError};
use std::collections::BTreeSet;

/// How long nothing of ours may have moved before the account is looked at, and how long lies
/// between two looks, milliseconds of venue time: what the venue tells lags by less.
pub const CALM_MS: i64 = 10_000;

/// The account at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// By asset.
    pub balances: Vec<Balance>,
    /// Assets whose balances cannot be believed, by name.
    pub unread: Vec<String>,
    /// Open orders with what of each is filled, by id.
    open: Vec<(ClientOrderId, Symbol, Decimal)>,
}

impl Picture {
    /// Takes one: the balances first, so that what fills meanwhile shows in the orders. Weight 100.
    ///
    /// # Errors
    /// As every read.
    pub async fn take(venue: &dyn Venue) -> Result<Picture, VenueError> {
        let AccountPicture { mut balances, unread, .. } = venue.account().await?;
        let open = venue.open_orders(None).await?;
        let mut open: Vec<_> =
            open.into_iter().map(|o| (o.client_id, o.symbol, o.executed)).collect();
        open.sort();
        balances.sort_by(|a, b| a.asset.cmp(&b.asset));
        Ok(Picture { balances, unread, open })
    }

    /// The open orders.
    #[must_use]
    pub fn open(&self) -> Vec<(ClientOrderId, Symbol)> {
        self.open.iter().map(|(id, symbol, _)| (id.clone(), *symbol)).collect()
    }

    /// Whether it has the orders of ours working that `book` has, as far filled.
    fn agrees(&self, book: &OrderBook) -> bool {
        let listed = self.open.iter().filter(|(id, ..)| id.is_ours());
        let listed: BTreeSet<_> = listed.map(|(id, _, executed)| (id, *executed)).collect();
        let working = book.open().map(|order| (&order.intent.client_id, order.executed));
        listed == working.collect()
    }
}

/// A look at the account, begun and ended.
#[derive(Debug)]
pub struct AccountCheck {
    /// What had been done about orders when it began.
    acts: u64,
    /// Venue time of its beginning.
    pub time: UtcMs,
    /// What was seen.
    pub picture: Result<Picture, VenueError>,
}

/// What follows from a look.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Nothing yet: look again after a while.
    Again,
    /// Our orders are to be asked for, then look again.
    Ask,
    /// This is the account.
    Stands(Picture),
}

/// What is remembered between looks. An instance that is killed takes it along: its successor
/// begins anew.
#[derive(Debug, Default)]
pub struct Comparing {
    /// Counts what was done about orders.
    acts: u64,
    /// Venue time from which on nothing of ours may have moved lately.
    calm_at: UtcMs,
    before: Option<Picture>,
    asked: bool,
    /// Whether something says that the account is not what the books are.
    doubtful: bool,
}

impl Comparing {
    /// Something was done about orders: a look that was begun before says nothing.
    pub fn acted(&mut self) {
        self.acts += 1;
    }

    /// Something of ours moves at venue time `now`, or may.
    pub fn moved(&mut self, now: UtcMs) {
        self.acted();
        self.calm_at = now.saturating_add(CALM_MS);
        self.before = None;
    }

    /// Something says that the account is not what the books are: it is compared at once.
    pub fn doubt(&mut self) {
        self.doubtful = true;
    }

    /// Whether it is to be compared at once.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// The account was reported.
    pub fn compared(&mut self) {
        self.doubtful = false;
    }

    /// Whether nothing of ours has moved lately.
    #[must_use]
    pub fn is_calm(&self, now: UtcMs) -> bool {
        now >= self.calm_at
    }

    /// A look that begins at venue time `time`, and how it ended.
    pub fn look(
        &self,
        time: UtcMs,
    ) -> impl FnOnce(Result<Picture, VenueError>) -> AccountCheck + use<> {
        let acts = self.acts;
        move |picture| AccountCheck { acts, time, picture }
    }

    /// Judges a look that has ended. `still`: nothing is under way.
    pub fn judge(&mut self, look: AccountCheck, still: bool, book: &OrderBook) -> Verdict {
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
        Picture { balances, unread: Vec::new(), open: open.collect() }
    }

    /// A book with one order of ours that works.
    fn book() -> OrderBook {
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
        let mut book = OrderBook::default();
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

    fn seen(comparing: &mut Comparing, picture: Picture, book: &OrderBook) -> Verdict {
        let look = comparing.look(1)(Ok(picture));
        comparing.judge(look, true, book)
    }

    #[test]
    fn an_account_counts_when_it_was_the_same_twice_and_nothing_moved() {
        let none = OrderBook::default();
        let it = || picture("9", &[("by-hand", "0")]);
        let mut comparing = Comparing::default();
        assert_eq!(seen(&mut comparing, it(), &none), Verdict::Again, "seen once");
        assert_eq!(seen(&mut comparing, it(), &none), Verdict::Stands(it()));
        assert_eq!(seen(&mut comparing, it(), &none), Verdict::Again, "and from the beginning");
        let other = picture("8", &[("by-hand", "0")]);
        assert_eq!(seen(&mut comparing, other.clone(), &none), Verdict::Again, "it moves");
        let filled = picture("8", &[("by-hand", "1")]);
        assert_eq!(seen(&mut comparing, filled, &none), Verdict::Again, "it moves on");
        // Between two looks something was sent.
        assert_eq!(seen(&mut comparing, other.clone(), &none), Verdict::Again);
        comparing.moved(5);
        assert!(!comparing.is_calm(5 + CALM_MS - 1) && comparing.is_calm(5 + CALM_MS));
        assert_eq!(seen(&mut comparing, other.clone(), &none), Verdict::Again);
        // During one, something was asked; or something is under way at its end.
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
