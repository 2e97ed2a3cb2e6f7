//! An order that is not final, as of the facts taken in.

use everwarm_domain::id::Symbol;
use everwarm_domain::order::OrderStatus;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};

/// An order that is not final.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Working {
    /// The order manager's last status.
    pub(super) status: OrderStatus,
    /// Event time of the announcement that it is sent; none once the order manager has recorded the
    /// result.
    pub(super) sent: Option<UtcMs>,
    /// The status that the venue reported after that.
    pub(super) reported: Option<OrderStatus>,
    /// Its symbol and strategy; none if it is from before the journal had lots.
    #[serde(default)]
    pub(super) of: Option<(Symbol, String)>,
}

impl Working {
    pub(super) const fn new(status: OrderStatus) -> Working {
        Working { status, sent: None, reported: None, of: None }
    }

    /// The status that the next start finds: no process is left that could receive a response.
    pub(super) const fn at_rest(&self) -> OrderStatus {
        match (self.reported, self.status) {
            (Some(reported), _) => reported,
            (None, OrderStatus::Sent) => OrderStatus::Unknown,
            (None, OrderStatus::Intent) if self.sent.is_some() => OrderStatus::Unknown,
            (None, status) => status,
        }
    }
}
