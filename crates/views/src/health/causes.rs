//! Order of findings: a cause comes before its consequences, even if they are more severe.

use crate::views::FindingView;

/// Each check with those that it can cause, the first causes first.
const CAUSES: &[(&str, &[&str])] = &[
    ("disk", &["process", "progress", "ready"]),
    ("configuration", &["process"]),
    ("clock", &["venue", "ready"]),
    ("venue", &["ready", "market", "stale", "unsent", "unknown", "cancels", "unprotected"]),
    ("conflicts", &["breaker", "ready", "unsent", "unprotected"]),
    ("quarantine", &["branches", "breaker", "progress", "ready", "unsent", "unprotected"]),
    ("branches", &["breaker", "progress", "ready", "market", "stale", "unsent", "unprotected"]),
    ("breaker", &["ready", "unsent", "unprotected", "no-orders", "no-fills"]),
    ("progress", &["ready", "market", "stale", "unsent", "unprotected"]),
    ("market", &["ready", "stale", "unprotected"]),
    ("stale", &["unprotected", "no-orders"]),
    ("process", &["unknown", "cancels", "messages"]),
];

/// Sorts by severity, and puts causes before their consequences.
pub fn causes_first(findings: &mut Vec<FindingView>) {
    findings.sort_by_key(|finding| finding.severity);
    // In reverse, so that a cause that moves up stays behind its own cause.
    for (cause, consequences) in CAUSES.iter().rev() {
        let first = findings.iter().position(|found| consequences.contains(&found.check.as_str()));
        let Some(first) = first else { continue };
        let (early, late) = findings.split_at(first);
        let is_cause = |found: &&FindingView| found.check == *cause;
        let moved: Vec<FindingView> = late.iter().filter(is_cause).cloned().collect();
        let rest = late.iter().filter(|found| !is_cause(found)).cloned();
        *findings = early.iter().cloned().chain(moved).chain(rest).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::Severity;

    #[test]
    fn a_cause_is_named_before_what_comes_of_it() {
        use Severity::{Broken, Warning};
        let found = |check: &str, severity| FindingView {
            check: check.to_owned(),
            severity,
            ..FindingView::default()
        };
        let sorted = |mut findings: Vec<FindingView>| {
            causes_first(&mut findings);
            findings.into_iter().map(|found| found.check).collect::<Vec<_>>()
        };
        let stopped = [("process", Broken), ("unknown", Broken), ("configuration", Broken)];
        let stopped = stopped.map(|(check, severity)| found(check, severity)).to_vec();
        assert_eq!(sorted(stopped), ["configuration", "process", "unknown"]);
        let halted = [("unprotected", Broken), ("ready", Broken), ("breaker", Warning)];
        let halted = halted.map(|(check, severity)| found(check, severity)).to_vec();
        assert_eq!(sorted(halted), ["breaker", "unprotected", "ready"]);
        let chain = [("unprotected", Broken), ("stale", Warning), ("market", Broken)];
        let chain = chain.map(|(check, severity)| found(check, severity)).to_vec();
        assert_eq!(sorted(chain), ["market", "stale", "unprotected"]);
        let apart = [("disk", Warning), ("unknown", Broken)];
        let apart = apart.map(|(check, severity)| found(check, severity)).to_vec();
        assert_eq!(sorted(apart), ["unknown", "disk"], "nothing of the other, the worst first");
    }
}
