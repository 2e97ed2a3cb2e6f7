//! Feature values: a table with a row for each symbol and a column for each feature.
//!
//! In memory an undefined value is `NaN`. `NaN` is never written, neither to JSON nor to the
//! journal.

use super::id::Symbol;
use super::money::Price;
use super::time::UtcMs;
use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The symbol and the bar of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureHead {
    /// The symbol.
    pub symbol: Symbol,
    /// End of the bar, UTC milliseconds.
    pub time: UtcMs,
    /// Closing price of the bar.
    pub close: Price,
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct FeatureRow<'a> {
    /// The symbol and the bar.
    pub head: FeatureHead,
    /// One value for each column; `NaN` if it is not defined yet.
    pub values: &'a [f64],
}

/// Feature values of several symbols, row by row.
#[derive(Clone, Debug, Default)]
pub struct FeatureTable {
    columns: usize,
    heads: Vec<FeatureHead>,
    values: Vec<f64>,
}

impl FeatureTable {
    /// An empty table with this number of columns.
    #[must_use]
    pub const fn new(columns: usize) -> FeatureTable {
        FeatureTable { columns, heads: Vec::new(), values: Vec::new() }
    }

    /// A table of these rows. `values` are their values, one row after the other.
    ///
    /// # Panics
    /// The number of values is not rows times columns.
    #[must_use]
    pub fn of(columns: usize, heads: Vec<FeatureHead>, values: Vec<f64>) -> FeatureTable {
        assert_eq!(values.len(), columns * heads.len(), "a value for each row and column");
        FeatureTable { columns, heads, values }
    }

    /// Adds a row. Missing values are undefined; surplus values are dropped.
    pub fn push(&mut self, head: FeatureHead, values: impl IntoIterator<Item = f64>) {
        self.heads.push(head);
        self.values.extend(values.into_iter().take(self.columns));
        self.values.resize(self.columns * self.heads.len(), f64::NAN);
    }

    /// Number of columns.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether it has no row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The rows, by symbol.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = FeatureRow<'_>> {
        let row = |(at, head): (usize, &FeatureHead)| FeatureRow {
            head: *head,
            values: &self.values[at * self.columns..(at + 1) * self.columns],
        };
        self.heads.iter().enumerate().map(row)
    }

    /// The row of a symbol.
    #[must_use]
    pub fn row(&self, symbol: Symbol) -> Option<FeatureRow<'_>> {
        self.rows().find(|row| row.head.symbol == symbol)
    }

    /// The table without the rows that `cut` names.
    #[must_use]
    pub fn without(&self, cut: impl Fn(&Symbol) -> bool) -> FeatureTable {
        let mut left = FeatureTable::new(self.columns);
        for row in self.rows().filter(|row| !cut(&row.head.symbol)) {
            left.push(row.head, row.values.iter().copied());
        }
        left
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap(&self) -> usize {
        size_of_val(self.heads.as_slice()) + size_of_val(self.values.as_slice())
    }
}

/// Compares bit for bit. Undefined values are equal.
impl PartialEq for FeatureTable {
    fn eq(&self, other: &FeatureTable) -> bool {
        let same =
            |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || !(a.is_finite() || b.is_finite());
        (self.columns, &self.heads) == (other.columns, &other.heads)
            && self.values.iter().zip(&other.values).all(same)
    }
}

/// JSON names the fields. The binary form of a row is one list, like that of earlier versions.
impl Serialize for FeatureRow<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let FeatureHead { symbol, time, close } = self.head;
        let defined = self.values.iter().map(|value| Some(*value).filter(|v| v.is_finite()));
        if to.is_human_readable() {
            let mut map = to.serialize_map(Some(4))?;
            map.serialize_entry("symbol", &symbol)?;
            map.serialize_entry("time", &time)?;
            map.serialize_entry("close", &close)?;
            map.serialize_entry("values", &defined.collect::<Vec<_>>())?;
            return map.end();
        }
        let mut list = to.serialize_seq(Some(3 + self.values.len()))?;
        list.serialize_element(&symbol)?;
        list.serialize_element(&time)?;
        list.serialize_element(&close)?;
        for value in self.values {
            list.serialize_element(value)?;
        }
        list.end()
    }
}

impl Serialize for FeatureTable {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut rows = to.serialize_seq(Some(self.len()))?;
        for row in self.rows() {
            rows.serialize_element(&row)?;
        }
        rows.end()
    }
}

/// One row, read from a list.
struct Owned(FeatureHead, Vec<f64>);

impl<'de> Deserialize<'de> for Owned {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Owned, D::Error> {
        struct Row;
        impl<'de> Visitor<'de> for Row {
            type Value = Owned;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a symbol, a time, a price and values")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Owned, A::Error> {
                let short = |at| A::Error::invalid_length(at, &"a symbol, a time and a price");
                let symbol = list.next_element()?.ok_or_else(|| short(0))?;
                let time = list.next_element()?.ok_or_else(|| short(1))?;
                let close = list.next_element()?.ok_or_else(|| short(2))?;
                let mut values = Vec::new();
                while let Some(value) = list.next_element::<f64>()? {
                    values.push(value);
                }
                Ok(Owned(FeatureHead { symbol, time, close }, values))
            }
        }
        from.deserialize_seq(Row)
    }
}

impl<'de> Deserialize<'de> for FeatureTable {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<FeatureTable, D::Error> {
        let rows = Vec::<Owned>::deserialize(from)?;
        let columns = rows.first().map_or(0, |Owned(_, values)| values.len());
        let mut table = FeatureTable::new(columns);
        for Owned(head, values) in rows {
            if values.len() != columns {
                return Err(D::Error::invalid_length(values.len(), &"as many values in each row"));
            }
            table.push(head, values);
        }
        Ok(table)
    }
}
