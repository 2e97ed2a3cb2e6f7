//! Whether the exchange accepts the keys of its account.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The state of the keys of the account, since the exchange started.
#[derive(Debug, Default)]
pub struct AccountKeys {
    revoked: AtomicBool,
    rejected: AtomicU64,
}

impl AccountKeys {
    /// Revokes the keys, or accepts them again.
    pub fn revoke(&self, revoked: bool) {
        self.revoked.store(revoked, Relaxed);
    }

    /// Whether a request or a log-on is accepted, if its keys are `right`. Counts the others.
    pub fn accept(&self, right: bool) -> bool {
        let accepted = right && !self.revoked.load(Relaxed);
        if !accepted {
            self.rejected.fetch_add(1, Relaxed);
        }
        accepted
    }

    /// Requests and log-ons that were not accepted because of their keys.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Relaxed)
    }
}
