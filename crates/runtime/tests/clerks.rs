//! The example of plain actors: one dies, nothing is missing.

#[path = "../examples/clerks.rs"]
mod clerks;

use std::sync::{Arc, Mutex};

#[tokio::test]
async fn a_clerk_dies_and_every_number_is_squared_once() {
    let failures = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&failures);
    let sum = clerks::square(30, move |line| received.lock().unwrap().push(line.to_owned())).await;
    assert_eq!(sum.unwrap(), (1..=30).map(|n| n * n).sum());
    assert_eq!(*failures.lock().unwrap(), ["root/clerk-1 failed: not that number"]);
}
