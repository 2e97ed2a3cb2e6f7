//! Tests which holdings are sold.

use super::*;
use everwarm_sim::market::{Market as _, Seeded};

#[test]
fn of_all_the_venue_has_only_what_the_configuration_may_have_bought_is_sold() {
    let names = ["BTCBUSD", "BTCUSDT", "ETHUSDT", "SOLUSDT", "USDTBRL", "XRPUSDT"];
    let names = names.map(|name| Symbol::new(name).unwrap());
    let mut all = Seeded::with_symbols(1, &names, 0, 0).instruments().to_vec();
    for rule in all.iter_mut().filter(|rule| rule.symbol.as_str() == "SOLUSDT") {
        rule.trading = false;
    }
    let exclude = vec![Symbol::new("XRPUSDT").unwrap()];
    let sold = |quote: &str, quote_asset: &str| {
        let rule = Selection { quote: quote.into(), exclude: exclude.clone(), ..default() };
        let mut rules = all.clone();
        bought(&mut rules, &rule, quote_asset);
        rules.iter().map(|rule| rule.symbol.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(sold("USDT", "BUSD"), ["BTCUSDT", "ETHUSDT"]);
    assert_eq!(sold("", "BRL"), ["USDTBRL"]);
    assert_eq!(sold("", ""), ["BTCBUSD"], "cash is counted in what the first is paid in");
}

fn default() -> Selection {
    Selection::default()
}
