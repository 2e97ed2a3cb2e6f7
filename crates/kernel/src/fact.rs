//! Facts: the entries of the journal, generic over their body.
//!
//! An *input* came from outside and has a number `n`. A *derived* fact was appended by the stage of
//! some [`Rank`] about input `n`. Its [`Key`] is `(n, rank, i)`. Keys are logical: the row at which
//! a fact lies in the file is not visible to stages.

use crate::roster::{Change, Joined};
pub use crate::skips::{Effect, Quarantine};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The place of a stage in the order. Inputs have rank 0. Stages have higher numbers with gaps
/// between them. A number is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rank(pub u16);

impl Rank {
    /// The rank of inputs.
    pub const INPUT: Rank = Rank(0);
}

/// The name of a fact: its input, the rank that appended it, and its position.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Key {
    /// Number of the input, from 1.
    pub n: u64,
    /// Rank of the stage that appended it; 0 for the input itself.
    pub rank: u16,
    /// Position among the facts of that rank about `n`, from 0.
    pub i: u16,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rank == 0 {
            write!(f, "{}", self.n)
        } else {
            write!(f, "{}.{}.{}", self.n, self.rank, self.i)
        }
    }
}

impl std::str::FromStr for Key {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a fact key: expected N or N.RANK.I");
        let mut parts = text.split('.').map(str::parse::<u64>);
        let mut next = || parts.next().transpose().map_err(|_| wrong());
        let n = next()?.ok_or_else(wrong)?;
        let (rank, i) = (next()?.unwrap_or(0), next()?.unwrap_or(0));
        if next()?.is_some() {
            return Err(wrong());
        }
        let narrow = |v: u64| u16::try_from(v).map_err(|_| wrong());
        Ok(Key { n, rank: narrow(rank)?, i: narrow(i)? })
    }
}

/// A numbered entry of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact<B> {
    /// Its name.
    pub key: Key,
    /// Event time, UTC milliseconds. Never decreases over inputs. A derived fact has the time of
    /// its input.
    pub time: i64,
    /// Version of the stage that appended it; 0 for inputs.
    pub version: u16,
    /// Its causes: first the fact it was decided on, then further ones. Empty for inputs.
    pub because: Vec<Key>,
    /// Its contents, defined by the application.
    pub body: B,
}

/// A fact that has no key yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft<B> {
    /// Its causes besides the fact it is decided on.
    pub because: Vec<Key>,
    /// Its contents.
    pub body: B,
}

/// Number of kinds a [`Mask`] can hold.
pub const KINDS: u8 = 128;

/// A set of fact kinds, one bit for each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mask(pub u128);

impl Mask {
    /// The empty set.
    pub const NONE: Mask = Mask(0);
    /// The set of all kinds.
    pub const ALL: Mask = Mask(u128::MAX);

    /// The set of the given kinds; each must be below [`KINDS`].
    #[must_use]
    pub const fn of(kinds: &[u8]) -> Mask {
        let mut bits = 0_u128;
        let mut i = 0;
        while i < kinds.len() {
            assert!(kinds[i] < KINDS, "a mask has 128 kinds");
            bits |= 1 << kinds[i];
            i += 1;
        }
        Mask(bits)
    }

    /// Whether `kind` is in the set.
    #[must_use]
    pub const fn has(self, kind: u8) -> bool {
        self.0 >> kind & 1 == 1
    }

    /// Whether the two sets share a kind.
    #[must_use]
    pub const fn meets(self, other: Mask) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Mask) -> Mask {
        Mask(self.0 | other.0)
    }
}

/// An event of the runtime that becomes an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// A stage was started with another version than the one that appended last.
    StageUpgraded {
        /// Its rank.
        rank: Rank,
        /// The version that appended last.
        from: u16,
        /// The version in use from here on.
        to: u16,
    },
    /// A stage failed too often at an input, or its supervisor stopped it.
    Quarantined(Quarantine),
    /// A stopped stage is up again. It decides on the inputs after this one.
    Released {
        /// The input that reported the stop.
        quarantine: u64,
    },
    /// A stage takes part from the next input on.
    Joined(Joined),
    /// The stage of this rank takes part no more. The input before was its last.
    Left {
        /// Its rank.
        rank: Rank,
    },
}

/// The contents of a fact, as far as the runtime needs to know them.
pub trait Body: Clone + fmt::Debug + Send + Sync + 'static {
    /// Number of this kind of fact, below [`KINDS`]; see [`Mask`].
    fn kind(&self) -> u8;
    /// The name of a kind, for people.
    fn name(kind: u8) -> &'static str;
    /// Whether a commit with this fact is flushed immediately.
    fn synced(&self) -> bool;
    /// Appends the encoded fact.
    fn encode(&self, out: &mut Vec<u8>);
    /// Rough size in memory, bytes. Queues are bounded by it.
    fn weight(&self) -> usize {
        128
    }
    /// Decodes the output of [`Body::encode`].
    ///
    /// # Errors
    /// The bytes are no valid fact. Any bytes give a value or an error.
    fn decode(bytes: &[u8]) -> Result<Self, String>;
    /// Names of the parts that can be left out of a fact, such as the symbols of a close.
    fn parts(&self) -> Vec<String> {
        Vec::new()
    }
    /// This fact without the given parts; `None` if nothing remains.
    fn without(&self, _parts: &[String]) -> Option<Self> {
        Some(self.clone())
    }
    /// Converts an event of the runtime to a fact of the application.
    fn runtime(event: RuntimeEvent) -> Self;
    /// The change of the roster that this input carries, as [`Body::runtime`] encoded it.
    fn roster(&self) -> Option<Change> {
        None
    }
}

/// Loads bulk data that an input only refers to, such as a range of history.
pub trait Library<B>: Send + Sync {
    /// The fact that a stage receives in place of `body`; `None` if `body` is complete.
    ///
    /// # Errors
    /// The data is missing or differs from the announcement in the input. The stage then fails.
    fn resolve(&self, body: &B) -> Result<Option<B>, String>;
}

/// A library for applications whose facts are complete.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLibrary;

impl<B> Library<B> for NoLibrary {
    fn resolve(&self, _: &B) -> Result<Option<B>, String> {
        Ok(None)
    }
}
