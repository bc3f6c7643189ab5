//! Decisions that panic: caught here, since the core can't, so that a poisonous saga is set aside and the others go on
//! (O5). A decision only looks at the fold, so a panic leaves it as it was.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use windlass_sagas::cell::{self, Cell, Decline};
use windlass_sagas::ids::Time;
use windlass_sagas::protocol::orchestrator::Panicked;
use windlass_sagas::record::{Event, Fact};

/// Decides as the core does.
pub(super) fn decide(cell: &Cell, fact: &Fact, now: Time) -> Result<Result<Vec<Event>, Decline>, Panicked> {
    caught(|| cell::decide(cell, fact, now))
}

fn caught<T>(decision: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(decision)).map_err(|panic| Panicked(said(&*panic)))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a word").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;

    #[test]
    fn a_panic_is_its_words_and_everything_else_is_as_it_was() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic_any("an index")), Err::<(), _>(Panicked("an index".into())));
        assert_eq!(caught(|| panic_any("a sum".to_owned())), Err::<(), _>(Panicked("a sum".into())));
        assert_eq!(caught(|| panic_any(7)), Err::<(), _>(Panicked("a panic without a word".into())));
    }
}
