//! Names: symbols as small copyable values, client order ids as text, and venues.

use serde::de::{self, DeserializeSeed, EnumAccess, VariantAccess as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Most characters of a symbol name.
pub const SYMBOL_MAX: usize = 16;

/// A venue's name for an instrument, at most 16 ASCII characters; ordered by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Symbol([u8; SYMBOL_MAX]);

impl Ord for Symbol {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Compares the bytes as one integer, because symbols are looked up for every bar.
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for Symbol {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Symbol {
    /// Checks a name from outside: from a person, a file or a venue.
    ///
    /// # Errors
    /// The name is empty, longer than 16 characters, or has characters other than A–Z, 0–9, `.`,
    /// `-`. The error suggests a name where one is obvious.
    pub fn named(name: &str) -> Result<Symbol, String> {
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '.' || c == '-';
        if name.chars().all(plain)
            && let Ok(symbol) = Symbol::new(name)
        {
            return Ok(symbol);
        }
        let shown: String = name.chars().filter(|c| !c.is_control()).take(32).collect();
        let better: String = name.to_ascii_uppercase().chars().filter(|c| plain(*c)).collect();
        let hint = match Symbol::new(&better) {
            Ok(better) if name.is_ascii() => format!(". Write {better}"),
            Ok(_) | Err(_) => String::new(),
        };
        Err(format!(
            "{shown:?} is not a symbol: a symbol has 1 to {SYMBOL_MAX} of A-Z, 0-9, . and -{hint}"
        ))
    }

    /// Checks a stored name. Earlier versions accepted more names than [`Symbol::named`] does.
    ///
    /// # Errors
    /// The name is empty, longer than 16 characters, or has characters other than A–Z, a–z, 0–9,
    /// `-`, `_`, `.`.
    pub fn new(name: &str) -> Result<Symbol, String> {
        let fits = (1..=SYMBOL_MAX).contains(&name.len());
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if !fits || !name.bytes().all(plain) {
            return Err(format!("{name:?} is not a symbol: 1 to {SYMBOL_MAX} of A-Z, 0-9, - _ ."));
        }
        let mut bytes = [0; SYMBOL_MAX];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Symbol(bytes))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(SYMBOL_MAX);
        std::str::from_utf8(&self.0[..end]).unwrap_or("")
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Symbol {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Symbol::named(text)
    }
}

impl Serialize for Symbol {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Symbol {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Name;
        impl serde::de::Visitor<'_> for Name {
            type Value = Symbol;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a symbol")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Symbol, E> {
                Symbol::new(text).map_err(E::custom)
            }
        }
        from.deserialize_str(Name)
    }
}

/// Our id of an order: a function of the intent, at most 36 characters of `[A-Za-z0-9-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientOrderId(pub String);

impl ClientOrderId {
    /// The prefix of all our ids. Orders with other prefixes are external.
    pub const PREFIX: &'static str = "ew-";

    /// The prefix of the ids of `everwarm panic`; the strategy name `panic` is reserved for it. A
    /// daemon never places such an order, so it is never one of a twin.
    pub const PANIC_PREFIX: &'static str = "ew-panic-";

    /// The prefix of the ids of `everwarm conformance`. To a daemon, its orders are external.
    pub const CONFORMANCE_PREFIX: &'static str = "ewc-";

    /// Whether a daemon made the id: this one or a twin.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.0.starts_with(Self::PREFIX) && !self.is_panic()
    }

    /// Whether another program or a person placed the order.
    #[must_use]
    pub fn is_external(&self) -> bool {
        !self.0.starts_with(Self::PREFIX)
    }

    /// Whether `everwarm panic` placed the order.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.0.starts_with(Self::PANIC_PREFIX)
    }
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Small values by symbol, sorted by name. It is cheap to walk beside another sorted list, and flat
/// to save.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SymbolMap<V>(Vec<(Symbol, V)>);

impl<V> Default for SymbolMap<V> {
    fn default() -> Self {
        SymbolMap(Vec::new())
    }
}

impl<V> SymbolMap<V> {
    /// The value of `symbol`, if there is one.
    #[must_use]
    pub fn get(&self, symbol: Symbol) -> Option<&V> {
        self.find(symbol).ok().map(|i| &self.0[i].1)
    }

    /// The value of `symbol`, mutable.
    pub fn get_mut(&mut self, symbol: Symbol) -> Option<&mut V> {
        self.find(symbol).ok().map(|i| &mut self.0[i].1)
    }

    /// The value of `symbol`; `make` creates it if there is none. `near` is the index of the last
    /// one found: walking symbols in order then costs one comparison each.
    pub fn near(&mut self, near: &mut usize, symbol: Symbol, make: impl FnOnce() -> V) -> &mut V {
        if self.0.get(*near).is_none_or(|row| row.0 != symbol) {
            *near = match self.find(symbol) {
                Ok(i) => i,
                Err(i) => {
                    self.0.insert(i, (symbol, make()));
                    i
                }
            };
        }
        let row = &mut self.0[*near].1;
        *near += 1;
        row
    }

    /// The value of `symbol`, if there is one, for lookups in ascending order of names. All lookups
    /// together cost one walk. `near` is the index of the last one found, 0 before the first.
    pub fn find_near(&self, near: &mut usize, symbol: Symbol) -> Option<&V> {
        let ahead = self.0.get(*near..)?;
        *near += ahead.iter().position(|row| row.0 >= symbol).unwrap_or(ahead.len());
        self.0.get(*near).filter(|row| row.0 == symbol).map(|row| &row.1)
    }

    /// The value of `symbol`; inserts the default if there is none.
    pub fn entry(&mut self, symbol: Symbol) -> &mut V
    where
        V: Default,
    {
        let mut nowhere = usize::MAX - 1;
        self.near(&mut nowhere, symbol, V::default)
    }

    /// Sets the value of `symbol`.
    pub fn insert(&mut self, symbol: Symbol, value: V) {
        match self.find(symbol) {
            Ok(i) => self.0[i].1 = value,
            Err(i) => self.0.insert(i, (symbol, value)),
        }
    }

    /// Removes the value of `symbol`.
    pub fn remove(&mut self, symbol: Symbol) -> Option<V> {
        self.find(symbol).ok().map(|i| self.0.remove(i).1)
    }

    /// Removes the values of all `symbols` in one walk. `symbols` are sorted by name.
    pub fn remove_all(&mut self, symbols: &[Symbol]) {
        if !symbols.is_empty() {
            self.0.retain(|(symbol, _)| symbols.binary_search(symbol).is_err());
        }
    }

    /// All values, by name, mutable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Symbol, &mut V)> {
        self.0.iter_mut().map(|(s, v)| (*s, v))
    }

    /// All values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (Symbol, &V)> {
        self.0.iter().map(|(s, v)| (*s, v))
    }

    /// Number of symbols.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, symbol: Symbol) -> Result<usize, usize> {
        self.0.binary_search_by(|row| row.0.cmp(&symbol))
    }
}
/// A venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VenueId {
    /// Binance spot, or a venue with the same protocol.
    #[default]
    Binance,
    /// Alpaca, or a venue with the same protocol.
    Alpaca,
}

/// The stored names of all venues, in the order of their numbers. New ones are appended.
const VENUES: [VenueId; 2] = [VenueId::Binance, VenueId::Alpaca];
const NAMES: &[&str] = &["binance", "alpaca"];

impl<'de> Deserialize<'de> for VenueId {
    /// Reads a venue by name or number. It declares only the first one, so the fingerprints of the
    /// types of saved states stay as they were: a venue that is appended changes no stored byte.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_enum("VenueId", &NAMES[..1], Venue)
    }
}

/// Reads a venue as an enum.
struct Venue;

impl<'de> Visitor<'de> for Venue {
    type Value = VenueId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a venue")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<VenueId, A::Error> {
        let (venue, rest) = data.variant_seed(VenueName)?;
        rest.unit_variant()?;
        Ok(venue)
    }
}

/// Reads the name or the number of a venue.
struct VenueName;

impl<'de> DeserializeSeed<'de> for VenueName {
    type Value = VenueId;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<VenueId, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for VenueName {
    type Value = VenueId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name or the number of a venue")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<VenueId, E> {
        let row = usize::try_from(number).ok().and_then(|number| VENUES.get(number));
        let unknown = || E::invalid_value(de::Unexpected::Unsigned(number), &"a known venue");
        row.copied().ok_or_else(unknown)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<VenueId, E> {
        let rows = NAMES.iter().zip(VENUES);
        let mut found = rows.filter(|(known, _)| **known == name).map(|(_, venue)| venue);
        found.next().ok_or_else(|| E::unknown_variant(name, NAMES))
    }

    fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<VenueId, E> {
        self.visit_str(&String::from_utf8_lossy(name))
    }
}

impl VenueId {
    /// Whether it is the default venue, which stored forms leave out.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == VenueId::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venue_is_stored_by_its_name_and_in_states_by_its_number() {
        for (number, (venue, name)) in VENUES.into_iter().zip(NAMES).enumerate() {
            let text = serde_json::to_string(&venue).unwrap();
            assert_eq!(text, format!("{name:?}"));
            assert_eq!(serde_json::from_str::<VenueId>(&text).unwrap(), venue);
            assert_eq!(venue as usize, number);
        }
        let why = serde_json::from_str::<VenueId>("\"corner\"").unwrap_err().to_string();
        assert!(why.contains("corner") && why.contains("alpaca"), "{why}");
        assert!(serde_json::from_str::<VenueId>("7").is_err());
    }

    #[test]
    fn a_symbol_from_outside_is_strict_and_a_stored_one_is_not() {
        for name in ["BTCUSDT", "BRK.B", "BTC-PERP", "1000SATSUSDT", "SPY-20230803"] {
            assert_eq!(Symbol::named(name).unwrap().as_str(), name);
        }
        for (name, hint) in [
            ("btcusdt", ". Write BTCUSDT"),
            ("BTC/USDT", ". Write BTCUSDT"),
            ("BTC_USDT", ". Write BTCUSDT"),
            ("A B", ". Write AB"),
            ("币安USDT", " and -"),
            ("", " and -"),
            ("/", " and -"),
            ("SEVENTEEN-LETTERS", " and -"),
        ] {
            let why = Symbol::named(name).unwrap_err();
            assert!(why.ends_with(hint) && why.starts_with(&format!("{name:?} is not")), "{why}");
        }
        assert_eq!(Symbol::new("btc_usdt").unwrap().as_str(), "btc_usdt");
        assert_eq!(serde_json::from_str::<Symbol>("\"btc_usdt\"").unwrap().as_str(), "btc_usdt");
    }

    #[test]
    fn several_are_found_in_one_walk() {
        let symbol = |name: &str| Symbol::new(name).unwrap();
        let mut map = SymbolMap::default();
        for (name, value) in [("B", 1), ("D", 2), ("E", 3)] {
            map.insert(symbol(name), value);
        }
        let mut near = 0;
        let found =
            ["A", "B", "B", "C", "E", "F"].map(|name| map.find_near(&mut near, symbol(name)));
        assert_eq!(found, [None, Some(&1), Some(&1), None, Some(&3), None]);
        assert_eq!(SymbolMap::<u8>::default().find_near(&mut 0, symbol("A")), None);
    }
}
