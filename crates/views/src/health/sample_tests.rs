//! The finding about a damaged sample of the history.

use super::super::testing::can_be_typed;
use super::{Signs, findings};
use crate::views::{FindingView, SampledHistoryView, Severity};

#[test]
fn damaged_bars_of_a_sample_are_found_with_their_place() {
    let found = |wrong: &[&str]| {
        let wrong: Vec<String> = wrong.iter().map(|text| (*text).to_owned()).collect();
        let sample = SampledHistoryView { ranges: 24, wrong, ended: 5 };
        let signs = Signs { wall: 5, history_sample: Some(sample), ..Signs::default() };
        let all = findings(&signs).findings.into_iter();
        all.filter(|finding| finding.check == "stored-bars").collect::<Vec<FindingView>>()
    };
    assert_eq!(found(&[]), []);
    let [finding] = &found(&["digest: AAA 1m: other bars", "form: BBB 1m: cut"])[..] else {
        panic!("one finding is expected");
    };
    let expected = "2 of 24 checked ranges of the history are damaged: digest: AAA 1m: other bars";
    assert_eq!((finding.text.as_str(), finding.severity), (expected, Severity::Warning));
    can_be_typed(finding.command.as_ref().unwrap());
}
