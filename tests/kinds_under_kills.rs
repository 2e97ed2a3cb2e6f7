//! Every built-in kind of strategy trades a recording, the process is killed while each decides,
//! and in the end nothing differs.

use crate::kit::{BINARY, Folder, ask, run};
use crate::shared::shared;
use everwarm::chaos::crashes::{End, Moment, Subject, picture};
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use everwarm_trading::strategy::KINDS;
use std::collections::BTreeSet;
use std::fs;

/// One strategy of each kind, with bounds that the recorded days of April 2018 reach.
const CONFIG: &str = r#"
trading.max_positions = 50
strategy.sma_cross.enabled = false
[strategy.cross]
kind = "sma_cross"
[strategy.fall]
kind = "dca"
timeframe = "1m"
hours = 6
threshold_scale = "0.2"
[strategy.rise]
kind = "swing"
timeframe = "5m"
threshold_scale = "0.5"
[strategy.line]
kind = "channel"
timeframe = "5m"
[strategy.zone]
kind = "smc"
timeframe = "1m"
bias = "ema(8)@1h"
"#;
const IDS: [&str; 5] = ["cross", "fall", "rise", "line", "zone"];

fn at(site: Site, who: &str, nth: u32) -> Moment {
    let (who, phase) = (who.to_owned(), Phase::Live);
    Moment::At(PlannedFault { site, who, phase, nth, kind: FaultKind::Die })
}

/// The ids of the strategies that closed a trade.
fn traded(folder: &Folder) -> BTreeSet<String> {
    let view = ask(&folder.0, &["verify-trades", "--limit", "0"]);
    let trades = view["trades"].as_array().unwrap().iter();
    trades.map(|trade| trade["strategy"].as_str().unwrap().to_owned()).collect()
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn each_kind_trades_a_recording_and_kills_change_nothing() {
    // No external program runs here.
    assert_eq!(IDS.len(), KINDS.iter().filter(|kind| !kind.external).count());
    let (calm, hit) = (Folder::on_disk("kinds-calm"), Folder::on_disk("kinds-hit"));
    let file = calm.join("kinds.toml");
    fs::write(&file, CONFIG).unwrap();
    let mut subject = Subject::new(BINARY, shared("data/coinbase"));
    subject.arguments = vec!["--config".into(), file.into()];
    subject.to_its_end(&calm.0).unwrap();
    let (expected, wrong) = picture(&calm.0, &subject).unwrap();
    assert_eq!(wrong, [""; 0]);
    let ids: BTreeSet<String> = IDS.map(str::to_owned).into();
    assert_eq!(traded(&calm), ids);

    // Each appends its next signal; then each sees some more closes.
    let appends = IDS.map(|id| at(Site::AfterAppend, id, 1));
    let steps = IDS.map(|id| at(Site::BeforeStep, id, 100));
    for kill in appends.iter().chain(&steps) {
        let life = subject.killed(&hit.0, kill).unwrap();
        assert!(matches!(life.end, End::Killed(_)), "{kill:?}: {life:?}");
    }
    subject.to_its_end(&hit.0).unwrap();
    let (found, wrong) = picture(&hit.0, &subject).unwrap();
    assert_eq!(wrong, [""; 0]);
    assert_eq!(expected.difference(&found), None);
    assert_eq!(traded(&hit), ids);
    let (code, out, err) = run(&hit.0, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
}
