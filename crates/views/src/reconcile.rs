//! The account compared with the books: both sides, conflicts, and how an operator resolves them.

mod external_sales;

use super::exit::{Exit, Failure};
use super::journal_reader::JournalFacts;
use super::views::{
    AdoptView, AdoptedView, BalanceView, ConflictView, OpenView, ReconcileView, ResolveView,
    ResolvedView,
};
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{
    Body, Conflict, Dispute, Ledger as Books, Market, Operator, Order, Venue,
};
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::{Balance, OrderStatus};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Body as _, Fact, Key, Mask};
use everwarm_kernel::stage::Stage as _;
use everwarm_trading::ledger::Ledger;
use external_sales::ExternalSales;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Kinds of facts that the comparison uses, apart from prices.
const INTEREST: Mask = Mask::of(&[
    kind::INSTRUMENTS,
    kind::ACCOUNT,
    kind::CONFIG_APPLIED,
    kind::RESOLVED,
    kind::ADOPTED,
    kind::STARTED,
    kind::INTENT,
    kind::CHANGED,
    kind::FILLED,
    kind::RECONCILED,
    kind::EXTERNAL_TRADED,
]);
/// Maximum number of characters of a reason.
const REASON_MAX: usize = 500;

/// The comparison, from a journal.
///
/// # Errors
/// The journal could not be read.
pub fn reconcile(journal: &dyn JournalFacts) -> Result<ReconcileView, Failure> {
    Ok(folded(journal)?.view())
}

fn folded(journal: &dyn JournalFacts) -> Result<Reconciliation, Failure> {
    let mut fold = Reconciliation::default();
    // The books process the facts about an input before the next input; a journal may have them
    // later.
    let mut facts: BTreeMap<Key, Fact<Body>> = BTreeMap::new();
    journal.each(0, &mut |_, fact| {
        if let Body::Market(Market::Close { bars, .. }) = &fact.body {
            fold.prices.extend(bars.iter().map(|bar| (bar.symbol, bar.close)));
        } else if INTEREST.has(fact.body.kind()) {
            facts.insert(fact.key, fact.clone());
        }
        ControlFlow::Continue(())
    })?;
    for fact in facts.values() {
        fold.fold(fact);
    }
    Ok(fold)
}

/// The adoption of a surplus, checked against a journal: the input to append, and its view.
///
/// # Errors
/// The journal could not be read, or the surplus cannot be adopted.
pub fn adoptable(
    journal: &dyn JournalFacts,
    wanted: &AdoptView,
) -> Result<(Operator, AdoptedView), Failure> {
    check_reason(&wanted.reason)?;
    folded(journal)?.adopt(wanted)
}

fn check_reason(reason: &str) -> Result<(), Failure> {
    if reason.trim().is_empty() || reason.chars().count() > REASON_MAX {
        let text = format!("the reason must have 1 to {REASON_MAX} characters: --reason TEXT");
        return Err(Failure::new(Exit::Usage, text));
    }
    Ok(())
}

/// The resolution of the conflict `id`, checked against a journal: the input to append, and its
/// view.
///
/// # Errors
/// The journal could not be read, there is no such conflict, an operator cannot resolve it, or the
/// reason is invalid.
pub fn resolvable(
    journal: &dyn JournalFacts,
    id: &str,
    wanted: &ResolveView,
) -> Result<(Operator, ResolvedView), Failure> {
    let fold = folded(journal)?;
    let venue = fold.venue;
    let conflict = unresolved(&fold.view(), id, &wanted.reason)?;
    let (accept, reason) = (wanted.accept, wanted.reason.trim().to_owned());
    let view =
        ResolvedView { conflict: ConflictView::of(&conflict), accept, reason: reason.clone() };
    Ok((Operator::Resolved { conflict, accept, reason, venue }, view))
}

fn unresolved(view: &ReconcileView, id: &str, reason: &str) -> Result<Conflict, Failure> {
    check_reason(reason)?;
    let known = view.conflicts.iter().find(|conflict| conflict.id == id);
    let Some(ConflictView { conflict, .. }) = known else {
        let text = match view.resolved.iter().rfind(|resolved| resolved.conflict.id == id) {
            Some(resolved) => format!("conflict {id} is already resolved: {}", resolved.reason),
            None => format!("there is no conflict {id}; everwarm reconcile lists them"),
        };
        return Err(Failure::new(Exit::Failed, text));
    };
    if conflict.dispute == Dispute::Setup {
        let text = format!(
            "{}: {}; correct the configuration, then restart",
            conflict.about, conflict.ours
        );
        return Err(Failure::new(Exit::Refused, text));
    }
    Ok(conflict.clone())
}

/// The last account report of the venue, and the books at that time.
struct Picture {
    time: UtcMs,
    life: u64,
    balances: Vec<Balance>,
    open: BTreeSet<ClientOrderId>,
    /// The books at that time, with the later resolutions and adoptions of operators.
    books: Ledger,
    /// Orders that were open on either side, with their status in the books at that time.
    orders: BTreeMap<ClientOrderId, (Symbol, Option<OrderStatus>)>,
    /// Adoptions by operators since then.
    adopted: Vec<AdoptedView>,
}

impl Picture {
    /// Surplus of an asset beyond the books.
    fn external(&self, asset: &str) -> Decimal {
        external(&self.books, asset)
    }
}

/// Surplus of an asset beyond what these books own.
fn external(books: &Ledger, asset: &str) -> Decimal {
    let line = books.lines().into_iter().find(|line| line.asset == asset);
    line.map_or(Decimal::ZERO, |line| line.foreign)
}

#[derive(Default)]
struct Reconciliation {
    /// The newest run.
    life: u64,
    /// The venue of the last account.
    venue: VenueId,
    /// Last prices.
    prices: BTreeMap<Symbol, Price>,
    /// Base and quote asset by symbol.
    assets: BTreeMap<Symbol, (String, String)>,
    ledger: Ledger,
    statuses: BTreeMap<ClientOrderId, (Symbol, OrderStatus)>,
    picture: Option<Picture>,
    conflicts: Vec<Conflict>,
    resolved: Vec<ResolvedView>,
    sales: ExternalSales,
}

impl Reconciliation {
    fn fold(&mut self, fact: &Fact<Body>) {
        self.sales.evolve(fact, &mut self.ledger, &self.assets);
        match &fact.body {
            Body::Venue(Venue::Account { life, time, balances, open, venue, .. }) => {
                self.venue = *venue;
                let ours = self.statuses.iter().filter(|(_, (_, status))| {
                    !status.is_final() && *status != OrderStatus::Intent
                });
                let ours = ours.map(|(id, (symbol, _))| (id.clone(), *symbol));
                let known = |id: &ClientOrderId| self.statuses.get(id).map(|(_, status)| *status);
                let orders = ours.chain(open.iter().cloned()).map(|(id, symbol)| {
                    let status = known(&id);
                    (id, (symbol, status))
                });
                self.picture = Some(Picture {
                    time: *time,
                    life: *life,
                    balances: balances.clone(),
                    open: open.iter().map(|(id, _)| id.clone()).collect(),
                    books: self.ledger.clone(),
                    orders: orders.collect(),
                    adopted: Vec::new(),
                });
            }
            Body::Market(Market::Instruments { rules }) => {
                let assets = |rule: &Instrument| (rule.base.clone(), rule.quote.clone());
                self.assets.extend(rules.iter().map(|rule| (rule.symbol, assets(rule))));
            }
            Body::Operator(Operator::Started { life, .. }) => self.life = *life,
            Body::Operator(Operator::Adopted { asset, position, reason, .. }) => {
                if let Some(picture) = &mut self.picture {
                    let before = picture.external(asset);
                    picture.books.evolve(fact);
                    let quantity = before.saturating_sub(picture.external(asset));
                    let (asset, reason) = (asset.clone(), reason.clone());
                    let symbol = position.map(|(symbol, _)| symbol);
                    if !quantity.is_zero() {
                        let quantity = quantity.normalize();
                        picture.adopted.push(AdoptedView { asset, quantity, symbol, reason });
                    }
                }
            }
            Body::Operator(Operator::Resolved { conflict, accept, reason, .. }) => {
                self.conflicts.retain(|c| c.id() != conflict.id());
                if let Some(picture) = &mut self.picture {
                    picture.books.evolve(fact);
                }
                let conflict = ConflictView::of(conflict);
                let (accept, reason) = (*accept, reason.clone());
                self.resolved.push(ResolvedView { conflict, accept, reason });
            }
            Body::Order(Order::Intent(intent)) => {
                let row = (intent.symbol, OrderStatus::Intent);
                self.statuses.insert(intent.client_id.clone(), row);
            }
            Body::Order(Order::Changed { client_id, symbol, status, .. }) => {
                self.statuses.insert(client_id.clone(), (*symbol, *status));
            }
            Body::Ledger(Books::Reconciled { conflicts, .. }) => {
                self.conflicts.clone_from(conflicts);
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }

    /// An adoption of at most the surplus in the last account report of this run.
    fn adopt(&self, wanted: &AdoptView) -> Result<(Operator, AdoptedView), Failure> {
        let AdoptView { asset, quantity, reason } = wanted;
        let refuse = |text: String| Err(Failure::new(Exit::Refused, text));
        if quantity.is_some_and(|quantity| quantity <= Decimal::ZERO) {
            return Err(Failure::new(Exit::Usage, "the quantity must be above 0"));
        }
        let Some(picture) = self.picture.as_ref().filter(|picture| picture.life == self.life)
        else {
            return refuse(
                "this run has not compared the account yet: try again when the daemon is ready"
                    .to_owned(),
            );
        };
        if self.ledger.is_missing(asset) {
            return refuse(format!(
                "the account has less {asset} than the books: everwarm reconcile shows the conflict"
            ));
        }
        // An open order without a fill rests. It may rest for any time.
        let trades = |status: OrderStatus| !status.is_final() && status != OrderStatus::Open;
        let lives = self.statuses.iter().find(|(_, (symbol, status))| {
            let of = self.assets.get(symbol);
            trades(*status) && of.is_some_and(|(base, quote)| base == asset || quote == asset)
        });
        if let Some((id, (symbol, _))) = lives {
            return refuse(format!(
                "order {id} in {symbol} still trades {asset}: try again when it is final"
            ));
        }
        let most = picture.external(asset).min(external(&self.ledger, asset));
        let quantity = quantity.unwrap_or(most).normalize();
        if most <= Decimal::ZERO {
            return refuse(format!("the last account shows no {asset} beyond the books"));
        }
        if quantity > most {
            return refuse(format!(
                "the last account shows only {} {asset} beyond the books",
                most.normalize()
            ));
        }
        let position = self.position_of(asset);
        if position.is_none() && self.ledger.cash_asset() != Some(asset) {
            return refuse(format!(
                "{asset} is neither the cash nor the base asset of a symbol with a known price"
            ));
        }
        let (asset, reason) = (asset.clone(), reason.trim().to_owned());
        let symbol = position.map(|(symbol, _)| symbol);
        let view = AdoptedView { asset: asset.clone(), quantity, symbol, reason: reason.clone() };
        let venue = self.venue;
        Ok((Operator::Adopted { asset, quantity, position, reason, venue }, view))
    }

    /// The symbol that trades a base asset for our cash, and its last price.
    fn position_of(&self, asset: &str) -> Option<(Symbol, Decimal)> {
        let cash = self.ledger.cash_asset()?;
        let of = self.assets.iter().filter(|(_, (base, quote))| base == asset && quote == cash);
        let known = of.filter_map(|(symbol, _)| {
            let price = self.prices.get(symbol)?.decimal();
            (price > Decimal::ZERO).then_some((*symbol, price))
        });
        known.min_by_key(|(symbol, _)| (!self.ledger.holds(*symbol), *symbol))
    }

    fn view(self) -> ReconcileView {
        let sales = self.sales.of(&self.conflicts);
        let conflicts = self.conflicts.iter().map(ConflictView::of).collect();
        let resolved = self.resolved;
        let Some(picture) = self.picture else {
            return ReconcileView { conflicts, resolved, sales, ..ReconcileView::default() };
        };
        let open =
            |(id, (symbol, ours)): (&ClientOrderId, &(Symbol, Option<OrderStatus>))| OpenView {
                client_order_id: id.clone(),
                symbol: *symbol,
                ours: *ours,
                open: picture.open.contains(id),
                foreign: !id.is_ours(),
            };
        ReconcileView {
            time: Some(picture.time),
            life: picture.life,
            balances: balances(&picture),
            orders: picture.orders.iter().map(open).collect(),
            conflicts,
            resolved,
            adopted: picture.adopted,
            sales,
        }
    }
}

fn balances(picture: &Picture) -> Vec<BalanceView> {
    let mut all: BTreeMap<String, BalanceView> = BTreeMap::new();
    let nothing = |asset: &str| BalanceView {
        asset: asset.to_owned(),
        ours: Decimal::ZERO,
        foreign: Decimal::ZERO,
        set_aside: Decimal::ZERO,
        theirs: Decimal::ZERO,
        difference: Decimal::ZERO,
    };
    for line in picture.books.lines() {
        let row = all.entry(line.asset.clone()).or_insert_with(|| nothing(&line.asset));
        (row.ours, row.foreign, row.set_aside) = (line.ours, line.foreign, line.aside);
    }
    for Balance { asset, free, locked } in &picture.balances {
        let row = all.entry(asset.clone()).or_insert_with(|| nothing(asset));
        row.theirs = free.saturating_add(*locked).normalize();
    }
    for row in all.values_mut() {
        let known = row.ours.saturating_add(row.foreign);
        row.difference = row.theirs.saturating_sub(known).normalize();
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Facts, dec, journal};
    use super::*;
    use everwarm_domain::fact::Accept;
    use everwarm_domain::settings::Settings;
    use everwarm_trading::testing::{AccountFact, configured, fact, instrument, sym};

    fn asks(id: &str, reason: &str, dispute: Dispute) -> Result<Conflict, Exit> {
        let (about, ours, theirs) = ("BTC".to_owned(), "2".to_owned(), "1".to_owned());
        let conflict = Conflict { about, ours, theirs, dispute };
        let over = Conflict { ours: "3".into(), ..conflict.clone() };
        let resolved = ResolvedView {
            conflict: ConflictView::of(&over),
            accept: Accept::Venue,
            reason: "sold by hand".into(),
        };
        let id = match id {
            "open" => conflict.id(),
            "over" => over.id(),
            other => other.to_owned(),
        };
        let view = ReconcileView {
            conflicts: vec![ConflictView::of(&conflict)],
            resolved: vec![resolved],
            ..ReconcileView::default()
        };
        unresolved(&view, &id, reason).map_err(|failure| failure.exit)
    }

    #[test]
    fn a_conflict_ends_by_its_id_and_with_a_reason() {
        assert!(asks("open", "why", Dispute::Balance).is_ok());
        assert_eq!(asks("open", " ", Dispute::Balance), Err(Exit::Usage));
        assert_eq!(asks("open", &"x".repeat(501), Dispute::Twin), Err(Exit::Usage));
        assert_eq!(asks("over", "why", Dispute::Balance), Err(Exit::Failed));
        assert_eq!(asks("other", "why", Dispute::Balance), Err(Exit::Failed));
        assert_eq!(asks("open", "why", Dispute::Setup), Err(Exit::Refused));
    }

    #[test]
    fn only_a_surplus_of_the_last_account_is_adopted() {
        let facts = journal().0;
        let asks = |facts: &[Fact<Body>], asset: &str, quantity: Option<&str>, reason: &str| {
            let (asset, reason) = (asset.to_owned(), reason.to_owned());
            let wanted = AdoptView { asset, quantity: quantity.map(dec), reason };
            adoptable(&Facts(facts.to_vec()), &wanted).map_err(|f| (f.exit, f.text))
        };
        let refused = |asked: Result<_, (Exit, String)>, words: &str| {
            let (exit, text) = asked.map(|_: (Operator, AdoptedView)| ()).unwrap_err();
            assert!(exit == Exit::Refused && text.contains(words), "{text}");
        };
        assert_eq!(asks(&facts, "USD", None, " ").unwrap_err().0, Exit::Usage);
        assert_eq!(asks(&facts, "USD", Some("0"), "r").unwrap_err().0, Exit::Usage);
        refused(asks(&facts, "USD", None, "r"), "no USD beyond the books");
        refused(asks(&facts, "XYZ", Some("1"), "r"), "no XYZ beyond the books");
    }

    #[test]
    fn what_was_adopted_since_the_comparison_is_shown_as_ours_until_the_next_one() {
        let mut facts = Vec::new();
        let mut append = |rank: u16, body: Body| {
            facts.push(fact(1 + facts.len() as u64, rank, body));
            reconcile(&Facts(facts.clone())).unwrap()
        };
        let account = |time: UtcMs| {
            let balance = |(asset, free): (&str, &str)| Balance {
                asset: asset.to_owned(),
                free: dec(free),
                locked: Decimal::ZERO,
            };
            let balances = [("BTC", "3"), ("USDT", "500")].map(balance).to_vec();
            AccountFact { time, balances, ..AccountFact::default() }.body()
        };
        let shown = |view: &ReconcileView| {
            let btc = view.balances.iter().find(|row| row.asset == "BTC").unwrap();
            let of = |view: &AdoptedView| (view.asset.clone(), view.quantity, view.symbol);
            let adopted = view.adopted.iter().map(of).collect::<Vec<_>>();
            (view.time, [btc.ours, btc.foreign, btc.theirs, btc.difference], adopted)
        };
        let figures = |all: [&str; 4]| all.map(dec);
        append(0, configured(&Settings::default()));
        let rules = vec![instrument("BTCUSDT")];
        append(0, Body::Market(Market::Instruments { rules }));
        let view = append(0, account(7));
        assert_eq!(shown(&view), (Some(7), figures(["0", "3", "3", "0"]), vec![]));
        let adopted = Operator::Adopted {
            asset: "BTC".to_owned(),
            quantity: dec("2"),
            position: Some((sym("BTCUSDT"), dec("100"))),
            reason: "a deposit".to_owned(),
            venue: VenueId::default(),
        };
        let view = append(0, Body::Operator(adopted));
        let two = ("BTC".to_owned(), dec("2"), Some(sym("BTCUSDT")));
        assert_eq!(shown(&view), (Some(7), figures(["2", "1", "3", "0"]), vec![two]));
        let view = append(0, account(8));
        assert_eq!(shown(&view), (Some(8), figures(["2", "1", "3", "0"]), vec![]));
    }

    #[test]
    fn an_order_that_ended_after_the_comparison_is_shown_as_it_was() {
        let changed = |status| {
            Body::Order(Order::Changed {
                client_id: ClientOrderId("ew-1".to_owned()),
                symbol: sym("BTCUSDT"),
                venue_order_id: None,
                status,
                executed: Decimal::ZERO,
                executed_quote: Decimal::ZERO,
                reason: String::new(),
            })
        };
        let open = vec![(ClientOrderId("ew-1".to_owned()), sym("BTCUSDT"))];
        let account = AccountFact { time: 7, open, ..AccountFact::default() }.body();
        let facts = [changed(OrderStatus::Open), account, changed(OrderStatus::Cancelled)];
        let facts = (1..).zip(facts).map(|(n, body)| fact(n, 0, body)).collect();
        let view = reconcile(&Facts(facts)).unwrap();
        assert_eq!((view.orders[0].ours, view.orders[0].open), (Some(OrderStatus::Open), true));
    }

    #[test]
    fn both_sides_are_shown_as_of_the_picture() {
        let facts = journal().0;
        let view = reconcile(&Facts(facts)).unwrap();
        assert_eq!((view.life, view.conflicts.len(), view.resolved.len()), (1, 0, 0));
        let usd = view.balances.iter().find(|row| row.asset == "USD").unwrap();
        assert_eq!(usd.theirs, dec("10000"));
    }
}
