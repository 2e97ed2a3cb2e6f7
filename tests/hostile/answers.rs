//! Every mode of lying at every answer the client asks for: what comes is the truth or an error,
//! and the next answer is the truth. Only a plausible number deceives, so balances are left out.

use crate::kit::Folder;
use everwarm::chaos::feed::{START, Small};
use everwarm_adapters::binance::{ApiKey, BinanceClient, Config};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::{OrderIntent, OrderReport, OrderType, SendAttempt, Side, Validity};
use everwarm_domain::secret::Secret;
use everwarm_domain::time::{MINUTE, Timeframe};
use everwarm_runtime::clock::wall;
use everwarm_sim::faults::{Fault, MODES, Mode};
use everwarm_sim::server::port::PortFile;
use everwarm_sim::{InitialBooks, Pace as SimPace, SimHandle, SimOptions, start};
use everwarm_venue::Probe;
use everwarm_venue::clock::{Pace, SharedClock};
use everwarm_venue::port::{AccountPicture, Bars, ErrorClass, TradesSince, VenueError};
use everwarm_venue::rate_limit::Note;
use everwarm_venue::simulated::Admin;
use futures_util::future::join_all;
use rust_decimal::Decimal;
use std::sync::Arc;

/// Lies of each mode at each place.
const LIES: u64 = 40;
/// Places at which something is asked for.
const PLACES: [&str; 8] = [
    "GET time",
    "GET exchangeInfo",
    "GET klines",
    "GET account",
    "GET openOrders",
    "GET order",
    "GET myTrades",
    "POST order",
];

struct Desk {
    client: BinanceClient,
    admin: Admin,
    symbol: Symbol,
    orders: u64,
}

impl Desk {
    fn intent(&mut self, order_type: OrderType, price: Option<Decimal>) -> OrderIntent {
        self.orders += 1;
        OrderIntent {
            client_id: ClientOrderId(format!("ew-{}", self.orders)),
            strategy: "test".to_owned(),
            symbol: self.symbol,
            side: Side::Buy,
            order_type,
            quantity: Decimal::ONE,
            price,
            close_time: 0,
            valid_until: i64::MAX,
            terms: Box::default(),
        }
    }

    async fn place(&self, intent: &OrderIntent) -> Result<OrderReport, VenueError> {
        let client_id = intent.client_id.clone();
        let validity = Validity::within(self.client.now(), 60_000);
        let attempt = SendAttempt { client_id, attempt: 1, validity };
        self.client.place(intent, &attempt).await
    }

    /// What is answered at a place, as text. Times of the clock itself move on.
    async fn answer(&self, place: &str, of: &OrderIntent) -> Result<String, VenueError> {
        let (it, symbol) = (&self.client, self.symbol);
        Ok(match place {
            "GET time" => format!("{:?}", it.server_time().await?.server),
            "GET exchangeInfo" => {
                let rules = it.instruments(&[]).await?;
                if rules.iter().any(|rule| !rule.trading) {
                    return Err(left("a symbol takes no orders"));
                }
                format!("{rules:?}")
            }
            "GET klines" => {
                let (from, to) = (START + MINUTE, START + 12 * MINUTE);
                let Bars { held, unheld } = it.klines(symbol, Timeframe::M1, from, to, 10).await?;
                if !unheld.is_empty() {
                    return Err(left("a bar"));
                }
                format!("{held:?}")
            }
            "GET account" => {
                let AccountPicture { balances, unread, .. } = it.account().await?;
                if !unread.is_empty() {
                    return Err(left("a balance"));
                }
                format!("{balances:?}")
            }
            "GET openOrders" => format!("{:?}", it.open_orders(Some(symbol)).await?),
            "GET order" => format!("{:?}", it.find_order(symbol, &of.client_id).await?),
            "GET myTrades" => {
                format!("{:?}", it.trades_since(symbol, TradesSince::Time(0)).await?)
            }
            other => panic!("{other}"),
        })
    }
}

/// What is left out of an answer, and reported.
fn left(what: &str) -> VenueError {
    VenueError::new(ErrorClass::NotSent, 0, what.to_owned())
}

/// Whether a lie of this mode at that place is plausible: another number that a market may have.
fn is_plausible(mode: Mode, place: &str) -> bool {
    match mode {
        // That symbols are gone is asked again by whoever lists them.
        Mode::BalancesJump | Mode::AbsurdFilters => true,
        // Times of orders are held against their decision by the gateway.
        Mode::WrongTimes => !matches!(place, "GET time" | "GET klines"),
        Mode::WrongTypes
        | Mode::HugeNumbers
        | Mode::EndlessBodies
        | Mode::DoubledIds
        | Mode::Truncated
        | Mode::WrongContent => false,
    }
}

/// An exchange whose time stands and whose limits do not count, and its client.
async fn begin(folder: &Folder) -> (SimHandle, Desk) {
    let options = SimOptions {
        data_dir: folder.0.clone(),
        port: 0,
        pace: SimPace::Lockstep,
        market: Box::new(Small::new()),
        setup: InitialBooks::default(),
        idle_exit: None,
    };
    let sim = start(options).await.unwrap();
    let file = PortFile::read(&folder.0).unwrap().unwrap();
    let admin = Admin::new(&format!("http://{}", sim.addr), &file.token).unwrap();
    let now = START + 20 * MINUTE;
    admin.advance(now, now).await.unwrap();
    let key = ApiKey::hmac(Secret::new(&file.api_key), Secret::new(&file.api_secret));
    let config = Config {
        rest: format!("http://{}", sim.addr),
        stream: format!("ws://{}", sim.addr),
        ws_api: format!("ws://{}/ws-api/v3", sim.addr),
        key: Some(key),
        recv_window: 5_000,
        // It is looked at, and all but stands.
        clock: SharedClock::new(Pace::Scaled { wall: wall(), venue: now, per_mille: 1 }),
        wall: Arc::new(wall),
        probe: Probe::default(),
        note: Note::default(),
    };
    let client = BinanceClient::new(config).unwrap();
    let symbol = client.instruments(&[]).await.unwrap().remove(0).symbol;
    (sim, Desk { client, admin, symbol, orders: 0 })
}

#[tokio::test]
async fn an_answer_is_the_truth_or_refused_with_its_place_and_the_next_one_is_the_truth() {
    let folder = Folder::new("hostile-answers");
    let (sim, mut desk) = begin(&folder).await;
    let filled = desk.intent(OrderType::Market, None);
    desk.place(&filled).await.unwrap();
    let resting = desk.intent(OrderType::Limit, Some(Decimal::ONE));
    drop(desk.place(&resting).await);

    let (mut wrong, mut refused) = (Vec::new(), 0);
    for mode in MODES.iter().map(|row| row.mode).filter(|mode| *mode != Mode::EndlessBodies) {
        for place in PLACES {
            let at = Some(place.to_owned());
            let fault = Fault { at, times: Some(1), ..Fault::hostile(mode) };
            if fault.check().is_err() || is_plausible(mode, place) {
                continue;
            }
            for seed in 0..LIES {
                let fault = Fault { seed, ..fault.clone() };
                let what = format!("{} at {place}, seed {seed}", mode.row().name);
                if let Err(why) = one(&mut desk, place, &fault, &filled, &mut refused).await {
                    wrong.push(format!("{what}: {why}"));
                }
            }
        }
    }
    assert!(refused > 500, "{refused} were refused");
    assert!(wrong.is_empty(), "{} of {refused}:\n{}", wrong.len(), wrong.join("\n"));
    sim.stop().await.unwrap();
}

/// One lie at one place.
async fn one(
    desk: &mut Desk,
    place: &str,
    fault: &Fault,
    filled: &OrderIntent,
    refused: &mut u32,
) -> Result<(), String> {
    let on = serde_json::to_string(fault).unwrap();
    let (lie, truth) = if place == "POST order" {
        let intent = desk.intent(OrderType::Market, None);
        desk.admin.fault(on).await.unwrap();
        let lie = desk.place(&intent).await.map(|report| report.fills);
        desk.admin.lift(None).await.unwrap();
        let truth = desk.client.find_order(desk.symbol, &intent.client_id).await;
        let truth = truth.unwrap().ok_or("it was not done")?.fills;
        (lie.map(|it| format!("{it:?}")), format!("{truth:?}"))
    } else {
        let truth = desk.answer(place, filled).await.map_err(|e| e.to_string())?;
        desk.admin.fault(on).await.unwrap();
        let lie = desk.answer(place, filled).await;
        desk.admin.lift(None).await.unwrap();
        (lie, truth)
    };
    match lie {
        Ok(answer) if answer == truth => {}
        // Its fills are asked for.
        Ok(answer) if place == "POST order" && answer == "[]" => *refused += 1,
        Ok(answer) => return Err(format!("told {answer}, the truth is {truth}")),
        Err(e) if e.text.is_empty() => return Err("it is refused without a word".to_owned()),
        Err(_) => *refused += 1,
    }
    if place == "POST order" {
        return Ok(());
    }
    let after = desk.answer(place, filled).await.map_err(|e| format!("afterwards: {e}"))?;
    if after == truth { Ok(()) } else { Err(format!("afterwards {after}")) }
}

#[tokio::test]
async fn a_body_without_end_is_left_in_time() {
    let folder = Folder::new("hostile-endless");
    let (sim, mut desk) = begin(&folder).await;
    let filled = desk.intent(OrderType::Market, None);
    desk.place(&filled).await.unwrap();
    let places = ["GET time", "GET klines", "GET account", "GET order"];
    for (seed, place) in (0..).zip(places) {
        let at = Some(place.to_owned());
        let fault = Fault { at, seed, times: Some(1), ..Fault::hostile(Mode::EndlessBodies) };
        desk.admin.fault(serde_json::to_string(&fault).unwrap()).await.unwrap();
    }
    // Some come fast and are too long, the others come slowly and never end.
    let all = join_all(places.map(|place| desk.answer(place, &filled))).await;
    let why: Vec<String> = all.into_iter().map(|answer| answer.unwrap_err().text).collect();
    assert!(why.iter().any(|why| why.contains("an answer above")), "{why:?}");
    assert!(why.iter().any(|why| !why.contains("an answer above")), "{why:?}");
    for place in places {
        assert!(desk.answer(place, &filled).await.is_ok(), "{place}");
    }
    sim.stop().await.unwrap();
}
