//! The sizes of entries: how large one entry of a strategy is, and the most that may be open.

use super::exits::share_of;
use crate::id::Symbol;
use crate::money::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt;

/// Name of the member of a section.
pub const MEMBER: &str = "size";
/// The text of the default.
const FIXED: &str = "fixed";
/// One, in millionths.
pub(super) const MILLION: u32 = 1_000_000;
/// The largest share of the equity in one entry, millionths: 100 percent.
const EQUITY_MAX: u32 = MILLION;
/// The largest share of the equity that one stop may lose, millionths: 10 percent.
const RISK_MAX: u32 = 100_000;
/// Most groups, and most symbols in one.
const GROUPS_MAX: usize = 32;
const SYMBOLS_MAX: usize = 200;

/// How large an entry of a strategy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// It is worth `trading.notional`.
    #[default]
    Fixed,
    /// It is worth a share of the equity, millionths.
    Equity(u32),
    /// Its stop loses a share of the equity, millionths, fees and slippage included.
    Risk(u32),
}

impl Size {
    /// Reads a size: `fixed`, `equity 10%` or `risk 1%`.
    ///
    /// # Errors
    /// The reason as text.
    pub fn read(text: &str) -> Result<Size, String> {
        let form =
            || format!("{text:?} is not \"fixed\", or a share like \"equity 10%\" or \"risk 1%\"");
        if text == FIXED {
            return Ok(Size::Fixed);
        }
        let (name, share) = text.split_once(' ').ok_or_else(form)?;
        let of = |most| match share_of(share, most) {
            Ok(0) => Err(form()),
            Ok(ppm) => Ok(ppm),
            Err(why) => Err(format!("{text:?}: {why}")),
        };
        match name {
            "equity" => of(EQUITY_MAX).map(Size::Equity),
            "risk" => of(RISK_MAX).map(Size::Risk),
            _ => Err(form()),
        }
    }

    /// Takes the member of a section. Without it the size is fixed.
    ///
    /// # Errors
    /// The reason as text.
    pub fn take(section: &mut serde_json::Map<String, Value>) -> Result<Size, String> {
        let Some(value) = section.remove(MEMBER) else { return Ok(Size::default()) };
        let text = value.as_str().ok_or_else(|| format!("{value} is not text in quotes"));
        text.and_then(Size::read).map_err(|why| format!("{MEMBER}: {why}"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Fixed => f.write_str(FIXED),
            Size::Equity(ppm) => write!(f, "equity {}", percent(*ppm)),
            Size::Risk(ppm) => write!(f, "risk {}", percent(*ppm)),
        }
    }
}

/// A share in percent, like `0.5%`.
#[must_use]
pub fn percent(ppm: u32) -> String {
    format!("{}%", Decimal::new(ppm.into(), 4).normalize())
}

/// Symbols that move together, and the most that may be open in all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its symbols, by name.
    pub symbols: Vec<Symbol>,
    /// Most exposure of all its symbols together, quote units.
    pub most: Decimal,
}

/// The caps of exposure, and what a stop costs besides its distance.
///
/// Exposure is the value of open lots, plus what open entries have reserved. Saved states of stages
/// do not hold these rules; the decision saves all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct SizeRules {
    /// Most exposure of the account, quote units; none: no cap.
    pub max_exposure: Option<Decimal>,
    /// Most exposure of one symbol, quote units; none: no cap.
    pub max_symbol_exposure: Option<Decimal>,
    /// Most exposure of one strategy, quote units; none: no cap.
    pub max_strategy_exposure: Option<Decimal>,
    /// Most exposure at one venue, quote units; none: no cap.
    pub max_venue_exposure: Option<Decimal>,
    /// Groups of symbols, each with its cap. A symbol may be in several.
    pub groups: Vec<Group>,
    /// Fee of one side of a trade, millionths of its value.
    pub fee_ppm: u32,
    /// How far a stop is filled below its price, millionths of the entry price.
    pub slippage_ppm: u32,
}

impl Default for SizeRules {
    fn default() -> Self {
        SizeRules {
            max_exposure: None,
            max_symbol_exposure: None,
            max_strategy_exposure: None,
            max_venue_exposure: None,
            groups: Vec::new(),
            fee_ppm: 1_000,
            slippage_ppm: 500,
        }
    }
}

impl SizeRules {
    /// The caps that are not of a group, quote units.
    #[must_use]
    pub fn amounts(&self) -> [Option<Decimal>; 4] {
        let SizeRules { max_exposure, max_symbol_exposure, .. } = *self;
        let SizeRules { max_strategy_exposure, max_venue_exposure, .. } = *self;
        [max_exposure, max_symbol_exposure, max_strategy_exposure, max_venue_exposure]
    }

    /// Whether any exposure has a cap.
    #[must_use]
    pub fn caps(&self) -> bool {
        self.amounts().iter().any(Option::is_some) || !self.groups.is_empty()
    }
}

impl Serialize for SizeRules {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { SizeRules::serialize(self, to) } else { to.serialize_unit() }
    }
}

impl<'de> Deserialize<'de> for SizeRules {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            return SizeRules::deserialize(from);
        }
        <()>::deserialize(from).map(|()| SizeRules::default())
    }
}

/// Groups, like `majors: BTCUSDT, ETHUSDT = 5000; memes: DOGEUSDT = 500`.
///
/// # Errors
/// The reason as text.
pub fn groups(text: &str) -> Result<Vec<Group>, String> {
    let mut all: Vec<Group> = Vec::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let group = group(part)?;
        if all.iter().any(|other| other.name == group.name) {
            return Err(format!("the group {} is there twice", group.name));
        }
        all.push(group);
    }
    if all.len() > GROUPS_MAX {
        return Err(format!("it has {} groups, at most {GROUPS_MAX} are possible", all.len()));
    }
    Ok(all)
}

fn group(text: &str) -> Result<Group, String> {
    let form = || format!("{text:?} is not a group like \"majors: BTCUSDT, ETHUSDT = 5000\"");
    let (name, rest) = text.split_once(':').ok_or_else(form)?;
    let (symbols, most) = rest.split_once('=').ok_or_else(form)?;
    let name = name.trim().to_owned();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if !(1..=32).contains(&name.len()) || !name.bytes().all(plain) {
        return Err(format!("the name {name:?} is not 1 to 32 of a-z, 0-9, _, -"));
    }
    let most = Decimal::from_str_exact(most.trim()).map_err(|_| form())?;
    if most <= Decimal::ZERO {
        return Err(format!("the cap {most} of the group {name} is not above 0"));
    }
    let mut symbols = symbols
        .split(',')
        .map(|symbol| Symbol::named(symbol.trim()).map_err(|why| format!("{name}: {why}")))
        .collect::<Result<Vec<_>, _>>()?;
    symbols.sort();
    symbols.dedup();
    if symbols.len() > SYMBOLS_MAX {
        let count = symbols.len();
        return Err(format!("{name} has {count} symbols, at most {SYMBOLS_MAX} are possible"));
    }
    Ok(Group { name, symbols, most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_it_is_written() {
        for (text, size) in [
            ("fixed", Size::Fixed),
            ("equity 10%", Size::Equity(100_000)),
            ("equity 100%", Size::Equity(1_000_000)),
            ("risk 0.25%", Size::Risk(2_500)),
        ] {
            assert_eq!((Size::read(text), size.to_string()), (Ok(size), text.to_owned()));
        }
        let why = |text: &str| Size::read(text).unwrap_err();
        let form = "is not \"fixed\", or a share like \"equity 10%\" or \"risk 1%\"";
        for text in ["", "10%", "equity", "cash 10%", "risk none", "Fixed"] {
            assert_eq!(why(text), format!("{text:?} {form}"));
        }
        assert_eq!(why("risk 11%"), "\"risk 11%\": \"11%\" is not above 0% and at most 10%");
        assert!(why("equity 101%").ends_with("is not above 0% and at most 100%"));
        assert!(why("equity 0%").ends_with("is not above 0% and at most 100%"));
    }

    #[test]
    fn groups_have_a_name_symbols_and_a_cap() {
        let read = groups(" majors: ETHUSDT, BTCUSDT,BTCUSDT = 5000; memes: DOGEUSDT = 0.5;");
        let [majors, memes] = &read.unwrap()[..] else { panic!("two groups") };
        let names: Vec<&str> = majors.symbols.iter().map(Symbol::as_str).collect();
        assert_eq!((majors.name.as_str(), &names[..]), ("majors", &["BTCUSDT", "ETHUSDT"][..]));
        assert_eq!((majors.most, memes.most), (Decimal::new(5000, 0), Decimal::new(5, 1)));
        assert_eq!(groups(""), Ok(Vec::new()));
        let why = |text: &str| groups(text).unwrap_err();
        let form = "is not a group like \"majors: BTCUSDT, ETHUSDT = 5000\"";
        assert_eq!(why("majors: BTCUSDT"), format!("\"majors: BTCUSDT\" {form}"));
        assert_eq!(why("a: BTCUSDT = x"), format!("\"a: BTCUSDT = x\" {form}"));
        assert_eq!(why("a: BTCUSDT = 0"), "the cap 0 of the group a is not above 0");
        assert_eq!(why("A: BTCUSDT = 1"), "the name \"A\" is not 1 to 32 of a-z, 0-9, _, -");
        assert_eq!(why("a: X = 1; a: Y = 2"), "the group a is there twice");
        assert!(why("a: = 1").starts_with("a: "), "{}", why("a: = 1"));
    }

    #[test]
    fn rules_are_in_the_text_of_settings_and_older_texts_have_no_caps() {
        let older: SizeRules = serde_json::from_str("{}").unwrap();
        assert_eq!(older, SizeRules::default());
        assert!(!older.caps());
        let groups = groups("a: BTCUSDT = 5").unwrap();
        let rules =
            SizeRules { max_symbol_exposure: Some(Decimal::TEN), groups, fee_ppm: 7, ..older };
        assert!(rules.caps());
        let text = serde_json::to_string(&rules).unwrap();
        assert_eq!(serde_json::from_str::<SizeRules>(&text).unwrap(), rules);
    }
}
