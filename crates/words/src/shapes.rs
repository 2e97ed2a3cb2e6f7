//! The public shapes of domain values, for the API description. Domain values know nothing of that
//! description, so a field of a view names its shape here.

use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::openapi::{RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use everwarm_domain::time::UtcMs;

/// Pattern of a symbol in a response. Journals of earlier releases may hold lower case.
const STORED_SYMBOL: &str = "^[A-Za-z0-9._-]{1,16}$";
/// Pattern of a symbol in a request.
pub const SYMBOL: &str = "^[A-Z0-9.-]{1,16}$";

/// Defines the shape of a name that is text.
macro_rules! text {
    ($(#[$about:meta])* $name:ident, $pattern:expr, $description:literal) => {
        $(#[$about])*
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).pattern($pattern);
                text.description(Some($description)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    };
}

text!(
    /// Shape of a symbol.
    Symbol,
    Some(STORED_SYMBOL),
    "A venue's name for an instrument."
);
text!(
    /// Shape of a client order id.
    ClientOrderId,
    None::<&str>,
    "Our id of an order."
);

/// Defines the shape of a domain enum. The conversion compiles only if both have the same variants.
macro_rules! words {
    (
        $(#[$about:meta])*
        $name:ident of $value:ty { $($(#[$word_about:meta])* $word:ident,)+ }
    ) => {
        #[derive(Debug, Serialize, ToSchema)]
        $(#[$about])*
        pub enum $name { $($(#[$word_about])* $word,)+ }

        impl From<$value> for $name {
            fn from(value: $value) -> $name {
                match value { $(<$value>::$word => $name::$word,)+ }
            }
        }

        #[cfg(test)]
        impl $name {
            const ALL: &[$value] = &[$(<$value>::$word),+];
        }
    };
}

words! {
    /// Direction of an order or signal.
    #[serde(rename_all = "lowercase")]
    Side of everwarm_domain::order::Side {
        /// Buys the base asset.
        Buy,
        /// Sells the base asset.
        Sell,
    }
}

words! {
    /// How an order is priced.
    #[serde(rename_all = "lowercase")]
    OrderType of everwarm_domain::order::OrderType {
        /// Immediately, at any price.
        Market,
        /// At the given price or better, until cancelled.
        Limit,
    }
}

words! {
    /// Status of an order. `Unknown` is a state, not an error: sent, and no clear response yet.
    #[serde(rename_all = "snake_case")]
    OrderStatus of everwarm_domain::order::OrderStatus {
        /// Decided, not sent.
        Intent,
        /// A request was sent.
        Sent,
        /// Sent, and the venue has not proved whether it knows the order.
        Unknown,
        /// Accepted and open.
        Open,
        /// Open, and partly filled.
        PartlyFilled,
        /// Completely filled.
        Filled,
        /// Ended by a cancel; may have fills.
        Cancelled,
        /// Rejected by the venue.
        Rejected,
        /// Ended by time or by the venue's rules; may have fills.
        Expired,
    }
}

words! {
    /// State of a listed symbol, in one word.
    #[serde(rename_all = "kebab-case")]
    Standing of everwarm_domain::fact::Standing {
        /// Entries and exits.
        Trading,
        /// Exits only; removed when the position is closed.
        Leaving,
        /// The venue takes no orders in it now; it continues automatically.
        Halted,
        /// The venue delisted it; its position cannot be sold.
        Gone,
    }
}

words! {
    /// Level of the circuit breaker.
    #[serde(rename_all = "kebab-case")]
    BreakerLevel of everwarm_domain::fact::BreakerLevel {
        /// Everything is allowed.
        Normal,
        /// Entries are smaller.
        Reduced,
        /// Exits only.
        ExitsOnly,
        /// No orders are sent.
        Halted,
    }
}

words! {
    /// Steps of a safe start.
    #[serde(rename_all = "kebab-case")]
    SafeStep of everwarm_domain::switch::SafeStep {
        /// Collect data and compare the account; send no orders.
        Collect,
        /// Allow exits too.
        Exits,
        /// Allow everything.
        Trade,
    }
}

words! {
    /// Kind of a conflict, with its effect until it is resolved.
    #[serde(rename_all = "lowercase")]
    Dispute of everwarm_domain::conflict::Dispute {
        /// Less of an asset than in the books: exits only.
        Balance,
        /// An order that contradicts the books: exits only.
        Order,
        /// An order under our name that this journal does not know, or two orders with one id.
        /// Another daemon trades with the same identity, or this is an old backup. No orders are
        /// sent.
        Twin,
        /// A missing setup: the configuration resolves it, `resolve` does not.
        Setup,
    }
}

words! {
    /// The accepted side of a conflict.
    #[serde(rename_all = "lowercase")]
    Accept of everwarm_domain::conflict::Accept {
        /// The side of the venue: the books take it over.
        Venue,
        /// The side of the books: the venue's side is ignored until it changes.
        Ours,
    }
}

/// A difference between the venue and the books that no record explains.
#[derive(Debug, Serialize, ToSchema)]
pub struct Conflict {
    /// Its subject: an asset, or `order ` and our id of it.
    pub about: String,
    /// The side of the books.
    pub ours: String,
    /// The side of the venue.
    pub theirs: String,
    /// Kind of the difference.
    #[serde(default)]
    pub dispute: Dispute,
}

/// Reason and time of a switch.
#[derive(Debug, Serialize, ToSchema)]
pub struct SwitchReason {
    /// The operator's reason.
    pub reason: String,
    /// Event time, UTC milliseconds.
    pub since: UtcMs,
}

/// The switches in force.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(default)]
pub struct Switches {
    /// Entries are stopped.
    pub halted: Option<SwitchReason>,
    /// All positions are being closed.
    pub flatten: Option<SwitchReason>,
    /// The present step of a safe start.
    pub safe: Option<(SafeStep, SwitchReason)>,
    /// Strategies without entries, by name.
    pub strategies: BTreeMap<String, SwitchReason>,
    /// Branches of the tree that are off, by path.
    pub processes: BTreeMap<String, SwitchReason>,
}

/// One input quarantined for one stage.
#[derive(Debug, Serialize, ToSchema)]
pub struct Quarantine {
    /// Rank of the stage.
    pub rank: u16,
    /// Name of the stage.
    pub stage: String,
    /// Number of the input.
    pub input: u64,
    /// The effect.
    pub effect: String,
    /// The symbols without which the stage does not fail.
    #[schema(value_type = Vec<Symbol>)]
    pub symbols: Vec<String>,
    /// Number of failures.
    pub failures: u32,
    /// Text of the last failure.
    pub why: String,
    /// Event time of the quarantine, UTC milliseconds.
    pub time: UtcMs,
    /// Whether an operator dropped it: the stage stays stopped and blocks nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dropped: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::{conflict, quarantine, switch};
    use everwarm_kernel::fact::Effect;
    use serde_json::{Value, json};

    fn words<T: Copy + Serialize, S: From<T> + ToSchema>(values: &[T]) {
        let written: Vec<Value> = values.iter().map(|value| json!(value)).collect();
        assert_eq!(json!(S::schema())["enum"], json!(written), "{}", S::name());
    }

    #[test]
    fn words_are_those_of_the_domain() {
        words::<_, Side>(Side::ALL);
        words::<_, OrderType>(OrderType::ALL);
        words::<_, OrderStatus>(OrderStatus::ALL);
        words::<_, Standing>(Standing::ALL);
        words::<_, BreakerLevel>(BreakerLevel::ALL);
        words::<_, SafeStep>(SafeStep::ALL);
        words::<_, Dispute>(Dispute::ALL);
        words::<_, Accept>(Accept::ALL);
    }

    fn fields<T: Serialize, S: ToSchema>(value: &T) {
        let (value, shape) = (json!(value), json!(S::schema()));
        let names = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&shape["properties"]), names(&value), "{}", S::name());
    }

    #[test]
    fn fields_are_those_of_the_domain() {
        let reason = || switch::Cause { reason: String::new(), since: 0 };
        fields::<_, SwitchReason>(&reason());
        fields::<_, Switches>(&switch::Switches::default());
        fields::<_, Conflict>(&conflict::Conflict {
            about: String::new(),
            ours: String::new(),
            theirs: String::new(),
            dispute: conflict::Dispute::Order,
        });
        fields::<_, Quarantine>(&quarantine::Quarantine {
            rank: 1,
            stage: String::new(),
            input: 1,
            effect: Effect::Parts,
            symbols: Vec::new(),
            failures: 3,
            why: String::new(),
            time: 0,
            dropped: true,
        });
    }
}
