//! The composites, and which symbols belong to them.

use serde::{Deserialize, Serialize};

/// A composite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Series {
    /// Symbols with weights, chosen by the caller.
    Alt,
    /// The 10 symbols with the highest volume.
    Large,
    /// The next 40.
    Mid,
    /// The next 100.
    Small,
    /// All others.
    Micro,
}

impl Series {
    /// All composites.
    pub const ALL: [Series; 5] =
        [Series::Alt, Series::Large, Series::Mid, Series::Small, Series::Micro];

    /// The name in texts: `ALT`, `LARGE`, `MID`, `SMALL` or `MICRO`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Series::Alt => "ALT",
            Series::Large => "LARGE",
            Series::Mid => "MID",
            Series::Small => "SMALL",
            Series::Micro => "MICRO",
        }
    }

    /// Fewest members with bars for a value.
    #[must_use]
    pub const fn least(self) -> usize {
        match self {
            Series::Alt => 1,
            Series::Large | Series::Mid | Series::Small | Series::Micro => 3,
        }
    }

    /// The bucket of the symbol with this rank by volume, from 1.
    #[must_use]
    pub const fn of_rank(rank: usize) -> Series {
        match rank {
            0..=10 => Series::Large,
            11..=50 => Series::Mid,
            51..=150 => Series::Small,
            151.. => Series::Micro,
        }
    }

    /// Its place in [`Series::ALL`].
    pub(super) const fn place(self) -> usize {
        match self {
            Series::Alt => 0,
            Series::Large => 1,
            Series::Mid => 2,
            Series::Small => 3,
            Series::Micro => 4,
        }
    }
}
