//! Conflicts: differences between the venue and the books that no record explains, and how an
//! operator resolves them.

use super::id::{ClientOrderId, Symbol};
use serde::{Deserialize, Serialize};

/// What a conflict is about. It decides what is forbidden until the conflict is resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dispute {
    /// The venue has less of an asset than the books. Entries are forbidden, exits are allowed.
    #[default]
    Balance,
    /// The venue has an order that contradicts ours. Entries are forbidden, exits are allowed.
    Order,
    /// The venue has an order with our prefix that this journal does not know, or two with one id.
    /// Another daemon trades with the same identity, or this is an old backup. Nothing is sent.
    Twin,
    /// Something is not set up. Only a configuration change resolves it, not an operator command.
    Setup,
}

/// A difference between the venue and the books that no record explains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// What it is about: an asset, or `order ` followed by our id of the order.
    pub about: String,
    /// Our side of the difference.
    pub ours: String,
    /// The venue's side of the difference.
    pub theirs: String,
    /// The kind of difference.
    #[serde(default)]
    pub dispute: Dispute,
}

/// The side that an operator accepts in a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accept {
    /// The venue's side. The books take it over.
    Venue,
    /// Our side. The venue's side is ignored until it changes again.
    Ours,
}

impl Conflict {
    /// Our side of a conflict about an order that the journal does not know.
    pub const UNKNOWN: &str = "no such order";
    const ORDER: &str = "order ";
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    const ID_LENGTH: u32 = 8;

    /// A conflict about an order.
    #[must_use]
    pub fn of_order(
        dispute: Dispute,
        id: &ClientOrderId,
        ours: String,
        theirs: String,
    ) -> Conflict {
        Conflict { about: format!("{}{id}", Conflict::ORDER), ours, theirs, dispute }
    }

    /// Our id of the order that the conflict is about; none if it is not about an order.
    #[must_use]
    pub fn order(&self) -> Option<ClientOrderId> {
        let id = self.about.strip_prefix(Conflict::ORDER)?;
        (self.dispute != Dispute::Balance).then(|| ClientOrderId(id.to_owned()))
    }

    /// The id of the conflict, a digest of both sides. It is the same in every run, and changes
    /// when a side changes.
    #[must_use]
    pub fn id(&self) -> String {
        // FNV-1a is enough: nobody gains from two conflicts with the same id.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for text in [&self.about, &self.ours, &self.theirs] {
            for byte in text.bytes().chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        let letter = |place: u32| {
            let bits = (hash >> (64 - 5 * (place + 1))) & 31;
            let index = usize::try_from(bits).expect("five bits");
            char::from(Conflict::ALPHABET[index])
        };
        (0..Conflict::ID_LENGTH).map(letter).collect()
    }
}

/// The part of the books that an adjustment changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// External balances, which are not ours.
    Foreign,
    /// Cash.
    Cash,
    /// The position in a symbol.
    Position(Symbol),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_that_of_the_words_on_both_sides() {
        let conflict = |about: &str, ours: &str, theirs: &str| Conflict {
            about: about.into(),
            ours: ours.into(),
            theirs: theirs.into(),
            dispute: Dispute::Balance,
        };
        let one = conflict("BTC", "2 BTC", "1 BTC");
        assert_eq!(one.id(), conflict("BTC", "2 BTC", "1 BTC").id());
        assert_eq!((one.id().len(), one.order()), (8, None));
        let others = [conflict("BTC", "2 BTC", "0 BTC"), conflict("BT", "C2 BTC", "1 BTC")];
        assert!(others.iter().all(|other| other.id() != one.id()));
        let id = ClientOrderId("ew-1".into());
        let order = Conflict::of_order(Dispute::Twin, &id, "a".into(), "b".into());
        assert_eq!((order.about.as_str(), order.order()), ("order ew-1", Some(id)));
    }
}
