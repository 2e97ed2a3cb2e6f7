//! What the gateway goes by: a fold over orders and reconciliations that says nothing itself.

use crate::domain::fact::kinds::{kind, rank};
use crate::domain::fact::{Body, Conflict, Ledger};
use crate::trading::orders::book::OrderBook;
use everwarm_runtime::fact::{Fact, Mask, Rank};
use everwarm_runtime::stage::{Out, Stage};
use everwarm_runtime::state;
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 2;

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GatewayBook {
    /// All orders that live.
    pub orders: OrderBook,
    /// The last reconciliation: its life, and what it could not explain.
    pub reconciled: Option<(u64, Vec<Conflict>)>,
}

impl GatewayBook {
    /// Whether the account was compared with the books in process life `life`. The caller says
    /// which life it is: the fold may not have come to its beginning yet.
    #[must_use]
    pub fn is_reconciled(&self, life: u64) -> bool {
        self.reconciled.as_ref().is_some_and(|(of, _)| *of == life)
    }

    /// Whether orders may be sent: reconciled in this life, without conflicts.
    #[must_use]
    pub fn may_trade(&self, life: u64) -> bool {
        self.reconciled.as_ref().is_some_and(|(of, conflicts)| *of == life && conflicts.is_empty())
    }
}

impl Stage for GatewayBook {
    type Body = Body;
    fn rank(&self) -> Rank {
        rank::GATEWAY
    }
    fn name(&self) -> &'static str {
        "gateway"
    }
    fn interest(&self) -> Mask {
        OrderBook::INPUTS.and(OrderBook::SAID).and(Mask::of(&[kind::RECONCILED]))
    }
    fn produces(&self) -> Mask {
        Mask::NONE
    }
    fn evolve(&mut self, fact: &Fact<Body>) {
        if let Body::Ledger(Ledger::Reconciled { life, conflicts, .. }) = &fact.body {
            self.reconciled = Some((*life, conflicts.clone()));
        }
        self.orders.fold(fact);
    }
    fn decide(&self, _: &Fact<Body>, _: &mut Out<Body>) {}
    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, self)
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT, bytes)?;
        Ok(())
    }
}
