//! The sentences of samples of sources beside the venue, of tokens, and of the daemon's health.

use super::list;
use everwarm_domain::dominance::Dominance;
use everwarm_domain::fact::HealthCheck;
use everwarm_domain::id::Symbol;
use everwarm_domain::token::{Point, Points, Token};
use everwarm_words::text::{count, instant, plain};

/// Most tokens or prices in a sentence.
const SHOWN: usize = 8;

pub(super) fn dominance(sample: &Dominance) -> String {
    let Dominance { source, time, btc, usdt, .. } = sample;
    let (time, btc, usdt) = (instant(*time), plain(*btc), plain(*usdt));
    format!("dominance by {source} at {time} UTC: BTC {btc} %, USDT {usdt} %")
}

pub(super) fn points(of: &Points) -> String {
    let Points { source, time, points, .. } = of;
    let price = |point: &Point| format!("{} {}", point.token, plain(point.price));
    let shown = list(points.iter().take(SHOWN).map(price));
    let number = count(points.len() as u64, "price");
    format!("{number} by {source} at {} UTC: {shown}{}", instant(*time), more(points.len()))
}

pub(super) fn tokens(removed: &[Symbol], added: &[Token]) -> String {
    let part = |verb: &str, names: Vec<String>| {
        let more = more(names.len());
        let shown = list(names.into_iter().take(SHOWN));
        (!shown.is_empty()).then(|| format!("{verb} {shown}{more}"))
    };
    let added = added.iter().map(|token| format!("{} on {}", token.name, token.chain)).collect();
    let removed = removed.iter().map(Symbol::to_string).collect();
    let parts = [part("removes", removed), part("adds", added)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("an operator {} in the registry of tokens", parts.join(" and "))
}

fn more(number: usize) -> String {
    let hidden = number.saturating_sub(SHOWN);
    if hidden == 0 { String::new() } else { format!(" and {hidden} more") }
}

pub(super) fn health(problems: &[(HealthCheck, String)]) -> String {
    if problems.is_empty() {
        return "venue, closes, clock and disk are fit for trading".to_owned();
    }
    let why: Vec<&str> = problems.iter().map(|(_, why)| why.as_str()).collect();
    format!("unfit for trading: {}", why.join("; "))
}
