//! Changes of the registry, files of tokens, and bars of points.

use super::*;
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::token::{Point, Points};
use everwarm_history::Projector;
use everwarm_kernel::fact::{Fact, Key};
use std::path::Path;
use std::sync::Arc;

fn symbol(name: &str) -> Symbol {
    Symbol::named(name).unwrap()
}

fn row(name: &str, contract: &str, pool: &str) -> TokenRequest {
    let [name, chain, contract, pool] = [name, "eth", contract, pool].map(str::to_owned);
    TokenRequest { name, chain, contract, pool, decimals: 18, place: None }
}

fn add(rows: &[TokenRequest]) -> TokensRequest {
    TokensRequest { add: rows.to_vec(), ..TokensRequest::default() }
}

fn fact(n: u64, body: Body) -> Fact<Body> {
    Fact { key: Key { n, rank: 0, i: 0 }, time: 7, version: 1, because: Vec::new(), body }
}

/// The registry after these changes.
fn registry(requests: &[TokensRequest]) -> Registry {
    let mut registry = Registry::default();
    for (n, request) in (1..).zip(requests) {
        let (change, _) = planned(&registry, request).unwrap();
        registry.follow(&fact(n, Body::Operator(change.unwrap())));
    }
    registry
}

#[test]
fn a_token_is_added_once_and_the_same_one_again_changes_nothing() {
    let weth = row("WETH", "0xC0", "0x88");
    let known = registry(&[add(std::slice::from_ref(&weth))]);
    let lower = row("WETH", "0xc0", "0x88");
    let both = add(&[lower, row("USDC", "0xa0", "0x88")]);
    let (change, view) = planned(&known, &both).unwrap();
    let Some(Operator::Tokens { removed, added }) = change else { panic!("{change:?}") };
    assert!(removed.is_empty() && added.len() == 1 && added[0].name == symbol("USDC"));
    assert_eq!(view.text, "USDC is added; 1 token had the same values before");
    let (change, view) = planned(&known, &add(&[weth])).unwrap();
    assert_eq!((change, view.unchanged), (None, 1));
    // Another token takes a name in one change.
    let swap =
        TokensRequest { remove: vec!["WETH".to_owned()], add: vec![row("WETH", "0xc0", "0x99")] };
    let (change, view) = planned(&known, &swap).unwrap();
    assert!(change.is_some());
    assert_eq!(view.text, "WETH is removed; WETH is added");
}

#[test]
fn every_row_that_cannot_be_right_is_named_and_nothing_changes() {
    let known = registry(&[add(&[row("WETH", "0xc0", "0x88")])]);
    let placed =
        |line: u32, row: TokenRequest| TokenRequest { place: Some(format!("line {line}")), ..row };
    let rows = [
        placed(2, row("weth", "0xc1", "0x1")),
        placed(3, row("WETH", "0xc1", "0x1")),
        placed(4, row("OTHER", "0xC0", "0x88")),
        placed(5, row("DAI", "0xd0", "0x2")),
        placed(6, row("DAI", "0xd1", "0x2")),
        placed(7, row("A", "0xa b", "0x2")),
    ];
    let request = TokensRequest { remove: vec!["NONE".to_owned()], ..add(&rows) };
    let failure = planned(&known, &request).unwrap_err();
    assert_eq!(failure.exit, Exit::Refused);
    for why in [
        "nothing is changed: there is no token NONE; ",
        "line 2: \"weth\" is not a symbol",
        "line 3: WETH is another token in the registry",
        "line 4: OTHER is the same contract and pool as WETH",
        "line 6: DAI is in the request twice",
        "line 7: contract \"0xa b\" is not an address",
    ] {
        assert!(failure.text.contains(why), "{why:?} is not in {}", failure.text);
    }
    assert!(!failure.text.contains("line 5"), "{}", failure.text);
}

#[test]
fn the_registry_has_at_most_two_hundred_tokens() {
    let rows: Vec<TokenRequest> =
        (0..TOKENS_MAX).map(|n| row(&format!("T{n}"), &format!("0x{n:x}"), "0x1")).collect();
    let full = registry(&[add(&rows)]);
    let more = planned(&full, &add(&[row("MORE", "0xffff", "0x1")])).unwrap_err();
    assert!(more.text.contains("would have 201 tokens, above 200"), "{}", more.text);
    let more = add(&[row("MORE", "0xffff", "0x1")]);
    let swap = TokensRequest { remove: vec!["T0".to_owned()], ..more };
    assert!(planned(&full, &swap).is_ok());
}

#[test]
fn a_file_is_a_table_or_a_list_and_is_taken_whole_or_not() {
    let table = "pool,name,chain,contract,decimals\n0x88, WETH ,eth,0xC0,18\n\
                 Czf,SOL,solana,So111,9\n";
    let list = r#"[
        {"name": "WETH", "chain": "eth", "contract": "0xC0", "pool": "0x88", "decimals": 18},
        {"name": "SOL", "chain": "solana", "contract": "So111", "pool": "Czf", "decimals": 9}
    ]"#;
    let read = |text: &str| import::read(text).unwrap();
    let tokens = |rows: &[TokenRequest]| rows.iter().map(TokenRequest::token).collect::<Vec<_>>();
    assert_eq!(tokens(&read(table)), tokens(&read(list)));
    assert_eq!(read(table)[1].place.as_deref(), Some("line 3"));
    assert_eq!(read(list)[1].place.as_deref(), Some("entry 2"));

    let header = "name,chain,contract,pool,decimals";
    let wrong = format!(
        "{header}\nWETH,eth,0xc0,0x88,18\nweth,eth,0xc0,0x88,18\nA,eth,0xc0,0x88\n\
         B,eth,0xc0,0x88,many\nC,Eth,0xc0,0x88,1\nD,eth,0xc0,0x88,37\n"
    );
    let failure = import::read(&wrong).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    for why in [
        "line 3: \"weth\" is not a symbol",
        "line 4: 4 values, and the header has 5",
        "line 5: decimals must be from 0 to 36",
        "line 6: chain \"Eth\" is not",
        "line 7: decimals 37 is not from 0 to 36",
    ] {
        assert!(failure.text.contains(why), "{why:?} is not in {}", failure.text);
    }
    assert!(!failure.text.contains("line 2"), "{}", failure.text);
    let many = format!("{header}\n{}", "A,eth,0xc0,0x88,18\n".repeat(201));
    for (text, why) in [
        ("", "line 1: the header must be name,chain,contract,pool,decimals"),
        ("name,chain\nA,eth\n", "line 1: the header must be"),
        (header, "the file has no token"),
        ("[]", "the file has no token"),
        ("[{\"name\": \"A\"}]", "entry 1: missing field `chain`"),
        ("[1,", "the JSON list: "),
        (many.as_str(), "the file has 201 tokens, above 200"),
    ] {
        let found = import::read(text).unwrap_err().text;
        assert!(found.contains(why), "{why:?} is not in {found:?}");
    }
}

#[test]
fn points_give_the_newest_price_and_bars_of_their_minutes() {
    let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
    let (change, _) = planned(&Registry::default(), &add(&[row("WETH", "0xc0", "0x88")])).unwrap();
    let points = |n: u64, time: UtcMs, price: i64| {
        let point = Point { token: symbol("WETH"), added: 1, price: price.into() };
        let (source, every_s) = ("s".to_owned(), 60);
        let of = Points { source, time, every_s, points: vec![point] };
        fact(n, Body::Market(Market::Points(of)))
    };
    let start = 1_767_571_200_000;
    let facts = [
        fact(1, Body::Operator(change.unwrap())),
        points(2, start - DAY, 9),
        points(3, start, 5),
        points(4, start + 30_000, 7),
        points(5, start + 59_999, 6),
        points(6, start + 180_000, 4),
    ];
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    projector.apply((1..).zip(&facts), 6, true).unwrap();

    let [token] = &tokens(&archive).unwrap()[..] else { panic!("one token") };
    assert_eq!((token.price, token.time), (Some(4.into()), Some(start + 180_000)));
    assert_eq!((token.points, token.since), (4, 7), "the first point is older than a day");
    assert!(token.age_s.is_some());
    let words = |limit: Option<usize>| {
        let bars = bars(&archive, symbol("WETH"), limit).unwrap();
        let word = |bar: &PointBarView| {
            let minute = (bar.open_time - start) / 60_000;
            let PointBarView { open, high, low, close, points, closed, .. } = bar;
            format!("{minute}: {open} {high} {low} {close} of {points} {closed}")
        };
        bars.iter().map(word).collect::<Vec<_>>()
    };
    let all = ["-1440: 9 9 9 9 of 1 true", "0: 5 7 5 6 of 3 true", "3: 4 4 4 4 of 1 true"];
    assert_eq!(words(None), all);
    assert_eq!(words(Some(2)), all[1..]);
    assert!(words(Some(0)).is_empty());
    let none = bars(&archive, symbol("NONE"), None).unwrap_err();
    assert!(none.text.contains("there is no token NONE"), "{}", none.text);
}
