//! The contract of reading: from any cursor, bounded, while others append, after opening again, and never past a loss.

use std::pin::pin;
use std::task::Poll;

use super::{Bench, all_frames, assert_filled, fill, frame};
use crate::limits::{FRAME_BYTES_MAX, READ_BYTES_MAX, READ_FRAMES_MAX};
use crate::{Append, AppendError, Cursor, Damage, Frame, Read, ReadError};

/// A new journal has no frames, and says so.
pub async fn is_empty_at_first(bench: &impl Bench) {
    let (append, read) = bench.open().await;
    assert_eq!(read.last().await, Ok(Cursor::START));
    assert_eq!(read.read(Cursor::START, 10).await, Ok(vec![]));
    bench.close(append).await;
}

/// A read starts behind any cursor and gives as many frames as asked for and there are.
pub async fn reads_from_any_cursor(bench: &impl Bench) {
    let (mut append, read) = bench.open().await;
    fill(&mut append, 0, 12).await;
    for after in 0..=12_u64 {
        for frames_max in [0, 1, 3, usize::MAX] {
            let end = 12.min(after.saturating_add(u64::try_from(frames_max).expect("64 bits")));
            let expected: Vec<_> = (after + 1..=end).map(|number| (Cursor(number), frame(number))).collect();
            assert_eq!(read.read(Cursor(after), frames_max).await, Ok(expected));
        }
    }
    bench.close(append).await;
}

/// A read is bounded in frames and bytes, and still gives at least one frame.
pub async fn bounds_a_read(bench: &impl Bench) {
    let (mut append, read) = bench.open().await;
    let big = |number: u64| Frame::new(vec![number as u8; FRAME_BYTES_MAX]).expect("in bounds");
    let fitting = READ_BYTES_MAX / FRAME_BYTES_MAX;
    let count = u64::try_from(fitting).expect("64 bits") + 2;
    for number in 0..count {
        assert_eq!(append.append(Cursor(number), big(number)).await, Ok(Cursor(number + 1)));
    }
    let piece = read.read(Cursor::START, usize::MAX).await.expect("nothing is damaged");
    assert_eq!(piece.len(), fitting);
    let (frames, error) = all_frames(&read).await;
    assert_eq!((frames.len(), error), (fitting + 2, None));

    let many = count + u64::try_from(READ_FRAMES_MAX).expect("64 bits");
    for number in count..many {
        let small = Frame::new(number.to_be_bytes().to_vec()).expect("in bounds");
        assert_eq!(append.append(Cursor(number), small).await, Ok(Cursor(number + 1)));
    }
    let piece = read.read(Cursor(count - 1), usize::MAX).await.expect("nothing is damaged");
    assert_eq!(piece.len(), READ_FRAMES_MAX);
    bench.close(append).await;
}

/// Who has seen more than the journal holds is told so, by every way of reading.
pub async fn names_a_missing_tail(bench: &impl Bench) {
    let (mut append, read) = bench.open().await;
    fill(&mut append, 0, 2).await;
    let gone = ReadError::Damaged { cursor: Cursor(3), what: Damage::Shorter { seen: Cursor(5) } };
    assert_eq!(read.read(Cursor(5), 1).await, Err(gone.clone()));
    assert_eq!(read.wait(Cursor(5)).await, Err(gone));
    bench.close(append).await;
}

/// A wait ends with the frame that it waits for, not before, and at once if that is there already.
pub async fn wakes_those_who_wait(bench: &impl Bench) {
    let (mut append, read) = bench.open().await;
    fill(&mut append, 0, 1).await;
    assert_eq!(read.wait(Cursor(0)).await, Ok(()));
    {
        let mut waiting = pin!(read.wait(Cursor(1)));
        // Several looks: some implementations need more than one turn to get to their waiting.
        for _ in 0..20 {
            let early = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
            assert_eq!(early, Poll::Pending);
            tokio::task::yield_now().await;
        }
        assert_eq!(append.append(Cursor(7), frame(2)).await, Err(AppendError::Fenced));
        fill(&mut append, 1, 2).await;
        assert_eq!(waiting.await, Ok(()));
    }
    let waiters: Vec<_> = (0..5).map(|_| tokio::spawn(wait_and_read(read.clone()))).collect();
    tokio::task::yield_now().await;
    fill(&mut append, 2, 3).await;
    for waiter in waiters {
        assert_eq!(waiter.await.expect("it does not panic"), vec![(Cursor(3), frame(3))]);
    }
    bench.close(append).await;
}

async fn wait_and_read(read: impl Read) -> Vec<(Cursor, Frame)> {
    read.wait(Cursor(2)).await.expect("the journal is readable");
    read.read(Cursor(2), 1).await.expect("the journal is readable")
}

/// A follower that waits and reads sees every frame once, in order, while they are appended.
pub async fn reads_while_others_append(bench: &impl Bench) {
    const FRAMES: u64 = 150;
    let (mut append, read) = bench.open().await;
    let follower = tokio::spawn(follow(read.clone(), FRAMES));
    fill(&mut append, 0, FRAMES).await;
    let seen = follower.await.expect("the follower does not panic");
    assert_eq!(seen, (1..=FRAMES).map(frame).collect::<Vec<_>>());
    bench.close(append).await;
}

async fn follow(read: impl Read, to: u64) -> Vec<Frame> {
    let mut seen = Vec::new();
    let mut after = Cursor::START;
    while after < Cursor(to) {
        read.wait(after).await.expect("the journal is readable");
        for (cursor, frame) in read.read(after, 7).await.expect("the journal is readable") {
            assert_eq!(cursor, after.next());
            after = cursor;
            seen.push(frame);
        }
    }
    seen
}

/// What was acknowledged is there when the journal is opened again, and appending goes on behind it.
pub async fn keeps_everything_when_opened_again(bench: &impl Bench) {
    for round in 0..4 {
        let (mut append, read) = bench.open().await;
        assert_filled(&read, round * 9).await;
        let stale = append.append(Cursor(round * 9 + 1), frame(0)).await;
        assert_eq!(stale, Err(AppendError::Fenced));
        fill(&mut append, round * 9, round * 9 + 9).await;
        bench.close(append).await;
    }
}
