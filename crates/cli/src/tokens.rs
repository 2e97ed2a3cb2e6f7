//! `everwarm tokens`: list, add, remove and import tokens, and show bars of their points.

use super::Core;
use super::query::{Args, ListArgs};
use crate::print::{Printer, confirm};
use clap::Subcommand;
use everwarm_domain::id::Symbol;
use everwarm_views::changes::CHANGE_TOKENS;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, TOKEN_BARS, TOKENS};
use everwarm_views::tokens::{TokenRequest, TokensChangedView, TokensRequest, import};
use std::path::{Path, PathBuf};

/// Longest file that is read, bytes.
const FILE_MAX: u64 = 1 << 20;

/// Flags of `tokens`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Tokens {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    args: Args,
}

/// Subcommands of `tokens`.
#[derive(Debug, Subcommand)]
enum Verb {
    /// List the tokens with their newest prices. This is the default.
    List(Args),
    /// Add a token. [source.geckoterminal] reports its price in its pool.
    Add(Add),
    /// Remove a token: no more prices. Its points stay in the journal.
    Remove(Remove),
    /// Add the tokens of a file, all of them or none: CSV with the header
    /// name,chain,contract,pool,decimals, or a JSON list of objects with these members.
    Import(Import),
    /// List bars of a minute of a token, from its points.
    Bars(Bars),
}

/// One token.
#[derive(Debug, clap::Args)]
struct Add {
    /// Its name, 1 to 16 of A-Z, 0-9, . and -.
    name: String,
    /// The chain, as GeckoTerminal names it, like eth, base or solana.
    #[arg(long)]
    chain: String,
    /// The address of its contract.
    #[arg(long, value_name = "ADDRESS")]
    contract: String,
    /// The address of the pool whose price counts.
    #[arg(long, value_name = "ADDRESS")]
    pool: String,
    /// The decimals of its smallest unit, 0 to 36.
    #[arg(long, value_name = "N")]
    decimals: u8,
    #[command(flatten)]
    args: Args,
}

/// The name of a token.
#[derive(Debug, clap::Args)]
struct Remove {
    /// Its name.
    #[arg(value_parser = |text: &str| Symbol::named(text))]
    name: Symbol,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: Args,
}

/// A file of tokens.
#[derive(Debug, clap::Args)]
struct Import {
    /// The file.
    file: PathBuf,
    #[command(flatten)]
    args: Args,
}

/// The bars of a token.
#[derive(Debug, clap::Args)]
struct Bars {
    /// Its name.
    #[arg(value_parser = |text: &str| Symbol::named(text))]
    name: Symbol,
    #[command(flatten)]
    list: ListArgs,
}

/// Lists tokens or bars, or changes the registry.
pub fn run(command: &Tokens, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    match &command.verb {
        None => command.args.print(core, printer, &TOKENS),
        Some(Verb::List(args)) => args.print(core, printer, &TOKENS),
        Some(Verb::Add(add)) => {
            let Add { name, chain, contract, pool, decimals, args } = add;
            let [name, chain, contract, pool] = [name, chain, contract, pool].map(String::clone);
            let decimals = *decimals;
            let row = TokenRequest { name, chain, contract, pool, decimals, place: None };
            let request = TokensRequest { add: vec![row], ..TokensRequest::default() };
            send(args, &request, core, printer)
        }
        Some(Verb::Remove(Remove { name, yes, args })) => {
            confirm(&format!("stop collecting prices of {name}"), *yes)?;
            let remove = vec![name.to_string()];
            let request = TokensRequest { remove, ..TokensRequest::default() };
            send(args, &request, core, printer)
        }
        Some(Verb::Import(Import { file, args })) => {
            let add = read(file)?;
            send(args, &TokensRequest { add, ..TokensRequest::default() }, core, printer)
        }
        Some(Verb::Bars(Bars { name, list })) => {
            let asked = Asked::default().with("symbol", Some(name));
            list.print_with(core, printer, (&TOKEN_BARS, asked), |_| ())
        }
    }
}

/// The tokens of a file.
fn read(file: &Path) -> Result<Vec<TokenRequest>, Failure> {
    let of_file = |exit, why: &str| Failure::new(exit, format!("{}: {why}", file.display()));
    let failed = |e: std::io::Error| of_file(Exit::Usage, &e.to_string());
    let length = std::fs::metadata(file).map_err(failed)?.len();
    if length > FILE_MAX {
        let why = format!("the file has {length} bytes, above {FILE_MAX}");
        return Err(of_file(Exit::Usage, &why));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    import::read(&text).map_err(|failure| of_file(failure.exit, &failure.text))
}

fn send(
    args: &Args,
    request: &TokensRequest,
    core: &Core,
    printer: Printer,
) -> Result<Exit, Failure> {
    let answer = args.change(core, &CHANGE_TOKENS, &Asked::default(), request)?;
    if args.json {
        return printer.answer(&answer);
    }
    let view: TokensChangedView = answer.read()?;
    printer.lines(&[view.text]).map(|_| Exit::Fine)
}
