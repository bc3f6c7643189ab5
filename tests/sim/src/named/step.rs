//! Named worlds of one step: copies that come late, undos that overtake, refusals that are mixed up.

use windlass_sagas::record::DeleteVolume;
use windlass_sagas::record::Direction::Undo;

use super::*;
use crate::workload::create_server;

pub(super) fn worlds() -> Vec<Named> {
    vec![
        Named::new(
            "v2-a-late-copy-after-a-power-cut-took-the-record",
            "The change is there, the power cut takes its record, the look-up is lost, and a second copy of the Execute \
             comes: it must look before it begins.",
            vec![red(200)],
            vec![
                reserve(CALL, Kind::Duplicate).lasting_ms(9_000),
                Rule::at(UNSYNCED, Kind::PowerCut).on(STORAGE).after(1).lasting_ms(3_000).way(0),
                reserve(LOOK, Kind::Drop),
            ],
        )
        .fails_with(&[Bug::ExecuteTrustsLedger]),
        Named::new(
            "v3-a-look-up-that-answers-done-then-a-delete-then-a-late-copy",
            "The agent dies between change and record; the look-up finds the change; the volume is deleted; the late copy \
             of the first Execute must find a record or a tombstone. Another volume's slow step holds the low water.",
            vec![
                Wish::ask(100, create_volume("grey")),
                red(300),
                Wish::ask(2_500, DeleteVolume { volume: "red".into() }).insisting(3),
            ],
            vec![
                reserve(BEFORE, Kind::Hang),
                reserve(CALL, Kind::Duplicate).after(1).lasting_ms(9_000),
                reserve(AFTER, Kind::CrashAfter).lasting_ms(300),
                reserve(BEFORE, Kind::Hang).after(2),
            ],
        )
        .ends(3, 0, 0)
        .fails_with(&[Bug::LookupDoneUnrecorded, Bug::DeleteClosesNoKey]),
        Named::new(
            "p2-an-undo-overtakes-its-execute",
            "The Execute is late, the saga is cancelled, the undo finds nothing and leaves a tombstone; then the Execute \
             comes.",
            vec![red(200), cancel(1_000, 0)],
            vec![reserve(CALL, Kind::Delay).lasting_ms(4_000)],
        )
        .ends(1, 1, 0)
        .fails_with(&[Bug::NoTombstone]),
        Named::new(
            "v5a-driver-work-dies-with-its-agent",
            "The agent dies in the middle of a guest's boot and the saga is cancelled: the undo finds what is half made.",
            vec![Wish::ask(200, create_server("web", &[])), cancel(700, 0)],
            vec![Rule::at(BETWEEN, Kind::CrashBetween).of("boot_vm", Forward).lasting_ms(2_000)],
        )
        .ends(1, 1, 0),
        Named::new(
            "v5b-an-undo-waits-for-the-work-that-runs",
            "The driver hangs in the middle of its change and the saga is cancelled: the undo waits until the work is killed.",
            vec![Wish::ask(200, create_server("web", &[])), cancel(2_000, 0)],
            vec![Rule::at(BETWEEN, Kind::Hang).of("prepare_port", Forward)],
        )
        .ends(1, 1, 0),
        Named::new(
            "a4-a-call-of-a-term-that-is-over",
            "A call comes with a past term: it is sent away, and the same call with the right one is done.",
            vec![red(200)],
            vec![reserve(CALL, Kind::WrongTerm)],
        ),
    ]
}

pub(super) fn refusals() -> Vec<Named> {
    vec![
        Named::new(
            "v4a-a-refused-step-and-a-late-copy-of-its-execute",
            "The only attempt is refused for good, the saga rolls back, and the other copy of the Execute comes.",
            vec![red(200)],
            vec![reserve(CALL, Kind::Duplicate).lasting_ms(6_000), reserve(BEFORE, Kind::ErrorBefore).way(1)],
        )
        .ends(0, 1, 0)
        .fails_with(&[Bug::RefusedNotUndone]),
        Named::new(
            "v4b-an-old-refusal-while-a-later-attempt-is-out",
            "The first attempt's refusal is delivered again while the second attempt is on its way.",
            vec![red(200)],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(0),
                Rule::at("an answer", Kind::Duplicate).lasting_ms(2_000),
                reserve(CALL, Kind::Delay).after(1).lasting_ms(5_000),
            ],
        ),
        Named::new(
            "v4c-an-old-attempt-joins-a-later-one",
            "The first attempt's other copy comes while the second attempt runs and hangs: what is refused then is the \
             second attempt.",
            vec![red(200)],
            vec![
                reserve(CALL, Kind::Duplicate).lasting_ms(4_000),
                reserve(BEFORE, Kind::ErrorBefore).way(0),
                reserve(BEFORE, Kind::Hang).after(1),
            ],
        ),
        Named::new(
            "v4d-the-ledger-is-lost-with-a-refusal",
            "The refusal is recorded, the ledger is lost before the answer leaves, and a copy of the call is late: it names \
             another incarnation.",
            vec![red(200)],
            vec![
                reserve(CALL, Kind::Duplicate).lasting_ms(2_500),
                reserve(BEFORE, Kind::ErrorBefore).way(1),
                Rule::at(SYNCED, Kind::LedgerLost).on(STORAGE).after(1).lasting_ms(500),
            ],
        ),
        Named::new(
            "v9-an-attempt-that-is-lost-with-its-leader",
            "The second attempt is committed and late; its leader dies; the successor's look-up finds a refusal of the \
             first attempt, which is no answer.",
            vec![red(200), Wish::ask(1_500, create_volume("grey")).insisting(9)],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(0),
                reserve(CALL, Kind::Delay).after(1).lasting_ms(20_000),
                Rule::at("before an append is sent", Kind::OrchestratorCrash).after(3).lasting_ms(1_000),
            ],
        )
        .orchestrators(2)
        .ends(2, 0, 0),
    ]
}

pub(super) fn repeats() -> Vec<Named> {
    vec![
        Named::new(
            "v4e-an-old-refusal-while-the-last-attempt-is-out",
            "A copy of the first attempt's refusal comes while the third and last attempt is on its way: it says nothing of \
             that one. Were it taken for it, the saga would turn back, and only the undo of a refused step would save it.",
            vec![red(200)],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(0),
                Rule::at("an answer", Kind::Duplicate).lasting_ms(3_000),
                reserve(BEFORE, Kind::ErrorBefore).after(1).way(0),
                reserve(CALL, Kind::Delay).after(2).lasting_ms(2_500),
            ],
        )
        .without(&["invariant 7"])
        .fails_with(&[Bug::OldRefusalTaken, Bug::RefusedNotUndone]),
        Named::new(
            "s5-an-undo-that-is-refused-again-and-again",
            "The driver fails after its change, for good, and its undo fails twice: it is tried until it is done.",
            vec![red(200)],
            vec![
                reserve(AFTER, Kind::ErrorAfter).way(1),
                Rule::at(BEFORE, Kind::ErrorBefore).of(RESERVE, Undo).way(0),
                Rule::at(BEFORE, Kind::ErrorBefore).of(RESERVE, Undo).after(1).way(0),
            ],
        )
        .ends(0, 1, 0)
        .fails_with(&[Bug::UndoGivesUp]),
        Named::new(
            "s1-a-stuck-undo-is-tried-again",
            "Forward and undo are refused for good, the saga is stuck, an operator lets it be tried again: it goes on going back.",
            vec![red(200)],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(1),
                Rule::at(BEFORE, Kind::ErrorBefore).of(RESERVE, Undo).way(1),
            ],
        )
        .ends(1, 1, 0)
        .fails_with(&[Bug::ResumesForward]),
        Named::new(
            "a1-a-power-cut-before-a-tombstone-is-synced",
            "The Execute is late, the saga is cancelled, and the power goes before the tombstone is synced: the undo was not \
             answered, so it is sent again; then the Execute comes.",
            vec![red(200), cancel(1_000, 0)],
            vec![
                reserve(CALL, Kind::Delay).lasting_ms(4_000),
                Rule::at(UNSYNCED, Kind::PowerCut).on(STORAGE).after(1).lasting_ms(500).way(0),
            ],
        )
        .ends(1, 1, 0)
        .fails_with(&[Bug::AnsweredBeforeSynced]),
        Named::new(
            "r1-a-request-that-is-sent-again",
            "The client asks once more after its answer: it is the same saga.",
            vec![Wish { again: true, ..red(200) }],
            vec![],
        )
        .fails_with(&[Bug::RepeatIsNew]),
    ]
}

pub(super) fn given_up() -> Vec<Named> {
    vec![
        Named::new(
            "v5c-work-that-is-slower-than-its-agents-return",
            "The agent dies in the middle of a port's making, and is back at once: nothing of that work lands later, behind its \
             undo.",
            vec![Wish::ask(200, create_server("web", &[])), cancel(400, 0)],
            vec![Rule::at(BETWEEN, Kind::CrashBetween).of("prepare_port", Forward).lasting_ms(500)],
        )
        .ends(1, 1, 0)
        .fails_with(&[Bug::WorkOutlivesAgent]),
        Named::new(
            "l1-a-saga-is-given-up",
            "Forward and undo are refused for good, the saga is stuck, an operator gives it up: what it held stays in \
             quarantine and nobody gets it.",
            vec![
                red(200),
                Wish::ask(9_000, DeleteVolume { volume: "red".into() }).insisting(2),
                Wish::ask(9_000, create_server("web", &["red"])).insisting(2),
            ],
            vec![
                reserve(BEFORE, Kind::ErrorBefore).way(1),
                Rule::at(BEFORE, Kind::ErrorBefore).of(RESERVE, Undo).way(1),
            ],
        )
        .gives_up()
        .ends(1, 0, 1)
        .fails_with(&[Bug::LockFreedAtAbandoned]),
    ]
}
