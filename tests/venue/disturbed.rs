//! Whoever disturbs actors of a daemon at a venue that is not simulated by us confirms it twice.

use super::remote::Elsewhere;
use crate::kit::{run, wait_until};
use std::fs;
use std::path::Path;

#[test]
fn at_a_venue_of_somebody_else_actors_are_disturbed_by_two_switches_only() {
    let there = Elsewhere::start("disturbed", 2);
    let dir = there.folder.join("data");
    let configured = |name: &str, chaos: &str| {
        let file = there.configured(name, "environment = \"testnet\"", "");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}[chaos]\n{chaos}\n")).unwrap();
        file
    };
    let kill = |config: &Path| {
        let config = config.to_str().unwrap();
        wait_until("the actor has started", || {
            run(&dir, &["tree", "--config", config]).1.contains("closer")
        });
        let (code, out, err) = run(&dir, &["kill", "closer", "--yes", "--config", config]);
        (code, out + &err)
    };
    let once = configured("once.toml", "enabled = true");
    let daemon = Elsewhere::daemon(&dir, &once);
    let (code, printed) = kill(&once);
    assert_eq!(code, Some(5), "{printed}");
    assert!(printed.contains("chaos.on_live is false"), "{printed}");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));

    let twice = configured("twice.toml", "enabled = true\non_live = true");
    let daemon = Elsewhere::daemon(&dir, &twice);
    let (code, printed) = kill(&twice);
    assert_eq!(code, Some(0), "{printed}");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    there.exchange.kill();
}
