//! Named worlds of the low water: what may be dropped, and what never is.

use windlass_sagas::record::Direction::Undo;

use super::*;
use crate::workload::create_server;

pub(super) fn worlds() -> Vec<Named> {
    let refused_late = || {
        vec![
            reserve(BEFORE, Kind::ErrorBefore).way(0),
            reserve(CALL, Kind::Delay).after(1).lasting_ms(12_000),
        ]
    };
    let with = |rule: Rule| refused_late().into_iter().chain([rule]).collect();
    let cancelled = || vec![red(200), cancel(2_000, 0)];
    vec![
        Named::new(
            "lw-a-late-attempt-below-the-low-water",
            "The second attempt is late; the saga is cancelled and rolled back; the low water lets its tombstone go; then \
             the attempt comes, with the step's first position.",
            cancelled(),
            refused_late(),
        )
        .ends(1, 1, 0)
        .sends_away(1),
        Named::new(
            "lw-a-power-cut-after-the-drop",
            "The same, with a power cut once the low water is written: it must not be forgotten.",
            cancelled(),
            with(Rule::at(SYNCED, Kind::PowerCut).on(STORAGE).after(4).lasting_ms(2_000).way(0)),
        )
        .ends(1, 1, 0)
        .sends_away(1),
        Named::new(
            "lw-an-old-value-comes-late",
            "The same, with a copy of an older low water behind the newer one: the highest counts.",
            cancelled(),
            with(Rule::at("a low water", Kind::Duplicate).on(Lane::Stream(0, 1)).lasting_ms(6_500)),
        )
        .ends(1, 1, 0)
        .sends_away(1),
        Named::new(
            "p10-an-undo-that-hangs-keeps-the-low-water-down",
            "A step is cancelled and its undo hangs over several low waters: it is never sent away as settled.",
            vec![red(200), Wish::ask(400, create_volume("grey"))],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(1),
                Rule::at(BEFORE, Kind::Hang).of(RESERVE, Undo),
            ],
        )
        .ends(1, 1, 0),
        Named::new(
            "p10-a-low-water-of-what-is-not-durable",
            "The commit that ends the saga gets no answer for many seconds: until it is durable, the low water stays.",
            vec![red(200), Wish::ask(400, create_volume("grey"))],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(1),
                Rule::at("an append", Kind::JournalUnknown).after(4).way(0),
                Rule::at("an append", Kind::JournalUnknown).after(5).way(1),
            ],
        )
        .ends(1, 1, 0),
    ]
}

/// Records that go too early.
pub(super) fn forgotten() -> Vec<Named> {
    vec![
        Named::new(
            "lw-a-crash-after-the-drop",
            "As the late attempt below the low water, with a crash once that is written: it must not be forgotten.",
            vec![red(200), cancel(2_000, 0)],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(0),
                reserve(CALL, Kind::Delay).after(1).lasting_ms(12_000),
                Rule::at(UNSYNCED, Kind::CrashAfter).on(STORAGE).after(4).lasting_ms(2_000).way(0),
            ],
        )
        .ends(1, 1, 0)
        .fails_with(&[Bug::LowWaterForgotten]),
        Named::new(
            "lw-a-tombstone-of-a-saga-that-is-still-open",
            "A step is undone while its saga waits for another undo, which hangs: the low water stands at its position, and its \
             tombstone stays, until the late Execute comes.",
            vec![Wish::ask(200, create_server("web", &[])), cancel(215, 0)],
            vec![
                reserve(CALL, Kind::Delay).lasting_ms(12_000),
                Rule::at(BEFORE, Kind::Hang).of("prepare_port", Undo),
            ],
        )
        .ends(1, 1, 0)
        .fails_with(&[Bug::TombstoneDroppedEarly]),
    ]
}
