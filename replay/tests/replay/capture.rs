//! Parts of a journal in a file: what each scope holds, and that what a file can't tell is refused, not answered short.

use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;
use windlass_journal::{Part, Read};
use windlass_sagas::ids::*;
use windlass_sagas::protocol::{Cursor, Fold};
use windlass_sagas::record::*;

use windlass_replay::{
    Ask, ExportError, File, Moment, ReplayError, Scope as Held, Seen, Until, Verdict, check, export,
    find_operation, find_project, fold, fold_by, timeline, verify,
};

use crate::support::{World, create_server, ops, play, subnet};
use crate::{journal, wait};

pub(crate) fn file_of(world: &World, ask: Ask) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("part.wlj");
    let mut out = Vec::new();
    let told = wait(export(&journal(&world.frames), ask, &mut out)).expect("exported");
    assert_eq!(told.bytes, out.len() as u64);
    std::fs::write(&path, out).expect("written");
    assert_eq!(File::open(&path).expect("an export").about(), Some(&told.about));
    (directory, path)
}

pub(crate) fn part(world: &World, ask: Ask) -> File {
    let (_directory, path) = file_of(world, ask);
    File::open(&path).expect("an export")
}

fn refused(world: &World, ask: Ask) -> ExportError {
    wait(export(&journal(&world.frames), ask, &mut Vec::new())).expect_err("refused")
}

fn span(from: u64, to: u64) -> Ask {
    Ask::span(Some(Moment::Position(Position(from))), Some(Moment::Position(Position(to))))
}

fn until(world: &World, position: u64) -> Fold {
    let until = Until::Position(Position(position));
    wait(fold(&journal(&world.frames), Fold::new(None), until)).expect("in the journal").fold
}

/// Two projects that take turns, with void frames between.
pub(crate) fn two_projects() -> (World, ProjectId, ProjectId) {
    let mut world = World::ready(2);
    let blue = world.project;
    world.project = ProjectId([0; 16]);
    world.ask(CreateProject { name: "red".into(), quota: None }).expect("project");
    let red = *world.cell.projects.keys().find(|id| **id != blue).expect("it is there");
    world.project = red;
    world.ask(CreateNetwork { name: "net".into(), mtu: None }).expect("network");
    world.ask(subnet("sub", "net", "10.1.0.0")).expect("subnet");
    world.seal();
    for round in 0..3 {
        for project in [red, blue] {
            world.project = project;
            world.ask(create_server(&format!("web-{round}"), &[])).expect("admitted");
        }
        world.run();
        world.void_frame(2);
        world.seal();
    }
    (world, blue, red)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_whole_cell_reads_as_the_journal_that_it_is_of(list in ops(120)) {
        let mut world = World::ready(2);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let file = part(&world, Ask::cell());
        let read = wait(file.read(Cursor::START, 1024)).expect("readable");
        let frames: Vec<Vec<u8>> = read.into_iter().map(|(_, frame)| frame.bytes().to_vec()).collect();
        prop_assert_eq!(&frames, &world.frames);
        let folded = wait(fold(&file, Fold::new(None), Until::End)).expect("readable").fold;
        prop_assert_eq!(folded.cell(), &world.cell);
        let verified = wait(verify(&file, &[])).expect("readable");
        prop_assert!(verified.is_whole(), "{:?}", verified.findings);
        prop_assert_eq!(file.about().map(|it| (it.commits, it.voids)), Some((world.commits.len() as u64, world.void)));
    }

    /// Whatever span: what the file tells of each of its positions is what the journal tells, and it verifies and is
    /// decided again from its own beginning.
    #[test]
    fn a_span_tells_each_of_its_positions_as_the_journal_does(
        list in ops(60),
        from in any::<prop::sample::Index>(),
        length in any::<prop::sample::Index>(),
    ) {
        let mut world = World::ready(2);
        list.iter().for_each(|op| play(&mut world, *op));
        world.seal();
        let end = world.tip.position.0;
        let from = 1 + from.index(end as usize) as u64;
        let to = from + length.index((end - from + 1) as usize) as u64;
        let file = part(&world, span(from, to));
        let about = file.about().expect("format 2");
        prop_assert_eq!((about.base.0, about.first.0, about.last.0), (from - 1, from, to));
        let verified = wait(verify(&file, &[])).expect("readable");
        prop_assert!(verified.is_whole(), "{:?}", verified.findings);
        prop_assert_eq!((verified.base.0, verified.commits, verified.left_out), (from - 1, to - from + 1, 0));
        prop_assert_eq!(wait(check(&file, &[])).verdict(), Verdict::Same);
        for position in [from - 1, from, (from + to) / 2, to] {
            let told = wait(fold(&file, Fold::new(None), Until::Position(Position(position))));
            let told = told.expect("it is in the file").fold;
            let real = until(&world, position);
            prop_assert_eq!((told.cell(), told.tip()), (real.cell(), real.tip()), "position {}", position);
        }
        if from > 2 {
            let before = wait(fold(&file, Fold::new(None), Until::Position(Position(from - 2))));
            let left_out = matches!(before, Err(ReplayError::LeftOut { .. }));
            prop_assert!(left_out, "{:?}", before);
        }
        let behind = wait(fold(&file, Fold::new(None), Until::Position(Position(to + 1))));
        let ends = matches!(behind, Err(ReplayError::Ends { .. }));
        prop_assert!(ends);
    }
}

#[test]
fn who_does_not_know_that_a_file_begins_later_is_stopped_and_not_answered_short() {
    let (world, ..) = two_projects();
    let file = part(&world, span(9, 14));
    let mut fold = Fold::new(None);
    let (cursor, frame) = wait(file.read(Cursor::START, 1)).expect("readable").remove(0);
    assert_eq!(cursor, Cursor(2), "the image has the first place");
    assert!(fold.absorb(cursor, frame.bytes()).is_err());
}

#[test]
fn a_span_by_time_takes_the_commits_between_the_two() {
    let (world, ..) = two_projects();
    let times: Vec<Time> = world.commits.iter().map(|(_, commit)| commit.header.time).collect();
    let (from, to) = (times[times.len() / 2], times[times.len() - 3]);
    let file = part(&world, Ask::span(Some(Moment::Time(from)), Some(Moment::Time(to))));
    let about = file.about().expect("format 2");
    let inside = |commit: &Commit| (from..=to).contains(&commit.header.time);
    let wanted: Vec<u64> =
        world.commits.iter().filter(|(_, it)| inside(it)).map(|(_, it)| it.header.position.0).collect();
    assert_eq!(Some(&about.first.0), wanted.first());
    assert_eq!(Some(&about.last.0), wanted.last());
    assert_eq!(about.commits, wanted.len() as u64);
    assert!(wait(verify(&file, &[])).expect("readable").is_whole());
}

#[test]
fn a_moment_that_is_not_in_the_journal_is_refused() {
    let (world, ..) = two_projects();
    let (end, last) = (world.tip.position.0, world.tip.time);
    for ask in [span(end + 1, end + 2), span(3, end + 1), span(9, 8)] {
        assert!(matches!(refused(&world, ask), ExportError::Range { .. }));
    }
    let later = Ask::span(Some(Moment::Time(last.plus_ms(1))), None);
    assert!(matches!(refused(&world, later), ExportError::Range { .. }));
    let before = Ask::span(None, Some(Moment::Time(Time(0))));
    assert!(matches!(refused(&world, before), ExportError::Range { .. } | ExportError::Empty));
    let nobody = wait(find_operation(&journal(&world.frames), SagaId([1; 16])));
    assert!(nobody.is_err_and(|error| error.to_string().contains("not in this journal")));
    assert!(wait(find_project(&journal(&world.frames), "green")).is_err());
}

#[test]
fn an_operation_is_a_span_of_its_own_and_its_life_is_told_whole() {
    let (mut world, ..) = two_projects();
    let saga = world.ask(create_server("broken", &[])).expect("admitted");
    world.answer_first();
    world.refuse("prepare_port");
    world.run();
    world.seal();
    world.project = ProjectId([0; 16]);
    world.ask(CreateProject { name: "later".into(), quota: None }).expect("project");
    world.seal();
    let whole = journal(&world.frames);
    let (first, last) = wait(find_operation(&whole, saga)).expect("it is there");
    assert!(last < world.tip.position);
    // As one that is far from the journal's beginning is.
    let from = Some(Moment::Position(first));
    let far = Ask { from, ..Ask::operation(saga, first, last) };
    for ask in [Ask::operation(saga, first, last), far] {
        let (near, file) = (ask.from.is_none(), part(&world, ask));
        assert_eq!(file.scope(), &Held::Operation { saga });
        let about = file.about().expect("format 2");
        assert_eq!((about.base.0, about.last), (if near { 0 } else { first.0 - 1 }, last));
        assert_eq!(wait(check(&file, &[])).verdict(), Verdict::Same);
        assert_eq!(wait(timeline(&file, saga)), wait(timeline(&whole, saga)));
    }
}

#[test]
fn a_projects_file_holds_its_commits_and_those_of_none_and_the_chain_leads_over_the_others() {
    let (world, blue, red) = two_projects();
    let (id, name) = wait(find_project(&journal(&world.frames), "red")).expect("it is there");
    assert_eq!(id, red);
    let file = part(&world, Ask::project(id, name));
    let about = file.about().expect("format 2").clone();
    assert!(about.gaps >= 3 && about.left_out > 10, "{about:?}");
    assert_eq!(about.commits + about.left_out, world.commits.len() as u64);
    assert_eq!((about.last, about.hash), (world.tip.position, world.tip.hash));
    let verified = wait(verify(&file, &[])).expect("readable");
    assert!(verified.is_whole(), "{:?}", verified.findings);
    assert_eq!((verified.commits, verified.left_out), (about.commits, about.left_out));
    assert_eq!(verified.tip, world.tip);

    let mut seen = Vec::new();
    let folded = wait(fold_by(&file, Fold::new(None), Until::End, |_, absorbed| {
        seen.extend(absorbed.commits.clone());
    }));
    let told = folded.expect("readable").fold;
    let ours = |cell: &windlass_sagas::cell::Cell| {
        let servers = cell.servers.values().filter(|it| it.spec.project == red).cloned().collect::<Vec<_>>();
        let ports = cell.ports.values().filter(|it| it.spec.project == red).cloned().collect::<Vec<_>>();
        (cell.projects.get(&red).cloned(), servers, ports, cell.flavors.clone(), cell.images.clone())
    };
    assert_eq!(ours(told.cell()), ours(&world.cell), "the project is told as it is");
    assert!(told.cell().servers.values().all(|server| server.spec.project == red));
    assert_eq!(told.cell().hosts.len(), world.cell.hosts.len());
    let foreign = |commit: &&Commit| match &commit.fact {
        Fact::Request(it) => it.project == blue && matches!(it.body, Body::CreateServer(_)),
        Fact::Report(_) => false,
    };
    assert_eq!(seen.iter().filter(foreign).count(), 0);
}

#[test]
fn what_is_decided_behind_a_gap_is_not_checked_and_what_is_in_it_is_refused() {
    let (world, _, red) = two_projects();
    let file = part(&world, Ask::project(red, "red".into()));
    let checked = wait(check(&file, &[]));
    assert_eq!(checked.verdict(), Verdict::NotChecked);
    assert!(
        checked.unchecked.iter().any(|it| it.why.contains("leaves commits out")),
        "{:?}",
        checked.unchecked
    );
    assert_eq!(checked.end, world.tip.position);
    let gap =
        (1..=wait(file.last()).expect("whole").0).find_map(|at| file.gap_at(Cursor(at)).expect("sound"));
    let gap = gap.expect("others' commits are left out");
    let at = |position| wait(fold(&file, Fold::new(None), Until::Position(position)));
    assert_eq!(at(gap.tip.position).map(|it| *it.fold.tip()), Ok(gap.tip), "behind it the state is known");
    if gap.from < gap.tip.position {
        let to = Position(gap.tip.position.0 - 1);
        assert_eq!(at(to), Err(ReplayError::LeftOut { wanted: to, from: gap.from, to }));
    }
    let seen = Seen { position: gap.from, hash: Hash([1; 32]) };
    assert!(
        !wait(verify(&file, &[seen])).expect("readable").is_whole(),
        "what was seen there is not looked at"
    );
}

#[test]
fn a_part_is_not_exported_again() {
    let (world, _, red) = two_projects();
    for ask in [Ask::project(red, "red".into()), span(9, 14)] {
        let file = part(&world, ask);
        assert!(matches!(wait(export(&file, Ask::cell(), &mut Vec::new())), Err(ExportError::Part(_))));
    }
    let file = part(&world, Ask::cell());
    assert!(wait(export(&file, span(9, 14), &mut Vec::new())).is_ok(), "a whole cell's file is a journal");
}
