//! Queries that read the journal: explanations, summaries and proofs.

use super::market::is_known;
use super::{Answer, Effort, Exit, LIMITED, PERIOD, Question, one};
use crate::calibrate::calibrate;
use crate::exit::Failure;
use crate::explain::{explain, no_story};
use crate::funnel::funnel;
use crate::summary::{SummaryView, summary};
use crate::trades::verify_trades;
use crate::views::{CalibrationView, ExplainView, FunnelView, ReplayView};
use crate::views::{VerifyTradesView, VerifyView};
use crate::why_not::why_not;

/// The query that explains an order, a fill or a fact.
pub const EXPLAIN: Question = Question::new(
    "/api/v1/explain/{id}",
    "Explain an order, a fill or a fact: its causes and its effects",
    one::<ExplainView>,
    |context, asked| {
        let id = asked.word("id").unwrap_or_default();
        // If no process runs, an order has the status that the next start finds.
        let story = explain(context.journal(), id, context.process().is_none())?;
        let none = || Failure::new(Exit::Failed, no_story(id)).coded("no-such-id");
        Answer::of(&story.ok_or_else(none)?)
    },
);

/// The query that explains why there was no order at a close.
pub const WHY_NOT: Question = Question {
    query: &["time", "strategy"],
    ..Question::new(
        "/api/v1/why-not/{symbol}",
        "Explain why there was no order for a symbol at one close",
        one::<ExplainView>,
        |context, asked| {
            let (symbol, time) = (asked.symbol()?, asked.time("time")?);
            is_known(context, symbol)?;
            Answer::of(&why_not(context.journal(), symbol, time, asked.word("strategy"))?)
        },
    )
};

/// The query of the summary of a period.
pub const SUMMARY: Question = Question {
    query: PERIOD,
    effort: Effort::Long,
    ..Question::new(
        "/api/v1/summary",
        "Summarise a period; without one, the day of the newest close",
        one::<SummaryView>,
        |context, asked| {
            let period = asked.period()?;
            let (history, journal) = (context.history(), context.journal());
            Answer::of(&summary(history, journal, context.data_dir(), period)?)
        },
    )
};

/// The query of the way from signals to profit.
pub const FUNNEL: Question = Question {
    query: PERIOD,
    effort: Effort::Long,
    ..Question::new(
        "/api/v1/funnel",
        "Count signals, decisions, orders, fills and profit of each strategy, with reasons",
        one::<FunnelView>,
        |context, asked| {
            let period = asked.period()?;
            Answer::of(&funnel(context.history(), context.journal(), period)?)
        },
    )
};

/// The query that compares own fills with those of paper trading.
pub const CALIBRATE: Question = Question {
    effort: Effort::Long,
    ..Question::new(
        "/api/v1/calibrate",
        "Compare the fills at a venue with those that paper trading assumes, and propose keys",
        one::<CalibrationView>,
        |context, _| Answer::of(&calibrate(context.journal(), context.data_dir())?),
    )
};

/// The query that computes every trade again from its executions and compares.
pub const VERIFY_TRADES: Question = Question {
    query: LIMITED,
    effort: Effort::Alone,
    ..Question::new(
        "/api/v1/verify-trades",
        "Compute every trade again from its fills and compare it with the books",
        one::<VerifyTradesView>,
        |context, asked| Answer::of(&verify_trades(context.journal(), asked.limit()?)?),
    )
};

/// The query that derives every fact again from the inputs and compares.
pub const VERIFY: Question = Question {
    effort: Effort::Alone,
    ..Question::new(
        "/api/v1/verify",
        "Derive every fact again from the inputs and compare",
        one::<VerifyView>,
        |context, _| Answer::of(&(context.proofs().verify)(context.journal(), context.archive())?),
    )
};

/// The query that repeats every decision with the present stages and compares.
pub const REPLAY: Question = Question {
    query: PERIOD,
    effort: Effort::Alone,
    ..Question::new(
        "/api/v1/replay",
        "Repeat every decision with this version and compare",
        one::<ReplayView>,
        |context, asked| {
            let (journal, archive) = (context.journal(), context.archive());
            Answer::of(&(context.proofs().replay)(journal, archive, asked.period()?)?)
        },
    )
};
