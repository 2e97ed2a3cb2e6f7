//! The regime of a symbol: the condition of its market at each close.
//!
//! The candidate at a close is the first of these that is true:
//! 1. *no data*: fewer than 28 bars.
//! 2. *tight*: an untouched zone is near. A zone is a fair value gap or an order block at swings of
//!    length 5. It counts at the bar at whose close it became known and the 100 bars after that.
//!    It is near if one of its two edges lies within half an average true range (14 bars) of the
//!    close.
//! 3. *wide*: a break of structure became known at one of the last three closes, this one
//!    included; or the average directional index (14 bars) is at least 25. Swings have length 5. A
//!    change of character does not count. A break counts even if a later one removes it.
//! 4. *consolidation*.
//!
//! A zone is touched as its structure defines it: a gap by the first bar that reaches its near
//! edge, a block by the first bar that passes its far edge (`ob_mitigated`). Only bars after the
//! zone became known touch it.
//!
//! The first candidate after *no data* counts at once. Every other change needs two closes running.
//! So the regime is *no data* for 27 bars exactly.

use super::settled::Settled;
use super::zones::Zones;
use crate::structure::{BreakBy, Breaks, Gaps, Kind, MitigateBy, OrderBlocks, Structure};
use crate::{Atr, Bar, Catalogued, Directional, Indicator};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bars of the ranges and of the directional index.
const LENGTH: u32 = 14;
/// Bars on each side of a swing.
const SWING: u32 = 5;
/// Average true ranges between a close and a zone that is near.
const REACH: f64 = 0.5;
/// Closes for which a break of structure counts.
const BREAK_BARS: u64 = 3;
/// Average directional index from which a trend is strong.
const STRONG: f64 = 25.0;

/// The condition of a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Regime {
    /// Too few bars: that many of [`Regimes::BARS`].
    NoData(u32),
    /// The close is near a zone from which the market may turn.
    TightSmc,
    /// The market breaks its structure, or its trend is strong.
    WideStructure,
    /// Neither.
    Consolidation,
}

impl Regime {
    /// The name in texts: `no_data`, `tight_smc`, `wide_structure` or `consolidation`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Regime::NoData(_) => "no_data",
            Regime::TightSmc => "tight_smc",
            Regime::WideStructure => "wide_structure",
            Regime::Consolidation => "consolidation",
        }
    }

    /// What an average directional index alone says: at least 25 is wide.
    #[must_use]
    pub fn by_adx(adx: f64) -> Regime {
        if adx >= STRONG { Regime::WideStructure } else { Regime::Consolidation }
    }
}

impl fmt::Display for Regime {
    /// The name; of *no data* also what is missing: `no_data: 12 of 28 bars`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Regime::NoData(bars) = self {
            write!(f, ": {bars} of {} bars", Regimes::BARS)?;
        }
        Ok(())
    }
}

/// What decides between the regimes of a symbol with enough bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Basis {
    /// Zones, breaks of structure and the average directional index.
    Structures,
    /// The average directional index alone: *wide* from 25 on, else *consolidation*. It is for a
    /// symbol that the bias rejects.
    Adx,
}

/// The regime of one symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regimes {
    /// The number of the next bar.
    next: u64,
    atr: Atr,
    adx: Directional,
    gaps: Gaps,
    blocks: OrderBlocks,
    breaks: Breaks,
    zones: Zones,
    /// The bar at whose close the newest break of structure became known.
    broken: Option<u64>,
    regime: Settled<Regime>,
}

impl Regimes {
    /// Bars from which there is a regime.
    pub const BARS: u32 = 2 * LENGTH;

    /// The regime before the first bar.
    #[must_use]
    pub fn new() -> Regimes {
        Regimes {
            next: 0,
            atr: Atr::new(LENGTH),
            adx: Directional::make(&[LENGTH], 0),
            gaps: Gaps::new(false),
            blocks: OrderBlocks::new(SWING, MitigateBy::Extreme),
            breaks: Breaks::new(SWING, BreakBy::Close),
            zones: Zones::default(),
            broken: None,
            regime: Settled::new(Regime::NoData(0)),
        }
    }

    /// The regime at the newest close.
    #[must_use]
    pub const fn regime(&self) -> Regime {
        self.regime.state
    }

    /// Takes the next closed bar and returns the regime at its close.
    ///
    /// `basis` decides the candidate of this close only. The zones and breaks follow each bar, so
    /// the basis may change at any close.
    ///
    /// Returns `None` if the bar is not valid, see [`Structure::update`]. Such a bar is not counted
    /// and changes nothing.
    pub fn update(&mut self, bar: &Bar, basis: Basis) -> Option<Regime> {
        let mut events = Vec::new();
        if !self.gaps.update(bar, &mut events) {
            return None;
        }
        let index = self.next;
        self.next += 1;
        self.blocks.update(bar, &mut events);
        self.breaks.update(bar, &mut events);
        self.zones.test(bar, index);
        self.zones.add(&events);
        if events.iter().any(|event| event.kind == Kind::Bos) {
            self.broken = Some(index);
        }
        let (atr, adx) = (self.atr.update(bar), self.adx.update(bar));
        let bars = u32::try_from(self.next).unwrap_or(u32::MAX);
        if bars < Regimes::BARS {
            self.regime = Settled::new(Regime::NoData(bars));
        } else {
            let candidate = match basis {
                Basis::Structures => self.candidate(bar, index, atr, adx),
                Basis::Adx => Regime::by_adx(adx),
            };
            if matches!(self.regime.state, Regime::NoData(_)) {
                self.regime.begin(candidate);
            } else {
                self.regime.take(Some(candidate));
            }
        }
        Some(self.regime())
    }

    /// The candidate at a close with enough bars. `atr` in quote units.
    fn candidate(&self, bar: &Bar, index: u64, atr: f64, adx: f64) -> Regime {
        let breaks = self.broken.is_some_and(|at| index < at + BREAK_BARS);
        if self.zones.is_near(bar, REACH * atr) {
            Regime::TightSmc
        } else if breaks {
            Regime::WideStructure
        } else {
            Regime::by_adx(adx)
        }
    }

    /// Prepares for bars with more decimals: multiplies each stored price by `factor`, a power of
    /// ten. Returns false if a price does not fit. The state is unusable then.
    pub fn rescale(&mut self, factor: i64) -> bool {
        self.atr.rescale(factor)
            && self.adx.rescale(factor)
            && self.gaps.rescale(factor)
            && self.blocks.rescale(factor)
            && self.breaks.rescale(factor)
            && self.zones.rescale(factor)
    }

    #[cfg(test)]
    pub(super) fn zones(&self) -> usize {
        self.zones.len()
    }
}

impl Default for Regimes {
    fn default() -> Regimes {
        Regimes::new()
    }
}
