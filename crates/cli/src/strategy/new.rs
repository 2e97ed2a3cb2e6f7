//! `everwarm strategy new`: writes the crate of an own strategy. Its files are those of the example
//! `own_strategy`, which is built and tested with this program, with other names.

use crate::print::Printer;
use everwarm_trading::strategy::{is_name, kind};
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::shell_word;
use std::io::Error;
use std::path::{Path, PathBuf};

/// The files of a crate: name and content. The names in them are [`NAME`] and [`TYPE`].
const FILES: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("../../../../examples/own_strategy/manifest.toml")),
    ("README.md", include_str!("../../../../examples/own_strategy/README.md")),
    (".gitignore", "/target\n/everwarm-data\n"),
    ("own_strategy.toml", include_str!("../../../../examples/own_strategy/own_strategy.toml")),
    ("src/main.rs", include_str!("../../../../examples/own_strategy/main.rs")),
    ("src/tests.rs", include_str!("../../../../examples/own_strategy/tests.rs")),
];
/// Name of the crate and of the kind in the example.
const NAME: &str = "own_strategy";
/// Name of its type.
const TYPE: &str = "OwnStrategy";
/// The checkout's path in the manifest of the example.
const SOURCE: &str = "\"SOURCE\"";
/// The file with the versions of all dependencies.
const LOCK: &str = "Cargo.lock";

/// Names that a crate cannot have: words of Rust, and crates that it uses.
const NO_CRATE: &str = " abstract alloc as async await become box break const continue core crate \
    do dyn else enum everwarm extern false final fn for gen if impl in let loop macro match mod \
    move mut override priv proc_macro pub ref return self serde static std struct super test \
    trait true try type typeof unsafe unsized use virtual where while yield ";

/// Flags of `strategy new`.
#[derive(Clone, Debug, clap::Args)]
pub struct NewArgs {
    /// Name of the crate and of its kind of strategy: 1 to 32 of a-z, 0-9 and _.
    name: String,
    /// Checkout of everwarm that the crate builds with [default: the current folder].
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// Folder in which the folder NAME is made [default: the current folder].
    #[arg(long = "in", value_name = "DIR", default_value = ".")]
    parent: PathBuf,
}

/// Writes the crate.
pub fn write(args: &NewArgs, printer: Printer) -> Result<Exit, Failure> {
    checked(&args.name).map_err(|why| Failure::new(Exit::Usage, why))?;
    let source = checkout(args.source.as_deref())?;
    let here = args.parent == Path::new(".");
    let folder = if here { PathBuf::from(&args.name) } else { args.parent.join(&args.name) };
    if folder.exists() {
        let text = format!("{} exists: choose another name or --in DIR", folder.display());
        return Err(Failure::new(Exit::Usage, text));
    }
    let no = |path: &Path| {
        let path = path.display().to_string();
        move |e: Error| Failure::new(Exit::Failed, format!("{path}: {e}"))
    };
    std::fs::create_dir_all(folder.join("src")).map_err(no(&folder))?;
    for (name, text) in files(&args.name, &source) {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(no(&path))?;
    }
    // The same versions as in the checkout. A build needs no network, then.
    let lock = folder.join(LOCK);
    std::fs::copy(source.join(LOCK), &lock).map_err(no(&lock))?;
    let shown = folder.display();
    let word = shell_word(&shown.to_string());
    let name = &args.name;
    let lines = [
        format!("{shown}: written. The strategy is in src/main.rs. Next:"),
        format!("  cd {word}"),
        "  cargo test".to_owned(),
        format!("  cargo run -- strategy check {name}.toml"),
        format!("  cargo run -- backtest --config {name}.toml --to 2026-01-12"),
        format!("  cargo run -- run --config {name}.toml"),
    ];
    printer.lines(&lines).map(|_| Exit::Fine)
}

/// The files of the crate with this name.
fn files<'a>(name: &'a str, source: &'a Path) -> impl Iterator<Item = (String, String)> + 'a {
    let source = serde_json::Value::from(source.display().to_string()).to_string();
    let camel = camel(name);
    FILES.iter().map(move |(file, text)| {
        let text = text.replace(NAME, name).replace(TYPE, &camel).replace(SOURCE, &source);
        (file.replace(NAME, name), text)
    })
}

/// Why a crate and its kind cannot have this name.
fn checked(name: &str) -> Result<(), String> {
    if !is_name(name) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(format!("{name:?} is not 1 to 32 of a-z, 0-9, _, with a letter first"));
    }
    if NO_CRATE.contains(&format!(" {name} ")) {
        return Err(format!("{name} is a word of Rust or another crate: choose another name"));
    }
    if kind(name).is_some() {
        return Err(format!("{name} is a kind that this program has: choose another name"));
    }
    Ok(())
}

/// A name as that of a type: `DipBuyer` for `dip_buyer`.
fn camel(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let camel: String = name.split('_').map(word).collect();
    // The crate has a type of this name already.
    if ["Section", "Exit", "Form", "Intent", "Setting", "Strategy", "View"].contains(&&*camel) {
        return format!("My{camel}");
    }
    camel
}

/// The checkout of everwarm, as a path that is valid everywhere.
fn checkout(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let usage = |why: String| Failure::new(Exit::Usage, why);
    let path = named.unwrap_or(Path::new("."));
    let is_ours = |text: String| {
        let of_workspace = text.contains("crates/trading") && text.contains("[workspace]");
        of_workspace && text.contains("\nname = \"everwarm\"\n")
    };
    if !std::fs::read_to_string(path.join("Cargo.toml")).is_ok_and(is_ours) {
        let shown = match named {
            Some(path) => path.display().to_string(),
            None => "the current folder".to_owned(),
        };
        return Err(usage(format!(
            "{shown} is no checkout of everwarm, which the crate builds with: name it with \
             --source DIR"
        )));
    }
    let absolute = path.canonicalize();
    absolute.map_err(|e| usage(format!("{}: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_have_the_names_of_the_crate() {
        let all: Vec<_> = files("dip_buyer", Path::new("/a \"b\"")).collect();
        let of = |name: &str| &all.iter().find(|(file, _)| file == name).unwrap().1;
        assert!(of("Cargo.toml").contains("everwarm = { path = \"/a \\\"b\\\"\" }"));
        assert!(of("dip_buyer.toml").contains("[strategy.dip_buyer]"));
        assert!(of("src/main.rs").contains("main_with(&[everwarm::kind::<DipBuyer>()])"));
        for (file, text) in &all {
            assert!(!text.contains(NAME) && !text.contains(TYPE), "{file}: {text}");
        }
        let (program, _) = of("src/main.rs").split_once("#[cfg(test)]").unwrap();
        assert!(program.trim_end().lines().count() < 60, "a strategy is short");
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        for name in ["", "Dip", "1st", "_dip", "dip-buyer", "fn", "serde", "sma_cross", "try"] {
            assert!(checked(name).is_err(), "{name}");
        }
        assert_eq!(checked("dip_2"), Ok(()));
        assert_eq!((camel("dip_2").as_str(), camel("view").as_str()), ("Dip2", "MyView"));
    }
}
