//! What a fact is, to a runtime that does not know what it says.
//!
//! An *input* came from outside and has a number `n`. A *derived* fact was said by the stage of
//! some [`Rank`] about input `n`; its [`Key`] is `(n, rank, i)`. Keys are logical: where a fact
//! stands in the file is its row, which no stage ever sees.

use crate::roster::{Change, Joined};
pub use crate::skips::{Effect, Quarantine};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A stage's place in the order. Inputs have rank 0; stages have spaced, never reused numbers above
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rank(pub u16);

impl Rank {
    /// The rank of inputs: what came from outside.
    pub const INPUT: Rank = Rank(0);
}

/// Name of a fact: the input it belongs to, who said it, and which of its facts it is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Key {
    /// Number of the input, from 1.
    pub n: u64,
    /// Rank of the speaker; 0 for the input itself.
    pub rank: u16,
    /// Position among the speaker's facts for `n`, from 0.
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
    /// Event time, UTC milliseconds. Never decreases over inputs; a derived fact has its input's
    /// time.
    pub time: i64,
    /// Version of the stage that said it; 0 for inputs.
    pub version: u16,
    /// What it follows from: first the fact it was decided on, then what else counted. Empty for
    /// inputs.
    pub because: Vec<Key>,
    /// What it says.
    pub body: B,
}

/// A fact that has no key yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft<B> {
    /// What it follows from besides the fact it is decided on.
    pub because: Vec<Key>,
    /// What it says.
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

/// Something the runtime itself has to say as an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// A stage was started under another version than the one that spoke last.
    StageUpgraded {
        /// Its rank.
        rank: Rank,
        /// The version that spoke last.
        from: u16,
        /// The version that speaks from here on.
        to: u16,
    },
    /// A stage failed too often at an input, or is kept down from one on.
    Quarantined(Quarantine),
    /// A stage that was kept down is up, and asked about what comes after this input.
    Released {
        /// The input that said that it was.
        quarantine: u64,
    },
    /// A stage takes part from the next input on.
    Joined(Joined),
    /// The stage of this rank takes part no more: the input before was its last.
    Left {
        /// Its rank.
        rank: Rank,
    },
}

/// What the application says. The runtime asks this much of it and no more.
pub trait Body: Clone + fmt::Debug + Send + Sync + 'static {
    /// Number of this kind of fact, below [`KINDS`]; see [`Mask`].
    fn kind(&self) -> u8;
    /// Name of a kind, for people.
    fn name(kind: u8) -> &'static str;
    /// Whether a commit that carries this fact is flushed at once.
    fn synced(&self) -> bool;
    /// Appends the encoded fact.
    fn encode(&self, out: &mut Vec<u8>);
    /// Rough size in memory, bytes: what bounds queues.
    fn weight(&self) -> usize {
        128
    }
    /// Decodes what [`Body::encode`] wrote.
    ///
    /// # Errors
    /// Says what is wrong with the bytes; any bytes give a value or an error.
    fn decode(bytes: &[u8]) -> Result<Self, String>;
    /// Names of the parts that can be left out, where the fact is one of many alike (the symbols of
    /// a close, say).
    fn parts(&self) -> Vec<String> {
        Vec::new()
    }
    /// What is left of it without these parts; none where nothing is.
    fn without(&self, _parts: &[String]) -> Option<Self> {
        Some(self.clone())
    }
    /// Puts what the runtime has to say into the application's words.
    fn runtime(event: RuntimeEvent) -> Self;
    /// Who joins or leaves by this input, as [`Body::runtime`] put it into words.
    fn roster(&self) -> Option<Change> {
        None
    }
}

/// Resolves inputs that only refer to bulk data kept elsewhere (a range of history, say).
pub trait Library<B>: Send + Sync {
    /// What a stage is given in place of `body`; `None` where the body says it all.
    ///
    /// # Errors
    /// The data is missing or is not what the input announced; the stage then fails.
    fn resolve(&self, body: &B) -> Result<Option<B>, String>;
}

/// A library for applications whose facts say it all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLibrary;

impl<B> Library<B> for NoLibrary {
    fn resolve(&self, _: &B) -> Result<Option<B>, String> {
        Ok(None)
    }
}
