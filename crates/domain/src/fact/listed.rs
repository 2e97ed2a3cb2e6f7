//! Listed symbols and their states.

use crate::id::Symbol;
use serde::{Deserialize, Serialize};

/// A listed symbol and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The symbol.
    pub symbol: Symbol,
    /// Whether it is to be traded. If not, it is removed once nothing of it is held.
    pub wanted: bool,
    /// Its state at the venue.
    pub venue: AtVenue,
    /// Why it is to be traded or not, in words.
    pub why: String,
}

/// The state of a symbol at a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtVenue {
    /// The venue takes orders in it.
    Trading,
    /// The venue lists it, but takes no orders in it now.
    Halted,
    /// The venue does not list it.
    Gone,
}

/// The state of a listed symbol, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Entries and exits are allowed.
    Trading,
    /// Only exits are allowed. The symbol is removed once nothing of it is held.
    Leaving,
    /// The venue takes no orders in it now. It continues automatically.
    Halted,
    /// The venue delisted it. What is held cannot be sold.
    Gone,
}

impl Standing {
    /// The word, as it is serialised.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Standing::Trading => "trading",
            Standing::Leaving => "leaving",
            Standing::Halted => "halted",
            Standing::Gone => "gone",
        }
    }
}

impl Listed {
    /// The state of the symbol.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match (self.venue, self.wanted) {
            (AtVenue::Trading, true) => Standing::Trading,
            (AtVenue::Trading, false) => Standing::Leaving,
            (AtVenue::Halted, _) => Standing::Halted,
            (AtVenue::Gone, _) => Standing::Gone,
        }
    }
}
