//! The encoding of facts, progress and checkpoints in the file.
//!
//! A row of `blocks` holds the facts of one commit, up to 65,280 bytes. (A row is rounded up to a
//! power of two of pages: one byte more would waste half of it.) Its key is the number of its last
//! fact. It contains the number of its first fact, then (length, fact) for each. A fact larger than
//! a block has a row of its own.

use everwarm_kernel::fact::{Body, Fact, Key};
use everwarm_kernel::roster::Member;
use redb::{Database, ReadableTable, TableDefinition};
use std::ops::ControlFlow;

/// Last row number of a block → the block.
pub(super) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks_v1");
/// Rank → (last input passed, version that passed it, last input an older version passed). Rank 0:
/// (last input, 0, bytes of blocks ever written).
pub(super) const PASSED: TableDefinition<'_, u16, (u64, u16, u64)> =
    TableDefinition::new("passed_v1");
/// Rank → how often the stage failed at an input, and the inputs it does not receive. Without any
/// of it there is no row.
pub(super) const POISON: TableDefinition<'_, u16, &[u8]> = TableDefinition::new("poison_v1");
/// Rank → the stage, and from which input to which it takes part. A file from before the roster
/// existed has no such table: its stages took part from the first input on.
pub(super) const ROSTER: TableDefinition<'_, u16, &[u8]> = TableDefinition::new("roster_v1");
/// Name → value.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta_v1");

/// Largest block, bytes.
pub(super) const BLOCK_MAX: usize = 65_280;

/// The progress of a rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PassedRow {
    pub n: u64,
    pub version: u16,
    pub since: u64,
}

impl From<(u64, u16, u64)> for PassedRow {
    fn from((n, version, since): (u64, u16, u64)) -> Self {
        PassedRow { n, version, since }
    }
}

/// A saved state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRow {
    /// Its input.
    pub n: u64,
    /// The row of that input. Later facts lie behind it.
    pub row: u64,
    /// The version of the stage that saved it.
    pub version: u16,
    /// The state, as the stage saved it.
    pub state: Vec<u8>,
}

impl From<(u64, u64, u16, &[u8])> for CheckpointRow {
    fn from((n, row, version, state): (u64, u64, u16, &[u8])) -> Self {
        CheckpointRow { n, row, version, state: state.to_vec() }
    }
}

pub(super) fn encode_member(member: &Member) -> Vec<u8> {
    rmp_serde::to_vec(member).expect("a member is plain values, memory takes them")
}

pub(super) fn decode_member(rank: u16, bytes: &[u8]) -> Result<Member, redb::Error> {
    let torn = |why: String| redb::Error::Corrupted(format!("roster, rank {rank}: {why}"));
    let member: Member = rmp_serde::from_slice(bytes).map_err(|e| torn(e.to_string()))?;
    let known = member.stage.rank.0;
    if known == rank { Ok(member) } else { Err(torn(format!("it is about rank {known}"))) }
}

/// Appends the fact in the encoding of a block.
pub(super) fn encode_fact<B: Body>(fact: &Fact<B>, out: &mut Vec<u8>) {
    out.extend_from_slice(&fact.key.n.to_le_bytes());
    out.extend_from_slice(&fact.key.rank.to_le_bytes());
    out.extend_from_slice(&fact.key.i.to_le_bytes());
    out.extend_from_slice(&fact.time.to_le_bytes());
    out.extend_from_slice(&fact.version.to_le_bytes());
    let causes = u16::try_from(fact.because.len()).expect("a fact has few causes");
    out.extend_from_slice(&causes.to_le_bytes());
    for key in &fact.because {
        out.extend_from_slice(&key.n.to_le_bytes());
        out.extend_from_slice(&key.rank.to_le_bytes());
        out.extend_from_slice(&key.i.to_le_bytes());
    }
    fact.body.encode(out);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (head, rest) = self.0.split_at_checked(n).ok_or("cut short")?;
        self.0 = rest;
        Ok(head)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N).map(|b| b.try_into().expect("the length was requested"))
    }
    fn key(&mut self) -> Result<Key, String> {
        Ok(Key {
            n: u64::from_le_bytes(self.array()?),
            rank: u16::from_le_bytes(self.array()?),
            i: u16::from_le_bytes(self.array()?),
        })
    }
}

fn decode_fact<B: Body>(bytes: &[u8]) -> Result<Fact<B>, String> {
    let mut from = Reader(bytes);
    let key = from.key()?;
    let time = i64::from_le_bytes(from.array()?);
    let version = u16::from_le_bytes(from.array()?);
    let causes = u16::from_le_bytes(from.array()?);
    let because = (0..causes).map(|_| from.key()).collect::<Result<_, _>>()?;
    let body = B::decode(from.0).map_err(|why| format!("fact {key}: {why}"))?;
    Ok(Fact { key, time, version, because, body })
}

/// Length of the bytes before the body in an encoded fact.
fn head_len(bytes: &[u8]) -> Result<usize, String> {
    let mut from = Reader(bytes);
    from.take(22)?;
    Ok(24 + 12 * usize::from(u16::from_le_bytes(from.array()?)))
}

/// Gives the facts of a block from row `from` on to `see`.
pub(super) fn decode_block<B: Body>(
    block: &[u8],
    from: u64,
    see: &mut dyn FnMut(u64, Fact<B>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, String> {
    let mut reader = Reader(block);
    let mut row = u64::from_le_bytes(reader.array()?);
    while !reader.0.is_empty() {
        let len = u32::from_le_bytes(reader.array()?) as usize;
        let bytes = reader.take(len)?;
        if row >= from {
            let fact = decode_fact(bytes).map_err(|why| format!("row {row}: {why}"))?;
            if see(row, fact).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        row += 1;
    }
    Ok(ControlFlow::Continue(()))
}

/// Changes the encoded body of one fact in place.
pub(super) fn alter(
    db: &Database,
    row: u64,
    change: impl Fn(&mut Vec<u8>),
) -> Result<(), redb::Error> {
    let damaged = redb::Error::Corrupted;
    let write = db.begin_write()?;
    {
        let mut blocks = write.open_table(BLOCKS)?;
        let (last, block) = {
            let mut range = blocks.range(row..)?;
            let (last, block) = range.next().ok_or_else(|| damaged("no such row".into()))??;
            (last.value(), block.value().to_vec())
        };
        let mut reader = Reader(&block);
        let mut at = u64::from_le_bytes(reader.array().map_err(damaged)?);
        let mut out = at.to_le_bytes().to_vec();
        while !reader.0.is_empty() {
            let len = u32::from_le_bytes(reader.array().map_err(damaged)?) as usize;
            let mut bytes = reader.take(len).map_err(damaged)?.to_vec();
            if at == row {
                let mut body = bytes.split_off(head_len(&bytes).map_err(damaged)?);
                change(&mut body);
                bytes.extend_from_slice(&body);
            }
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
            out.extend_from_slice(&bytes);
            at += 1;
        }
        blocks.insert(last, out.as_slice())?;
    }
    write.commit()?;
    Ok(())
}
