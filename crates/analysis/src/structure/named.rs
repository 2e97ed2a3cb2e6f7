//! Reads and writes a structure with its parameter as text: `swings(5)`, `fvg`, `fvg(join)`.
//! `swings:5` is read as `swings(5)`.

use super::{BreakBy, Breaks, Gaps, Kind, Liquidity, MitigateBy, OrderBlocks, Structure, Swings};
use crate::LENGTH;
use crate::formula::{call, nearest, number};
use std::fmt::{self, Display};
use std::str::FromStr;

/// A structure that a text can name. Each length is that of the swings, 1 to 10000 bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// `swings(5)`: swing highs and lows.
    Swings(u32),
    /// `fvg` or `fvg(join)`: fair value gaps; with `join` neighbours are joined.
    Gaps {
        /// Whether neighbours are joined.
        join: bool,
    },
    /// `bos(5)`: breaks of structure, by the close.
    Bos(u32),
    /// `choch(5)`: changes of character, by the close.
    Choch(u32),
    /// `ob(5)`: order blocks, mitigated by the high or the low of a bar.
    OrderBlocks(u32),
    /// `liquidity(5)`: liquidity with the usual tolerance.
    Liquidity(u32),
}

const SWINGS: &str = "swings";
const GAPS: &str = "fvg";
const BOS: &str = "bos";
const CHOCH: &str = "choch";
const ORDER_BLOCKS: &str = "ob";
const LIQUIDITY: &str = "liquidity";
const NAMES: [&str; 6] = [SWINGS, GAPS, BOS, CHOCH, ORDER_BLOCKS, LIQUIDITY];
const JOIN: &str = "join";

impl Named {
    /// A fresh structure.
    #[must_use]
    pub fn structure(self) -> Box<dyn Structure + Send> {
        match self {
            Named::Swings(length) => Box::new(Swings::new(length)),
            Named::Gaps { join } => Box::new(Gaps::new(join)),
            Named::Bos(length) | Named::Choch(length) => {
                Box::new(Breaks::new(length, BreakBy::Close))
            }
            Named::OrderBlocks(length) => Box::new(OrderBlocks::new(length, MitigateBy::Extreme)),
            Named::Liquidity(length) => Box::new(Liquidity::new(length, Liquidity::TOLERANCE)),
        }
    }

    /// Whether the name means these events. `bos` and `choch` are made by one structure, because
    /// they remove each other, and each name means its own.
    #[must_use]
    pub const fn means(self, kind: Kind) -> bool {
        match kind {
            Kind::SwingConfirmed | Kind::SwingReplaced | Kind::SwingFinal => {
                matches!(self, Named::Swings(_))
            }
            Kind::Gap | Kind::GapMitigated | Kind::GapRemoved => {
                matches!(self, Named::Gaps { .. })
            }
            Kind::Bos | Kind::BosRemoved => matches!(self, Named::Bos(_)),
            Kind::Choch | Kind::ChochRemoved => matches!(self, Named::Choch(_)),
            Kind::Block | Kind::BlockMitigated | Kind::BlockInvalidated | Kind::BlockRemoved => {
                matches!(self, Named::OrderBlocks(_))
            }
            Kind::Liquidity | Kind::LiquiditySwept | Kind::LiquidityRemoved => {
                matches!(self, Named::Liquidity(_))
            }
        }
    }
}

impl Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Named::Swings(length) => write!(f, "{SWINGS}({length})"),
            Named::Gaps { join: false } => f.write_str(GAPS),
            Named::Gaps { join: true } => write!(f, "{GAPS}({JOIN})"),
            Named::Bos(length) => write!(f, "{BOS}({length})"),
            Named::Choch(length) => write!(f, "{CHOCH}({length})"),
            Named::OrderBlocks(length) => write!(f, "{ORDER_BLOCKS}({length})"),
            Named::Liquidity(length) => write!(f, "{LIQUIDITY}({length})"),
        }
    }
}

impl FromStr for Named {
    type Err = String;

    /// Parses the text. Spaces around its parts do not matter.
    fn from_str(text: &str) -> Result<Named, String> {
        let whole = text.trim();
        let (name, params) = call(whole, whole)?;
        if name == GAPS {
            return match params[..] {
                [] => Ok(Named::Gaps { join: false }),
                [JOIN] => Ok(Named::Gaps { join: true }),
                _ => Err(format!("`{whole}`: {GAPS} takes no parameter, or `{JOIN}`")),
            };
        }
        let of: fn(u32) -> Named = match name {
            SWINGS => Named::Swings,
            BOS => Named::Bos,
            CHOCH => Named::Choch,
            ORDER_BLOCKS => Named::OrderBlocks,
            LIQUIDITY => Named::Liquidity,
            _ => {
                let (all, near) = (NAMES.join(", "), nearest(name, NAMES.into_iter()));
                return Err(format!("there is no structure `{name}`, but {all}{near}"));
            }
        };
        let [length] = params[..] else {
            return Err(format!("`{whole}`: {name} takes {name}({})", LENGTH.name));
        };
        number(length, &LENGTH, whole).map(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_form() {
        for (text, form) in [
            ("swings:5", "swings(5)"),
            (" bos( 50 ) ", "bos(50)"),
            ("choch:1", "choch(1)"),
            ("ob(10)", "ob(10)"),
            ("liquidity:5", "liquidity(5)"),
            ("fvg", "fvg"),
            ("fvg:join", "fvg(join)"),
        ] {
            let named: Named = text.parse().unwrap();
            assert_eq!(named.to_string(), form);
            assert_eq!(form.parse::<Named>().unwrap(), named);
        }
    }

    #[test]
    fn a_wrong_text_names_what_is_near() {
        let wrong = |text: &str| text.parse::<Named>().unwrap_err();
        assert_eq!(
            wrong("swing:5"),
            "there is no structure `swing`, but swings, fvg, bos, choch, ob, liquidity; did you \
             mean `swings`?"
        );
        assert!(!wrong("moon:5").contains("did you mean"));
        assert_eq!(wrong("bos"), "`bos`: bos takes bos(length)");
        assert_eq!(wrong("ob:0"), "`ob:0`: length is a whole number from 1 to 10000");
        assert!(wrong("swings:5:6").contains("takes swings(length)"));
        assert_eq!(wrong("fvg:joined"), "`fvg:joined`: fvg takes no parameter, or `join`");
        assert!(wrong("swings(5").contains("lacks its `)`"));
    }
}
