//! The daemon of another machine: `everwarm --remote URL --token-file FILE COMMAND`.

use super::Command;
use super::config;
use everwarm_api::Token;
use everwarm_venue::address::Address;
use everwarm_views::exit::{Exit, Failure};
use reqwest::{Certificate, Client, Url};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Flags that name the daemon of another machine.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ElsewhereArgs {
    /// Ask the daemon at this address, like https://trader.example:8443, instead of the one of a
    /// data directory. Needs --token-file.
    #[arg(long, global = true, value_name = "URL", help_heading = "Another machine")]
    remote: Option<String>,
    /// File with the token of that daemon. Only its owner may read it.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Another machine")]
    token_file: Option<PathBuf>,
    /// File with the certificate of that daemon, or with those that signed it, PEM [default: the
    /// certificates that this machine trusts].
    #[arg(long, global = true, value_name = "FILE", help_heading = "Another machine")]
    ca_file: Option<PathBuf>,
}

/// The flags that may also stand before the command.
const FLAGS: [&str; 3] = ["--remote", "--token-file", "--ca-file"];

/// The daemon of another machine, and how to reach it.
#[derive(Debug)]
pub struct Elsewhere {
    /// Its address, which ends with a slash.
    pub base: Url,
    /// Its token, which every request shows.
    pub token: Token,
    /// Its certificates; empty: those that this machine trusts.
    certificates: Vec<Certificate>,
}

/// The daemon that this process asks, if it is one of another machine.
static NAMED: OnceLock<Elsewhere> = OnceLock::new();

/// The daemon of another machine that the command line names, if there is one.
pub fn named() -> Option<&'static Elsewhere> {
    NAMED.get()
}

/// The arguments with leading flags of another machine moved behind the command: flags before a
/// command belong to `run` otherwise.
pub fn behind_the_command(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut rest = arguments.into_iter().peekable();
    let mut all: Vec<OsString> = rest.next().into_iter().collect();
    let mut held = Vec::new();
    loop {
        let text = rest.peek().map(|flag| flag.to_string_lossy().into_owned()).unwrap_or_default();
        let (name, valued) = text.split_once('=').map_or((&*text, false), |(name, _)| (name, true));
        if !FLAGS.contains(&name) {
            break;
        }
        held.extend(rest.next());
        if !valued {
            held.extend(rest.next());
        }
    }
    let command = rest.peek().is_some_and(|word| !word.to_string_lossy().starts_with('-'));
    if command {
        all.extend(rest.next());
    }
    all.extend(held);
    all.extend(rest);
    all
}

impl ElsewhereArgs {
    /// Makes every request of this process go to the named daemon, if one is named.
    ///
    /// # Errors
    /// The command works on this machine only, or the address, the token or a certificate is not
    /// usable.
    pub fn apply(&self, command: &Command) -> Result<(), Failure> {
        let wrong = |text: &str| Err(Failure::new(Exit::Usage, text));
        let Some(address) = &self.remote else {
            if self.token_file.is_some() || self.ca_file.is_some() {
                return wrong("--token-file and --ca-file need --remote URL");
            }
            return Ok(());
        };
        if command.is_local() {
            return wrong("this command works with this machine only: leave out --remote");
        }
        let Some(token_file) = &self.token_file else {
            return wrong(
                "--remote needs --token-file FILE: a copy of api.token of that daemon's data \
                 directory, which only you can read",
            );
        };
        let base = base(address).map_err(|why| Failure::new(Exit::Usage, why))?;
        let token = Token::read(token_file)?;
        let certificates = match &self.ca_file {
            Some(file) => {
                let failed = |why: &dyn std::fmt::Display| {
                    Failure::new(Exit::Usage, format!("--ca-file {}: {why}", file.display()))
                };
                let text = std::fs::read(file).map_err(|e| failed(&e))?;
                let found = Certificate::from_pem_bundle(&text).map_err(|e| failed(&e))?;
                if found.is_empty() {
                    return Err(failed(&"it has no certificate in PEM"));
                }
                found
            }
            None => Vec::new(),
        };
        NAMED
            .set(Elsewhere { base, token, certificates })
            .map_err(|_| Failure::new(Exit::Failed, "another daemon was named before"))
    }
}

impl Elsewhere {
    /// A client for it. It follows no redirect: the token is for this address alone.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub fn client(&self) -> Result<Client, reqwest::Error> {
        let mut builder = Client::builder().redirect(reqwest::redirect::Policy::none());
        if self.base.scheme() == "http" {
            builder = builder.no_proxy().tls_certs_only([]);
        }
        if !self.certificates.is_empty() {
            builder = builder.tls_certs_only(self.certificates.clone());
        }
        builder.build()
    }
}

/// The address of a daemon: with TLS, or on this machine, like the end of a tunnel.
fn base(text: &str) -> Result<Url, String> {
    let example = "write it like https://trader.example:8443";
    let at =
        Address::read(text).map_err(|_| format!("--remote {text:?} is no address: {example}"))?;
    match at.scheme {
        "https" => {}
        "http" if at.is_loopback() => {}
        "http" => return Err(format!("--remote {text:?} has no TLS: {example}")),
        _ => return Err(format!("--remote {text:?} is no address: {example}")),
    }
    let slash = if text.ends_with('/') { "" } else { "/" };
    Url::parse(&format!("{text}{slash}")).map_err(|e| format!("--remote {text:?}: {e}"))
}

impl Command {
    /// Whether a command works with this machine alone: its files, processes or terminal.
    fn is_local(&self) -> bool {
        match self {
            Command::Run(_)
            | Command::Sim(_)
            | Command::Stop(_)
            | Command::Store(_)
            | Command::Restore(_)
            | Command::Import(_)
            | Command::Wipe(_)
            | Command::Panic(_)
            | Command::Live(_)
            | Command::Backtest(_)
            | Command::Sweep(_)
            | Command::Strategy(_)
            | Command::Chaos(_)
            | Command::Analyze(_)
            | Command::Conformance(_)
            | Command::ApiDoc
            | Command::Completions(_)
            | Command::Man(_) => true,
            Command::History(command) => command.is_local(),
            Command::Config(args) => !config::asks_the_daemon(args),
            Command::Replay(args) => args.plays(),
            Command::Storage(_)
            | Command::Export(_)
            | Command::Status(_)
            | Command::Doctor(_)
            | Command::Orders(_)
            | Command::Fills(_)
            | Command::Positions(_)
            | Command::Lots(_)
            | Command::Trades(_)
            | Command::Summary(_)
            | Command::Funnel(_)
            | Command::Calibrate(_)
            | Command::Equity(_)
            | Command::Signals(_)
            | Command::Bars(_)
            | Command::Regimes(_)
            | Command::Audit(_)
            | Command::Tree(_)
            | Command::Kill(_)
            | Command::Retry(_)
            | Command::Symbols(_)
            | Command::Tokens(_)
            | Command::Switches(_)
            | Command::Order(_)
            | Command::Close(_)
            | Command::Cancel(_)
            | Command::Signal(_)
            | Command::Halt(_)
            | Command::Resume(_)
            | Command::Flatten(_)
            | Command::SafeStart(_)
            | Command::Enable(_)
            | Command::Disable(_)
            | Command::Quarantine(_)
            | Command::Reconcile(_)
            | Command::Resolve(_)
            | Command::Adopt(_)
            | Command::Explain(_)
            | Command::WhyNot(_)
            | Command::Scan(_)
            | Command::Backup(_)
            | Command::Backfill(_)
            | Command::Bootstrap(_)
            | Command::Limits(_)
            | Command::LogLevel(_)
            | Command::Verify(_)
            | Command::VerifyTrades(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_flags_of_another_machine_move_behind_the_command() {
        let moved = |text: &str| {
            let words = text.split(' ').map(OsString::from);
            let words = behind_the_command(words).into_iter();
            words.map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        let before = "everwarm --remote https://a:1 --token-file t status --json";
        assert_eq!(moved(before), "everwarm status --remote https://a:1 --token-file t --json");
        let equal = "everwarm --remote=https://a:1 config reloads";
        assert_eq!(moved(equal), "everwarm config --remote=https://a:1 reloads");
        for same in ["everwarm", "everwarm --pace 5x", "everwarm status --remote x", "everwarm --"]
        {
            assert_eq!(moved(same), same);
        }
        assert_eq!(moved("everwarm --remote x --pace 5x"), "everwarm --remote x --pace 5x");
    }

    #[test]
    fn an_address_has_tls_or_is_on_this_machine() {
        for good in ["https://a.example:8443", "https://a.example/x/", "http://127.0.0.1:7"] {
            assert!(base(good).unwrap().as_str().ends_with('/'));
        }
        assert!(base("http://a.example:80").unwrap_err().contains("has no TLS"));
        for wrong in ["a.example", "ftp://a.example", "https://u:p@a.example", ""] {
            assert!(base(wrong).unwrap_err().contains("https://trader.example:8443"), "{wrong}");
        }
    }
}
