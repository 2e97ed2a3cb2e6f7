//! Tests of the session as tables of inputs and outputs.

use super::*;
use everwarm_domain::time::{SteadyMs, WallMs};

/// A protocol with two requests of `hello`. It reads `ok N`, `no`, `later`, `wait` (7 s), `end`,
/// `over` and `bad`; any other text is data. It allows 30 s without data.
struct Echo(u64);

impl Protocol for Echo {
    type Frame = String;

    fn hello(&mut self, venue_now: UtcMs) -> Vec<Hello> {
        self.0 += 2;
        let hello = |id| Hello { id, text: format!("hello {id} at {venue_now}") };
        vec![hello(self.0 - 1), hello(self.0)]
    }

    fn read(&self, text: &str) -> Result<Parsed<String>, String> {
        let wait_ms = (text == "wait").then_some(7_000);
        let refusal = |again| Err(Refusal { why: text.to_owned(), again, wait_ms });
        Ok(match text {
            "no" => Parsed::Answer { id: None, outcome: refusal(false) },
            "later" | "wait" => Parsed::Answer { id: Some(1), outcome: refusal(true) },
            "end" => Parsed::Ending(text.to_owned()),
            "over" => Parsed::Over(text.to_owned()),
            "bad" => return Err("bad".to_owned()),
            _ => match text.strip_prefix("ok ") {
                Some(id) => Parsed::Answer { id: id.parse().ok(), outcome: Ok(()) },
                None => Parsed::Data(text.to_owned()),
            },
        })
    }

    fn turn(&mut self) -> Vec<Hello> {
        self.0 += 1;
        vec![Hello { id: self.0, text: format!("turn {}", self.0) }]
    }

    fn quiet(&self) -> Option<i64> {
        Some(30_000)
    }
}

fn show(output: &Output<String>) -> String {
    match output {
        Output::Connect(id) => format!("connect {id}"),
        Output::Send(id, text) => format!("{id}> {text}"),
        Output::Drop(id) => format!("drop {id}"),
        Output::Ping(id) => format!("ping {id}"),
        Output::Limited(ms) => format!("limited {ms}"),
        Output::Event(Event::Subscribed) => "subscribed".into(),
        Output::Event(Event::Turned) => "turned".into(),
        Output::Event(Event::Frame(f)) => format!("frame {f}"),
        Output::Event(Event::Garbled { why }) => format!("garbled {why}"),
        Output::Event(Event::Ending { why }) => format!("ending {why}"),
        Output::Event(Event::Lost { why, again }) => format!("lost {why} {again}"),
    }
}

/// Feeds (steady time, input) pairs. The wall clock is 500 ahead, the venue 1,000,000, and the
/// random number gives the longest wait.
fn feed(session: &mut Session<Echo>, table: &[(i64, Input<'_>, &[&str])]) {
    for (steady, input, expected) in table {
        let now = moment(*steady);
        // The ceiling itself as the random number gives the longest wait.
        let ceiling = (BACK_OFF_MIN << session.tries.min(16)).min(BACK_OFF_MAX);
        let outputs = session.handle(input.clone(), now, ceiling.unsigned_abs());
        let shown: Vec<String> = outputs.iter().map(show).collect();
        assert_eq!(shown, *expected, "at {steady}: {input:?}");
    }
}

fn connected() -> Session<Echo> {
    let mut session = Session::new(Echo(0));
    assert_eq!(session.deadline().map(SteadyMs::ms), Some(i64::MIN));
    feed(
        &mut session,
        &[
            (5, Input::Tick, &["connect 1"]),
            (6, Input::Tick, &[]),
            (7, Input::Opened, &["1> hello 1 at 1000007", "1> hello 2 at 1000007"]),
        ],
    );
    session
}

fn subscribed() -> Session<Echo> {
    let mut session = connected();
    feed(
        &mut session,
        &[(8, Input::Text(1, "ok 1"), &[]), (9, Input::Text(1, "ok 2"), &["subscribed"])],
    );
    session
}

#[test]
fn subscribes_once_all_is_answered() {
    let mut session = connected();
    assert_eq!(session.deadline().map(SteadyMs::ms), Some(7 + ANSWER));
    feed(
        &mut session,
        &[
            (10, Input::Text(1, "ok 2"), &[]),
            (11, Input::Text(1, "early"), &["frame early"]),
            (12, Input::Text(1, "ok 9"), &[]),
            (13, Input::Text(1, "ok 1"), &["subscribed"]),
            (14, Input::Text(1, "ok 1"), &[]),
            (15, Input::Text(1, "bad"), &["garbled bad"]),
            (16, Input::Text(2, "of another"), &[]),
        ],
    );
    assert_eq!(session.deadline().map(SteadyMs::ms), Some(13 + 30_000));
}

#[test]
fn what_is_wanted_besides_is_asked_for_on_every_open_connection() {
    let mut session = subscribed();
    feed(
        &mut session,
        &[
            (100_000, Input::Alive(1), &[]),
            (100_000, Input::Text(1, "data"), &["frame data"]),
            (100_001, Input::Turned, &["1> turn 3"]),
            (100_002, Input::Text(1, "data"), &["frame data"]),
        ],
    );
    assert_eq!(
        session.deadline().map(SteadyMs::ms),
        Some(100_001 + ANSWER),
        "it has to be answered"
    );
    feed(&mut session, &[(100_003, Input::Text(1, "ok 3"), &["turned"])]);
    // Its successor has subscribed already, and gets the change, too.
    feed(
        &mut session,
        &[
            (100_004, Input::Text(1, "end"), &["ending end"]),
            (100_005, Input::Tick, &["connect 2"]),
            (100_006, Input::Opened, &["2> hello 4 at 1100006", "2> hello 5 at 1100006"]),
            (100_007, Input::Turned, &["1> turn 6", "2> turn 6"]),
            (100_008, Input::Text(2, "ok 4"), &[]),
            (100_009, Input::Text(2, "ok 5"), &[]),
            (100_010, Input::Text(1, "ok 6"), &["turned"]),
            (100_011, Input::Text(2, "ok 6"), &["drop 1", "subscribed"]),
        ],
    );
    // No connection is open, so the next one subscribes to everything.
    feed(
        &mut session,
        &[
            (100_012, Input::Closed(2, "gone".into()), &["drop 2", "lost gone true"]),
            (100_013, Input::Turned, &[]),
        ],
    );
}

#[test]
fn silence_and_unanswered_requests_end_a_connection() {
    let mut session = connected();
    feed(
        &mut session,
        &[
            (9_000, Input::Alive(1), &[]),
            (10_006, Input::Tick, &[]),
            (10_007, Input::Tick, &["drop 1", "lost no answer to a request true"]),
            (10_008, Input::Text(1, "stale"), &[]),
            (10_008, Input::Closed(1, "stale".into()), &[]),
            (10_256, Input::Tick, &[]),
            (10_257, Input::Tick, &["connect 2"]),
            (10_258, Input::Opened, &["2> hello 3 at 1010258", "2> hello 4 at 1010258"]),
            (10_259, Input::Text(2, "ok 3"), &[]),
            (10_259, Input::Text(2, "ok 4"), &["subscribed"]),
            (20_000, Input::Text(2, "x"), &["frame x"]),
            (40_000, Input::Alive(2), &[]),
            (49_999, Input::Tick, &[]),
            (50_000, Input::Tick, &["drop 2", "lost pings, but no data true"]),
        ],
    );
    assert_eq!(
        session.deadline().map(SteadyMs::ms),
        Some(50_000 + 250),
        "data had come, so the ceiling fell"
    );
}

#[test]
fn without_a_limit_on_quiet_only_signs_of_life_count() {
    struct Quiet;
    impl Protocol for Quiet {
        type Frame = ();
        fn hello(&mut self, _: UtcMs) -> Vec<Hello> {
            Vec::new()
        }
        fn read(&self, _: &str) -> Result<Parsed<()>, String> {
            Ok(Parsed::Data(()))
        }
    }
    let mut session = Session::new(Quiet);
    let mut at = |steady, input: Input<'_>| session.handle(input, moment(steady), 1);
    assert_eq!(at(0, Input::Tick), [Output::Connect(1)]);
    assert_eq!(at(0, Input::Opened), [Output::Event(Event::Subscribed)]);
    assert_eq!(at(59_999, Input::Alive(1)), []);
    assert_eq!(at(119_998, Input::Tick), []);
    let why = "no sign of life".to_owned();
    let lost = [Output::Drop(1), Output::Event(Event::Lost { why, again: true })];
    assert_eq!(at(119_999, Input::Tick), lost);
}

#[test]
fn the_wait_falls_back_only_after_data() {
    let mut session = Session::new(Echo(0));
    let mut now = 0;
    let failed = || Input::Failed { why: "net".into(), again: true, wait_ms: None };
    for (i, wait) in
        [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].iter().enumerate()
    {
        let connect = format!("connect {}", i + 1);
        feed(
            &mut session,
            &[
                (now, Input::Tick, &[&connect]),
                (now, failed(), &["lost net true"]),
                (now, failed(), &[]),
            ],
        );
        now += wait;
        assert_eq!(session.deadline().map(SteadyMs::ms), Some(now));
    }
    feed(&mut session, &[(now, Input::Tick, &["connect 10"])]);
    session.handle(Input::Opened, moment(now), 0);
    feed(
        &mut session,
        &[
            (now, Input::Text(10, "data"), &["frame data"]),
            (now, Input::Closed(10, "eof".into()), &["drop 10", "lost eof true"]),
        ],
    );
    assert_eq!(session.deadline().map(SteadyMs::ms), Some(now + 250));
    for dice in 0..2_000 {
        assert!((0..=250).contains(&back_off(0, dice)));
        assert!((0..=30_000).contains(&back_off(u32::MAX, dice.wrapping_mul(0x1234_5678_9abc))));
    }
    assert_eq!(back_off(0, 251), 0, "the whole range is drawn from");
}

#[test]
fn refusals_stop_and_waits_asked_for_are_kept() {
    let mut session = connected();
    let why = "lost subscription refused: no false";
    feed(&mut session, &[(8, Input::Text(1, "no"), &["drop 1", why])]);
    assert!(session.is_stopped());
    assert_eq!(session.deadline(), None);
    feed(&mut session, &[(1 << 50, Input::Tick, &[]), (9, Input::Opened, &["drop 1"])]);
    session.restart();
    let later = Input::Failed { why: "429".into(), again: true, wait_ms: Some(5_000) };
    feed(&mut session, &[(10, Input::Tick, &["connect 2"]), (10, later, &["lost 429 true"])]);
    assert_eq!(session.deadline().map(SteadyMs::ms), Some(5_010));

    let mut session = connected();
    feed(&mut session, &[(8, Input::Text(1, "over"), &["drop 1", "lost over true"])]);
    let mut session = connected();
    let why = "lost subscription refused: later true";
    feed(&mut session, &[(8, Input::Text(1, "later"), &["drop 1", why])]);

    let mut session = connected();
    let why = "lost subscription refused: wait true";
    feed(&mut session, &[(8, Input::Text(1, "wait"), &["limited 7000", "drop 1", why])]);
    assert_eq!(session.deadline().map(SteadyMs::ms), Some(7_008));
}

#[test]
fn a_connection_that_will_end_is_in_use_until_its_successor_is_subscribed() {
    let mut session = subscribed();
    feed(
        &mut session,
        &[
            (100, Input::Text(1, "end"), &["ending end"]),
            (100, Input::Tick, &["connect 2"]),
            (150, Input::Text(1, "old"), &["frame old"]),
            (200, Input::Opened, &["2> hello 3 at 1000200", "2> hello 4 at 1000200"]),
            (210, Input::Text(2, "ok 3"), &[]),
            (211, Input::Text(2, "both"), &[]),
            (212, Input::Text(1, "both"), &["frame both"]),
            (213, Input::Text(2, "ok 4"), &["drop 1", "subscribed"]),
            (214, Input::Text(1, "stale"), &[]),
            (215, Input::Text(2, "new"), &["frame new"]),
            (216, Input::Closed(1, "restart".into()), &[]),
        ],
    );
    assert_eq!(session.deadline().map(SteadyMs::ms), Some(215 + 30_000));
}

#[test]
fn a_successor_that_fails_is_tried_again_behind_the_one_in_use() {
    let mut session = subscribed();
    let failed = || Input::Failed { why: "net".into(), again: false, wait_ms: None };
    feed(
        &mut session,
        &[
            (100, Input::Text(1, "end"), &["ending end"]),
            (100, Input::Tick, &["connect 2"]),
            (101, failed(), &[]),
            (102, Input::Text(1, "still"), &["frame still"]),
            (350, Input::Tick, &[]),
            (351, Input::Tick, &["connect 3"]),
            (360, Input::Closed(1, "eof".into()), &["drop 1", "lost eof true"]),
            (370, Input::Opened, &["3> hello 3 at 1000370", "3> hello 4 at 1000370"]),
            (371, Input::Text(3, "ok 3"), &[]),
            (372, Input::Text(3, "first"), &["frame first"]),
            (373, Input::Text(3, "ok 4"), &["subscribed"]),
        ],
    );
    assert!(!session.is_stopped());
}

#[test]
fn a_connection_is_replaced_before_it_is_a_day_old() {
    let mut session = subscribed();
    let mut now = 9;
    while now < ROTATE - ROTATE_SPREAD - 20_000 {
        now += 20_000;
        feed(&mut session, &[(now, Input::Text(1, "x"), &["frame x"])]);
    }
    let at = session.deadline().unwrap().ms();
    while session.deadline().unwrap().ms() > now + 30_000 - 1 && now < ROTATE {
        now += 20_000;
        if session.handle(Input::Tick, moment(now), 0) == [Output::Connect(2)] {
            break;
        }
        feed(&mut session, &[(now, Input::Text(1, "x"), &["frame x"])]);
    }
    assert!((ROTATE - ROTATE_SPREAD - 20_000..=ROTATE + 20_000).contains(&now), "{now} {at}");
}

/// A venue that accepts the key before the subscription, and one connection. It is silent while its
/// market is closed.
struct Steps;

impl Protocol for Steps {
    type Frame = String;

    fn hello(&mut self, _: UtcMs) -> Vec<Hello> {
        vec![Hello { id: 1, text: "key".to_owned() }]
    }

    fn then(&mut self, answered: u64) -> Vec<Hello> {
        let next = Hello { id: 2, text: "subscribe".to_owned() };
        if answered == 1 { vec![next] } else { Vec::new() }
    }

    fn rotates(&self) -> bool {
        false
    }

    fn pings(&self) -> bool {
        true
    }

    fn read(&self, text: &str) -> Result<Parsed<String>, String> {
        let one = |word: &str| match word.parse() {
            Ok(id) => Parsed::Answer { id: Some(id), outcome: Ok(()) },
            Err(_) => Parsed::Data(word.to_owned()),
        };
        Ok(Parsed::Many(text.split(' ').map(one).collect()))
    }
}

#[test]
fn a_request_waits_for_the_success_of_the_one_before() {
    let mut session = Session::new(Steps);
    let mut at = |steady, input: Input<'_>| -> Vec<String> {
        session.handle(input, moment(steady), 0).iter().map(show).collect()
    };
    assert_eq!(at(0, Input::Tick), ["connect 1"]);
    assert_eq!(at(1, Input::Opened), ["1> key"]);
    assert_eq!(at(2, Input::Text(1, "hello")), ["frame hello"]);
    assert_eq!(at(9_000, Input::Text(1, "1")), ["1> subscribe"]);
    assert_eq!(at(9_001, Input::Text(1, "1")), Vec::<String>::new());
    // The time for its response begins with the request.
    assert_eq!(at(18_999, Input::Tick), Vec::<String>::new());
    assert_eq!(at(18_999, Input::Text(1, "2 a b")), ["subscribed", "frame a", "frame b"]);
    assert_eq!(at(18_999, Input::Text(1, "2")), Vec::<String>::new());
}

#[test]
fn a_silent_connection_is_pinged_and_kept_for_days_if_the_venue_takes_only_one() {
    let mut session = Session::new(Steps);
    let at = |session: &mut Session<Steps>, steady, input: Input<'_>| -> Vec<String> {
        session.handle(input, moment(steady), 0).iter().map(show).collect()
    };
    at(&mut session, 0, Input::Tick);
    at(&mut session, 0, Input::Opened);
    at(&mut session, 0, Input::Text(1, "1"));
    assert_eq!(at(&mut session, 0, Input::Text(1, "2")), ["subscribed"]);
    let mut now = 0;
    while now < 3 * ROTATE {
        let due = session.deadline().unwrap().ms();
        assert_eq!(due, now + PING);
        assert_eq!(at(&mut session, due, Input::Tick), ["ping 1"]);
        now = due + 40;
        assert_eq!(at(&mut session, now, Input::Alive(1)), Vec::<String>::new());
    }
    let due = now + PING;
    assert_eq!(at(&mut session, due, Input::Tick), ["ping 1"]);
    assert_eq!(session.deadline().unwrap().ms(), now + IDLE, "one ping without a pong");
    let lost = at(&mut session, now + IDLE, Input::Tick);
    assert_eq!(lost, ["drop 1", "lost no sign of life true", "connect 2"]);
}

fn moment(steady: i64) -> Moment {
    let wall = WallMs::from_utc(steady + 500);
    Moment { steady: SteadyMs::from_start(steady), wall, venue: steady + 1_000_000 }
}

#[test]
fn a_clock_that_jumps_is_a_lost_connection() {
    for jump in [5_001, -5_001] {
        let mut session = subscribed();
        let slept = Moment { wall: WallMs::from_utc(100 + 500 + jump), ..moment(100) };
        let outputs = session.handle(Input::Tick, slept, 0);
        let shown: Vec<String> = outputs.iter().map(show).collect();
        assert_eq!(shown, ["drop 1", "lost the clock jumped true", "connect 2"]);
    }
    let mut session = subscribed();
    let corrected = Moment { wall: WallMs::from_utc(100 + 500 + 5_000), ..moment(100) };
    assert_eq!(session.handle(Input::Tick, corrected, 0), []);
}
