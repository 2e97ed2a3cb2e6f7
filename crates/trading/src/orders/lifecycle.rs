//! Defines the transition table of an order. Every legal pair of status and event is a row. Every
//! other pair is an error that names both.

use everwarm_domain::order::OrderStatus;
use std::fmt;

/// An event of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An attempt is about to be sent.
    Sent,
    /// The sent attempt has no clear response, or no process can receive it any more.
    Lost,
    /// Another attempt is safe.
    Granted,
    /// The venue definitely refused the attempt.
    Refused,
    /// It is too late to send it.
    Lapsed,
    /// Its signal or exit was withdrawn, and no sent attempt can arrive.
    Withdrawn,
    /// The venue has it, without known fills.
    Opened,
    /// The venue has filled a part of it.
    PartFilled,
    /// The venue has filled all of it.
    Filled,
    /// The venue reports it as cancelled.
    Cancelled,
    /// The venue reports it as rejected.
    Rejected,
    /// The venue reports it as expired.
    Expired,
}

/// A pair of status and event without a row in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Illegal {
    /// Status before the event.
    pub status: OrderStatus,
    /// The forbidden event.
    pub event: Event,
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an order that is {:?} cannot be {:?}", self.status, self.event)
    }
}

impl std::error::Error for Illegal {}

/// The status of an order after an event.
///
/// # Errors
/// The pair is not in the table.
#[expect(
    clippy::match_same_arms,
    clippy::unnested_or_patterns,
    reason = "a table is read by its rows, in the order in which an order lives"
)]
pub fn next(status: OrderStatus, event: Event) -> Result<OrderStatus, Illegal> {
    use Event as E;
    use OrderStatus as S;
    Ok(match (status, event) {
        // Events of our requests.
        (S::Intent, E::Sent) => S::Sent,
        (S::Intent, E::Lapsed) => S::Expired,
        // It was sent at the moment in which it lapsed.
        (S::Expired | S::Unknown, E::Sent) => S::Sent,
        // A granted attempt is not sent any more, and one before it may still arrive: `Intent`.
        (S::Intent | S::Sent | S::Unknown, E::Lost) => S::Unknown,
        (S::Sent | S::Unknown, E::Granted) => S::Intent,
        (S::Sent | S::Unknown, E::Refused) => S::Rejected,
        // Proved absent or refused, and too late for another attempt.
        (S::Sent | S::Unknown, E::Lapsed) => S::Expired,
        // Not sent yet; or proved absent or refused, and not sent again.
        (S::Intent | S::Sent | S::Unknown, E::Withdrawn) => S::Cancelled,
        // A report of the venue counts more than a lost response.
        (
            S::Open | S::PartlyFilled | S::Filled | S::Cancelled | S::Rejected | S::Expired,
            E::Lost,
        ) => status,

        // Events of the venue. An intent with a granted attempt may still be found at the venue.
        (S::Intent | S::Sent | S::Unknown | S::Open, E::Opened) => S::Open,
        (S::Intent | S::Sent | S::Unknown | S::Open | S::PartlyFilled, E::PartFilled)
        | (S::PartlyFilled, E::Opened) => S::PartlyFilled,
        (S::Intent | S::Sent | S::Unknown | S::Open | S::PartlyFilled, E::Filled) => S::Filled,
        (S::Intent | S::Sent | S::Unknown | S::Open | S::PartlyFilled, E::Cancelled) => {
            S::Cancelled
        }
        (S::Intent | S::Sent | S::Unknown | S::Open | S::PartlyFilled, E::Expired) => S::Expired,
        (S::Intent | S::Sent | S::Unknown | S::Open, E::Rejected) => S::Rejected,

        // A fill after the end counts. The status stays unless the order is filled completely.
        (S::Cancelled | S::Expired, E::Filled) => S::Filled,
        (S::Cancelled | S::Expired, E::PartFilled)
        // Outdated events of a final order.
        | (S::Cancelled | S::Expired, E::Opened | E::Cancelled | E::Expired)
        | (S::Rejected, E::Rejected)
        | (
            S::Filled,
            E::Opened | E::PartFilled | E::Filled | E::Cancelled | E::Expired | E::Rejected,
        ) => status,

        (
            S::Intent | S::Open | S::PartlyFilled | S::Filled | S::Cancelled | S::Rejected,
            E::Granted | E::Refused,
        )
        | (S::Expired, E::Granted | E::Refused | E::Lapsed | E::Rejected)
        | (
            S::Sent
            | S::Open
            | S::PartlyFilled
            | S::Filled
            | S::Cancelled
            | S::Rejected,
            E::Sent,
        )
        | (S::Open | S::PartlyFilled | S::Filled | S::Cancelled | S::Rejected, E::Lapsed)
        | (
            S::Open | S::PartlyFilled | S::Filled | S::Cancelled | S::Rejected | S::Expired,
            E::Withdrawn,
        )
        | (S::PartlyFilled | S::Cancelled, E::Rejected)
        | (S::Rejected, E::Opened | E::PartFilled | E::Filled | E::Cancelled | E::Expired) => {
            return Err(Illegal { status, event });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event as E;
    use OrderStatus as S;

    const STATUSES: [S; 9] = [
        S::Intent,
        S::Sent,
        S::Unknown,
        S::Open,
        S::PartlyFilled,
        S::Filled,
        S::Cancelled,
        S::Rejected,
        S::Expired,
    ];
    const EVENTS: [E; 12] = [
        E::Sent,
        E::Lost,
        E::Granted,
        E::Refused,
        E::Lapsed,
        E::Opened,
        E::PartFilled,
        E::Filled,
        E::Cancelled,
        E::Rejected,
        E::Expired,
        E::Withdrawn,
    ];

    #[test]
    fn the_picture_of_an_order_has_its_states_and_legal_changes_only() {
        let picture = include_str!("../../../../docs/images/order-states.dot");
        let lines = || picture.lines().map(|line| line.trim().trim_end_matches(';'));
        let of = |name: &str| STATUSES.into_iter().find(|status| format!("{status:?}") == name);
        for status in STATUSES {
            let name = format!("{status:?} [");
            assert!(lines().any(|line| line.starts_with(&name)), "{status:?} is not drawn");
        }
        let mut changes = 0;
        for (from, rest) in lines().filter_map(|line| line.split_once(" -> ")) {
            let to = rest.split(' ').next().unwrap();
            let (Some(from), Some(to)) = (of(from), of(to)) else { panic!("{from} -> {to}") };
            assert!(EVENTS.iter().any(|event| next(from, *event) == Ok(to)), "{from:?} -> {to:?}");
            changes += 1;
        }
        assert!(changes > 10, "{changes}");
    }

    /// The whole table: a row for each status, a column for each event, `.` for an illegal pair.
    #[test]
    fn the_table() {
        let letter = |s: S| match s {
            S::Intent => 'I',
            S::Sent => 'S',
            S::Unknown => 'U',
            S::Open => 'O',
            S::PartlyFilled => 'P',
            S::Filled => 'F',
            S::Cancelled => 'C',
            S::Rejected => 'R',
            S::Expired => 'E',
        };
        //              SLGRLOPFCREW
        let expected = "SU..EOPFCREC \
                        .UIREOPFCREC \
                        SUIREOPFCREC \
                        .O...OPFCRE. \
                        .P...PPFC.E. \
                        .F...FFFFFF. \
                        .C...CCFC.C. \
                        .R.......R.. \
                        SE...EEFE.E.";
        let row = |s: S| EVENTS.iter().map(|e| next(s, *e).map_or('.', letter)).collect::<String>();
        assert_eq!(STATUSES.map(row).join(" "), expected);
    }

    #[test]
    fn a_final_order_stays_final_but_for_what_left_as_it_lapsed() {
        for status in STATUSES.into_iter().filter(|s| s.is_final()) {
            for event in EVENTS {
                let after = next(status, event);
                assert!(after.is_err() || after == Ok(S::Sent) || after.is_ok_and(S::is_final));
            }
        }
    }

    #[test]
    fn an_illegal_pair_names_both_halves() {
        let error = next(S::Open, E::Sent).unwrap_err();
        assert_eq!(error.to_string(), "an order that is Open cannot be Sent");
    }
}
