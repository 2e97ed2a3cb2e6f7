//! Approvals of orders.

use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Body, Decision};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::OrderIntent;
use everwarm_kernel::fact::Fact;

/// An approved intent. Only the decision makes one, from its decision or from the recorded fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    pub(super) intent: OrderIntent,
    pub(super) reserved: Decimal,
    pub(super) reason: String,
    pub(super) sizing: Option<String>,
}

impl Approved {
    /// The approval in a fact; `None` for facts of other kinds or other stages.
    #[must_use]
    pub fn of(fact: &Fact<Body>) -> Option<Approved> {
        let Body::Decision(Decision::Approved { intent, reserved, reason, sizing }) = &fact.body
        else {
            return None;
        };
        let (intent, reason) = (intent.clone(), reason.clone());
        let approved = Approved { intent, reserved: *reserved, reason, sizing: sizing.clone() };
        (fact.key.rank == rank::DECISION.0).then_some(approved)
    }

    /// The order to send.
    #[must_use]
    pub fn intent(&self) -> &OrderIntent {
        &self.intent
    }

    pub(super) fn into_body(self) -> Body {
        let Approved { intent, reserved, reason, sizing } = self;
        Body::Decision(Decision::Approved { intent, reserved, reason, sizing })
    }
}
