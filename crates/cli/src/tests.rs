//! Tests of the command line without a process: parsing, output, and the source of responses.
//!
//! Over 500 lines: one command line, one test for each promise.

mod stored_history;

use super::{Cli, Command, Core, doctor, explain, query, status, tree};
use crate::offline::OfflineContext;
use crate::remote::Remote;
use crate::store_check::Files;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use everwarm_api::{Api, ApiFile, Changes, Entry, Refusals, Token, serve};
use everwarm_domain::fact::{Accept, Conflict, Dispute};
use everwarm_domain::quarantine::Quarantine;
use everwarm_domain::secret::Secret;
use everwarm_kernel::fact::Effect;
use everwarm_views::changes::{self, Control, LIMITS, Nothing, ProcessControl, RESOLVE};
use everwarm_views::emergency::EmergencyView;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::{JournalFacts, Proofs};
use everwarm_views::questions::{self, Asked, Context, EXPLAIN, FILLS, ORDERS, Question};
use everwarm_views::questions::{DOCTOR, Effort, STORAGE, TREE, VERIFY, table};
use everwarm_views::testing::{ID, journal};
use everwarm_views::tokens::{TokensChangedView, TokensRequest};
use everwarm_views::views::{
    AdoptView, AdoptedView, ClearedView, ConflictView, QuarantineView, ReplayView, ResolveView,
    ResolvedView, SwitchRequest, SwitchedView, VERSION, VerifyView, VersionView,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A temporary folder, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("everwarm-cli-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

const PROOFS: Proofs = Proofs {
    verify: |_, _| Ok(VerifyView { inputs: 6, facts: 15, ..VerifyView::default() }),
    replay: |_, _, _| Ok(ReplayView { inputs: 6, ..ReplayView::default() }),
};

const CORE: Core = Core {
    build: || VERSION,
    version: || VersionView::built(None, None),
    run: |_, _, _| Ok(Exit::Fine),
    sim: |_| Ok(Exit::Fine),
    files: Files {
        live: "live.redb",
        journal: |_: &Path| -> Result<Box<dyn JournalFacts>, Failure> { Ok(Box::new(journal())) },
        failure: |e| Failure::new(Exit::Foreign, e.to_string()),
        forget: |_, stage| Err(Failure::new(Exit::Usage, format!("there is no stage {stage}"))),
        retain: |_, _| Ok(everwarm_views::storage::RetainView::default()),
    },
    proofs: PROOFS,
    chaos: |_, _| Ok(everwarm_views::views::ChaosView::default()),
    strategy_check: |_| Ok(Vec::new()),
    backtest: |_, _| Ok(everwarm_views::backtest::BacktestView::default()),
    fetch: |_, _| Ok(everwarm_views::fetched::FetchedView::default()),
    backfill: |_, _, _| Ok(everwarm_views::backfill::BackfillView::default()),
    repair_history: |_| Ok(everwarm_views::stored_history::HistoryRepairView::default()),
    sweep: |_| Ok(()),
    account: |_| Err(Failure::new(Exit::Failed, "there is no venue")),
    confirm: |_, _| Ok(()),
    panic: |_, _, _| Ok(Exit::Fine),
    conformance: |_, _| Err(Failure::new(Exit::Failed, "there is no venue")),
    backup: |_, _| Ok(()),
    export: |_, _| Ok(()),
    wipe: |_, _| Ok(everwarm_views::storage::WipedView::default()),
    restore: |_, _| Err(Failure::new(Exit::Failed, "there is no backup")),
    control: |_| Box::new(Hands),
};

fn files(folder: &Folder) -> OfflineContext {
    OfflineContext::open(&folder.0, Box::new(journal()), PROOFS).unwrap()
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn without_a_command_it_runs() {
    let cli = Cli::try_parse_from(["everwarm", "--seed", "3"]).unwrap();
    assert!(cli.command.is_none());
    let text = "everwarm run --recording d --pace lockstep --until-end --data-dir x";
    let cli = Cli::try_parse_from(text.split(' ')).unwrap();
    assert!(matches!(cli.command, Some(Command::Run(_))));
    for text in ["list --json", "retry 12 --data-dir x", "drop 12 --json"] {
        let words = ["everwarm", "quarantine"].into_iter().chain(text.split(' '));
        assert!(Cli::try_parse_from(words).is_ok(), "{text}");
    }
    assert!(Cli::try_parse_from(["everwarm", "--seed", "3", "status"]).is_err());
    for noun in
        ["status", "orders", "fills", "positions", "lots", "equity", "signals", "tree", "verify"]
    {
        let words = ["everwarm", noun, "--json", "--data-dir", "x"];
        assert!(Cli::try_parse_from(words).is_ok(), "{noun}");
    }
}

#[test]
fn tables_are_for_people() {
    let folder = Folder::new("tables");
    let files = files(&folder);
    let shown = |question: &Question, limit: Option<usize>, width| {
        let asked = Asked::default().with("limit", limit);
        let rows = (question.answer)(&files, &asked).unwrap().json.rows().unwrap();
        table(question.columns, &rows).lines(width)
    };
    assert_eq!(
        shown(&ORDERS, None, 120),
        [
            "close (UTC)       symbol  side  type    quantity  filled  average  status  client \
             order id",
            "2021-01-08 12:03  ETHUSD  buy   market       0.8     0.8   1250.5  filled  \
             ew-abcdefghijklmnopqrstuvwxyz",
        ]
    );
    assert_eq!(
        shown(&FILLS, Some(1), 80),
        [
            "time (UTC)               symbol  side  quantity   price       fee  trade  clien…",
            "2021-01-08 12:03:00.020  ETHUSD  buy        0.3  1250.5  0.25 USD    902  ew-ab…",
        ]
    );
    let mut shown = files.status().unwrap();
    shown.data_dir = "x".into();
    assert_eq!(
        status::lines(&shown),
        [
            "state      stopped".to_owned(),
            format!("everwarm   {}", env!("CARGO_PKG_VERSION")),
            "data       x, run 1".to_owned(),
            "identity   demo, epoch 0, configuration 0".to_owned(),
            "market     2 closes, the newest 2021-01-08 12:04 UTC with 3 symbols; input 6"
                .to_owned(),
            "breaker    normal".to_owned(),
            "orders     1 order, 0 not final, 0 with unknown status; 2 fills".to_owned(),
            "account    equity 9,999.60, cash 9,000.00, realised -0.25, 1 position".to_owned(),
            "restarts   0".to_owned(),
        ]
    );
}

#[test]
fn a_story_is_indented_and_wrapped() {
    let folder = Folder::new("story");
    let asked = Asked::default().with("id", Some(ID));
    let story = (EXPLAIN.answer)(&files(&folder), &asked).unwrap().json.read().unwrap();
    let lines = explain::lines(&story, 70, false);
    assert_eq!(
        lines[..11],
        [
            "buy 0.8 ETHUSD at market by sma_cross at the close 12:03 UTC, because",
            "the 10-bar average crossed above the 30-bar one: filled, 0.8 at",
            "average price 1250.5",
            "",
            "2021-01-08 12:02 UTC",
            "    the breaker is at normal [1.500.0]",
            "",
            "2021-01-08 12:03 UTC",
            "  close at 12:03 UTC: ETHUSD open 1245, high 1251, low 1241, close",
            "    1250, volume 12.5; missing: LTCUSD [3]",
            "    features of ETHUSD: sma(10)@1m 1249.5000, sma(30)@1m 1249.2500",
        ]
    );
}

#[test]
fn a_tree_is_drawn() {
    let node = serde_json::json!({"name": "root", "state": "running", "children": [
        {"name": "store", "state": "running", "since_ms": 1000, "restarts": 0, "children": []},
        {"name": "trading", "children": [{
            "name": "clock", "state": "backoff", "restarts": 2, "injected": 1, "since_ms": 1000,
            "planned": "panics at its next message", "last_failure": "no answer"
        }]},
    ]});
    assert_eq!(
        tree::lines(&node, Some(2_500), (120, 99)),
        [
            "root         running",
            "├─ store     running  for 1.50 s",
            "└─ trading",
            "   └─ clock  backoff  for 1.50 s  panics at its next message (injected)  \
             2 restarts, 1 injected  last: no answer",
        ]
    );
    assert_eq!(tree::lines(&node, None, (120, 99))[1], "├─ store     running");
}

#[test]
fn a_tree_with_more_lines_than_are_seen_shows_what_is_not_well() {
    let well = |name: String| serde_json::json!({"name": name, "state": "running", "since_ms": 1});
    let mut bars: Vec<_> = (0..300).map(|i| well(format!("S{i:03}"))).collect();
    bars[250] = serde_json::json!({"name": "S250", "state": "backoff", "restarts": 1});
    let node = serde_json::json!({"name": "root", "state": "running", "children": [
        {"name": "bars", "state": "running", "children": bars},
        well("clock".to_owned()),
    ]});
    assert_eq!(
        tree::lines(&node, None, (40, 7)),
        [
            "root              running",
            "├─ bars           running",
            "│  ├─ S000        running",
            "│  ├─ S001        running",
            "│  ├─ S250        backoff  1 restart",
            "│  └─ … 297 more  running",
            "└─ clock          running",
        ]
    );
    assert_eq!(tree::lines(&node, None, (40, 400)).len(), 303);
    assert_eq!(tree::lines(&node, None, (20, 3))[2], "… 3 lines more");
}

/// A control that accepts some changes and stores nothing.
struct Hands;

impl Control for Hands {
    fn data_dir(&self) -> &Path {
        Path::new("x")
    }

    fn release(&self, id: u64, retry: bool) -> Result<QuarantineView, Failure> {
        let time = 0;
        let (stage, why, symbols) = ("s".to_owned(), format!("retry {retry}"), Vec::new());
        let effect = Effect::Stage;
        let (rank, input, failures) = (200, 7, 3);
        let quarantine =
            Quarantine { rank, stage, input, effect, symbols, failures, why, time, dropped: false };
        let known = (id == 8).then(|| QuarantineView::of(id, &quarantine));
        known.ok_or_else(|| Failure::new(Exit::Refused, "not this one"))
    }

    fn resolve(&self, id: &str, word: &ResolveView) -> Result<ResolvedView, Failure> {
        let conflict = Conflict {
            about: "BTC".into(),
            ours: "2".into(),
            theirs: "1".into(),
            dispute: Dispute::Balance,
        };
        let conflict = ConflictView { id: id.to_owned(), conflict };
        Ok(ResolvedView { conflict, accept: word.accept, reason: word.reason.clone() })
    }

    fn adopt(&self, _: &AdoptView) -> Result<AdoptedView, Failure> {
        Err(Failure::new(Exit::Refused, "there is no surplus here"))
    }

    fn clear_limits(&self) -> Result<ClearedView, Failure> {
        Ok(ClearedView::of(false))
    }

    fn switch(&self, _: &SwitchRequest) -> Result<SwitchedView, Failure> {
        Err(Failure::new(Exit::Failed, "not here"))
    }

    fn change_tokens(&self, _: &TokensRequest) -> Result<TokensChangedView, Failure> {
        Err(Failure::new(Exit::Refused, "there is no registry here"))
    }

    fn lift_emergency(&self) -> Result<EmergencyView, Failure> {
        Err(Failure::new(Exit::Refused, "there is none here"))
    }

    fn process(&self) -> Option<&dyn ProcessControl> {
        None
    }
}

/// Asserts the results of changes with the token, with another token, and with none.
fn assert_changed(remote: &Remote, daemon: &Folder, ours: &Token) {
    let nothing = || questions::Json::of(&Nothing {}).unwrap();
    let release = |id: u64, how: &str, token: Option<&Token>| {
        let asked = Asked::default().with("id", Some(id)).with("how", Some(how));
        remote.change(&changes::QUARANTINE, &asked, nothing(), token)
    };
    for (how, why) in [("retry", "retry true"), ("drop", "retry false")] {
        let view: QuarantineView = release(8, how, Some(ours)).unwrap().read().unwrap();
        assert_eq!(view.quarantine.why, why);
    }
    assert_eq!(release(9, "retry", Some(ours)).unwrap_err().exit, Exit::Refused);
    let guessed = Secret::new("guessed-but-long-enough");
    let guessed = Token::find(Some(&guessed), &daemon.0).unwrap();
    for token in [guessed.as_ref(), None] {
        let refused = release(8, "retry", token).unwrap_err();
        assert!(refused.exit == Exit::Refused && refused.text.contains("token"), "{refused}");
    }
    let asked = Asked::default();
    let cleared = remote.change(&LIMITS, &asked, nothing(), Some(ours)).unwrap();
    assert_eq!(cleared.read::<ClearedView>().unwrap(), ClearedView::of(false));
    let resolve = |token: Option<&Token>| {
        let word = ResolveView { accept: Accept::Ours, reason: "why".into() };
        let word = questions::Json::of(&word).unwrap();
        remote.change(&RESOLVE, &Asked::default().with("id", Some("abc")), word, token)
    };
    let resolved: ResolvedView = resolve(Some(ours)).unwrap().read().unwrap();
    assert_eq!((resolved.conflict.id, resolved.accept), ("abc".to_owned(), Accept::Ours));
    assert_eq!(resolve(None).unwrap_err().exit, Exit::Refused);
    let failure = remote.change(&changes::REFRESH, &asked, nothing(), Some(ours)).unwrap_err();
    assert_eq!(failure.exit, Exit::Unreachable, "{failure}");
}

#[test]
fn a_running_daemon_answers_as_its_files_would() {
    let (folder, daemon) = (Folder::new("files"), Folder::new("daemon"));
    let (here, live) = (files(&folder), files(&daemon));
    let live: Arc<dyn Context> = Arc::new(live);
    assert!(Remote::connect(&daemon.0).unwrap().is_none());

    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let token = Token::find_or_make(None, &daemon.0).unwrap();
    let ours = token.clone();
    let changes = Changes {
        token,
        control: Arc::new(Hands),
        backup: Arc::new(|_| Ok(())),
        export: Arc::new(|_| Ok(())),
    };
    let api = Api::new(live, (None, Refusals::default()), changes, daemon.0.clone());
    let server = runtime.spawn(serve(Entry::Here(listener), api, async {
        stopped.await.ok();
    }));
    let file = ApiFile { addr, pid: std::process::id(), beyond: None };
    file.write(&daemon.0).unwrap();

    let remote = Remote::connect(&daemon.0).unwrap().expect("it answers");
    // Query the process and the files: both have the same facts here.
    for question in questions::ALL.iter().filter(|row| row.effort == Effort::Short) {
        // The text of one contains elapsed time, and only one folder has the files of an API.
        if [DOCTOR.path, STORAGE.path].contains(&question.path) {
            continue;
        }
        for (id, symbol) in [(ID, "ETHUSD"), ("ETHUSD:902", "NONE"), ("no/such order", "ETHUSD")] {
            let given = |name, word| question.path.contains(name).then_some(word);
            let asked = Asked::default()
                .with("id", given("{id}", id))
                .with("symbol", given("{symbol}", symbol))
                .with("timeframe", given("{timeframe}", "1m"));
            let ours = (question.answer)(&here, &asked).map(|answer| answer.json);
            let theirs = remote.ask(question, &asked);
            let plain = |answer: Result<questions::Json, Failure>| {
                let text = answer.map(|json| json.pretty()).map_err(|f| (f.exit, f.text));
                let dirs = [&folder.0, &daemon.0].map(|dir| dir.display().to_string());
                let same = |text: String| text.replace(&dirs[0], "DIR").replace(&dirs[1], "DIR");
                text.map(same).map_err(|(exit, text)| (exit, same(text)))
            };
            assert_eq!(plain(theirs), plain(ours), "{}", question.path);
        }
    }
    assert_changed(&remote, &daemon, &ours);
    let asked = Asked::default();
    assert_eq!(remote.ask(&VERIFY, &asked).unwrap().read::<VerifyView>().unwrap().facts, 15);
    let failure = remote.ask(&TREE, &asked).unwrap_err();
    assert_eq!(failure.exit, Exit::Unreachable);
    assert!(failure.text.starts_with("no daemon is running on"), "{failure}");

    ApiFile { pid: 1, ..file.clone() }.write(&daemon.0).unwrap();
    assert!(Remote::connect(&daemon.0).unwrap().is_none(), "a stranger is not asked");
    drop(remote);
    stop.send(()).unwrap();
    runtime.block_on(server).unwrap();
    file.write(&daemon.0).unwrap();
    assert!(Remote::connect(&daemon.0).unwrap().is_none(), "a killed one is not asked");
}

#[test]
fn where_nothing_is_kept_nobody_is_reached() {
    let folder = Folder::new("nothing");
    let absent = folder.0.join("absent");
    let failure = query::Args::on(&absent).daemon(&CORE).map(drop).unwrap_err();
    assert_eq!(failure.exit, Exit::Unreachable);
    assert!(!absent.exists());
    std::fs::write(folder.0.join(everwarm_history::FILE), b"something else").unwrap();
    let failure = query::Args::on(&folder.0).daemon(&CORE).map(drop).unwrap_err();
    assert_eq!(failure.exit, Exit::Foreign);
    std::fs::remove_file(folder.0.join(everwarm_history::FILE)).unwrap();
    let fills = |daemon: &query::Daemon| {
        daemon.ask(&FILLS, &Asked::default()).unwrap().rows().unwrap().len()
    };
    let one = query::Args::on(&folder.0).daemon(&CORE).unwrap();
    assert_eq!(fills(&one), 2);
    let beside = query::Args::on(&folder.0).daemon(&CORE).unwrap();
    assert_eq!(fills(&beside), 2, "several may read at once");
}

/// A command line split into words.
pub fn words(line: &str) -> Vec<String> {
    let quoted = line.split(['"', '\'']).enumerate();
    let words = quoted.flat_map(|(i, part)| match i % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

/// The commands that a page shows on their own lines, as words.
fn commands(page: &str) -> Vec<Vec<String>> {
    let typed = page.lines().map(str::trim_start).filter(|line| line.starts_with("everwarm "));
    typed.map(words).collect()
}

#[test]
fn what_doctor_says_where_nobody_answers_can_be_typed() {
    for exit in Exit::ALL {
        let view = doctor::unread(&Failure::new(exit, "why"));
        let command = view.findings[0].command.as_deref().unwrap();
        if command.starts_with("everwarm ") {
            super::can_be_typed(command);
        }
    }
}

#[test]
fn what_doctor_says_is_about_the_folder_and_the_file_it_was_asked_about() {
    let folder = Folder::new("doctor whole");
    let (dir, file) = (folder.0.join("data"), folder.0.join("mine.toml"));
    let named = format!("--config '{}' --data-dir '{}'", file.display(), dir.display());
    let suggested = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let view = doctor::look(&query::Args::on(&dir).by(&file), &CORE);
        let commands = view.findings.into_iter().filter_map(|finding| finding.command);
        commands.inspect(|command| super::can_be_typed(command)).collect::<Vec<_>>()
    };
    assert_eq!(suggested(""), [format!("everwarm run {named}")]);
    let wrong = suggested("[trading]\nnotional = -1\n");
    assert_eq!(wrong, vec![format!("everwarm config check {named}"); 2]);
    // The files exist and can be read.
    std::fs::create_dir_all(&dir).unwrap();
    let read = suggested("");
    let ours: Vec<_> = read.iter().filter(|command| command.starts_with("everwarm ")).collect();
    assert!(!ours.is_empty(), "{read:?}");
    for command in ours {
        for flag in ["--config", "--data-dir"] {
            assert_eq!(command.matches(flag).count(), 1, "{command}");
        }
    }
    let held = query::Args::on(&dir).whole("df -h .", None);
    assert_eq!(held, "df -h .");
}

#[test]
fn every_command_of_the_runbook_is_one() {
    let page = include_str!("../../../docs/RUNBOOK.md");
    let commands = commands(page);
    assert!(commands.len() > 40, "{}", commands.len());
    for command in commands {
        if let Err(e) = Cli::try_parse_from(&command) {
            panic!("{command:?}: {e}");
        }
    }
}

/// The commands between back quotes of a page, with an example for each placeholder.
fn quoted(page: &str) -> Vec<Vec<String>> {
    let quotes = page.split('`').skip(1).step_by(2).filter(|text| text.starts_with("everwarm "));
    let word = |word: &str| {
        let word = word.trim_matches(['[', ']']);
        let first = word.split(['|', '\\']).next().unwrap_or(word);
        match first {
            "TIME" => "1700000040000",
            "TF" => "1m",
            "DATE" => "2026-01-05",
            "FILTER" => "info",
            "SHELL" => "bash",
            other => other,
        }
        .to_owned()
    };
    quotes.map(|text| text.split_whitespace().map(word).collect()).collect()
}

#[test]
fn every_command_between_quotes_is_one() {
    let pages = [
        include_str!("../../../README.md"),
        include_str!("../../../docs/quick-start.md"),
        include_str!("../../../docs/how-to/check-a-venue.md"),
        include_str!("../../../docs/how-to/configure.md"),
        include_str!("../../../docs/how-to/prove-it.md"),
        include_str!("../../../docs/how-to/run-as-a-service.md"),
        include_str!("../../../docs/how-to/trade-at-binance.md"),
        include_str!("../../../docs/reference/commands.md"),
        include_str!("../../../docs/SCREENS.md"),
        include_str!("../../../docs/explanation/recovery.md"),
        include_str!("../../../docs/RUNBOOK.md"),
        include_str!("../../../docs/EXCHANGE.md"),
        include_str!("../../../deploy/README.md"),
    ];
    let commands: Vec<Vec<String>> = pages.iter().flat_map(|page| quoted(page)).collect();
    assert!(commands.len() > 40, "{}", commands.len());
    for command in commands {
        let kind = Cli::try_parse_from(&command).map(drop).map_err(|e| e.kind());
        // The page may name a command without its arguments.
        let named = kind == Err(ErrorKind::MissingRequiredArgument)
            || kind == Err(ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
        assert!(kind.is_ok() || named, "{command:?}: {kind:?}");
    }
}

#[test]
fn a_flag_before_the_command_says_where_to_write_it() {
    let error = Cli::try_parse_from(["everwarm", "--data-dir", "x", "status"]).unwrap_err();
    let text = super::with_remedy(error).to_string();
    assert!(text.contains("write the flags after the command: everwarm status [OPT"), "{text}");
}
