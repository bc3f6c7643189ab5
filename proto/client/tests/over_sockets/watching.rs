//! A watch over every way in which its streams can end: each commit arrives once, in order, and none is left out.

use std::collections::VecDeque;

use crate::support::{Cell, Cut, OPERATION, client, operation};
use windlass_proto::v1::ErrorReason;
use windlass_proto::v1::saga::State;

const CUTS: [Cut; 5] = [Cut::Unavailable, Cut::TooSlow, Cut::Closed, Cut::Lost, Cut::Repeated];

/// A saga that completes; its commits lie between others, so positions have gaps.
const HISTORY: [(u64, State); 4] =
    [(3, State::Running), (5, State::Running), (6, State::Running), (9, State::Completed)];

fn cell(cuts: impl Into<VecDeque<(usize, Cut)>>) -> Cell {
    let cell = Cell::default();
    cell.world().history = HISTORY.to_vec();
    cell.world().cuts = cuts.into();
    cell
}

/// The positions that a watch from the beginning shows.
async fn watched(cell: &Cell) -> Vec<u64> {
    let client = client(&[cell.serve()]);
    let mut watch = client.watch(OPERATION, Some(0));
    let mut positions = Vec::new();
    while let Some(answer) = watch.next().await.expect("every cut can be survived") {
        positions.push(answer.position);
    }
    assert_eq!(watch.position(), positions.last().copied());
    positions
}

#[tokio::test]
async fn every_pair_of_cuts_loses_and_repeats_nothing() {
    let whole: Vec<u64> = HISTORY.iter().map(|(position, _)| *position).collect();
    for first in 0..HISTORY.len() {
        for second in 0..HISTORY.len() - first {
            for (one, two) in CUTS.iter().flat_map(|one| CUTS.map(|two| (*one, two))) {
                let cell = cell([(first, one), (second, two)]);
                assert_eq!(watched(&cell).await, whole, "{first} {one:?}, {second} {two:?}");
                let world = cell.world();
                assert!(world.cuts.is_empty(), "a cut did not happen: {first} {one:?}, {second} {two:?}");
                assert!(world.opened.len() >= 3, "{:?}", world.opened);
            }
        }
    }
}

#[tokio::test]
async fn a_watch_goes_on_from_where_another_stopped() {
    let cell = cell([]);
    let client = client(&[cell.serve()]);
    let mut watch = client.watch(OPERATION, Some(0));
    watch.next().await.expect("the first").expect("there is one");
    let position = watch.position();
    assert_eq!(position, Some(3));
    drop(watch);
    let mut watch = client.watch(OPERATION, position);
    let next = watch.next().await.expect("the second").expect("there is one");
    assert_eq!(next.position, 5);
}

#[tokio::test]
async fn a_refused_watch_is_not_opened_again() {
    let cell = cell([]);
    let client = client(&[cell.serve()]);
    let error = client.watch("operations/another", None).next().await.expect_err("there is none");
    assert_eq!(error.reason, Some(ErrorReason::NotFound));
    assert!(cell.world().opened.is_empty());
}

#[tokio::test]
async fn cuts_without_progress_end_in_unavailable() {
    let cell = cell([(0, Cut::Unavailable); 30]);
    let client = client(&[cell.serve()]);
    let error = client.watch(OPERATION, Some(0)).next().await.expect_err("no stream brings anything");
    assert!(error.is_unavailable());
    assert_eq!(cell.world().opened.len(), 9, "one try and eight more");
}

#[tokio::test]
async fn waiting_shows_each_commit_once_and_ends_with_the_operation() {
    for cut in CUTS {
        let cell = cell([(1, cut)]);
        let client = client(&[cell.serve()]);
        let mut seen = Vec::new();
        let begun = operation(OPERATION, 3, State::Running);
        let ended = client
            .wait_with(&begun, |change| seen.push(change.operation.as_ref().map_or(0, |now| now.position)))
            .await
            .expect("it ends");
        assert!(ended.done);
        assert_eq!(seen, [5, 6, 9], "{cut:?}");
        assert_eq!(cell.world().opened.first(), Some(&Some(3)));
    }
}

#[tokio::test]
async fn waiting_ends_where_an_operator_is_needed() {
    let cell = cell([]);
    cell.world().history = vec![(3, State::Running), (5, State::Stuck), (8, State::Running)];
    let client = client(&[cell.serve()]);
    let stuck = client.wait(&operation(OPERATION, 3, State::Running)).await.expect("it gets stuck");
    assert_eq!((stuck.done, stuck.position), (false, 5));
}

#[tokio::test]
async fn waiting_for_what_has_ended_asks_nobody() {
    let cell = cell([]);
    let client = client(&[cell.serve()]);
    let ended = operation(OPERATION, 9, State::RolledBack);
    assert_eq!(client.wait(&ended).await.expect("nothing can fail"), ended);
    assert!(cell.world().opened.is_empty());
}

#[tokio::test]
async fn an_operation_that_ended_before_the_watch_is_found_ended() {
    let cell = cell([]);
    let client = client(&[cell.serve()]);
    assert!(client.watch(OPERATION, Some(9)).next().await.expect("the stream ends").is_none());
    let ended = client.wait(&operation(OPERATION, 9, State::Running)).await.expect("a stale answer");
    assert!(ended.done);
}
