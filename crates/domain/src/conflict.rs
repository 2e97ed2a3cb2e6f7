//! Differences between the venue and us that no record explains, and an operator's word on one.

use super::id::{ClientOrderId, Symbol};
use serde::{Deserialize, Serialize};

/// What a difference is about, and so what follows from it until it is resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dispute {
    /// Less of an asset than the books say: nothing is entered, positions may be left.
    #[default]
    Balance,
    /// An order that contradicts ours: nothing is entered, positions may be left.
    Order,
    /// An order under our name that this journal does not know, or two under one name: another
    /// daemon trades with the same identity, or this is an old backup. Nothing is sent.
    Twin,
    /// Something is not set up: the configuration settles it, no word of an operator does.
    Setup,
}

/// A difference between the venue and us that no record explains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// What it is about: an asset, or `order ` and our id of it.
    pub about: String,
    /// What we hold to be true.
    pub ours: String,
    /// What the venue says.
    pub theirs: String,
    /// What kind of difference it is.
    #[serde(default)]
    pub dispute: Dispute,
}

/// Whose word counts in a conflict from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accept {
    /// The venue's: our books take it over.
    Venue,
    /// Ours: the venue's is set aside until it changes again.
    Ours,
}

impl Conflict {
    /// What stands on our side of an order that the journal does not know.
    pub const UNKNOWN: &str = "no such order";
    const ORDER: &str = "order ";
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    const ID_LENGTH: u32 = 8;

    /// About an order.
    #[must_use]
    pub fn of_order(
        dispute: Dispute,
        id: &ClientOrderId,
        ours: String,
        theirs: String,
    ) -> Conflict {
        Conflict { about: format!("{}{id}", Conflict::ORDER), ours, theirs, dispute }
    }

    /// The order it is about, if it is about one.
    #[must_use]
    pub fn order(&self) -> Option<ClientOrderId> {
        let id = self.about.strip_prefix(Conflict::ORDER)?;
        (self.dispute != Dispute::Balance).then(|| ClientOrderId(id.to_owned()))
    }

    /// Its id: the same as long as both sides say the same, in every life; another once one of them
    /// says something else.
    #[must_use]
    pub fn id(&self) -> String {
        // FNV-1a: nobody who could choose the words would gain by two that are alike.
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

/// What of an asset an adjustment changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What is not ours.
    Foreign,
    /// Cash.
    Cash,
    /// What is held of a symbol.
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
