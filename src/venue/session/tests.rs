//! Tables: what comes in, what comes out.

use super::*;

/// Says `hello` with two requests; reads `ok N`, `no`, `later`, `end`, `over`, `bad`, else data.
struct Echo(u64);

impl Protocol for Echo {
    type Frame = String;

    fn hello(&mut self, venue_now: UtcMs) -> Vec<Hello> {
        self.0 += 2;
        let hello = |id| Hello { id, text: format!("hello {id} at {venue_now}") };
        vec![hello(self.0 - 1), hello(self.0)]
    }

    fn read(&self, text: &str) -> Result<Said<String>, String> {
        let refusal = |again| Err(Refusal { why: text.to_owned(), again });
        Ok(match text {
            "no" => Said::Answer { id: None, outcome: refusal(false) },
            "later" => Said::Answer { id: Some(1), outcome: refusal(true) },
            "end" => Said::Ending(text.to_owned()),
            "over" => Said::Over(text.to_owned()),
            "bad" => return Err("bad".to_owned()),
            _ => match text.strip_prefix("ok ") {
                Some(id) => Said::Answer { id: id.parse().ok(), outcome: Ok(()) },
                None => Said::Data(text.to_owned()),
            },
        })
    }
}

fn show(output: &Output<String>) -> String {
    match output {
        Output::Connect => "connect".into(),
        Output::Send(text) => format!("> {text}"),
        Output::Drop => "drop".into(),
        Output::Event(Event::Connected) => "connected".into(),
        Output::Event(Event::Subscribed) => "subscribed".into(),
        Output::Event(Event::Frame(f)) => format!("frame {f}"),
        Output::Event(Event::Garbled { why }) => format!("garbled {why}"),
        Output::Event(Event::Ending { why }) => format!("ending {why}"),
        Output::Event(Event::Lost { why, again }) => format!("lost {why} {again}"),
    }
}

/// Feeds (wall time, input) pairs; the venue's time is 1,000,000 ahead and the dice show their
/// highest.
fn feed(session: &mut Session<Echo>, table: &[(UtcMs, Input<'_>, &[&str])]) {
    for (wall, input, expected) in table {
        let now = Moment { wall: *wall, venue: wall + 1_000_000 };
        // One below a multiple of every ceiling's span would be needed for the highest draw; the
        // span is found by asking for the ceiling itself.
        let ceiling = (BACK_OFF_MIN << session.tries.min(16)).min(BACK_OFF_MAX);
        let outputs = session.handle(input.clone(), now, ceiling.unsigned_abs());
        let shown: Vec<String> = outputs.iter().map(show).collect();
        assert_eq!(shown, *expected, "at {wall}: {input:?}");
    }
}

fn connected() -> Session<Echo> {
    let mut session = Session::new(Echo(0));
    assert_eq!(session.deadline(), Some(UtcMs::MIN));
    feed(
        &mut session,
        &[
            (5, Input::Tick, &["connect"]),
            (6, Input::Tick, &[]),
            (7, Input::Opened, &["connected", "> hello 1 at 1000007", "> hello 2 at 1000007"]),
        ],
    );
    session
}

#[test]
fn subscribes_once_all_is_answered() {
    let mut session = connected();
    assert_eq!(session.deadline(), Some(7 + ANSWER));
    feed(
        &mut session,
        &[
            (10, Input::Text("ok 2"), &[]),
            (11, Input::Text("early"), &["frame early"]),
            (12, Input::Text("ok 9"), &[]),
            (13, Input::Text("ok 1"), &["subscribed"]),
            (14, Input::Text("ok 1"), &[]),
            (15, Input::Text("bad"), &["garbled bad"]),
            (16, Input::Text("end"), &["ending end"]),
        ],
    );
    assert_eq!(session.carried(), Carried { texts: 7, data: 3 });
    assert_eq!(session.deadline(), Some(16 + IDLE));
}

#[test]
fn silence_and_unanswered_requests_end_a_connection() {
    let mut session = connected();
    feed(
        &mut session,
        &[
            (9_000, Input::Alive, &[]),
            (10_006, Input::Tick, &[]),
            (10_007, Input::Tick, &["drop", "lost no answer to a request true"]),
            (10_008, Input::Text("stale"), &[]),
            (10_008, Input::Closed("stale".into()), &[]),
            (10_256, Input::Tick, &[]),
            (10_257, Input::Tick, &["connect"]),
            (10_258, Input::Opened, &["connected", "> hello 3 at 1010258", "> hello 4 at 1010258"]),
            (10_259, Input::Text("ok 3"), &[]),
            (10_259, Input::Text("ok 4"), &["subscribed"]),
            (70_000, Input::Alive, &[]),
            (129_999, Input::Tick, &[]),
            (130_000, Input::Tick, &["drop", "lost no sign of life true"]),
        ],
    );
    assert_eq!(session.deadline(), Some(130_000 + 500), "no data came, so the ceiling rose");
}

#[test]
fn the_wait_falls_back_only_after_data() {
    let mut session = Session::new(Echo(0));
    let mut now = 0;
    let failed = || Input::Failed { why: "net".into(), again: true, wait_ms: None };
    for wait in [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
        feed(
            &mut session,
            &[
                (now, Input::Tick, &["connect"]),
                (now, failed(), &["drop", "lost net true"]),
                (now, failed(), &[]),
            ],
        );
        now += wait;
        assert_eq!(session.deadline(), Some(now));
    }
    feed(&mut session, &[(now, Input::Tick, &["connect"])]);
    session.handle(Input::Opened, Moment { wall: now, venue: 0 }, 0);
    feed(
        &mut session,
        &[
            (now, Input::Text("data"), &["frame data"]),
            (now, Input::Closed("eof".into()), &["drop", "lost eof true"]),
        ],
    );
    assert_eq!(session.deadline(), Some(now + 250));
    for dice in 0..2_000 {
        assert!((0..=250).contains(&back_off(0, dice)));
        assert!((0..=30_000).contains(&back_off(u32::MAX, dice.wrapping_mul(0x1234_5678_9abc))));
    }
    assert_eq!(back_off(0, 251), 0, "the whole range is drawn from");
}

#[test]
fn refusals_stop_and_waits_asked_for_are_kept() {
    let mut session = connected();
    feed(&mut session, &[(8, Input::Text("no"), &["drop", "lost subscription refused: no false"])]);
    assert!(session.is_stopped());
    assert_eq!(session.deadline(), None);
    feed(&mut session, &[(1 << 50, Input::Tick, &[]), (9, Input::Opened, &["drop"])]);
    session.restart();
    let later = Input::Failed { why: "429".into(), again: true, wait_ms: Some(5_000) };
    feed(&mut session, &[(10, Input::Tick, &["connect"]), (10, later, &["drop", "lost 429 true"])]);
    assert_eq!(session.deadline(), Some(5_010));

    let mut session = connected();
    feed(&mut session, &[(8, Input::Text("over"), &["drop", "lost over true"])]);
    let mut session = connected();
    let why = "lost subscription refused: later true";
    feed(&mut session, &[(8, Input::Text("later"), &["drop", why])]);
}
