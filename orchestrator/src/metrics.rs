//! Every metric of the orchestrator, by name, with its meaning; nothing else names one. Labels never carry ids.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use windlass_sagas::cell::Cell;
use windlass_sagas::cell::state::SagaState;
use windlass_sagas::fault::FaultKind;
use windlass_sagas::ids::Position;

/// Tells an exporter what each metric means; once, at start.
pub fn describe() {
    describe_gauge!("windlass_leading", "1 while this orchestrator leads its cell");
    describe_gauge!("windlass_position", "The last durable position in the fold");
    describe_gauge!("windlass_sagas_resident", "Sagas in memory: those that are not terminal");
    describe_gauge!("windlass_sagas_stuck", "Sagas that wait for an operator");
    describe_gauge!("windlass_agents_connected", "Hosts with an open stream to this orchestrator");
    describe_gauge!(
        "windlass_feed_lag",
        "Positions that the feed of events is behind, while this orchestrator leads"
    );
    describe_counter!("windlass_feed_events", Unit::Count, "Events that this orchestrator has published");
    describe_counter!("windlass_feed_failures", Unit::Count, "Times that publishing events broke off");
    describe_counter!("windlass_frames", Unit::Count, "Frames that this orchestrator has appended");
    describe_counter!("windlass_frame_bytes", Unit::Bytes, "Bytes of the frames that it has appended");
    describe_counter!(
        "windlass_commits_void",
        Unit::Count,
        "Commits in the journal that somebody wrote who did not lead"
    );
    describe_counter!(
        "windlass_appends_fenced",
        Unit::Count,
        "Appends refused because the journal ends elsewhere"
    );
    describe_counter!(
        "windlass_faults_struck",
        Unit::Count,
        "Strikes of planned faults by kind: this orchestrator's own, and those that agents told it of"
    );
    describe_gauge!(
        "windlass_chain_position",
        "The last position of the chain as it was last followed in the background"
    );
    describe_gauge!(
        "windlass_chain_findings",
        "What was found wrong when the chain was last followed; 0: it is whole"
    );
    describe_gauge!(
        "windlass_chain_followed_seconds",
        Unit::Seconds,
        "When the chain was last followed to its end, seconds since 1970"
    );
    describe_gauge!(
        "windlass_certificate_remaining_seconds",
        Unit::Seconds,
        "How long this orchestrator's certificate holds from the last look at it on; it is made anew at two thirds of its life"
    );
    describe_counter!("windlass_commits", Unit::Count, "Durable commits that this orchestrator has folded");
}

/// How long this orchestrator's certificate holds from now on.
pub fn certificate(remaining_s: i64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; years in seconds fit it")]
    gauge!("windlass_certificate_remaining_seconds").set(remaining_s as f64);
}

/// Void commits in a frame of the journal.
pub fn void(commits: u64) {
    counter!("windlass_commits_void").increment(commits);
}

/// Planned faults that struck.
pub fn fault_struck(kind: FaultKind, strikes: u64) {
    counter!("windlass_faults_struck", "kind" => kind.name()).increment(strikes);
}

/// An append that was refused since the journal ends elsewhere.
pub fn fenced() {
    counter!("windlass_appends_fenced").increment(1);
}

/// Whether this orchestrator leads.
pub fn leading(leads: bool) {
    gauge!("windlass_leading").set(if leads { 1.0 } else { 0.0 });
}

/// The last durable position, and the commits that brought it.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; positions stay below 2^53 for centuries")]
pub fn position(position: Position, commits: u64) {
    gauge!("windlass_position").set(position.0 as f64);
    counter!("windlass_commits").increment(commits);
}

/// How many positions the feed of events is behind; `None`: this orchestrator does not publish it.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; positions stay below 2^53 for centuries")]
pub fn feed_lag(positions: Option<u64>) {
    gauge!("windlass_feed_lag").set(positions.unwrap_or_default() as f64);
}

/// Events that have landed in the feed.
pub fn feed_published(events: usize) {
    counter!("windlass_feed_events").increment(u64::try_from(events).unwrap_or(u64::MAX));
}

/// Publishing broke off.
pub fn feed_failed() {
    counter!("windlass_feed_failures").increment(1);
}

/// A frame was acknowledged.
pub fn appended(bytes: usize) {
    counter!("windlass_frames").increment(1);
    counter!("windlass_frame_bytes").increment(u64::try_from(bytes).unwrap_or(u64::MAX));
}

/// What of the fold stays in memory.
#[expect(clippy::cast_precision_loss, reason = "counts of what is in memory are far below 2^53")]
pub fn resident(cell: &Cell) {
    gauge!("windlass_sagas_resident").set(cell.sagas.len() as f64);
}

/// Sagas that wait for an operator; a walk, so not at every commit.
#[expect(clippy::cast_precision_loss, reason = "counts of what is in memory are far below 2^53")]
pub fn stuck(cell: &Cell) {
    let stuck = cell.sagas.values().filter(|saga| matches!(saga.state, SagaState::Stuck(_))).count();
    gauge!("windlass_sagas_stuck").set(stuck as f64);
}

/// Hosts with an open stream.
#[expect(clippy::cast_precision_loss, reason = "hosts are thousands")]
pub fn agents(connected: usize) {
    gauge!("windlass_agents_connected").set(connected as f64);
}

/// The chain was followed to its end.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; positions stay below 2^53 for centuries")]
pub fn chain_followed(position: Position, findings: u64) {
    gauge!("windlass_chain_position").set(position.0 as f64);
    gauge!("windlass_chain_findings").set(findings as f64);
    gauge!("windlass_chain_followed_seconds").set((crate::clock::now().0 / 1_000_000) as f64);
}
