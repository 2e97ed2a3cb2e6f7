//! The outbox of one receiver: its position in the journal, the state derived up to there, and the
//! message being sent. One commit saves it in the history.
//!
//! 1. A message is made once and saved before it is sent, so a repeated message is identical to the
//!    byte.
//! 2. The position and the message made of the rows before it are saved together.
//! 3. Only durable facts are read, so a message never reports a fact that a crash removes.
//! 4. It holds one message and the items of the next one, however far the journal is ahead.

use everwarm_domain::fact::Body;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::store::archive::{Archive, ArchiveError, Op};
use everwarm_views::news::{Item, News, Topic};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const TABLE: &str = "outbox.1";
/// Maximum items of one message.
const ITEMS: usize = 40;
/// Maximum characters of all items of one message. Telegram accepts 4096, with the text around
/// them.
const CHARACTERS: usize = 3_400;

/// One message: the items since the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id: that of its first item.
    pub id: String,
    /// The installation of the daemon.
    pub installation: String,
    /// The items, in order.
    pub items: Vec<Item>,
}

/// The outbox of one receiver; see the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outbox {
    /// The last row read.
    through: u64,
    /// Rows up to this one make no items: the receiver was not configured yet.
    quiet: u64,
    news: News,
    /// The items of the next message.
    gathered: Vec<Item>,
    /// The message that is sent until the receiver accepts it.
    due: Option<Message>,
}

impl Outbox {
    /// Loads an outbox. None: there is none, or it belongs to another journal, one that reaches
    /// beyond `last_row`.
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

    /// Reads the value of a key; none if there is no readable one.
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

    /// An outbox that reports everything after `last_row`.
    #[must_use]
    pub fn after(last_row: u64) -> Outbox {
        Outbox { quiet: last_row, ..Outbox::default() }
    }

    /// Splits off an outbox at this position. It takes over the gathered items of some topics.
    #[must_use]
    pub fn split(&mut self, goes: impl Fn(Topic) -> bool) -> Outbox {
        let all = std::mem::take(&mut self.gathered);
        let (theirs, ours) = all.into_iter().partition(|item| goes(item.topic));
        self.gathered = ours;
        Outbox { gathered: theirs, due: None, ..self.clone() }
    }

    /// The first row not read yet.
    #[must_use]
    pub const fn next_row(&self) -> u64 {
        self.through + 1
    }

    /// Reads the fact of a row. If the next message is full, it returns false and reads nothing.
    /// Items of topics that `accepts` rejects are dropped.
    pub fn take(&mut self, row: u64, fact: &Fact<Body>, accepts: impl Fn(Topic) -> bool) -> bool {
        if self.is_full() {
            return false;
        }
        let items = self.news.fold(fact);
        self.through = row;
        if row > self.quiet {
            self.gathered.extend(items.into_iter().filter(|item| accepts(item.topic)));
        }
        true
    }

    /// Skips the rows up to this one: they have no items.
    pub fn skip_to(&mut self, row: u64) {
        self.through = self.through.max(row);
    }

    /// Whether the next message has no room for more items.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let characters: usize = self.gathered.iter().map(|i| i.text.chars().count() + 16).sum();
        self.gathered.len() >= ITEMS || characters >= CHARACTERS
    }

    /// Whether there are items for a message.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// The message that is sent until the receiver accepts it.
    #[must_use]
    pub const fn due(&self) -> Option<&Message> {
        self.due.as_ref()
    }

    /// Makes a message of the gathered items if none is being sent. It may be sent once the outbox
    /// was saved.
    pub fn close(&mut self) -> bool {
        let Some(first) = self.gathered.first().filter(|_| self.due.is_none()) else {
            return false;
        };
        let (id, installation) = (first.id.clone(), self.news.installation().to_owned());
        self.due = Some(Message { id, installation, items: std::mem::take(&mut self.gathered) });
        true
    }

    /// Removes the current message from the outbox.
    pub fn taken(&mut self) -> Option<Message> {
        self.due.take()
    }
}

/// The operation that saves a value under a key.
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
        let mut sent = Vec::new();
        // Killed at each row: before the message was saved, before it was sent, before it was
        // accepted.
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
            sent.extend(outbox.due().cloned());
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
        assert_eq!(sent.len(), fills);
        assert!(sent.iter().all(|m| m.items.len() == 1 && m.installation == "demo"));
        // An outbox of a longer journal is not used.
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
            let ledger = Ledger::Equity { time, equity, cash: equity, adjusted };
            let key = Key { n, rank: 800, i: 0 };
            Fact { key, time, version: 1, because: Vec::new(), body: Body::Ledger(ledger) }
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
        // The format of an earlier version: it ends with adjustments, the highest equity and the
        // drawdown.
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
        assert_eq!(upgraded.due(), outbox.due(), "what was to be sent still is");
        assert_eq!(upgraded.next_row(), outbox.next_row());
        let next_items = |outbox: &mut Outbox| {
            let next = at(5, midnight + 60_000, 480);
            assert!(outbox.take(outbox.next_row(), &next, |_| true));
            outbox.gathered.clone()
        };
        let over = next_items(&mut upgraded);
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
