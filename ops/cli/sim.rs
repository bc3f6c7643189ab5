//! `windlass sim`: whole cells on the product's own state machines, with faults, on one seeded thread.

use clap::{Args, ValueEnum};
use windlass_sim::{Choice, Failure, Lab, Plan, Scenario, Tally};

use crate::exit;
use crate::output::Format;

/// Failures after which a run ends.
const FAILURES_MAX: usize = 5;

/// Run simulated cells: orchestrators, agents and a broker with faults, every promise checked after every commit.
///
/// The same seed gives the same trace. A failing world is shrunk to the fewest faults that it needs, and printed as a
/// command to paste.
#[derive(Args, Debug)]
pub(crate) struct Simulate {
    /// How many worlds.
    #[arg(long, default_value_t = 1000)]
    worlds: u64,
    /// The first world's seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What to run.
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// Run one world, with exactly these faults, as a failure names them.
    #[arg(long, value_delimiter = ',', value_name = "NUMBER:KIND")]
    faults: Vec<Choice>,
}

/// What to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Random worlds: calm, swarm and everything on.
    #[default]
    Random,
    /// Every single fault at every place of `server.create` and of `volume.attach`.
    Single,
}

/// Runs it; gives the exit code.
pub(crate) fn run(simulate: &Simulate, format: Format) -> anyhow::Result<u8> {
    let mut lab = Lab::new();
    let tallies = match simulate.mode {
        _ if !simulate.faults.is_empty() => vec![("replay", replay(&mut lab, simulate))],
        Mode::Random => vec![("random", lab.randoms(simulate.seed, simulate.worlds, FAILURES_MAX))],
        Mode::Single => vec![
            ("single server.create", lab.singles(&Scenario::server_create(), simulate.seed, FAILURES_MAX)),
            ("single volume.attach", lab.singles(&Scenario::volume_attach(), simulate.seed, FAILURES_MAX)),
        ],
    };
    for (name, tally) in &tallies {
        match format {
            Format::Table => print(name, tally),
            Format::Json => println!("{}", json(name, tally)),
        }
    }
    let sound = tallies.iter().all(|(_, tally)| tally.failures.is_empty());
    Ok(if sound { exit::OK } else { exit::FAILED })
}

fn replay(lab: &mut Lab, simulate: &Simulate) -> Tally {
    let (scenario, _) = Scenario::random(simulate.seed);
    let outcome = lab.run(&scenario, simulate.seed, Plan::Exactly(simulate.faults.clone()), false);
    let mut tally = Tally::default();
    tally.add(&outcome);
    if let Some(violation) = outcome.violation {
        let (faults, fired) = (simulate.faults.clone(), outcome.fired);
        let fired_before = fired.len();
        let (scenario, seed) = (scenario.name, simulate.seed);
        tally.failures.push(Failure { scenario, seed, faults, fired, violation, fired_before });
    }
    tally
}

fn print(name: &str, tally: &Tally) {
    let [completed, rolled_back, abandoned] = tally.ended;
    println!(
        "{name}: {} worlds, {} events, {} commits, {} void",
        tally.worlds, tally.events, tally.commits, tally.void
    );
    println!("  sagas: {completed} completed, {rolled_back} rolled back, {abandoned} abandoned");
    println!("  faults fired:");
    for (kind, count) in &tally.fired {
        println!("    {count:>8}  {kind}");
    }
    for failure in &tally.failures {
        println!("  VIOLATION {} seed {}: {}", failure.scenario, failure.seed, failure.violation);
        for fired in &failure.fired {
            println!("    {} {} {:?}", fired.kind, fired.place, fired.lane);
        }
        println!("    {} faults fired before shrinking; again: {}", failure.fired_before, again(failure));
    }
    println!("  violations: {}   trace: {:016x}", tally.failures.len(), tally.hash);
}

fn again(failure: &Failure) -> String {
    format!("windlass sim --seed {} --faults {}", failure.seed, faults(failure).join(","))
}

fn faults(failure: &Failure) -> Vec<String> {
    failure.faults.iter().map(ToString::to_string).collect()
}

fn json(name: &str, tally: &Tally) -> serde_json::Value {
    let failures: Vec<serde_json::Value> = tally
        .failures
        .iter()
        .map(|failure| {
            serde_json::json!({
                "scenario": failure.scenario,
                "seed": failure.seed,
                "faults": faults(failure),
                "violation": failure.violation.to_string(),
                "again": again(failure),
            })
        })
        .collect();
    let fired: serde_json::Map<String, serde_json::Value> =
        tally.fired.iter().map(|(kind, count)| (kind.to_string(), (*count).into())).collect();
    serde_json::json!({
        "name": name,
        "worlds": tally.worlds,
        "events": tally.events,
        "commits": tally.commits,
        "void": tally.void,
        "ended": { "completed": tally.ended[0], "rolledBack": tally.ended[1], "abandoned": tally.ended[2] },
        "fired": fired,
        "violations": failures,
        "trace": format!("{:016x}", tally.hash),
    })
}
