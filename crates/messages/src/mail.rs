//! All pending messages of one receiver: urgent ones, others, and rejected ones.
//!
//! 1. Urgent topics have an outbox of their own. It reads and sends while the other outbox waits
//!    for its receiver, so urgent items overtake the others.
//! 2. A message that the receiver rejects for good is stored apart, so that it blocks no other. It
//!    is sent once more at the next start.
//! 3. One commit saves both outboxes and the rejected messages.

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

/// Number of chunks read in one step.
const CHUNKS: usize = 512;
/// Maximum number of rejected messages. A new one removes the oldest.
const APART: usize = 32;

/// One of the two outboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// For the urgent topics.
    Urgent,
    /// For all other topics.
    Calm,
}

impl Lane {
    /// Both, in the order of sending.
    pub const ALL: [Lane; 2] = [Lane::Urgent, Lane::Calm];

    /// The outbox of a topic.
    #[must_use]
    pub const fn of(topic: Topic) -> Lane {
        if topic.is_urgent() { Lane::Urgent } else { Lane::Calm }
    }

    /// The key of the outbox in the history.
    fn key(self, receiver: &str) -> String {
        match self {
            Lane::Urgent => format!("{receiver}.urgent"),
            // The key from when there was only one outbox.
            Lane::Calm => receiver.to_owned(),
        }
    }
}

/// A message that its receiver rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Refused {
    message: Message,
    /// The receiver's response.
    why: String,
    /// Wall time of the rejection, UTC milliseconds.
    time: UtcMs,
}

/// The rejected messages of a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Apart {
    /// The stored messages, oldest first.
    kept: VecDeque<Refused>,
    /// Number of older messages removed for lack of room.
    lost: u64,
}

/// The pending messages of one receiver; see the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mail {
    lanes: [Outbox; 2],
    apart: Apart,
    /// Whether the rejected messages have changed since they were saved.
    changed: bool,
}

impl Mail {
    /// Loads the state of a receiver. None: there is none, or it belongs to another journal, one
    /// that reaches beyond `last_row`.
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
        // Before there were two outboxes, one had all topics.
        let urgent = lane(Lane::Urgent)?.unwrap_or_else(|| calm.split(Topic::is_urgent));
        let apart = Outbox::read(archive, &apart_key(receiver))?.unwrap_or_default();
        Ok(Some(Mail { lanes: [urgent, calm], apart, changed: false }))
    }

    /// Creates the state if there is none. Messages then begin after `last_row`.
    ///
    /// # Errors
    /// The history cannot be read or written.
    pub fn begin(archive: &Archive, receiver: &str, last_row: u64) -> Result<(), ArchiveError> {
        if Mail::load(archive, receiver, last_row)?.is_some() {
            return Ok(());
        }
        let lanes = [Outbox::after(last_row), Outbox::after(last_row)];
        // Rejected messages of another journal are dropped.
        let mail = Mail { lanes, apart: Apart::default(), changed: true };
        mail.keep(archive, receiver, true)
    }

    /// Saves the state. `durable`: it returns once the state is on disk.
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

    /// Marks the state as saved.
    pub fn is_kept(&mut self) {
        self.changed = false;
    }

    /// One of the outboxes.
    #[must_use]
    pub const fn lane(&self, lane: Lane) -> &Outbox {
        &self.lanes[lane as usize]
    }

    /// One of the outboxes, mutable.
    pub const fn lane_mut(&mut self, lane: Lane) -> &mut Outbox {
        &mut self.lanes[lane as usize]
    }

    /// The sum of the rows that both have read. It only grows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.lanes.iter().map(Outbox::next_row).sum()
    }

    /// The first row that one of them has not read.
    #[must_use]
    pub fn next_row(&self) -> u64 {
        self.lanes.iter().map(Outbox::next_row).min().unwrap_or_default()
    }

    /// Whether there are items for a message.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.lanes.iter().any(Outbox::has_news)
    }

    /// The first row up to `durable` that an outbox with room has not read.
    fn wanted(&self, durable: u64) -> Option<u64> {
        let open = self.lanes.iter().filter(|lane| !lane.is_full());
        open.map(Outbox::next_row).filter(|row| *row <= durable).min()
    }

    /// Adds the fact of a row to each outbox that has room and has not read it.
    pub fn take(&mut self, row: u64, fact: &Fact<Body>, without: &BTreeSet<Topic>) {
        for lane in Lane::ALL {
            let accepts = |topic: Topic| Lane::of(topic) == lane && !without.contains(&topic);
            let outbox = self.lane_mut(lane);
            if row >= outbox.next_row() {
                outbox.take(row, fact, accepts);
            }
        }
    }

    /// Reads durable facts, as far as the next messages have room.
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
                // An outbox that became full has not read the rows that followed.
                if !outbox.is_full() {
                    outbox.skip_to(last);
                }
            }
        }
        Ok(())
    }

    /// Moves the current message to the rejected ones.
    pub fn set_apart(&mut self, lane: Lane, why: &str, time: UtcMs) {
        let Some(message) = self.lane_mut(lane).taken() else { return };
        if self.apart.kept.len() >= APART {
            self.apart.kept.pop_front();
            self.apart.lost += 1;
        }
        self.apart.kept.push_back(Refused { message, why: why.to_owned(), time });
        self.changed = true;
    }

    /// The oldest rejected message.
    #[must_use]
    pub fn oldest_apart(&self) -> Option<&Message> {
        self.apart.kept.front().map(|refused| &refused.message)
    }

    /// The number of rejected messages.
    #[must_use]
    pub fn apart(&self) -> usize {
        self.apart.kept.len()
    }

    /// Records that the oldest rejected message was sent again. If it was rejected again, it
    /// becomes the newest one.
    pub fn tried_again(&mut self, refused: Option<&str>, time: UtcMs) {
        let Some(oldest) = self.apart.kept.pop_front() else { return };
        if let Some(why) = refused {
            self.apart.kept.push_back(Refused { why: why.to_owned(), time, ..oldest });
        }
        self.changed = true;
    }

    /// A view of the rejected messages; none if there are none.
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
            strategies: Vec::new(),
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
        let message = mail.lane(Lane::Urgent).due().unwrap();
        assert!(message.items.iter().all(|item| item.topic == Topic::Halt), "{message:?}");
        assert_eq!(mail.wanted(row + 1), None);
        assert!(mail.lane_mut(Lane::Calm).close());
        assert_eq!(mail.wanted(row + 1), Some(stays), "it reads on from there");
        // The urgent outbox does not report what it has read already.
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
        let refused = mail.refused().unwrap();
        assert_eq!((refused.messages, refused.lost, &refused.last), (1, 0, &message.id));
        mail.tried_again(Some("it responds with status 403"), T + 1);
        assert_eq!(mail.refused().unwrap().why, "it responds with status 403");
        mail.tried_again(None, T + 2);
        assert_eq!(mail.refused(), None);
        // The number of stored messages is limited, and removed ones are counted.
        for n in 0..=APART as u64 {
            mail.take(n + 10, &halt(n + 10), &BTreeSet::new());
            assert!(mail.lane_mut(Lane::Urgent).close());
            mail.set_apart(Lane::Urgent, "it responds with status 400", T);
        }
        let refused = mail.refused().unwrap();
        assert_eq!((refused.messages, refused.lost), (APART as u64, 1));
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
        let topics = |mail: &mut Mail, lane| {
            assert!(mail.lane_mut(lane).close());
            mail.lane(lane).due().unwrap().items.iter().map(|i| i.topic).collect::<Vec<_>>()
        };
        let mut mail = Mail::load(&archive, "r", 100).unwrap().unwrap();
        assert_eq!(topics(&mut mail, Lane::Urgent), [Topic::Halt, Topic::Halt]);
        assert_eq!(topics(&mut mail, Lane::Calm), [Topic::Fill, Topic::Fill]);
        assert_eq!(mail.next_row(), 5);
        mail.keep(&archive, "r", true).unwrap();
        assert_eq!(Mail::load(&archive, "r", 100).unwrap(), Some(mail));
        drop(archive);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
