//! The kinds of messages, as metrics name them: the variants of each type. A renamed variant keeps
//! its name in metrics.

use super::task::Over;
use crate::market::bar::BarMsg;
use crate::market::closer::CloserMsg;
use crate::market::feed::FeedMsg;
use crate::market::universe::UniverseMsg;
use crate::orders::gateway::GatewayMsg;
use crate::orders::private_stream::PrivateMsg;
use crate::simulated::pacer::PacerMsg;
use everwarm_domain::path;
use everwarm_runtime::meter::{Kind, Kinds, Wanted};

macro_rules! kinds {
    ($($message:ident { $($variant:pat => $name:literal,)* })*) => {
        $(impl Kind for $message {
            const NAMES: &'static [&'static str] = &[$($name),*];

            fn kind(&self) -> usize {
                let name = match self { $($variant => $name),* };
                Self::NAMES.iter().position(|of| *of == name).unwrap_or(0)
            }
        })*

        /// What is measured of the tree: the kinds of messages, with all bar actors as one.
        #[must_use]
        pub fn wanted() -> Wanted {
            Wanted { pools: &[path::BARS], kinds: vec![$(Kinds::of::<$message>()),*] }
        }
    };
}

kinds! {
    BarMsg {
        BarMsg::Closed(..) => "closed",
        BarMsg::Fetch { .. } => "fetch",
        BarMsg::Greet => "greet",
        BarMsg::Interrupted => "interrupted",
        BarMsg::Warm(..) => "warm",
        BarMsg::Splits(_) => "splits",
    }
    CloserMsg {
        CloserMsg::Pull => "pull",
        CloserMsg::Hello(_) => "hello",
        CloserMsg::Closed(..) => "closed",
        CloserMsg::Unheld(..) => "unheld",
        CloserMsg::Fetched { .. } => "fetched",
        CloserMsg::Traded { .. } => "traded",
        CloserMsg::Warmed { .. } => "warmed",
        CloserMsg::Nudge => "nudge",
        CloserMsg::Splits { .. } => "splits",
        CloserMsg::Overdue => "overdue",
    }
    FeedMsg {
        FeedMsg::Received(..) => "received",
        FeedMsg::Listed => "listed",
        FeedMsg::Ended(_) => "ended",
    }
    GatewayMsg {
        GatewayMsg::Pull => "pull",
        GatewayMsg::RoundEnded { .. } => "landed",
        GatewayMsg::Hint(..) => "hint",
        GatewayMsg::Interrupted => "interrupted",
        GatewayMsg::Compare => "compare",
        GatewayMsg::Lacking => "lacking",
        GatewayMsg::Seen(_) => "seen",
        GatewayMsg::Found(_) => "found",
        GatewayMsg::Overdue => "overdue",
    }
    PacerMsg {
        PacerMsg::Look => "look",
        PacerMsg::Ended(_) => "ended",
    }
    PrivateMsg {
        PrivateMsg::Received(..) => "received",
        PrivateMsg::Ended(_) => "ended",
        PrivateMsg::Silent { .. } => "silent",
    }
    Over {
        Over(_) => "round",
    }
    UniverseMsg {
        UniverseMsg::Pull => "pull",
        UniverseMsg::Refresh => "refresh",
        UniverseMsg::Outdated => "outdated",
        UniverseMsg::Answered { .. } => "answered",
        UniverseMsg::Judge { .. } => "judge",
    }
}
