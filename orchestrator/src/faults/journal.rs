//! A journal that fails on purpose: what is armed at the leader strikes before or after the append, and then the answer
//! is what a broken journal's would be. It never changes a frame.

use std::sync::Arc;

use windlass_journal::{Append, Frame};
use windlass_sagas::fault::FaultKind;
use windlass_sagas::protocol::{AppendError, Cursor};
use windlass_sagas::record::FaultPoint;

use super::OwnFaults;

/// The kinds that strike at an append.
const KINDS: [FaultKind; 3] =
    [FaultKind::JournalUnavailable, FaultKind::JournalUnknown, FaultKind::OrchestratorCrash];

/// A journal with the leader's faults in front of it.
pub struct Faulty<A> {
    journal: A,
    faults: Arc<OwnFaults>,
}

impl<A> Faulty<A> {
    /// This journal, as these faults let it be.
    pub const fn new(journal: A, faults: Arc<OwnFaults>) -> Self {
        Self { journal, faults }
    }

    /// The answer in the append's place, if anything strikes; a crash gives none.
    fn struck(&self, point: FaultPoint) -> Option<AppendError> {
        let kind = self.faults.ask(&KINDS, point)?.kind;
        if kind == FaultKind::OrchestratorCrash {
            std::process::abort();
        }
        let refused = kind == FaultKind::JournalUnavailable;
        Some(if refused { AppendError::Unavailable } else { AppendError::Unknown })
    }
}

impl<A: Append> Append for Faulty<A> {
    async fn append(&mut self, after: Cursor, frame: Frame) -> Result<Cursor, AppendError> {
        if let Some(error) = self.struck(FaultPoint::Before) {
            return Err(error);
        }
        let landed = self.journal.append(after, frame).await;
        match self.struck(FaultPoint::After) {
            // What did not land is not told otherwise: only an acknowledgement can be lost.
            Some(error) if landed.is_ok() => Err(error),
            Some(_) | None => landed,
        }
    }
}

#[cfg(test)]
mod tests {
    use windlass_sagas::cell::Effect;
    use windlass_sagas::cell::state::Fault;
    use windlass_sagas::ids::{FaultId, Term, Time};
    use windlass_sagas::record::{FaultAsked, FaultRule, Principal};

    use super::*;

    /// Counts what lands.
    struct Counting(u64);

    impl Append for Counting {
        async fn append(&mut self, after: Cursor, _: Frame) -> Result<Cursor, AppendError> {
            self.0 += 1;
            Ok(after.next())
        }
    }

    async fn once(asked: FaultAsked) -> (Result<Cursor, AppendError>, u64) {
        let faults = Arc::new(OwnFaults::new(true));
        let fault = Fault {
            id: FaultId([1; 16]),
            rule: FaultRule::of(&asked).unwrap(),
            host: None,
            term: Term::default(),
            armed: Time(0),
            expires: Time(60_000_000),
            by: Principal::Cell,
            reason: "a drill".into(),
        };
        faults.take(&[Effect::FaultArmed(Box::new(fault))], Time(0));
        let mut journal = Faulty::new(Counting(0), faults);
        let answer = journal.append(Cursor(4), Frame::new(vec![1]).unwrap()).await;
        assert_eq!(
            journal.append(Cursor(5), Frame::new(vec![2]).unwrap()).await,
            Ok(Cursor(6)),
            "it strikes once"
        );
        (answer, journal.journal.0)
    }

    #[tokio::test]
    async fn f1_an_unavailable_journal_takes_nothing_and_an_unknown_append_landed_or_did_not() {
        let unknown = || FaultAsked::of(FaultKind::JournalUnknown);
        let before = FaultAsked { point: Some(FaultPoint::Before), ..unknown() };
        assert_eq!(
            once(FaultAsked::of(FaultKind::JournalUnavailable)).await,
            (Err(AppendError::Unavailable), 1)
        );
        assert_eq!(once(unknown()).await, (Err(AppendError::Unknown), 2), "it landed, and nobody was told");
        assert_eq!(once(before).await, (Err(AppendError::Unknown), 1), "it never left");
    }
}
