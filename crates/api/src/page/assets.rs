//! The files of the page, embedded from `page/`. There is no build step, and the page loads nothing
//! from elsewhere.

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its path in `page/`, and behind `/page/`.
    pub path: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

impl Asset {
    /// Its Content-Type, from its extension.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.path.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js" | "mjs") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some(_) | None => "text/plain; charset=utf-8",
        }
    }
}

macro_rules! assets {
    ($($path:literal),* $(,)?) => {
        /// All files of the page.
        pub const ASSETS: &[Asset] = &[$(Asset {
            path: $path,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../page/", $path)),
        }),*];
    };
}

assets![
    "actors.js",
    "api.js",
    "app.js",
    "books.js",
    "by_hand.js",
    "chart.js",
    "config.js",
    "controls.js",
    "equity.js",
    "explain.js",
    "format.js",
    "head.js",
    "html.js",
    "icon.svg",
    "index.html",
    "log.js",
    "regimes.js",
    "reload.js",
    "risk.js",
    "store.js",
    "style.css",
    "table.js",
    "theme.js",
    "tree.js",
    "vendor/NOTICE",
    "vendor/htm/LICENSE",
    "vendor/htm/htm.mjs",
    "vendor/lightweight-charts/LICENSE",
    "vendor/lightweight-charts/lightweight-charts.standalone.production.mjs",
    "vendor/preact/LICENSE",
    "vendor/preact/preact.mjs",
    "vendor/uplot/LICENSE",
    "vendor/uplot/uPlot.iife.min.js",
    "vendor/uplot/uPlot.min.css",
];

/// The Content-Security-Policy: the page may load only its own files. The hash allows the one style
/// sheet that the candle chart adds for its attribution.
pub const POLICY: &str = "default-src 'self'; \
     style-src 'self' 'sha256-3pRED1tOXas1FXFoPb9T\
     GCjmYe9XQsmO9OV23khV2nY='; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The file at a path.
#[must_use]
pub fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    #[test]
    fn every_file_of_the_folder_is_served_and_each_package_has_its_licence() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../page");
        let (mut found, mut open) = (BTreeSet::new(), vec![root.clone()]);
        while let Some(place) = open.pop() {
            for entry in std::fs::read_dir(place).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let served: BTreeSet<String> = ASSETS.iter().map(|a| a.path.to_owned()).collect();
        assert_eq!(served, found);
        let notice = text("vendor/NOTICE");
        for package in ["preact", "htm", "lightweight-charts", "uplot"] {
            let licence = text(&format!("vendor/{package}/LICENSE"));
            assert!(licence.contains("License"), "{package}");
            let named = notice.to_lowercase().replace(' ', "-").contains(package);
            assert!(named, "{package}");
        }
        let attribution = "TradingView Lightweight Charts";
        assert!(notice.contains(attribution) && notice.contains("https://www.tradingview.com/"));
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_its_files_are_small() {
        for asset in ASSETS.iter().filter(|asset| !asset.path.starts_with("vendor/")) {
            let text = text(asset.path);
            let outside = text.match_indices("://").find(|(at, _)| {
                // A namespace is a name and is not fetched.
                !text[at + 3..].starts_with("www.w3.org/")
            });
            assert!(outside.is_none(), "{}: names an address", asset.path);
            let ours = ["text/javascript", "text/css"].iter().any(|k| asset.kind().starts_with(k));
            assert!(!ours || text.lines().count() <= 400, "{}: too long", asset.path);
            let long = text.lines().find(|line| line.chars().count() > 100);
            assert!(long.is_none(), "{}: {long:?}", asset.path);
            assert!(!text.contains("style=\""), "{}: the policy forbids it", asset.path);
        }
    }

    #[test]
    fn the_style_that_the_policy_names_is_the_one_the_chart_writes() {
        let chart = text("vendor/lightweight-charts/lightweight-charts.standalone.production.mjs");
        let at = chart.find("innerText=\"a#tv-attr-logo").expect("the attribution's style");
        let style = chart[at..].split('"').nth(1).unwrap();
        let hash = STANDARD.encode(Sha256::digest(style));
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "{hash}");
    }

    fn text(path: &str) -> &'static str {
        std::str::from_utf8(asset(path).unwrap().bytes).unwrap()
    }
}
