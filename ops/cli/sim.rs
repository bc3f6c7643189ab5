//! `windlass sim`: whole cells on the product's own state machines, with faults, each on one seeded thread.
//!
//! It only starts worlds and prints what they came to; what is checked stands in `tests/sim`.

use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use windlass_sim::{Bounds, Choice, Failure, Lab, NotAChoice, Outcome, Plan, Scenario, Tally, named};

use crate::exit;
use crate::output::Format;

/// Failures after which a run ends.
const FAILURES_MAX: usize = 5;
/// How often a long run says how far it got.
const PROGRESS_PAUSE: Duration = Duration::from_secs(5);

/// Run simulated cells: orchestrators, agents and a broker with faults, every promise checked after every commit.
///
/// The same seed gives the same trace, on any number of threads. A failing world is shrunk to the fewest faults that
/// it needs, and printed as a command to paste. Ends with 1 if any promise was broken.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  windlass sim --worlds 10000                    ten thousand random worlds
  windlass sim --mode single                     every single fault at every place of the scripted worlds
  windlass sim --mode pair --worlds 50000        pairs of faults in them
  windlass sim --mode named                      the worlds that once broke an earlier protocol
  windlass sim --seed 17 --trace                 one random world, event by event
  windlass sim --seed 17 --faults 1700003:drop   the same with exactly this fault; `none`: without any
  windlass sim --world v1 --trace                a named world, by the beginning of its name")]
pub(crate) struct Simulate {
    /// How many worlds; with `--mode random` or `pair`.
    #[arg(long, default_value_t = 1000)]
    worlds: u64,
    /// The first world's seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What to run.
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// Run one scripted or named world instead of those that seeds draw.
    #[arg(long, value_name = "NAME", conflicts_with = "mode")]
    world: Option<String>,
    /// Run one world with exactly these faults, as a failure names them: NUMBER:KIND,…, or `none`.
    #[arg(long, value_name = "FAULTS", conflicts_with = "mode")]
    faults: Option<Faults>,
    /// Run one world and print everything that happens in it.
    #[arg(long, conflicts_with = "mode")]
    trace: bool,
    /// Worlds at once; each runs on one thread. By default as many as there are cores.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

/// What to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Random worlds: calm, some kinds of fault, all of them.
    #[default]
    Random,
    /// Every single fault at every place of the scripted worlds, `server.create` and `volume.attach` among them.
    Single,
    /// Pairs of faults in the scripted worlds, as many as `--worlds` says, drawn by the seed.
    Pair,
    /// The named worlds.
    Named,
}

/// A set of faults, maybe empty.
#[derive(Clone, Debug)]
struct Faults(Vec<Choice>);

impl FromStr for Faults {
    type Err = NotAChoice;
    fn from_str(text: &str) -> Result<Self, NotAChoice> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// One line of the report.
type Part = (String, Tally, Vec<String>);

/// Runs it; gives the exit code.
pub(crate) fn run(simulate: &Simulate, format: Format) -> anyhow::Result<u8> {
    let parts = if simulate.world.is_some() || simulate.faults.is_some() || simulate.trace {
        vec![one(simulate)?]
    } else {
        many(simulate)
    };
    match format {
        Format::Table => parts.iter().for_each(print),
        Format::Json => {
            let parts: Vec<serde_json::Value> = parts.iter().map(json).collect();
            println!("{}", serde_json::to_string_pretty(&parts)?);
        }
    }
    let sound = parts.iter().all(|(_, tally, _)| tally.failures.is_empty());
    Ok(if sound { exit::OK } else { exit::FAILED })
}

fn many(simulate: &Simulate) -> Vec<Part> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = simulate.threads.map_or(cores, usize::from);
    let bounds = Bounds { threads, failures_max: FAILURES_MAX };
    let (mut lab, seed) = (Lab::new(), simulate.seed);
    let part = |name: String, tally| (name, tally, Vec::new());
    match simulate.mode {
        Mode::Random => {
            let worlds = simulate.worlds;
            let tally = lab.randoms(seed, worlds, bounds, progress(Some(worlds)));
            vec![part("random".to_string(), tally)]
        }
        Mode::Single => Scenario::singles()
            .iter()
            .map(|scenario| {
                let tally = lab.singles(scenario, seed, bounds, progress(None));
                part(format!("single {}", scenario.name), tally)
            })
            .collect(),
        Mode::Pair => {
            let scenarios = Scenario::singles();
            let each = simulate.worlds / (scenarios.len() as u64).max(1);
            scenarios
                .iter()
                .map(|scenario| {
                    let tally = lab.pairs(scenario, seed, each, bounds, progress(Some(each)));
                    part(format!("pair {}", scenario.name), tally)
                })
                .collect()
        }
        Mode::Named => vec![part("named".to_string(), lab.all_named())],
    }
}

/// Says now and then how far a run has got.
fn progress(worlds: Option<u64>) -> impl FnMut(&Tally) {
    let mut last = Instant::now();
    move |tally| {
        if last.elapsed() >= PROGRESS_PAUSE {
            last = Instant::now();
            let of = worlds.map(|worlds| format!(" of {worlds}")).unwrap_or_default();
            eprintln!("{}{of} worlds, {} violations", tally.worlds, tally.failures.len());
        }
    }
}

/// One world: named, scripted, or the one that the seed draws.
fn one(simulate: &Simulate) -> anyhow::Result<Part> {
    let exactly = simulate.faults.clone().map(|faults| Plan::Exactly(faults.0));
    let mut lab = Lab::new();
    let Some(name) = &simulate.world else {
        let (scenario, plan) = Scenario::random(simulate.seed);
        let plan = exactly.unwrap_or(plan);
        return Ok(ran(&mut lab, scenario, simulate, plan));
    };
    if let Some(scenario) = Scenario::by_name(name) {
        return Ok(ran(&mut lab, scenario, simulate, exactly.unwrap_or(Plan::Calm)));
    }
    let mut world = named::find(name).ok_or_else(|| exit::Usage(unknown(name)))?;
    anyhow::ensure!(exactly.is_none(), "the world {} has its own script of faults", world.name);
    world.scenario.keep_trace = simulate.trace;
    Ok(told(world.name, named::SEED, None, lab.named(&world)))
}

fn unknown(name: &str) -> String {
    let scripted = Scenario::singles().into_iter().map(|scenario| scenario.name);
    let named = named::all().into_iter().map(|world| world.name);
    let known: Vec<&str> = scripted.chain(named).collect();
    format!("no world, or more than one, begins with {name:?}; there are:\n  {}", known.join("\n  "))
}

fn ran(lab: &mut Lab, mut scenario: Scenario, simulate: &Simulate, plan: Plan) -> Part {
    scenario.keep_trace = simulate.trace;
    let outcome = lab.run(&scenario, simulate.seed, plan, false);
    let faults = outcome.fired.iter().map(|it| Choice { id: it.id, kind: Some(it.kind) }).collect();
    told(scenario.name, simulate.seed, Some(faults), outcome)
}

fn told(world: &'static str, seed: u64, faults: Option<Vec<Choice>>, outcome: Outcome) -> Part {
    let mut tally = Tally::default();
    tally.add(&outcome);
    let fired_before = outcome.fired.len();
    tally.failures.extend(outcome.violation.map(|violation| {
        let fired = outcome.fired;
        Failure { world, seed, faults, fired, violation, fired_before }
    }));
    (world.to_string(), tally, outcome.lines)
}

fn print((name, tally, lines): &Part) {
    lines.iter().for_each(|line| println!("{line}"));
    let [completed, rolled_back, abandoned] = tally.ended;
    let Tally { worlds, events, commits, void, seen, .. } = tally;
    println!(
        "{name}: {worlds} worlds, {events} events, {commits} commits, {void} void, {} leads",
        seen.leads
    );
    println!("  sagas: {completed} completed, {rolled_back} rolled back, {abandoned} abandoned");
    println!("  faults fired: {}", tally.fired.values().sum::<u64>());
    for (kind, count) in &tally.fired {
        println!("    {count:>8}  {kind}");
    }
    for failure in &tally.failures {
        println!("  VIOLATION in {}, seed {}: {}", failure.world, failure.seed, failure.violation);
        for fired in &failure.fired {
            let (ms, id) = (fired.at.ms(), fired.id);
            println!("    {ms:>6} ms  {} {} ({:?}, {id})", fired.kind, fired.place, fired.lane);
        }
        println!("    {} faults fired before shrinking; again: {}", failure.fired_before, failure.again());
    }
    println!("  violations: {}   trace: {:016x}", tally.failures.len(), tally.hash);
}

fn json((name, tally, lines): &Part) -> serde_json::Value {
    let failure = |failure: &Failure| {
        serde_json::json!({
            "world": failure.world,
            "seed": failure.seed,
            "faults": failure.faults(),
            "law": failure.violation.law,
            "violation": failure.violation.to_string(),
            "again": failure.again(),
        })
    };
    let failures: Vec<serde_json::Value> = tally.failures.iter().map(failure).collect();
    let fired: serde_json::Map<String, serde_json::Value> =
        tally.fired.iter().map(|(kind, count)| (kind.to_string(), (*count).into())).collect();
    let mut part = serde_json::json!({
        "name": name,
        "worlds": tally.worlds,
        "events": tally.events,
        "commits": tally.commits,
        "void": tally.void,
        "leads": tally.seen.leads,
        "ended": { "completed": tally.ended[0], "rolledBack": tally.ended[1], "abandoned": tally.ended[2] },
        "fired": fired,
        "violations": failures,
        "trace": format!("{:016x}", tally.hash),
    });
    if let Some(part) = part.as_object_mut().filter(|_| !lines.is_empty()) {
        part.insert("lines".to_string(), lines.clone().into());
    }
    part
}
