//! `windlass sim`: whole cells on the product's own state machines, with faults, each on one seeded thread.
//!
//! It only starts worlds and prints what they came to; what is checked stands in `tests/sim`.

use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use windlass_sim::{
    Bounds, Choice, Failure, Lab, NotAChoice, Outcome, Plan, Portfolio, Scenario, Tally, named,
};

use crate::exit;
use crate::output::Format;

/// Failures after which a run ends.
const FAILURES_MAX: usize = 5;
/// Random worlds where no number is given.
const RANDOM_WORLDS: u64 = 1_000;
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
  windlass sim --portfolio swarm                 a thousand worlds with a swarm of some kinds of fault
  windlass sim --mode single                     every single fault at every place of the scripted worlds
  windlass sim --mode pair                       every pair of faults of server.create, server.delete, volume.attach
  windlass sim --mode pair --worlds 50000        as many pairs of faults, drawn from all scripted worlds
  windlass sim --mode named                      the worlds that once broke an earlier protocol
  windlass sim --seed 17 --trace                 one random world, event by event
  windlass sim --seed 17 --draw                  the same as a drawing: who said what when
  windlass sim --seed 17 --faults 1700003:drop   the same with exactly this fault; `none`: without any
  windlass sim --world v1 --trace                a named world, by the beginning of its name")]
pub(crate) struct Simulate {
    /// How many worlds: 1000 with `--mode random`; with `--mode pair` all pairs, unless this says how many are drawn.
    #[arg(long)]
    worlds: Option<u64>,
    /// The first world's seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What to run.
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// Which faults random worlds have.
    #[arg(long, value_enum, default_value_t)]
    portfolio: Faulty,
    /// Run one scripted or named world instead of those that seeds draw; with `--mode single` or `pair` that scripted one.
    #[arg(long, value_name = "NAME")]
    world: Option<String>,
    /// Run one world with exactly these faults, as a failure names them: NUMBER:KIND,…, or `none`.
    #[arg(long, value_name = "FAULTS", conflicts_with = "mode")]
    faults: Option<Faults>,
    /// Run one world and print everything that happens in it.
    #[arg(long, conflicts_with = "mode")]
    trace: bool,
    /// Run one world and draw it: one column a process, one line for each message and fault.
    #[arg(long, conflicts_with_all = ["mode", "trace"])]
    draw: bool,
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
    /// Every single fault at every place of the scripted worlds.
    Single,
    /// Every pair of faults of `server.create`, `server.delete` and `volume.attach`; or so many, drawn by the seed from all
    /// scripted worlds.
    Pair,
    /// The named worlds.
    Named,
}

/// Which faults random worlds have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Faulty {
    /// Of eight worlds one is calm, four have a swarm, three have all kinds.
    #[default]
    Mixed,
    /// None.
    Calm,
    /// About a third of the kinds, at different rates.
    Swarm,
    /// All kinds.
    All,
}

impl From<Faulty> for Portfolio {
    fn from(faulty: Faulty) -> Self {
        match faulty {
            Faulty::Mixed => Self::Mixed,
            Faulty::Calm => Self::Calm,
            Faulty::Swarm => Self::Swarm,
            Faulty::All => Self::All,
        }
    }
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
    let enumerates = matches!(simulate.mode, Mode::Single | Mode::Pair);
    let one_world = simulate.faults.is_some() || simulate.trace || simulate.draw;
    let parts = if one_world || (simulate.world.is_some() && !enumerates) {
        vec![one(simulate)?]
    } else {
        many(simulate)?
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

fn many(simulate: &Simulate) -> anyhow::Result<Vec<Part>> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = simulate.threads.map_or(cores, usize::from);
    let bounds = Bounds { threads, failures_max: FAILURES_MAX };
    let (mut lab, seed) = (Lab::new(), simulate.seed);
    let part = |name: String, tally| (name, tally, Vec::new());
    Ok(match simulate.mode {
        Mode::Random => {
            let worlds = simulate.worlds.unwrap_or(RANDOM_WORLDS);
            let portfolio = simulate.portfolio.into();
            let tally = lab.randoms_of(portfolio, seed, worlds, bounds, progress(Some(worlds)));
            vec![part("random".to_string(), tally)]
        }
        Mode::Single => scenarios(simulate, Scenario::singles())?
            .iter()
            .map(|scenario| {
                let tally = lab.singles(scenario, seed, bounds, progress(None));
                part(format!("single {}", scenario.name), tally)
            })
            .collect(),
        Mode::Pair => match simulate.worlds {
            Some(worlds) => {
                let scenarios = scenarios(simulate, Scenario::singles())?;
                let each = worlds / (scenarios.len() as u64).max(1);
                let mut run =
                    |scenario: &Scenario| lab.pairs(scenario, seed, each, bounds, progress(Some(each)));
                scenarios.iter().map(|it| part(format!("pair {}", it.name), run(it))).collect()
            }
            None => scenarios(simulate, Scenario::pairs())?
                .iter()
                .map(|scenario| {
                    let (_, pairs) = lab.count_pairs(scenario, seed, threads);
                    let tally = lab.all_pairs(scenario, seed, bounds, progress(Some(pairs)));
                    part(format!("every pair {}", scenario.name), tally)
                })
                .collect(),
        },
        Mode::Named => vec![part("named".to_string(), lab.all_named())],
    })
}

/// The scripted worlds to go through: all of these, or the one that is named.
fn scenarios(simulate: &Simulate, all: Vec<Scenario>) -> anyhow::Result<Vec<Scenario>> {
    let Some(name) = &simulate.world else { return Ok(all) };
    let known: Vec<&str> = all.iter().map(|scenario| scenario.name).collect();
    let unknown = format!("no scripted world is named {name:?}; there are:\n  {}", known.join("\n  "));
    let found: Vec<Scenario> = all.into_iter().filter(|scenario| scenario.name == name).collect();
    if found.is_empty() { Err(exit::Usage(unknown).into()) } else { Ok(found) }
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
        let (scenario, plan) = Scenario::random_of(simulate.seed, simulate.portfolio.into());
        let plan = exactly.unwrap_or(plan);
        return Ok(ran(&mut lab, scenario, simulate, plan));
    };
    if let Some(scenario) = Scenario::by_name(name) {
        return Ok(ran(&mut lab, scenario, simulate, exactly.unwrap_or(Plan::Calm)));
    }
    let mut world = named::find(name).ok_or_else(|| exit::Usage(unknown(name)))?;
    anyhow::ensure!(exactly.is_none(), "the world {} has its own script of faults", world.name);
    (world.scenario.keep_trace, world.scenario.draw) = (simulate.trace, simulate.draw);
    Ok(told(world.name, named::SEED, None, lab.named(&world)))
}

fn unknown(name: &str) -> String {
    let scripted = Scenario::singles().into_iter().map(|scenario| scenario.name);
    let named = named::all().into_iter().map(|world| world.name);
    let known: Vec<&str> = scripted.chain(named).collect();
    format!("no world, or more than one, begins with {name:?}; there are:\n  {}", known.join("\n  "))
}

fn ran(lab: &mut Lab, mut scenario: Scenario, simulate: &Simulate, plan: Plan) -> Part {
    (scenario.keep_trace, scenario.draw) = (simulate.trace, simulate.draw);
    let outcome = lab.run(&scenario, simulate.seed, plan, false);
    let faults = outcome.fired.iter().map(|it| Choice { id: it.id, kind: Some(it.kind) }).collect();
    told(scenario.name, simulate.seed, Some(faults), outcome)
}

fn told(world: &'static str, seed: u64, faults: Option<Vec<Choice>>, outcome: Outcome) -> Part {
    let mut tally = Tally::default();
    tally.add(&outcome);
    let fired_before = outcome.fired.len();
    let mut lines = outcome.lines;
    lines.extend(
        outcome.drawing.iter().flat_map(|it| it.render(false).lines().map(String::from).collect::<Vec<_>>()),
    );
    tally.failures.extend(outcome.violation.map(|violation| {
        let fired = outcome.fired;
        Failure { world, seed, faults, fired, violation, fired_before, drawing: None }
    }));
    (world.to_string(), tally, lines)
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
    println!("  seen:");
    for (name, count) in seen.counts() {
        println!("    {count:>8}  {}", name.replace('_', " "));
    }
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
        for line in failure
            .drawing
            .iter()
            .flat_map(|it| it.render(true).lines().map(String::from).collect::<Vec<_>>())
        {
            println!("    {line}");
        }
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
            "drawing": failure.drawing.as_ref().map(|drawing| drawing.render(true)),
        })
    };
    let failures: Vec<serde_json::Value> = tally.failures.iter().map(failure).collect();
    let seen: serde_json::Map<String, serde_json::Value> =
        tally.seen.counts().into_iter().map(|(name, count)| (camel(name), count.into())).collect();
    let fired: serde_json::Map<String, serde_json::Value> =
        tally.fired.iter().map(|(kind, count)| (kind.to_string(), (*count).into())).collect();
    let mut part = serde_json::json!({
        "name": name,
        "worlds": tally.worlds,
        "events": tally.events,
        "commits": tally.commits,
        "void": tally.void,
        "leads": tally.seen.leads,
        "seen": seen,
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

/// A name as JSON's are.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_string();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let upper = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &upper.into_iter().chain(letters).collect::<String>()
    })
}
