//! All that one receiver has still to be told: what is urgent, the rest, and what it refused.
//!
//! 1. Urgent topics have an outbox of their own. It reads on and sends while the other one waits
//!    for its receiver, so an urgent item overtakes whatever is not.
//! 2. A message that the receiver refuses for good is set apart, so that it is in nobody's way. It
//!    is kept, and sent once more at the next start.
//! 3. Both outboxes and what is set apart change in one commit.

use super::outbox::{Message, Outbox, put};
use everwarm_domain::fact::Body;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Body as _, Fact};
use everwarm_runtime::journal::Journal;
use everwarm_runtime::store::StoreError;
use everwarm_runtime::store::archive::{Archive, ArchiveError};
use everwarm_views::news::{INTEREST, Topic};
use everwarm_views::views::ApartView;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// Chunks read at once.
const CHUNKS: usize = 512;
/// Messages that are kept after a receiver refused them; the oldest goes for a new one.
const APART: usize = 32;

/// One of the two outboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Of the topics that overtake.
    Urgent,
    /// Of all others.
    Calm,
}

impl Lane {
    /// Both, in the order in which they are sent.
    pub const ALL: [Lane; 2] = [Lane::Urgent, Lane::Calm];

    /// The one in which a topic travels.
    #[must_use]
    pub const fn of(topic: Topic) -> Lane {
        if topic.is_urgent() { Lane::Urgent } else { Lane::Calm }
    }

    /// The key under which it is kept.
    fn key(self, receiver: &str) -> String {
        match self {
            Lane::Urgent => format!("{receiver}.urgent"),
            // As it was kept when there was one outbox.
            Lane::Calm => receiver.to_owned(),
        }
    }
}

/// A message that its receiver refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Refused {
    message: Message,
    /// What it answered.
    why: String,
    /// When it was set apart, by the wall clock, UTC milliseconds.
    time: UtcMs,
}

/// What a receiver refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Apart {
    /// What is kept of it, the oldest first.
    kept: VecDeque<Refused>,
    /// How many there was no room for any more.
    lost: u64,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mail {
    lanes: [Outbox; 2],
    apart: Apart,
    /// Whether what is set apart differs from what is kept of it.
    changed: bool,
}

impl Mail {
    /// What was kept for a receiver; none where nothing was, or where it is of another journal than
    /// one that reaches to `last_row`.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn load(
        archive: &Archive,
        receiver: &str,
        last_row: u64,
    ) -> Result<Option<Mail>, ArchiveError> {
        let lane = |lane: Lane| Outbox::load(archive, &lane.key(receiver), last_row);
        let Some(mut calm) = lane(Lane::Calm)? else { return Ok(None) };
        // One outbox had both before there were two.
        let urgent = lane(Lane::Urgent)?.unwrap_or_else(|| calm.split(Topic::is_urgent));
        let apart = Outbox::read(archive, &apart_key(receiver))?.unwrap_or_default();
        Ok(Some(Mail { lanes: [urgent, calm], apart, changed: false }))
    }

    /// Makes one where there is none: everything after `last_row` will be told.
    ///
    /// # Errors
    /// The history cannot be read or written.
    pub fn begin(archive: &Archive, receiver: &str, last_row: u64) -> Result<(), ArchiveError> {
        if Mail::load(archive, receiver, last_row)?.is_some() {
            return Ok(());
        }
        let lanes = [Outbox::after(last_row), Outbox::after(last_row)];
        // What was refused belongs to another journal.
        let mail = Mail { lanes, apart: Apart::default(), changed: true };
        mail.keep(archive, receiver, true)
    }

    /// Keeps it; `durable`: returns once it is on disk.
    ///
    /// # Errors
    /// The history cannot be written.
    pub fn keep(
        &self,
        archive: &Archive,
        receiver: &str,
        durable: bool,
    ) -> Result<(), ArchiveError> {
        let mut all: Vec<_> =
            Lane::ALL.map(|lane| put(&lane.key(receiver), self.lane(lane))).into_iter().collect();
        if self.changed {
            all.push(put(&apart_key(receiver), &self.apart));
        }
        archive.commit(&all, durable)
    }

    /// It was kept as it is.
    pub fn is_kept(&mut self) {
        self.changed = false;
    }

    /// One of the outboxes.
    #[must_use]
    pub const fn lane(&self, lane: Lane) -> &Outbox {
        &self.lanes[lane as usize]
    }

    /// The same, to be changed.
    pub const fn lane_mut(&mut self, lane: Lane) -> &mut Outbox {
        &mut self.lanes[lane as usize]
    }

    /// How many rows both have taken in.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.lanes.iter().map(Outbox::next_row).sum()
    }

    /// The first row that one of them has still to see.
    #[must_use]
    pub fn next_row(&self) -> u64 {
        self.lanes.iter().map(Outbox::next_row).min().unwrap_or_default()
    }

    /// Whether there is something to make a message of.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.lanes.iter().any(Outbox::has_news)
    }

    /// The first row up to `durable` that an outbox with room has not taken in.
    fn wanted(&self, durable: u64) -> Option<u64> {
        let open = self.lanes.iter().filter(|lane| !lane.is_full());
        open.map(Outbox::next_row).filter(|row| *row <= durable).min()
    }

    /// Has each outbox take in the fact of a row that it has room for and has not seen.
    pub fn take(&mut self, row: u64, fact: &Fact<Body>, without: &BTreeSet<Topic>) {
        for lane in Lane::ALL {
            let told = |topic: Topic| Lane::of(topic) == lane && !without.contains(&topic);
            let outbox = self.lane_mut(lane);
            if row >= outbox.next_row() {
                outbox.take(row, fact, told);
            }
        }
    }

    /// Takes in what is on disk, as far as the next messages take it.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn read_on(
        &mut self,
        journal: &Journal<Body>,
        without: &BTreeSet<Topic>,
    ) -> Result<(), StoreError> {
        let durable = journal.durable_row();
        while let Some(from) = self.wanted(durable) {
            let chunks = journal.read(from, CHUNKS)?;
            let Some(last) = chunks.last().map(|chunk| chunk.last_row().min(durable)) else {
                break;
            };
            for chunk in &chunks {
                for (fact, row) in chunk.facts.iter().zip(chunk.first_row..) {
                    if row >= from && row <= durable && INTEREST.has(fact.body.kind()) {
                        self.take(row, fact, without);
                    }
                }
            }
            for outbox in &mut self.lanes {
                // One that became full on the way has not seen what followed.
                if !outbox.is_full() {
                    outbox.skip_to(last);
                }
            }
        }
        Ok(())
    }

    /// Sets the message under way apart: its receiver will not take it.
    pub fn set_apart(&mut self, lane: Lane, why: &str, time: UtcMs) {
        let Some(message) = self.lane_mut(lane).taken() else { return };
        if self.apart.kept.len() >= APART {
            self.apart.kept.pop_front();
            self.apart.lost += 1;
        }
        self.apart.kept.push_back(Refused { message, why: why.to_owned(), time });
        self.changed = true;
    }

    /// The oldest message that was set apart.
    #[must_use]
    pub fn oldest_apart(&self) -> Option<&Message> {
        self.apart.kept.front().map(|refused| &refused.message)
    }

    /// How many messages are set apart.
    #[must_use]
    pub fn apart(&self) -> usize {
        self.apart.kept.len()
    }

    /// The oldest message that was set apart was taken, or it was refused again and is the newest
    /// of them.
    pub fn tried_again(&mut self, refused: Option<&str>, time: UtcMs) {
        let Some(oldest) = self.apart.kept.pop_front() else { return };
        if let Some(why) = refused {
            self.apart.kept.push_back(Refused { why: why.to_owned(), time, ..oldest });
        }
        self.changed = true;
    }

    /// What was set apart, for people; none where nothing is.
    #[must_use]
    pub fn refused(&self) -> Option<ApartView> {
        let Apart { kept, lost } = &self.apart;
        let last = kept.back()?;
        Some(ApartView {
            messages: kept.len() as u64,
            lost: *lost,
            last: last.message.id.clone(),
            why: last.why.clone(),
            time: last.time,
        })
    }
}

fn apart_key(receiver: &str) -> String {
    format!("{receiver}.apart")
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::fact::{BreakerLevel, Decision};
    use everwarm_kernel::fact::Key;
    use everwarm_views::testing::{T, journal};

    fn halt(n: u64) -> Fact<Body> {
        let key = Key { n, rank: 500, i: 0 };
        let reasons = vec![format!("halted by operator: {n}")];
        let body = Body::Decision(Decision::Breaker {
            level: BreakerLevel::Halted,
            reasons,
            barred: Vec::new(),
        });
        Fact { key, time: T, version: 1, because: Vec::new(), body }
    }

    fn archive(name: &str) -> (std::path::PathBuf, Archive) {
        let folder = std::env::temp_dir().join(format!("everwarm-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let archive = Archive::open(&folder.join("history.redb")).unwrap();
        (folder, archive)
    }

    fn fill() -> Fact<Body> {
        journal().0.into_iter().find(|fact| fact.body.kind() == 43).unwrap()
    }

    #[test]
    fn what_is_urgent_is_read_and_sent_while_the_rest_is_full() {
        let (fill, none) = (fill(), BTreeSet::new());
        let mut mail = Mail::default();
        let mut row = 1;
        while !mail.lane(Lane::Calm).is_full() {
            mail.take(row, &fill, &none);
            row += 1;
        }
        let stays = mail.lane(Lane::Calm).next_row();
        mail.take(row, &fill, &none);
        mail.take(row + 1, &halt(9), &none);
        assert_eq!(mail.lane(Lane::Calm).next_row(), stays, "the rest waits where it is");
        assert!(mail.lane_mut(Lane::Urgent).close());
        let told = mail.lane(Lane::Urgent).due().unwrap();
        assert!(told.items.iter().all(|item| item.topic == Topic::Halt), "{told:?}");
        assert_eq!(mail.wanted(row + 1), None);
        assert!(mail.lane_mut(Lane::Calm).close());
        assert_eq!(mail.wanted(row + 1), Some(stays), "it reads on from there");
        // What the urgent one has seen is not told by it again.
        mail.take(row, &fill, &none);
        mail.take(row + 1, &halt(9), &none);
        assert!(!mail.lane(Lane::Urgent).has_news());
        let calm = |item: &everwarm_views::news::Item| item.topic == Topic::Fill;
        assert!(mail.lane(Lane::Calm).due().unwrap().items.iter().all(calm));
    }

    #[test]
    fn what_is_refused_for_good_is_kept_apart_over_a_start_and_tried_again() {
        let (folder, archive) = archive("mail-apart");
        Mail::begin(&archive, "r", 0).unwrap();
        let mut mail = Mail::load(&archive, "r", 100).unwrap().unwrap();
        mail.take(1, &halt(1), &BTreeSet::new());
        assert!(mail.lane_mut(Lane::Urgent).close());
        let message = mail.lane(Lane::Urgent).due().unwrap().clone();
        mail.set_apart(Lane::Urgent, "it responds with status 400", T);
        assert!(mail.lane(Lane::Urgent).due().is_none());
        mail.keep(&archive, "r", true).unwrap();
        let mut mail = Mail::load(&archive, "r", 100).unwrap().unwrap();
        assert_eq!(mail.oldest_apart(), Some(&message));
        let told = mail.refused().unwrap();
        assert_eq!((told.messages, told.lost, &told.last), (1, 0, &message.id));
        mail.tried_again(Some("it responds with status 403"), T + 1);
        assert_eq!(mail.refused().unwrap().why, "it responds with status 403");
        mail.tried_again(None, T + 2);
        assert_eq!(mail.refused(), None);
        // No more are kept than there is room for, and what is lost is counted.
        for n in 0..=APART as u64 {
            mail.take(n + 10, &halt(n + 10), &BTreeSet::new());
            assert!(mail.lane_mut(Lane::Urgent).close());
            mail.set_apart(Lane::Urgent, "it responds with status 400", T);
        }
        let told = mail.refused().unwrap();
        assert_eq!((told.messages, told.lost), (APART as u64, 1));
        drop(archive);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_outbox_of_before_is_split_and_nothing_is_told_twice_or_lost() {
        let (folder, archive) = archive("mail-split");
        let mut former = Outbox::after(0);
        for (row, fact) in (1..).zip([fill(), halt(2), fill(), halt(4)]) {
            assert!(former.take(row, &fact, |_| true));
        }
        archive.commit(&[put("r", &former)], true).unwrap();
        let told = |mail: &mut Mail, lane| {
            assert!(mail.lane_mut(lane).close());
            mail.lane(lane).due().unwrap().items.iter().map(|i| i.topic).collect::<Vec<_>>()
        };
        let mut mail = Mail::load(&archive, "r", 100).unwrap().unwrap();
        assert_eq!(told(&mut mail, Lane::Urgent), [Topic::Halt, Topic::Halt]);
        assert_eq!(told(&mut mail, Lane::Calm), [Topic::Fill, Topic::Fill]);
        assert_eq!(mail.next_row(), 5);
        mail.keep(&archive, "r", true).unwrap();
        assert_eq!(Mail::load(&archive, "r", 100).unwrap(), Some(mail));
        drop(archive);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
