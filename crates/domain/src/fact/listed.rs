//! Symbols that are listed, and how they stand.

use crate::id::Symbol;
use serde::{Deserialize, Serialize};

/// A symbol that is listed, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Which.
    pub symbol: Symbol,
    /// Whether it is to be traded; where not, it is left as soon as nothing of it is held.
    pub wanted: bool,
    /// What the venue does with it.
    pub venue: AtVenue,
    /// Why it is wanted or not, in words.
    pub why: String,
}

/// What a venue does with a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtVenue {
    /// It takes orders.
    Trading,
    /// It has it, and takes no orders now.
    Halted,
    /// It does not have it.
    Gone,
}

/// How a listed symbol stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Entries and exits.
    Trading,
    /// Exits only, until nothing is held; then it is listed no more.
    Leaving,
    /// The venue takes no orders in it now; it comes back by itself.
    Halted,
    /// The venue does not have it; what is held cannot be sold.
    Gone,
}

impl Standing {
    /// The word.
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
    /// How it stands.
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
