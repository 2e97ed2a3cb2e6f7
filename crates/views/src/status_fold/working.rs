//! An order that is not final, as its facts told so far.

use everwarm_domain::id::Symbol;
use everwarm_domain::order::OrderStatus;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};

/// An order that is not final.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Working {
    /// As the order manager said last.
    pub(super) status: OrderStatus,
    /// Event time of the announcement that it is sent, where the order manager has not said what
    /// became of it.
    pub(super) sent: Option<UtcMs>,
    /// As the venue reported it after that.
    pub(super) reported: Option<OrderStatus>,
    /// What it trades, and for whom; none where that was told before lots were kept.
    #[serde(default)]
    pub(super) of: Option<(Symbol, String)>,
}

impl Working {
    pub(super) const fn new(status: OrderStatus) -> Working {
        Working { status, sent: None, reported: None, of: None }
    }

    /// As the next start finds it: nobody is left who could receive a response.
    pub(super) const fn at_rest(&self) -> OrderStatus {
        match (self.reported, self.status) {
            (Some(reported), _) => reported,
            (None, OrderStatus::Sent) => OrderStatus::Unknown,
            (None, OrderStatus::Intent) if self.sent.is_some() => OrderStatus::Unknown,
            (None, status) => status,
        }
    }
}
