//! The contract of appending: dense cursors, the fence, and no success that the bytes do not carry.

use super::{Bench, all_frames, assert_filled, fill, frame};
use crate::limits::FRAME_BYTES_MAX;
use crate::{Append, AppendError, Cursor, Frame, Read};

/// Appends are acknowledged at 1, 2, 3, …, and are there.
pub async fn acknowledges_dense_cursors(bench: &impl Bench) {
    let (mut append, read) = bench.open().await;
    fill(&mut append, 0, 20).await;
    assert_filled(&read, 20).await;
    bench.close(append).await;
}

/// Any cursor but the last is Fenced and changes nothing; the right one then lands.
pub async fn refuses_a_stale_or_too_high_cursor(bench: &impl Bench) {
    let (mut append, read) = bench.open().await;
    for wrong in [1, 2, u64::MAX] {
        assert_eq!(append.append(Cursor(wrong), frame(50)).await, Err(AppendError::Fenced), "after {wrong}");
    }
    fill(&mut append, 0, 3).await;
    for wrong in [0, 1, 2, 4, 5, 100, u64::MAX - 1, u64::MAX] {
        assert_eq!(append.append(Cursor(wrong), frame(60)).await, Err(AppendError::Fenced), "after {wrong}");
    }
    assert_filled(&read, 3).await;
    // A frame that was refused before is taken at the right place: a refusal leaves no trace.
    assert_eq!(append.append(Cursor(3), frame(60)).await, Ok(Cursor(4)));
    assert_eq!(read.read(Cursor(3), 9).await, Ok(vec![(Cursor(4), frame(60))]));
    bench.close(append).await;
}

/// The same bytes sent again, as after a lost answer, are Fenced; reading shows that they stand there, once.
pub async fn calls_no_repetition_a_success(bench: &impl Bench) {
    let (mut append, read) = bench.open().await;
    fill(&mut append, 0, 2).await;
    assert_eq!(append.append(Cursor(1), frame(2)).await, Err(AppendError::Fenced));
    assert_filled(&read, 2).await;
    fill(&mut append, 2, 3).await;
    assert_eq!(append.append(Cursor(1), frame(2)).await, Err(AppendError::Fenced));
    assert_filled(&read, 3).await;
    // At another place the same bytes may be refused or land, but never be said to stand where they don't.
    let answer = append.append(Cursor(3), frame(2)).await;
    let mut expected = vec![frame(1), frame(2), frame(3)];
    match answer {
        Ok(cursor) => {
            assert_eq!(cursor, Cursor(4));
            expected.push(frame(2));
        }
        Err(error) => assert_eq!(error, AppendError::Fenced),
    }
    assert_eq!(all_frames(&read).await, (expected, None));
    bench.close(append).await;
}

/// Of two frames for one place exactly one lands.
pub async fn lets_one_of_two_win(bench: &impl Bench) {
    let (mut append, read) = bench.open().await;
    for round in 0..10 {
        assert_eq!(append.append(Cursor(round), frame(round + 1)).await, Ok(Cursor(round + 1)));
        assert_eq!(append.append(Cursor(round), frame(round + 100)).await, Err(AppendError::Fenced));
    }
    assert_filled(&read, 10).await;
    bench.close(append).await;
}

/// The smallest and the largest frame come back as they were; a larger one can't even be made.
pub async fn takes_frames_at_the_bounds(bench: &impl Bench) {
    let (mut append, read) = bench.open().await;
    let smallest = Frame::new(vec![0]).expect("one byte is in bounds");
    let largest = Frame::new(vec![0xA5; FRAME_BYTES_MAX]).expect("the bound is in bounds");
    assert_eq!(append.append(Cursor(0), smallest.clone()).await, Ok(Cursor(1)));
    assert_eq!(append.append(Cursor(1), largest.clone()).await, Ok(Cursor(2)));
    assert!(Frame::new(vec![0; FRAME_BYTES_MAX + 1]).is_err());
    assert_eq!(all_frames(&read).await, (vec![smallest, largest], None));
    bench.close(append).await;
}

/// An append whose future is dropped is Unknown, no more: the journal stays dense and serves the next one.
pub async fn survives_an_abandoned_append(bench: &impl Bench) {
    let (mut append, read) = bench.open().await;
    fill(&mut append, 0, 1).await;
    {
        let abandoned = append.append(Cursor(1), frame(2));
        let mut abandoned = std::pin::pin!(abandoned);
        let once = std::future::poll_fn(|context| {
            // One poll sends it as far as it gets; what it answers is nobody's business.
            std::task::Poll::Ready(abandoned.as_mut().poll(context).is_ready())
        });
        once.await;
    }
    // The abandoned one may still be under way; then the same bytes are sent again, as the leader does.
    let mut answer = Err(AppendError::Unknown);
    for _ in 0..100 {
        answer = append.append(Cursor(1), frame(2)).await;
        if answer != Err(AppendError::Unknown) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    match answer {
        Ok(cursor) => assert_eq!(cursor, Cursor(2)),
        Err(error) => assert_eq!(error, AppendError::Fenced),
    }
    assert_filled(&read, 2).await;
    bench.close(append).await;
}
