//! The tables of the live file, and the encoding of facts and progress.
//!
//! A row of `blocks` holds the facts of one commit, up to 65,280 bytes. Its key is the row of its
//! last fact. It holds the row of its first fact, then (length, fact) for each fact. The engine
//! rounds a value up to a power of two of pages. So one byte more would waste half of the space. A
//! fact larger than a block has a block of its own.

use everwarm_kernel::fact::{Body, Fact, Key};
use everwarm_kernel::roster::Member;
use redb::{Database, ReadableTable, TableDefinition};
use std::ops::ControlFlow;

/// Row of the last fact of a block → the block.
pub(super) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks_v1");
/// Rank → (last input passed, version that passed it, last input that an older version passed).
/// Rank 0: (last input, 0, bytes of blocks ever written).
pub(super) const PASSED: TableDefinition<'_, u16, (u64, u16, u64)> =
    TableDefinition::new("passed_v1");
/// Rank → failures of the stage at an input, and its quarantined inputs. No row if there are none.
pub(super) const POISON: TableDefinition<'_, u16, &[u8]> = TableDefinition::new("poison_v1");
/// Rank → its stage, and the inputs by which the stage joined and left. A file from before this
/// table existed has none. Then all stages took part before the first input.
pub(super) const ROSTER: TableDefinition<'_, u16, &[u8]> = TableDefinition::new("roster_v1");
/// Name → value.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta_v1");

/// Largest block, bytes.
pub(super) const BLOCK_MAX: usize = 65_280;

/// Progress of a rank.
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
    /// The input at which it was saved.
    pub n: u64,
    /// The row of that input. Later facts have higher rows.
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
    let known = member.who.rank.0;
    if known == rank { Ok(member) } else { Err(torn(format!("it is about rank {known}"))) }
}

/// Appends the encoding of a fact in a block.
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
        self.take(N).map(|b| b.try_into().expect("the length was asked for"))
    }
    fn key(&mut self) -> Result<Key, String> {
        Ok(Key {
            n: u64::from_le_bytes(self.array()?),
            rank: u16::from_le_bytes(self.array()?),
            i: u16::from_le_bytes(self.array()?),
        })
    }
}

pub(super) fn decode_fact<B: Body>(bytes: &[u8]) -> Result<Fact<B>, String> {
    let mut from = Reader(bytes);
    let key = from.key()?;
    let time = i64::from_le_bytes(from.array()?);
    let version = u16::from_le_bytes(from.array()?);
    let causes = u16::from_le_bytes(from.array()?);
    let because = (0..causes).map(|_| from.key()).collect::<Result<_, _>>()?;
    let body = B::decode(from.0).map_err(|why| format!("fact {key}: {why}"))?;
    Ok(Fact { key, time, version, because, body })
}

/// Length of an encoded fact before its body.
fn head_len(bytes: &[u8]) -> Result<usize, String> {
    let mut from = Reader(bytes);
    from.take(22)?;
    Ok(24 + 12 * usize::from(u16::from_le_bytes(from.array()?)))
}

/// Passes the facts of a block from row `from` on to `see`.
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

/// The facts of a block as they are encoded, with their rows.
pub(super) fn split_block(block: &[u8]) -> Result<Vec<(u64, &[u8])>, String> {
    let mut reader = Reader(block);
    let first = u64::from_le_bytes(reader.array()?);
    let mut facts = Vec::new();
    while !reader.0.is_empty() {
        let len = u32::from_le_bytes(reader.array()?) as usize;
        facts.push((first + facts.len() as u64, reader.take(len)?));
    }
    Ok(facts)
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
