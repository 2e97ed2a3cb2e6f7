//! Rules about what trading does not wait for: stored bars, and sources beside the venue.

use super::super::signs::Signs;
use super::finding;
use crate::views::{FindingView, Severity};
use everwarm_words::text::{count, instant, thousands};

pub(super) fn old_bars(signs: &Signs, found: &mut Vec<FindingView>) {
    let Some(repeated) = &signs.repeated else { return };
    let Some(why) = &repeated.held else { return };
    let text = format!("bars whose time is over stay in the history: {why}");
    let todo = "remove the cause; the next night tries again. This command shows how much is due";
    let view = finding(Severity::Warning, text, todo).since(repeated.ended, signs.wall);
    found.push(view.by("everwarm storage"));
}

pub(super) fn stored_bars(signs: &Signs, found: &mut Vec<FindingView>) {
    let Some(sample) = &signs.history_sample else { return };
    let Some(first) = sample.wrong.first() else { return };
    let wrong = thousands(sample.wrong.len() as u64);
    let ranges = count(sample.ranges, "checked range");
    let text = format!("{wrong} of {ranges} of the history are damaged: {first}");
    let todo = "trading goes on. This command checks all stored bars. To repair them, stop the \
                daemon and run it with --repair";
    let view = finding(Severity::Warning, text, todo).since(sample.ended, signs.wall);
    found.push(view.by("everwarm history check"));
}

/// Sources of the dominance and of prices of tokens, as long as their polls fail.
pub(super) fn sources(signs: &Signs, found: &mut Vec<FindingView>) {
    for failing in &signs.failing_sources {
        let (source, why) = (&failing.source, &failing.why);
        let next = instant(failing.next / 1_000 * 1_000);
        let text = format!("the source {source} fails: {why}");
        let todo = format!(
            "trading goes on without new samples; the next poll is at {next} UTC. Check \
             [source.{source}] and the network"
        );
        let view = finding(Severity::Warning, text, &todo).since(failing.since, signs.wall);
        found.push(view.by("everwarm config check"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;
    use crate::health::views::FailingSourceView;
    use crate::testing::can_be_typed;

    #[test]
    fn a_source_that_fails_is_found_with_its_reason_and_its_next_poll() {
        let failing = FailingSourceView {
            source: "coingecko".to_owned(),
            since: 1_767_596_400_000,
            why: "HTTP 429: slow down".to_owned(),
            next: 1_767_596_460_123,
        };
        let found = |failing: Option<FailingSourceView>| {
            let wall = 1_767_596_405_000;
            let failing_sources = failing.into_iter().collect();
            let signs = Signs { wall, failing_sources, ..Signs::default() };
            let all = findings(&signs).findings.into_iter();
            all.filter(|finding| finding.check == "sources").collect::<Vec<FindingView>>()
        };
        assert_eq!(found(None), []);
        let [finding] = &found(Some(failing))[..] else { panic!("one finding is expected") };
        assert_eq!(finding.text, "the source coingecko fails: HTTP 429: slow down");
        let next = "the next poll is at 2026-01-05 07:01 UTC. Check [source.coingecko]";
        assert!(finding.todo.contains(next), "{}", finding.todo);
        assert_eq!((finding.severity, finding.for_s), (Severity::Warning, Some(5)));
        can_be_typed(finding.command.as_ref().unwrap());
    }
}
