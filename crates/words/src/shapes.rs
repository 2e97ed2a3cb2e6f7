//! The public shapes of domain values, for the description of the API. A domain value knows nothing
//! of that description: a field of a view that holds one names its shape here.

use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::openapi::{RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use everwarm_domain::time::UtcMs;

/// Letters of a symbol in a response. Journals of earlier releases may hold lower case.
const STORED_SYMBOL: &str = "^[A-Za-z0-9._-]{1,16}$";
/// Letters of a symbol in a request.
pub const SYMBOL: &str = "^[A-Z0-9.-]{1,16}$";

/// A name that is text.
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

/// The words of a domain value. The conversion compiles as long as both have the same variants.
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
        /// At once, at whatever price.
        Market,
        /// At the given price or better, until cancelled.
        Limit,
    }
}

words! {
    /// Where an order stands. `Unknown` is a state, not an error: sent, and no clear answer yet.
    #[serde(rename_all = "snake_case")]
    OrderStatus of everwarm_domain::order::OrderStatus {
        /// Decided, not sent.
        Intent,
        /// A request is on its way.
        Sent,
        /// Sent, and the venue has not proved whether it knows it.
        Unknown,
        /// Acknowledged and working.
        Open,
        /// Working, with some of it filled.
        PartlyFilled,
        /// All of it filled.
        Filled,
        /// Ended by a cancel; may have fills.
        Cancelled,
        /// Never accepted.
        Rejected,
        /// Ended by time or by the venue's rules; may have fills.
        Expired,
    }
}

words! {
    /// How a listed symbol stands, in one word.
    #[serde(rename_all = "kebab-case")]
    Standing of everwarm_domain::fact::Standing {
        /// Entries and exits.
        Trading,
        /// Exits only, until nothing is held; then it is listed no more.
        Leaving,
        /// The venue takes no orders in it now; it comes back by itself.
        Halted,
        /// The venue does not have it; what is held cannot be sold.
        Gone,
    }
}

words! {
    /// Levels of the circuit breaker, everywhere the same words.
    #[serde(rename_all = "kebab-case")]
    BreakerLevel of everwarm_domain::fact::BreakerLevel {
        /// All is allowed.
        Normal,
        /// Entries are smaller.
        Reduced,
        /// Positions may be left, not entered.
        ExitsOnly,
        /// Nothing is sent.
        Halted,
    }
}

words! {
    /// Steps of a careful start.
    #[serde(rename_all = "kebab-case")]
    SafeStep of everwarm_domain::switch::SafeStep {
        /// Data is collected and the account looked at; nothing is sent.
        Collect,
        /// Positions may be left, too.
        Exits,
        /// Everything.
        Trade,
    }
}

words! {
    /// What a difference is about, and so what follows from it until it is resolved.
    #[serde(rename_all = "lowercase")]
    Dispute of everwarm_domain::conflict::Dispute {
        /// Less of an asset than the books say: nothing is entered, positions may be left.
        Balance,
        /// An order that contradicts ours: nothing is entered, positions may be left.
        Order,
        /// An order under our name that this journal does not know, or two under one name: another
        /// daemon trades with the same identity, or this is an old backup. Nothing is sent.
        Twin,
        /// Something is not set up: the configuration settles it, no word of an operator does.
        Setup,
    }
}

words! {
    /// Whose word counts in a conflict from here on.
    #[serde(rename_all = "lowercase")]
    Accept of everwarm_domain::conflict::Accept {
        /// The venue's: our books take it over.
        Venue,
        /// Ours: the venue's is set aside until it changes again.
        Ours,
    }
}

/// A difference between the venue and us that no record explains.
#[derive(Debug, Serialize, ToSchema)]
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

/// Why and since when something stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Said {
    /// In the operator's words.
    pub reason: String,
    /// Event time, UTC milliseconds.
    pub since: UtcMs,
}

/// What stands: a fold over the words of operators.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(default)]
pub struct Switches {
    /// Nothing is entered.
    pub halted: Option<Said>,
    /// Everything held is sold.
    pub flatten: Option<Said>,
    /// The step of a careful start that was not finished.
    pub safe: Option<(SafeStep, Said)>,
    /// Strategies that may not enter, by name.
    pub strategies: BTreeMap<String, Said>,
    /// Branches of the tree that do not run, by their place in it.
    pub processes: BTreeMap<String, Said>,
}

/// One input set aside for one stage.
#[derive(Debug, Serialize, ToSchema)]
pub struct Quarantine {
    /// Rank of the stage.
    pub rank: u16,
    /// Its name.
    pub stage: String,
    /// Number of the input.
    pub input: u64,
    /// What is done about it.
    pub effect: String,
    /// The symbols without which the stage does not fail.
    #[schema(value_type = Vec<Symbol>)]
    pub symbols: Vec<String>,
    /// Failures.
    pub failures: u32,
    /// The text of the last.
    pub why: String,
    /// Event time at which it was set aside, UTC milliseconds.
    pub time: UtcMs,
    /// Whether an operator has dropped it: the stage stays out, and nothing is held back for that.
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
        let said: Vec<Value> = values.iter().map(|value| json!(value)).collect();
        assert_eq!(json!(S::schema())["enum"], json!(said), "{}", S::name());
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
        let said = || switch::Said { reason: String::new(), since: 0 };
        fields::<_, Said>(&said());
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
