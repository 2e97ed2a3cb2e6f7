//! When tokens are polled, and what is noted of failures.

use super::*;

const EVERY: Duration = Duration::from_mins(1);

fn followed(name: &str, chain: &str, added: u64, newest: Option<UtcMs>) -> Followed {
    let (contract, pool) = ("0xc0".to_owned(), "0x88".to_owned());
    let name = Symbol::named(name).unwrap();
    let token = Token { name, chain: chain.to_owned(), contract, pool, decimals: 18 };
    Followed { registered: Registered { token, since: 0, added }, newest }
}

#[test]
fn the_first_poll_of_a_token_is_due_if_its_newest_point_is_old() {
    let (polls, now) = (PointPolls::default(), wall().utc());
    let at = |newest| followed("WETH", "eth", 1, newest);
    assert!(polls.is_due(&at(None), EVERY));
    assert!(polls.is_due(&at(Some(now - 60_000)), EVERY));
    assert!(!polls.is_due(&at(Some(now - 20_000)), EVERY));
    assert!(!polls.is_due(&at(Some(now + 60_000)), EVERY), "our clock was set back");
    polls.succeeded("eth", &[(at(None), Ok(Decimal::ONE))], EVERY);
    assert!(!polls.is_due(&at(None), EVERY), "whatever is stored");
    assert!(polls.is_due(&followed("WETH", "eth", 2, None), EVERY), "it was added again");
    assert!(polls.is_due(&followed("USDC", "eth", 1, None), EVERY));
}

#[test]
fn the_failure_of_a_chain_delays_its_tokens_alone_and_lasts_to_the_next_success() {
    let polls = PointPolls::default();
    let [eth, base] = [followed("WETH", "eth", 1, None), followed("AERO", "base", 1, None)];
    polls.failed("eth", "HTTP 500".to_owned(), None, EVERY);
    assert!(!polls.is_due(&eth, EVERY) && polls.is_due(&base, EVERY));
    let first = polls.failing().unwrap();
    assert_eq!((first.source.as_str(), first.why.as_str()), ("geckoterminal", "eth: HTTP 500"));
    polls.failed("eth", "slow down".to_owned(), Some(Duration::from_secs(30)), EVERY);
    let second = polls.failing().unwrap();
    assert_eq!((second.since, second.why.as_str()), (first.since, "eth: slow down"));
    assert!(second.next >= second.since + 29_000, "{second:?}");
    polls.succeeded("eth", &[(eth, Ok(Decimal::ONE))], EVERY);
    assert_eq!(polls.failing(), None);
    // A chain that has no token any more.
    polls.failed("base", "HTTP 404".to_owned(), None, EVERY);
    polls.keep(&[]);
    assert_eq!(polls.failing(), None);
}

#[test]
fn a_token_without_a_price_is_counted_and_named_until_it_has_one_or_is_removed() {
    let polls = PointPolls::default();
    let [weth, usdc] = ["WETH", "USDC"].map(|name| followed(name, "eth", 1, None));
    let none = || Err("there is no pool 0x88 on eth".to_owned());
    polls.succeeded("eth", &[(weth.clone(), Ok(Decimal::ONE)), (usdc.clone(), none())], EVERY);
    let first = polls.failing().unwrap();
    assert_eq!(first.why, "USDC: there is no pool 0x88 on eth");
    polls.succeeded("eth", &[(weth.clone(), none()), (usdc.clone(), none())], EVERY);
    let both = polls.failing().unwrap();
    assert_eq!(both.why, "USDC: there is no pool 0x88 on eth; 1 more without a price");
    assert_eq!((both.since, polls.refused()), (first.since, 3));
    assert!(!polls.is_due(&usdc, EVERY), "it is polled as often as the others");
    polls.succeeded("eth", &[(weth.clone(), Ok(Decimal::ONE))], EVERY);
    assert!(polls.failing().unwrap().why.starts_with("USDC: "));
    polls.keep(&[weth]);
    assert_eq!(polls.failing(), None);
}

#[test]
fn a_newer_point_in_the_journal_counts_for_its_token_alone() {
    let weth = followed("WETH", "eth", 5, Some(1_000));
    let mut tokens = [weth, followed("USDC", "eth", 1, None)];
    let points = |time: UtcMs, token: &str, added: u64| {
        let (token, price) = (Symbol::named(token).unwrap(), Decimal::ONE);
        let (source, every_s) = ("s".to_owned(), 60);
        Points { source, time, every_s, points: vec![Point { token, added, price }] }
    };
    newer(&mut tokens, &points(2_000, "WETH", 1));
    assert_eq!(tokens[0].newest, Some(1_000), "it is of an earlier token of that name");
    newer(&mut tokens, &points(3_000, "WETH", 5));
    newer(&mut tokens, &points(2_500, "WETH", 5));
    assert_eq!((tokens[0].newest, tokens[1].newest), (Some(3_000), None));
}
