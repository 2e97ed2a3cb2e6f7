//! What one receiver has still to be told: a place in the journal, what is to be known there, and
//! the message that is under way. Kept in the history, in one commit.
//!
//! 1. A message is made once and kept before it is sent: sent again, it is the same to the byte.
//! 2. What is read leaves the place only together with the message it led to.
//! 3. Only facts on disk are taken in: what a crash takes away was never told.
//! 4. It holds one message and the items of the next, whatever lies behind it in the journal.

use everwarm_domain::fact::Body;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::store::archive::{Archive, ArchiveError, Op};
use everwarm_views::news::{Item, News, Topic};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const TABLE: &str = "outbox.1";
/// Items of one message.
const ITEMS: usize = 40;
/// Characters of all items of one message: Telegram takes 4096 with what stands around them.
const CHARACTERS: usize = 3_400;

/// One message: what happened since the last, as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// That of its first item.
    pub id: String,
    /// Which daemon.
    pub installation: String,
    /// What is told, in order.
    pub items: Vec<Item>,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outbox {
    /// The last row taken in.
    through: u64,
    /// Up to this row nothing is told: it was before anybody was to be told.
    quiet: u64,
    news: News,
    /// What the next message will say.
    gathered: Vec<Item>,
    /// What is sent until it is taken.
    due: Option<Message>,
}

impl Outbox {
    /// What was kept for a receiver; none where nothing was, or where it is of another journal than
    /// one that reaches to `last_row`.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn load(
        archive: &Archive,
        receiver: &str,
        last_row: u64,
    ) -> Result<Option<Outbox>, ArchiveError> {
        let kept: Option<Outbox> = Outbox::read(archive, receiver)?;
        Ok(kept.filter(|outbox| outbox.through <= last_row))
    }

    /// What was kept under a key; none where nothing readable was.
    ///
    /// # Errors
    /// The history cannot be read.
    pub(super) fn read<T: DeserializeOwned>(
        archive: &Archive,
        key: &str,
    ) -> Result<Option<T>, ArchiveError> {
        let kept = archive.get(TABLE, key.as_bytes())?;
        Ok(kept.and_then(|bytes| {
            let lost = |e| tracing::error!("the unsent messages of {key} are lost: {e}");
            rmp_serde::from_slice(&bytes).map_err(lost).ok()
        }))
    }

    /// One that tells everything after `last_row`.
    #[must_use]
    pub fn after(last_row: u64) -> Outbox {
        Outbox { quiet: last_row, ..Outbox::default() }
    }

    /// One that goes on from here with the items of some topics, which leave this one.
    #[must_use]
    pub fn split(&mut self, goes: impl Fn(Topic) -> bool) -> Outbox {
        let all = std::mem::take(&mut self.gathered);
        let (theirs, ours) = all.into_iter().partition(|item| goes(item.topic));
        self.gathered = ours;
        Outbox { gathered: theirs, due: None, ..self.clone() }
    }

    /// The first row that was not taken in.
    #[must_use]
    pub const fn next_row(&self) -> u64 {
        self.through + 1
    }

    /// Takes in the fact of a row, unless the next message is full: then false, and it stays where
    /// it is. What is about a topic that is not `told` is known and left out.
    pub fn take(&mut self, row: u64, fact: &Fact<Body>, told: impl Fn(Topic) -> bool) -> bool {
        if self.is_full() {
            return false;
        }
        let items = self.news.fold(fact);
        self.through = row;
        if row > self.quiet {
            self.gathered.extend(items.into_iter().filter(|item| told(item.topic)));
        }
        true
    }

    /// Nothing of interest lies up to this row.
    pub fn skip_to(&mut self, row: u64) {
        self.through = self.through.max(row);
    }

    /// Whether the next message takes no more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let characters: usize = self.gathered.iter().map(|i| i.text.chars().count() + 16).sum();
        self.gathered.len() >= ITEMS || characters >= CHARACTERS
    }

    /// Whether there is something to make a message of.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// What is sent until it is taken.
    #[must_use]
    pub const fn due(&self) -> Option<&Message> {
        self.due.as_ref()
    }

    /// Makes a message of what was gathered, where none is under way. It may be sent once this was
    /// kept.
    pub fn close(&mut self) -> bool {
        let Some(first) = self.gathered.first().filter(|_| self.due.is_none()) else {
            return false;
        };
        let (id, installation) = (first.id.clone(), self.news.installation().to_owned());
        self.due = Some(Message { id, installation, items: std::mem::take(&mut self.gathered) });
        true
    }

    /// The message under way, which is not sent any more.
    pub fn taken(&mut self) -> Option<Message> {
        self.due.take()
    }
}

/// Keeps something under a key.
pub(super) fn put(key: &str, value: &impl Serialize) -> Op {
    let value = rmp_serde::to_vec_named(value).expect("plain values and memory takes them");
    Op::Put { table: TABLE, key: key.as_bytes().to_vec(), value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::fact::Ledger;
    use everwarm_domain::money::Decimal;
    use everwarm_domain::time::DAY;
    use everwarm_kernel::fact::{Body as _, Key};
    use everwarm_views::testing::{T, journal};
    use serde_json::json;

    #[test]
    fn whatever_is_lost_in_between_each_item_is_told_and_a_message_stays_as_it_was() {
        let folder = std::env::temp_dir().join(format!("everwarm-outbox-{}", std::process::id()));
        let archive = Archive::open(&folder.join("history.redb")).unwrap();
        let facts = journal().0;
        let keep = |outbox: &Outbox| archive.commit(&[put("r", outbox)], true).unwrap();
        keep(&Outbox::after(0));
        let load = || Outbox::load(&archive, "r", 100).unwrap().unwrap();
        let mut told = Vec::new();
        // Killed at each row, before the message was kept, before it was sent, before it was taken.
        for _ in 0..200 {
            let mut outbox = load();
            if outbox.due().is_none() {
                let row = usize::try_from(outbox.next_row()).unwrap() - 1;
                let Some(fact) = facts.get(row) else { break };
                outbox.take(row as u64 + 1, fact, |_| true);
                outbox.clone().close();
                if outbox.close() {
                    keep(&outbox);
                }
            }
            let mut outbox = load();
            told.extend(outbox.due().cloned());
            let again = load();
            assert_eq!(again.due(), outbox.due(), "it is the same when it is sent again");
            if outbox.due().is_some() {
                outbox.taken();
                keep(&outbox);
            } else {
                let row = usize::try_from(outbox.next_row()).unwrap() - 1;
                outbox.take(row as u64 + 1, &facts[row], |_| true);
                if !outbox.has_news() {
                    keep(&outbox);
                }
            }
        }
        let fills = facts.iter().filter(|f| f.body.kind() == 43).count();
        assert_eq!(told.len(), fills);
        assert!(told.iter().all(|m| m.items.len() == 1 && m.installation == "demo"));
        // Of a journal that does not reach so far it says nothing.
        assert!(Outbox::load(&archive, "r", 3).unwrap().is_none());
        drop(archive);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_row_of_the_former_layout_is_gone_on_with_as_if_nothing_had_been() {
        let folder = std::env::temp_dir().join(format!("everwarm-former-{}", std::process::id()));
        let archive = Archive::open(&folder.join("history.redb")).unwrap();
        let midnight = T.div_euclid(DAY) * DAY + DAY;
        let at = |n: u64, time: i64, value: i64| {
            let (equity, adjusted) = (Decimal::from(value), Decimal::from(-500));
            let said = Ledger::Equity { time, equity, cash: equity, adjusted };
            let key = Key { n, rank: 800, i: 0 };
            Fact { key, time, version: 1, because: Vec::new(), body: Body::Ledger(said) }
        };
        let mut outbox = Outbox::default();
        for (row, fact) in (1..).zip(&journal().0) {
            assert!(outbox.take(row, fact, |_| true));
        }
        outbox.news = News::default();
        let closes = [at(1, T, 500), at(2, T + 1, 550), at(3, T + 2, 495), at(4, T + 3, 510)];
        for (row, fact) in (outbox.next_row()..).zip(&closes) {
            assert!(outbox.take(row, fact, |_| true));
        }
        assert!(outbox.close() && outbox.due().is_some());
        archive.commit(&[put("r", &outbox)], true).unwrap();
        // As it was kept before: ends with adjustments, the highest equity and the fall below it.
        let bytes = archive.get(TABLE, b"r").unwrap().unwrap();
        let mut row: serde_json::Value = rmp_serde::from_slice(&bytes).unwrap();
        for span in ["day", "month"] {
            let span = &mut row["news"][span];
            for end in ["first", "last"] {
                span[end] = json!({"equity": span[end], "adjusted": "-500"});
            }
            span.as_object_mut().unwrap().remove("course").unwrap();
            (span["highest"], span["fall"]) = (json!("550"), json!("0.1"));
        }
        row["news"].as_object_mut().unwrap().remove("unasked").unwrap();
        let value = rmp_serde::to_vec_named(&row).unwrap();
        assert_ne!(value, bytes);
        archive.commit(&[Op::Put { table: TABLE, key: b"r".to_vec(), value }], true).unwrap();

        let last_row = outbox.next_row() - 1;
        let mut upgraded = Outbox::load(&archive, "r", last_row).unwrap().unwrap();
        assert_eq!(upgraded.due(), outbox.due(), "what was to be told still is");
        assert_eq!(upgraded.next_row(), outbox.next_row());
        let told = |outbox: &mut Outbox| {
            let next = at(5, midnight + 60_000, 480);
            assert!(outbox.take(outbox.next_row(), &next, |_| true));
            outbox.gathered.clone()
        };
        let over = told(&mut upgraded);
        let line = "2021-01-08: equity 510.00, +10.00 (2.00 %), 0 fills, maximum drawdown 10.00 %";
        assert_eq!((over.len(), over[0].text.as_str()), (1, line));
        drop(archive);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_was_before_is_not_told_and_a_full_message_waits() {
        let facts = journal().0;
        let mut quiet = Outbox { quiet: 1_000, ..Outbox::default() };
        let mut loud = Outbox::default();
        let mut less = Outbox::default();
        for (row, fact) in (1..).zip(&facts) {
            assert!(quiet.take(row, fact, |_| true) && loud.take(row, fact, |_| true));
            assert!(less.take(row, fact, |topic| topic != Topic::Fill));
        }
        assert!(!quiet.has_news() && loud.has_news() && !less.has_news());
        assert_eq!(quiet.news, loud.news, "what was before is known nevertheless");
        let fill = facts.iter().find(|fact| fact.body.kind() == 43).unwrap();
        let mut row = loud.next_row();
        while loud.take(row, fill, |_| true) {
            row += 1;
        }
        assert!(loud.is_full() && loud.next_row() == row && loud.close() && !loud.close());
        let message = loud.due().unwrap();
        assert!(message.items.len() <= ITEMS, "{}", message.items.len());
        assert_eq!(message.id, message.items[0].id);
    }
}
