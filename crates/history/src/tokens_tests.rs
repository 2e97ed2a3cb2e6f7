//! The registry and its points, over additions and removals of the same name.

use super::*;
use crate::Projector;
use everwarm_domain::fact::Market;
use everwarm_kernel::fact::Key;
use std::path::Path;
use std::sync::Arc;

fn symbol(name: &str) -> Symbol {
    Symbol::named(name).unwrap()
}

fn token(name: &str, pool: &str) -> Token {
    let (chain, contract, pool) = ("eth".to_owned(), "0xc0".to_owned(), pool.to_owned());
    Token { name: symbol(name), chain, contract, pool, decimals: 18 }
}

fn points(time: UtcMs, token: &str, added: u64, price: i64) -> Body {
    let point = Point { token: symbol(token), added, price: Decimal::from(price) };
    let (source, every_s) = ("s".to_owned(), 60);
    Body::Market(Market::Points(Points { source, time, every_s, points: vec![point] }))
}

fn change(removed: &[&str], added: Vec<Token>) -> Body {
    let removed = removed.iter().map(|name| symbol(name)).collect();
    Body::Operator(Operator::Tokens { removed, added })
}

/// Time and price of each point, newest first.
fn prices(archive: &Archive, name: &str) -> Vec<(UtcMs, i64)> {
    let registry = Registry::read(archive).unwrap();
    let mut all = Vec::new();
    each_newest_first(archive, registry.get(symbol(name)).unwrap(), &mut |point| {
        all.push((point.time, i64::try_from(point.price).unwrap()));
        ControlFlow::Continue(())
    })
    .unwrap();
    all
}

#[test]
fn points_belong_to_the_token_that_was_added_and_not_to_its_name() {
    let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
    assert!(Registry::read(&archive).unwrap().is_empty());
    let bodies = [
        change(&[], vec![token("WETH", "0x1"), token("USDC", "0x1")]),
        points(60_000, "WETH", 1, 2_000),
        points(120_000, "WETH", 1, 2_001),
        points(120_000, "USDC", 1, 1),
        change(&["WETH"], vec![token("WETH", "0x2")]),
        points(180_000, "WETH", 5, 3_000),
        change(&["USDC"], vec![]),
    ];
    let fact = |(n, body): (u64, &Body)| {
        let key = Key { n, rank: 0, i: 0 };
        Fact { key, time: 7, version: 1, because: Vec::new(), body: body.clone() }
    };
    let facts: Vec<Fact<Body>> = (1..).zip(&bodies).map(fact).collect();
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    projector.apply((1..).zip(&facts[..4]), 4, true).unwrap();
    assert_eq!(prices(&archive, "WETH"), [(120_000, 2_001), (60_000, 2_000)]);
    assert_eq!(prices(&archive, "USDC"), [(120_000, 1)]);
    projector.apply((5..).zip(&facts[4..]), 7, true).unwrap();
    assert_eq!(prices(&archive, "WETH"), [(180_000, 3_000)]);

    let read = Registry::read(&archive).unwrap();
    let weth = read.get(symbol("WETH")).unwrap();
    assert_eq!((weth.token.pool.as_str(), weth.since, weth.added), ("0x2", 7, 5));
    assert_eq!(newest_point(&archive, weth).unwrap().map(|point| point.time), Some(180_000));
    assert_eq!((read.len(), read.get(symbol("USDC"))), (1, None));
    // The facts alone give the same registry, also a second time.
    let mut followed = Registry::default();
    for fact in facts.iter().chain(&facts) {
        followed.follow(fact);
    }
    assert_eq!(followed, read);
}

#[test]
fn many_points_are_read_in_as_many_parts_as_it_takes() {
    let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
    let count = 2 * i64::try_from(AT_ONCE).unwrap() + 3;
    let registered = Registered { token: token("WETH", "0x1"), since: 0, added: 1 };
    let rows = (0..count).flat_map(|n| {
        let Body::Market(Market::Points(points)) = points(n, "WETH", 1, n + 1) else { panic!() };
        point_rows(&points)
    });
    archive.commit(&rows.collect::<Vec<Op>>(), true).unwrap();
    let mut times = Vec::new();
    each_newest_first(&archive, &registered, &mut |point| {
        times.push(point.time);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(times, (0..count).rev().collect::<Vec<_>>());
}
