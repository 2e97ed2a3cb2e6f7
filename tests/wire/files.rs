//! What is read from files: recordings and configuration.

use super::spoil::spoiled;
use crate::kit::{Folder, small_recording};
use everwarm_config::ConfigErrors;
use everwarm_config::layers::Layer;
use everwarm_sim::market::Recording;
use std::fs;

const CONFIG: &str = include_str!("../../config/default.toml");

#[test]
fn any_configuration_gives_layers_or_errors() {
    let short: String = CONFIG.lines().take(60).collect::<Vec<_>>().join("\n");
    let seeds = [CONFIG.as_bytes().to_vec(), short.into_bytes()];
    let read = |bytes: &[u8]| {
        let mut errors = ConfigErrors::default();
        Layer::parse("a.toml", &String::from_utf8_lossy(bytes), &mut errors);
    };
    spoiled(&seeds, 400, read);
}

#[test]
fn any_recording_is_played_or_refused() {
    let folder = Folder::new("spoiled");
    let whole = folder.join("whole");
    small_recording(&whole);
    let read = |name: &str| fs::read(whole.join(name)).unwrap();
    let bars = read("AAAUSD_1m.csv");
    let head = bars[..2_000].to_vec();
    let dir = folder.join("spoiled");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("recording.toml"), read("recording.toml")).unwrap();
    spoiled(std::slice::from_ref(&head), 400, |bytes| {
        fs::write(dir.join("AAAUSD_1m.csv"), bytes).unwrap();
        drop(Recording::open(&dir, None));
    });
    fs::write(dir.join("AAAUSD_1m.csv"), head).unwrap();
    let named =
        b"[symbols.AAAUSD]\nbase = \"AAA\"\nquote = \"USD\"\ntick_size = \"0.01\"\n".to_vec();
    spoiled(&[read("recording.toml"), named], 400, |bytes| {
        fs::write(dir.join("recording.toml"), bytes).unwrap();
        drop(Recording::open(&dir, None));
    });
}
