//! Makes client order ids: `ew-`, a readable part of the strategy's name, and a hash of the
//! decision.
//!
//! The id depends only on the intent, so a decision has the same id in every run. The hash is
//! SipHash-2-4 with 128 bits, from a crate: the hash of the standard library may change. The id
//! holds 105 of these bits. Among a billion ids, the odds of two equal ones are below one in 10^13.

use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use siphasher::sip128::SipHasher24;

/// Longest readable part, in characters.
const WORD_MAX: usize = 11;
/// Characters of the hash, five bits each.
const HASH_CHARS: u32 = 21;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Key of the hash. It never changes, because another key gives another id for the same intent.
const KEY: (u64, u64) = (0x6576_6572_7761_726d, 0x6f72_6465_7220_6964);
/// The installation and epoch that are part of every id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) installation: String,
    pub(super) epoch: u64,
}

/// Which order of a decision an id belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Number of the part of the decision, from 0.
    pub(super) leg: u32,
    /// Number of the request for this part, from 0. A repeated request is another order.
    pub(super) revision: u32,
}

/// The id of the order for one part of a decision at the close `close`.
pub(super) fn of(
    identity: &Identity,
    strategy: &str,
    symbol: Symbol,
    side: Side,
    close: UtcMs,
    part: Part,
) -> ClientOrderId {
    let does = match side {
        Side::Buy => "entry",
        Side::Sell => "exit",
    };
    let mut text = Vec::new();
    let words = [&identity.installation, strategy, symbol.as_str(), does];
    for word in words {
        // The length comes first, so that different lists of words never give the same text.
        text.extend((word.len() as u64).to_le_bytes());
        text.extend(word.as_bytes());
    }
    text.extend(identity.epoch.to_le_bytes());
    text.extend(u64::from(part.revision).to_le_bytes());
    text.extend(close.to_le_bytes());
    // Leg 0 adds nothing, so ids from before legs existed stay the same.
    if part.leg > 0 {
        text.extend(part.leg.to_le_bytes());
    }
    let mut hash = sip_hash_128(KEY, &text);
    let mut id = String::from(ClientOrderId::PREFIX);
    id.extend(strategy.chars().filter(char::is_ascii_alphanumeric).take(WORD_MAX));
    id.push('-');
    for _ in 0..HASH_CHARS {
        id.push(char::from(BASE32[(hash & 31) as usize]));
        hash >>= 5;
    }
    ClientOrderId(id)
}

/// SipHash-2-4 with 128 bits (Aumasson and Bernstein). The first half of the digest is the low
/// half.
fn sip_hash_128((k0, k1): (u64, u64), bytes: &[u8]) -> u128 {
    SipHasher24::new_with_keys(k0, k1).hash(bytes).as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::signal;
    use everwarm_domain::fact::Signal;
    use std::collections::BTreeSet;

    /// The id of the order that a signal leads to.
    fn of(identity: &Identity, signal: &Signal) -> ClientOrderId {
        let Signal { strategy, symbol, close_time, .. } = signal;
        super::of(identity, strategy, *symbol, signal.side(), *close_time, Part::default())
    }

    #[test]
    fn hashes_as_published() {
        let key = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        let empty = 0x9302_55c7_1472_f66d_e6a8_25ba_047f_81a3;
        let one = 0x45fc_229b_1159_7634_44af_996b_d8c1_87da;
        assert_eq!(sip_hash_128(key, &[]), empty);
        assert_eq!(sip_hash_128(key, &[0]), one);
    }

    #[test]
    fn is_a_legal_id_that_never_changes() {
        let identity = Identity { installation: "inst".into(), epoch: 1 };
        let id = of(&identity, &signal("BTCUSDT", Side::Buy, 60_000));
        assert_eq!(id.0, "ew-smacross-".to_owned() + &id.0[12..]);
        let long = of(
            &identity,
            &Signal { strategy: "a_very.long/name".into(), ..signal("B", Side::Buy, 1) },
        );
        for id in [&id.0, &long.0] {
            assert!(
                id.len() <= 36 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
                "{id}"
            );
        }
        assert_eq!(id.0, "ew-smacross-vttl6uz4vjpklaecrhrhs");
    }

    #[test]
    fn every_part_of_the_intent_counts() {
        let identity = Identity { installation: "inst".into(), epoch: 1 };
        let base = signal("BTCUSDT", Side::Buy, 60_000);
        let mut ids = BTreeSet::from([of(&identity, &base)]);
        let others = [
            Signal { strategy: "other".into(), ..base.clone() },
            signal("BTCUSD", Side::Buy, 60_000),
            signal("BTCUSDT", Side::Sell, 60_000),
            signal("BTCUSDT", Side::Buy, 120_000),
        ];
        ids.extend(others.iter().map(|other| of(&identity, other)));
        ids.insert(of(&Identity { epoch: 2, ..identity.clone() }, &base));
        ids.insert(of(&Identity { installation: "insu".into(), ..identity.clone() }, &base));
        for (leg, revision) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)] {
            let part = Part { leg, revision };
            let id = super::of(&identity, "sma_cross", base.symbol, Side::Buy, 60_000, part);
            ids.insert(id);
        }
        assert_eq!(ids.len(), 11);
        // Members that the id does not depend on change nothing.
        assert!(ids.contains(&of(&identity, &Signal { confidence_ppm: 9, ..base })));
    }
}
