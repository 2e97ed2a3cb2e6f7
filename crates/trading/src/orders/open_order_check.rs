//! Compares the orders open at the venue with the records, and decides when an absence is proved.

use super::order_states::{Order, OrderStates, PROOF_GAP_MS};
use everwarm_domain::fact::{Conflict, Dispute};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::{OrderStatus, Proof};
use everwarm_domain::time::UtcMs;
use everwarm_domain::venue_ids::VenueTradeId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most conflicts kept: one is enough to stop entries, a few are enough to find the cause.
const CONFLICTS_MAX: usize = 32;

/// The known conflicts, and those of the list of open orders at venue time `time`. A later report
/// of the venue explains a difference. Orders that are not ours are ignored.
pub(super) fn compare(
    book: &OrderStates,
    time: UtcMs,
    open: &[(ClientOrderId, Symbol)],
) -> Vec<Conflict> {
    let mut conflicts = book.conflicts.clone();
    for (id, symbol) in open.iter().filter(|(id, _)| id.is_ours()) {
        let (dispute, ours) = match book.get(id) {
            None => (Dispute::Twin, Conflict::UNKNOWN.to_owned()),
            Some(order) if order.sent() == 0 => (Dispute::Twin, "never sent".to_owned()),
            Some(order) if order.status.is_final() && order.reported_at < time => {
                (Dispute::Order, format!("{:?}", order.status))
            }
            Some(_) => continue,
        };
        let theirs = format!("open in {symbol}");
        conflicts.push(Conflict::of_order(dispute, id, ours, theirs));
    }
    let listed = |order: &Order| open.iter().any(|(id, _)| *id == order.intent.client_id);
    for order in book.open().filter(|order| order.reported_at < time && !listed(order)) {
        let ours = format!("{:?} in {}", order.status, order.intent.symbol);
        let theirs = "not among the open orders; only a query can tell what became of it";
        let id = &order.intent.client_id;
        conflicts.push(Conflict::of_order(Dispute::Order, id, ours, theirs.to_owned()));
    }
    conflicts.retain(|conflict| !book.sets_aside(conflict));
    conflicts.sort_by(|a, b| (&a.about, &a.ours).cmp(&(&b.about, &b.ours)));
    conflicts.dedup_by(|a, b| a.about == b.about);
    conflicts
}

/// Whether an absence at `asked` allows another attempt with the same id. It does if the venue
/// keeps our ids unique. Otherwise two queries a second apart must find nothing, after the last
/// attempt can no longer arrive.
pub(super) fn proves_absence(order: &Order, asked: UtcMs) -> bool {
    let unclear = matches!(order.status, OrderStatus::Sent | OrderStatus::Unknown);
    unclear
        && order.reported_status.is_none()
        && order.absent.is_some_and(|first| match order.attempt.map(|attempt| attempt.proof) {
            Some(Proof::ById) => true,
            Some(Proof::ByAbsenceAndTrades) | None => asked.saturating_sub(first) >= PROOF_GAP_MS,
        })
}

impl OrderStates {
    /// Records a contradiction once.
    pub(super) fn conflict(
        &mut self,
        dispute: Dispute,
        id: &ClientOrderId,
        ours: String,
        theirs: String,
    ) {
        let conflict = Conflict::of_order(dispute, id, ours, theirs);
        let known = |c: &Conflict| c.about == conflict.about && c.ours == conflict.ours;
        let room = self.conflicts.len() < CONFLICTS_MAX;
        if room && !self.conflicts.iter().any(known) && !self.sets_aside(&conflict) {
            self.conflicts.push(conflict);
            self.fresh = true;
        }
    }

    /// Whether an operator has ended this conflict. For an unknown order, this covers all later
    /// reports.
    pub(super) fn sets_aside(&self, conflict: &Conflict) -> bool {
        let unknown = conflict.ours == Conflict::UNKNOWN;
        self.aside.contains(&conflict.id()) || (unknown && self.aside.contains(&conflict.about))
    }

    pub(super) fn resolved(&mut self, conflict: &Conflict) {
        if conflict.order().is_some() {
            self.conflicts.retain(|c| c.id() != conflict.id());
            self.aside.insert(conflict.id());
            if conflict.ours == Conflict::UNKNOWN {
                self.aside.insert(conflict.about.clone());
            }
        }
    }
}

impl Order {
    /// Trade ids of the applied fills.
    pub fn applied_trades(&self) -> impl Iterator<Item = &VenueTradeId> {
        self.fills.iter().filter(|(_, known)| known.applied).map(|(id, _)| id)
    }
}

/// Trade ids of `everwarm panic` that are booked, by its orders.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Panicked(pub(super) BTreeMap<ClientOrderId, BTreeSet<VenueTradeId>>);

impl Panicked {
    /// Records a booked trade.
    pub(super) fn book(&mut self, id: &ClientOrderId, trade_id: &VenueTradeId) {
        self.0.entry(id.clone()).or_default().insert(trade_id.clone());
    }

    /// Number of booked trades of this order, and whether this trade is one of them.
    pub(super) fn booked(&self, id: &ClientOrderId, trade_id: &VenueTradeId) -> (usize, bool) {
        let booked = self.0.get(id);
        booked.map_or((0, false), |booked| (booked.len(), booked.contains(trade_id)))
    }
}
