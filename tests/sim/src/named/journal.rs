//! Named worlds of the journal: candidates, deposed leaders, lost tails.

use super::*;

const APPENDS: &str = "before an append is sent";
/// The process of the orchestrator that leads first.
const FIRST_TO_LEAD: Lane = Lane::Orchestrator(1);

pub(super) fn worlds() -> Vec<Named> {
    vec![
        Named::new(
            "v1-two-candidates-for-one-term",
            "The first candidate stands still before its campaign is sent; the other one is elected at the same \
             position, so with the same term; then the first one's append arrives.",
            vec![red(5_000)],
            vec![Rule::at("before an append is sent", Kind::OrchestratorPause).lasting_ms(3_000)],
        )
        .orchestrators(2)
        .fails_with(&[Bug::LandedByTermAndPosition]),
        Named::new(
            "p5-a-second-frame-lands-behind-another-leader",
            "A frame is late, its leader stands still before it sends on and hears late of anything else; another leader is \
             elected and takes the frame's place. Were a second frame in flight, it would now land behind the other leader and \
             be acknowledged.",
            vec![
                Wish::ask(2_000, create_volume("grey")).insisting(9),
                Wish::ask(2_010, create_volume("red")).insisting(9),
            ],
            vec![
                Rule::at("an append", Kind::Delay).after(1).lasting_ms(9_000),
                Rule::at("before an append is sent", Kind::OrchestratorPause).after(2).lasting_ms(1_700),
                Rule::at("a delivery of the journal", Kind::Delay).on(FIRST_LEADER).after(4).lasting_ms(9_000),
            ],
        )
        .orchestrators(2)
        .ends(2, 0, 0)
        .fails_with(&[Bug::TwoFramesInFlight]),
        Named::new(
            "o1-a-broker-that-forgets-the-fence",
            "As before, and what the deposed leader then sends again is taken behind the other leader's election: it is void, \
             and its acknowledgement names another place than it was sent for.",
            vec![
                Wish::ask(2_000, create_volume("grey")).insisting(9),
                Wish::ask(2_010, create_volume("red")).insisting(9),
            ],
            vec![
                Rule::at("an append", Kind::Delay).after(1).lasting_ms(9_000),
                Rule::at("before an append is sent", Kind::OrchestratorPause).after(2).lasting_ms(1_700),
                Rule::at("a delivery of the journal", Kind::Delay).on(FIRST_LEADER).after(4).lasting_ms(9_000),
                Rule::at("an append", Kind::JournalUnknown).on(FIRST_LEADER).after(2).way(4).lasting_ms(1),
            ],
        )
        .orchestrators(2)
        .ends(2, 0, 0),
    ]
}

/// Leaders that die or stand still over what another protection would save alone; and clocks.
pub(super) fn take_overs() -> Vec<Named> {
    vec![
        Named::new(
            "o2-a-clock-that-was-fast-and-is-right-again",
            "The leader's clock is fast for a while and the journal's time with it; then it is set right and the leader dies. \
             Every clock is behind the journal now, and nobody's is wrong: somebody leads after a while.",
            vec![red(2_000), Wish::ask(4_000, create_volume("grey")).insisting(9)],
            vec![Rule::at(APPENDS, Kind::OrchestratorCrash).after(3)],
        )
        .orchestrators(2)
        .ends(2, 0, 0)
        .clock(1_000, 1, 17_000)
        .clock(3_500, 1, -17_000),
        Named::new(
            "o3-a-repeat-of-what-was-recorded-and-lost",
            "The change is there, a power cut takes its record, and the leader dies: the next one asks before it repeats, and the \
             agent looks before it makes. Either is enough.",
            vec![red(200), Wish::ask(1_000, create_volume("grey")).insisting(9)],
            vec![
                Rule::at(UNSYNCED, Kind::PowerCut).on(STORAGE).after(1).lasting_ms(6_000).way(0),
                Rule::at(APPENDS, Kind::OrchestratorCrash).after(2).lasting_ms(1_000),
            ],
        )
        .orchestrators(2)
        .ends(2, 0, 0)
        .without(&["promise O3"])
        .fails_with(&[Bug::NoLookUp, Bug::ExecuteTrustsLedger]),
        Named::new(
            "p1-a-late-call-of-a-term-that-is-over",
            "A step is undone, its Execute late; another saga's slow step holds the low water. The leader stands still, another \
             one is elected, and then the Execute comes: its term is over and its key is closed. Either is enough.",
            vec![
                Wish::ask(100, create_volume("grey")).insisting(9),
                red(300),
                cancel(1_000, 1),
                Wish::ask(2_000, create_volume("green")).insisting(9),
            ],
            vec![
                reserve(BEFORE, Kind::Hang),
                reserve(CALL, Kind::Delay).after(1).lasting_ms(8_000),
                Rule::at(APPENDS, Kind::OrchestratorPause).on(FIRST_TO_LEAD).after(5).lasting_ms(4_000),
            ],
        )
        .orchestrators(2)
        .ends(3, 1, 0)
        .fails_with(&[Bug::TermUnchecked, Bug::TombstonesDroppedAtTerm]),
    ]
}

/// Acknowledged frames are gone, and an operator orders to go on without them.
pub(super) fn lost_tails() -> Vec<Named> {
    vec![
        Named::new(
            "o6a-an-acknowledged-end-is-gone",
            "The stream loses the frame that ended a saga, after it was acknowledged. The next append finds out; nobody leads \
             until an operator orders to go on; then the saga ends anew, with what its agent still knows.",
            vec![red(200), Wish::ask(6_000, create_volume("grey")).insisting(9)],
            vec![],
        )
        .ends(2, 0, 0)
        .orchestrators(2)
        .loses_tail(4_000, 1, 20_000),
        Named::new(
            "o6b-an-acknowledged-request-is-gone",
            "The stream loses a whole saga that was acknowledged; nobody leads until an operator orders to go on, although the \
             journal alone looks well. The volume that nobody knows any more is listed as an orphan once its host's ledger \
             is compared, here because it is lost as well.",
            vec![red(200), Wish::ask(6_000, create_volume("grey")).insisting(9)],
            vec![Rule::at(SYNCED, Kind::LedgerLost).on(STORAGE).after(5).lasting_ms(500)],
        )
        .orchestrators(2)
        .loses_tail(4_000, 2, 20_000),
        Named::new(
            "o6c-a-follower-longer-than-the-journal-does-not-lead",
            "The stream loses an acknowledged frame, and the leader that went on by an operator's order dies as it sends its next \
             one: the other orchestrator, whose fold still has the lost frame and not what came in its place, may lead only on \
             what the journal holds.",
            vec![red(200), Wish::ask(6_000, create_volume("grey")).insisting(9)],
            vec![Rule::at(APPENDS, Kind::OrchestratorCrash).on(FIRST_TO_LEAD).after(8)],
        )
        .ends(2, 0, 0)
        .orchestrators(2)
        .loses_tail(4_000, 1, 20_000),
        Named::new(
            "o6d-an-order-dies-with-its-fold",
            "As before, the lost frames are a whole saga, and the leader that went on stands still: the other one was given the \
             same order, for a tail that the journal no longer has. What is left on the host is compared before it is called.",
            vec![red(200), Wish::ask(6_000, create_volume("grey")).insisting(9)],
            vec![
                Rule::at(SYNCED, Kind::LedgerLost).on(STORAGE).after(5).lasting_ms(500),
                Rule::at(APPENDS, Kind::OrchestratorPause).on(FIRST_TO_LEAD).after(6).lasting_ms(5_000),
            ],
        )
        .orchestrators(2)
        .loses_tail(4_000, 2, 20_000),
        Named::new(
            "o6e-what-a-lost-tail-made-is-found",
            "The stream loses a whole saga that was acknowledged, and an operator orders to go on. No ledger is lost: that the \
             volume is an orphan shows only because every ledger is compared anew before a call names it.",
            vec![red(200), Wish::ask(6_000, create_volume("grey")).insisting(9)],
            vec![],
        )
        .orchestrators(2)
        .loses_tail(4_000, 2, 20_000),
    ]
}
