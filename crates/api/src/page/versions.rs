//! Rows with the version at which each last changed. From that, a reader of any version gets
//! exactly the later changes.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Number of versions for which removed rows are remembered. A page that reconnects within them
/// gets the changes, a later one gets everything.
pub const REMEMBERED: u64 = 300;

/// A kind of rows, and how rows are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Rows that exist or not. Readers get a note about each removed row.
    Table(&'static str),
    /// The newest of many rows. Older ones are removed without a note.
    Newest(&'static str),
}

impl Section {
    const fn name(self) -> &'static str {
        match self {
            Section::Table(name) | Section::Newest(name) => name,
        }
    }
}

/// Rows by their key, as JSON.
pub type Rows = BTreeMap<String, String>;

#[derive(Debug)]
struct Cell {
    since: u64,
    /// JSON; none: the row was removed.
    text: Option<String>,
}

/// All rows.
#[derive(Debug, Default)]
pub struct Versions {
    version: u64,
    sections: BTreeMap<Section, BTreeMap<String, Cell>>,
}

/// The changes for one reader.
#[derive(Debug, PartialEq, Eq)]
pub struct Delta {
    /// The version that the reader has afterwards.
    pub version: u64,
    /// Whether it is everything, or only the changes.
    pub whole: bool,
    /// The rows as members of a JSON object: `"cells":{…},"gone":{…}`.
    pub members: String,
}

impl Versions {
    /// The newest version; 0: nothing was stored yet.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Sets the rows of a section for the next version.
    pub fn put(&mut self, section: Section, rows: Rows) {
        let next = self.version + 1;
        let cells = self.sections.entry(section).or_default();
        match section {
            Section::Newest(_) => cells.retain(|key, _| rows.contains_key(key)),
            Section::Table(_) => {
                for (key, cell) in cells.iter_mut() {
                    if cell.text.is_some() && !rows.contains_key(key) {
                        *cell = Cell { since: next, text: None };
                    }
                }
                let oldest = next.saturating_sub(REMEMBERED);
                cells.retain(|_, cell| cell.text.is_some() || cell.since > oldest);
            }
        }
        for (key, text) in rows {
            let cell = cells.entry(key).or_insert_with(|| Cell { since: next, text: None });
            if cell.text.as_ref() != Some(&text) {
                *cell = Cell { since: next, text: Some(text) };
            }
        }
    }

    /// Ends a poll. If anything changed, it makes a new version and returns true.
    pub fn seal(&mut self) -> bool {
        let next = self.version + 1;
        let mut cells = self.sections.values().flat_map(BTreeMap::values);
        let changed = cells.any(|cell| cell.since == next);
        self.version += u64::from(changed);
        changed
    }

    /// The changes since `seen`; everything if that is none or too old. Returns none if nothing
    /// changed.
    #[must_use]
    pub fn since(&self, seen: Option<u64>) -> Option<Delta> {
        let oldest = self.version.saturating_sub(REMEMBERED);
        let seen = seen.filter(|seen| (oldest..=self.version).contains(seen));
        if seen == Some(self.version) {
            return None;
        }
        let after = seen.unwrap_or(0);
        let news = |cell: &&Cell| cell.since > after;
        let cells = self.members(|cells| {
            let rows = cells.iter().filter(|(_, cell)| news(cell));
            let rows = rows.filter_map(|(key, cell)| Some((key, cell.text.as_ref()?)));
            rows.map(|(key, text)| format!("{}:{text}", quoted(key))).collect()
        });
        let gone = self.members(|cells| {
            let gone = cells.iter().filter(|(_, cell)| seen.is_some() && news(cell));
            let gone = gone.filter(|(_, cell)| cell.text.is_none());
            gone.map(|(key, _)| format!("{}:null", quoted(key))).collect()
        });
        let members = format!("\"cells\":{{{cells}}},\"gone\":{{{gone}}}");
        Some(Delta { version: self.version, whole: seen.is_none(), members })
    }

    /// The sections with something to send, as members of an object.
    fn members(&self, pick: impl Fn(&BTreeMap<String, Cell>) -> Vec<String>) -> String {
        let mut out = String::new();
        for (section, cells) in &self.sections {
            let picked = pick(cells);
            if !picked.is_empty() {
                let comma = if out.is_empty() { "" } else { "," };
                write!(out, "{comma}{}:{{{}}}", quoted(section.name()), picked.join(","))
                    .expect("a text takes everything");
            }
        }
        out
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTORS: Section = Section::Table("actors");
    const FILLS: Section = Section::Newest("fills");

    fn rows<const N: usize>(of: [(&str, u64); N]) -> Rows {
        of.into_iter().map(|(key, n)| (key.to_owned(), n.to_string())).collect()
    }

    fn changes_since(versions: &Versions, seen: Option<u64>) -> Option<(u64, bool, String)> {
        versions.since(seen).map(|delta| (delta.version, delta.whole, delta.members))
    }

    #[test]
    fn everything_first_then_only_what_changed() {
        let mut versions = Versions::default();
        versions.put(ACTORS, rows([("a", 1), ("b\"", 1)]));
        versions.put(FILLS, rows([("7", 1)]));
        assert!(versions.seal());
        let all = r#""cells":{"actors":{"a":1,"b\"":1},"fills":{"7":1}},"gone":{}"#;
        assert_eq!(changes_since(&versions, None), Some((1, true, all.to_owned())));
        assert_eq!(changes_since(&versions, Some(1)), None);

        versions.put(ACTORS, rows([("a", 1), ("b\"", 1)]));
        assert!(!versions.seal(), "nothing changed");
        versions.put(ACTORS, rows([("a", 2)]));
        versions.put(FILLS, rows([("8", 1)]));
        assert!(versions.seal());
        // Removed rows are sent for tables only; the newest of many have no note.
        let news = r#""cells":{"actors":{"a":2},"fills":{"8":1}},"gone":{"actors":{"b\"":null}}"#;
        assert_eq!(changes_since(&versions, Some(1)), Some((2, false, news.to_owned())));
        // A new reader gets no removed rows.
        let all = r#""cells":{"actors":{"a":2},"fills":{"8":1}},"gone":{}"#;
        assert_eq!(changes_since(&versions, None), Some((2, true, all.to_owned())));
        // A version of another process may be ahead.
        assert_eq!(changes_since(&versions, Some(9)), Some((2, true, all.to_owned())));
    }

    #[test]
    fn who_missed_some_versions_is_sent_the_sum_and_who_missed_too_many_everything() {
        let mut versions = Versions::default();
        versions.put(ACTORS, rows([("a", 0), ("b", 0)]));
        versions.seal();
        for n in 1..=REMEMBERED {
            versions.put(ACTORS, rows([("a", n)]));
            versions.seal();
        }
        let whole = |seen| versions.since(Some(seen)).map(|delta| delta.whole);
        assert_eq!((whole(0), whole(1), whole(2)), (Some(true), Some(false), Some(false)));
        let news = changes_since(&versions, Some(1)).unwrap().2;
        assert_eq!(news, r#""cells":{"actors":{"a":300}},"gone":{"actors":{"b":null}}"#);
        // Removed rows are forgotten once no reader can ask for them.
        versions.put(ACTORS, rows([("a", 0)]));
        versions.seal();
        versions.put(ACTORS, rows([("a", 1)]));
        versions.seal();
        assert_eq!(versions.sections[&ACTORS].len(), 1);
    }
}
