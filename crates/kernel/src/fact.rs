//! Facts and their keys, for a runtime that does not know their content.
//!
//! An *input* came from outside and has a number `n`. A *derived* fact was appended by the stage of
//! some [`Rank`] about input `n`; its [`Key`] is `(n, rank, i)`. Keys are logical. The place of a
//! fact in the file is its row, which no stage ever sees.

use crate::roster::{Change, Joined};
pub use crate::skips::{Effect, Quarantine};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The place of a stage in the order. Inputs have rank 0. Stages have higher ranks, with gaps; a
/// rank is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rank(pub u16);

impl Rank {
    /// The rank of inputs.
    pub const INPUT: Rank = Rank(0);
}

/// Key of a fact: its input, the rank that appended it, and its position among those facts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Key {
    /// Number of the input, from 1.
    pub n: u64,
    /// Rank of the stage that appended it; 0 for the input itself.
    pub rank: u16,
    /// Position among the facts that this rank appended about `n`, from 0.
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
    /// Its key.
    pub key: Key,
    /// Event time, UTC milliseconds. Never decreases over inputs; a derived fact has its input's
    /// time.
    pub time: i64,
    /// Version of the stage that appended it; 0 for inputs.
    pub version: u16,
    /// Its causes: first the fact it was decided on, then the other facts that counted. Empty for
    /// inputs.
    pub because: Vec<Key>,
    /// Its content.
    pub body: B,
}

/// A fact that has no key yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft<B> {
    /// Causes besides the fact it is decided on.
    pub because: Vec<Key>,
    /// Its content.
    pub body: B,
}

/// Number of kinds a [`Mask`] can hold.
pub const KINDS: u8 = 128;

/// Set of fact kinds, one bit a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mask(pub u128);

impl Mask {
    /// No kind at all.
    pub const NONE: Mask = Mask(0);
    /// Every kind.
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

/// An event of the runtime, which it appends as an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// A stage runs under another version than the one that appended its last facts.
    StageUpgraded {
        /// Its rank.
        rank: Rank,
        /// Version of the last facts.
        from: u16,
        /// Version from here on.
        to: u16,
    },
    /// A stage failed too often at an input, or its supervisor stopped it.
    Quarantined(Quarantine),
    /// A stage that its supervisor had stopped runs again. It decides on the inputs after this one.
    Released {
        /// Number of the input that reported the stop.
        quarantine: u64,
    },
    /// A stage takes part from the next input on.
    Joined(Joined),
    /// The stage of this rank no longer takes part. The input before this one was its last.
    Left {
        /// Its rank.
        rank: Rank,
    },
}

/// The content of facts, which the application defines. The runtime needs only these functions.
pub trait Body: Clone + fmt::Debug + Send + Sync + 'static {
    /// Number of this kind of fact, below [`KINDS`]; see [`Mask`].
    fn kind(&self) -> u8;
    /// Name of a kind, for display.
    fn name(kind: u8) -> &'static str;
    /// Whether the store flushes a commit with this fact immediately.
    fn synced(&self) -> bool;
    /// Appends the encoded fact.
    fn encode(&self, out: &mut Vec<u8>);
    /// Rough size in memory, bytes. It bounds queues.
    fn weight(&self) -> usize {
        128
    }
    /// Decodes the bytes that [`Body::encode`] wrote.
    ///
    /// # Errors
    /// What is wrong with the bytes. Any bytes give a value or an error, never a panic.
    fn decode(bytes: &[u8]) -> Result<Self, String>;
    /// Names of the parts that can be skipped, for example the symbols of a close. Empty if the
    /// fact does not consist of like parts.
    fn parts(&self) -> Vec<String> {
        Vec::new()
    }
    /// The fact without these parts; none if nothing of it remains.
    fn without(&self, _parts: &[String]) -> Option<Self> {
        Some(self.clone())
    }
    /// Converts an event of the runtime to a fact of the application.
    fn runtime(event: RuntimeEvent) -> Self;
    /// The change of the roster in this input, if [`Body::runtime`] made it from one.
    fn roster(&self) -> Option<Change> {
        None
    }
}

/// Resolves inputs that only refer to bulk data kept elsewhere, for example a range of history.
pub trait Library<B>: Send + Sync {
    /// The body that a stage receives in place of `body`; `None` if `body` refers to no other data.
    ///
    /// # Errors
    /// The data is missing or differs from what the input announced. The stage then fails.
    fn resolve(&self, body: &B) -> Result<Option<B>, String>;
}

/// A library for applications whose facts refer to no other data.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLibrary;

impl<B> Library<B> for NoLibrary {
    fn resolve(&self, _: &B) -> Result<Option<B>, String> {
        Ok(None)
    }
}
