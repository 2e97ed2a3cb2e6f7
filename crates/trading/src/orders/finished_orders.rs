//! Keeps finished orders in packed form. They are rarely read, but every checkpoint contains them.
//!
//! They are packed in a few blocks of bytes, so saving and loading only copies bytes. Whole blocks
//! are dropped, oldest first: those finished for a day, and those beyond the limit.

use super::id_filter::IdFilter;
use super::order_states::Order;
use super::venue_numbers::FinishedNumbers;
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::time::{DAY, UtcMs};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;

/// How long a finished order is kept for late reports, in milliseconds of event time.
/// [`REMEMBERED`] may drop it earlier.
const REMEMBERED_MS: i64 = DAY;
/// Most finished orders kept beside the newest block. This covers minutes if hundreds of symbols
/// trade at each close, or months if a few do. The venue reports a finished order within seconds or
/// never.
const REMEMBERED: usize = 1024;
/// Most orders in a block.
const BLOCK: usize = 128;

/// All finished orders that are still kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FinishedOrders {
    /// Blocks, oldest first.
    blocks: VecDeque<Block>,
    /// No dropped order was newer than this time.
    forgotten: UtcMs,
    /// Over the ids in the blocks. Most searches are for new ids.
    #[serde(skip)]
    filter: IdFilter,
    /// Of the orders in the blocks.
    #[serde(skip)]
    pub(super) numbers: FinishedNumbers,
}

/// Orders in the sequence in which they finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Block {
    /// The latest event time or venue time of an order in it.
    newest: UtcMs,
    /// Offset of each order in `bytes`, sorted by id.
    places: Vec<u32>,
    bytes: Bytes,
}

/// Bytes that are saved unchanged.
#[derive(Clone, Debug, PartialEq)]
struct Bytes(Vec<u8>);

impl Default for FinishedOrders {
    fn default() -> Self {
        let (filter, numbers) = (IdFilter::default(), FinishedNumbers::default());
        FinishedOrders { blocks: VecDeque::new(), forgotten: UtcMs::MIN, filter, numbers }
    }
}

impl FinishedOrders {
    /// Adds an order that is finished at event time `now`. It hides an earlier one with the same
    /// id.
    pub(super) fn put(&mut self, order: &Order, now: UtcMs) {
        if self.blocks.back().is_none_or(|block| block.places.len() >= BLOCK) {
            self.blocks.push_back(Block::default());
        }
        let block = self.blocks.back_mut().expect("one was just seen to");
        block.put(order);
        block.newest = block.newest.max(now).max(order.reported_at);
        self.numbers.add(order);
        let others = |all: &VecDeque<Block>| (all.len() - 1) * BLOCK;
        while others(&self.blocks) > REMEMBERED {
            self.forget();
        }
        if self.filter.is_empty() {
            self.filter = IdFilter::of(self.blocks.iter().flat_map(Block::ids));
        } else {
            self.filter.add(order.intent.client_id.0.as_bytes());
        }
    }

    /// Drops the blocks that are older than a day at event time `now`.
    pub(super) fn pass(&mut self, now: UtcMs) {
        let bound = now.saturating_sub(REMEMBERED_MS);
        while self.blocks.front().is_some_and(|block| block.newest < bound) {
            self.forget();
        }
    }

    /// Whether any order of ours that lived at `time` is still known at event time `now`.
    pub(super) fn reaches(&self, time: UtcMs, now: UtcMs) -> bool {
        time > self.forgotten && time >= now.saturating_sub(REMEMBERED_MS)
    }

    /// The order as last added.
    pub(super) fn get(&self, id: &ClientOrderId) -> Option<Order> {
        self.find(id).map(unpacked)
    }

    /// All kept orders. An order that was added twice may appear twice.
    pub(super) fn orders(&self) -> impl Iterator<Item = Order> {
        let of = |block: &'_ Block, place: &u32| unpacked(block.at(*place).1);
        self.blocks.iter().flat_map(move |block| block.places.iter().map(move |p| of(block, p)))
    }

    pub(super) fn has(&self, id: &ClientOrderId) -> bool {
        self.find(id).is_some()
    }

    fn find(&self, id: &ClientOrderId) -> Option<&[u8]> {
        let id = id.0.as_bytes();
        if !self.filter.passes(id) {
            return None;
        }
        self.blocks.iter().rev().find_map(|block| block.find(id).ok())
    }

    /// The same orders, packed by this version. So orders of an earlier version get the bytes that
    /// facts give now.
    pub(super) fn packed_anew(&self) -> FinishedOrders {
        let blocks = self.blocks.iter().map(Block::packed_anew).collect();
        FinishedOrders { blocks, forgotten: self.forgotten, ..FinishedOrders::default() }
    }

    fn forget(&mut self) {
        if let Some(block) = self.blocks.pop_front() {
            self.forgotten = self.forgotten.max(block.newest);
            self.filter = IdFilter::default();
            self.numbers = FinishedNumbers::default();
        }
    }
}

fn unpacked(packed: &[u8]) -> Order {
    rmp_serde::from_slice(packed)
        .expect("only this module packs, and the store checks what it keeps")
}

impl Default for Block {
    fn default() -> Self {
        let (places, bytes) = (Vec::with_capacity(BLOCK), Bytes(Vec::new()));
        Block { newest: UtcMs::MIN, places, bytes }
    }
}

impl Block {
    /// Appends an order: one byte for the length of its id, the id, and the order as `MessagePack`.
    fn put(&mut self, order: &Order) {
        let id = order.intent.client_id.0.as_bytes();
        let place = u32::try_from(self.bytes.0.len()).expect("a block is far below 4 GB");
        let length = u8::try_from(id.len()).expect("an id has at most 36 characters");
        match self.search(id) {
            Ok(at) => self.places[at] = place,
            Err(at) => self.places.insert(at, place),
        }
        self.bytes.0.push(length);
        self.bytes.0.extend_from_slice(id);
        // `saved` explains the human-readable form.
        let mut to = rmp_serde::Serializer::new(&mut self.bytes.0).with_human_readable();
        order.serialize(&mut to).expect("an order is plain values");
    }

    /// Packs all orders again in the same sequence, hidden ones included.
    fn packed_anew(&self) -> Block {
        let mut anew = Block { newest: self.newest, ..Block::default() };
        let mut rest = self.bytes.0.as_slice();
        while let Some((length, after)) = rest.split_first() {
            let mut packed = &after[usize::from(*length)..];
            let order = Order::deserialize(&mut rmp_serde::Deserializer::new(&mut packed));
            anew.put(&order.expect("only this module packs, and the store checks what it keeps"));
            rest = packed;
        }
        anew
    }

    fn search(&self, id: &[u8]) -> Result<usize, usize> {
        let of = |place: &u32| -> Ordering { self.at(*place).0.cmp(id) };
        self.places.binary_search_by(of)
    }

    fn find(&self, id: &[u8]) -> Result<&[u8], usize> {
        self.search(id).map(|at| self.at(self.places[at]).1)
    }

    fn ids(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().map(|place| self.at(*place).0)
    }

    /// The id at an offset, and the bytes from its order on.
    fn at(&self, place: u32) -> (&[u8], &[u8]) {
        let bytes = &self.bytes.0[place as usize..];
        bytes[1..].split_at(usize::from(bytes[0]))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Block;
        impl Visitor<'_> for Block {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("packed orders")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        from.deserialize_bytes(Block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sym;
    use everwarm_domain::money::Decimal;
    use everwarm_domain::order::{OrderIntent, OrderType, Side};
    use everwarm_kernel::fact::Key;
    use everwarm_kernel::state;

    fn order(i: u64) -> Order {
        let intent = OrderIntent {
            client_id: id(i),
            strategy: "sma_cross".to_owned(),
            symbol: sym("BTCUSDT"),
            side: Side::Buy,
            order_type: OrderType::Market,
            quantity: Decimal::ONE,
            price: None,
            close_time: 0,
            valid_until: 0,
            terms: Box::default(),
        };
        Order::new(intent, Key { n: i, rank: 1, i: 0 })
    }

    /// The ids do not ascend.
    fn id(i: u64) -> ClientOrderId {
        ClientOrderId(format!("ew-{:016x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    #[test]
    fn gives_back_the_last_of_each_id_also_after_a_checkpoint() {
        let mut past = FinishedOrders::default();
        for i in 0..1000 {
            past.put(&order(i), 5);
        }
        let mut again = order(3);
        again.granted = 7;
        past.put(&again, 6);
        let past: FinishedOrders = state::load(1, &state::save(1, &past)).unwrap();
        for i in (0..1000).filter(|i| *i != 3) {
            assert_eq!(past.get(&id(i)), Some(order(i)));
        }
        assert_eq!(past.get(&id(3)), Some(again));
        assert!(!past.has(&id(1000)) && past.get(&id(1000)).is_none());
        let all: Vec<Order> = past.orders().collect();
        assert_eq!(all.len(), 1001);
        assert!((0..1000).all(|i| all.iter().any(|order| order.intent.client_id == id(i))));
    }

    #[test]
    fn numbers_once_read_follow_what_is_added_and_forgotten() {
        let numbered = |i: u64| {
            let mut order = order(i);
            order.venue_order_id = Some(i.into());
            order
        };
        let known = |past: &FinishedOrders| {
            let numbers = past.numbers.all(|| past.orders());
            numbers.iter().map(|((_, number), id)| (number.clone(), id.clone())).collect::<Vec<_>>()
        };
        let mut past = FinishedOrders::default();
        past.put(&numbered(1), 100);
        past.put(&order(2), 100);
        assert_eq!(known(&past), [(1.into(), id(1))], "an order without a number has none");
        past.put(&numbered(3), 100 + DAY);
        assert_eq!(known(&past), [(1.into(), id(1)), (3.into(), id(3))]);
        let restored: FinishedOrders = state::load(1, &state::save(1, &past)).unwrap();
        assert_eq!(known(&restored), known(&past));
        for i in 4..=2_000 {
            past.put(&numbered(i), 100 + DAY);
        }
        assert!(!known(&past).contains(&(1.into(), id(1))), "it is forgotten");
        assert!(known(&past).contains(&(2_000.into(), id(2_000))));
        past.pass(i64::MAX);
        assert_eq!(known(&past), []);
    }

    #[test]
    fn forgets_after_a_day_or_by_number_and_knows_how_far_it_reaches() {
        let mut past = FinishedOrders::default();
        past.put(&order(0), 100);
        past.pass(100 + DAY);
        assert!(past.has(&id(0)) && past.reaches(101, 101 + DAY));
        past.pass(101 + DAY);
        assert!(!past.has(&id(0)));
        assert!(!past.reaches(100, 101) && past.reaches(101, 101));

        for i in 1..=10_000 {
            past.put(&order(i), 1000 + i.cast_signed());
        }
        let kept = (1..=10_000).filter(|i| past.has(&id(*i))).count();
        assert!((REMEMBERED..=REMEMBERED + BLOCK).contains(&kept), "{kept}");
        assert!(past.has(&id(10_000)) && !past.has(&id(1)));
        let oldest = (1..=10_000).find(|i| past.has(&id(*i))).unwrap().cast_signed();
        assert!(past.reaches(1000 + oldest, 20_000) && !past.reaches(999 + oldest, 20_000));
    }
}
