//! Serialises fills and intents in saved states with all members. Facts may omit empty ones.

use everwarm_domain::money::Decimal;
use everwarm_domain::order::{Liquidity, VenueFill};
use everwarm_domain::time::UtcMs;
use everwarm_domain::venue_ids::VenueTradeId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A fill as the venue reported it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    #[serde(with = "self")]
    pub(super) fill: VenueFill,
    pub(super) applied: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "VenueFill")]
struct Saved {
    trade_id: VenueTradeId,
    price: Decimal,
    quantity: Decimal,
    fee: Decimal,
    fee_asset: String,
    time: UtcMs,
    // Orders packed by earlier releases lack it.
    #[serde(default)]
    liquidity: Option<Liquidity>,
}

/// Packed orders use a human-readable serializer. They stay byte for byte as in earlier releases.
fn serialize<S: Serializer>(fill: &VenueFill, to: S) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() { fill.serialize(to) } else { Saved::serialize(fill, to) }
}

fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<VenueFill, D::Error> {
    Saved::deserialize(from)
}

/// Serialises intents with all members.
pub(super) mod intent {
    use everwarm_domain::id::{ClientOrderId, Symbol};
    use everwarm_domain::money::Decimal;
    use everwarm_domain::order::{OrderIntent, OrderType, Side, Terms};
    use everwarm_domain::time::UtcMs;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "OrderIntent")]
    struct Saved {
        client_id: ClientOrderId,
        strategy: String,
        symbol: Symbol,
        side: Side,
        order_type: OrderType,
        quantity: Decimal,
        price: Option<Decimal>,
        close_time: UtcMs,
        valid_until: UtcMs,
        // States of earlier releases lack it.
        #[serde(default)]
        terms: Box<Terms>,
    }

    pub(in super::super) fn serialize<S: Serializer>(
        intent: &OrderIntent,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { intent.serialize(to) } else { Saved::serialize(intent, to) }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<OrderIntent, D::Error> {
        Saved::deserialize(from)
    }
}
