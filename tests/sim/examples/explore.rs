//! Scratch.
use windlass_sim::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mut lab = Lab::new();
    #[cfg(feature = "planted")]
    if let Ok(bugs) = std::env::var("BUGS") {
        use windlass_sagas::planted::{self, Bug};
        let on: Vec<Bug> =
            Bug::ALL.iter().copied().filter(|b| bugs.split(',').any(|n| format!("{b:?}") == n)).collect();
        println!("planted {on:?}");
        planted::set(&on);
    }
    match args[1].as_str() {
        "one" => {
            let seed: u64 = args[2].parse().unwrap();
            let (mut scenario, plan) = Scenario::random(seed);
            scenario.keep_trace = args.len() > 4;
            let plan = if args.len() > 3 && args[3] != "-" {
                Plan::Exactly(args[3].split(',').map(|c| c.parse().unwrap()).collect())
            } else {
                plan
            };
            println!("{scenario:?}\n{plan:?}");
            let o = lab.run(&scenario, seed, plan, false);
            for l in &o.lines {
                println!("{l}");
            }
            println!(
                "{:#?} {:x} events {} commits {} void {} {:?} {:?} at {:?}",
                o.violation, o.hash, o.events, o.commits, o.void, o.seen, o.ended, o.at
            );
        }
        "calm" => {
            let scenario = match args[2].as_str() {
                "create" => Scenario::server_create(),
                "attach" => Scenario::volume_attach(),
                _ => Scenario::life(),
            };
            let mut scenario = scenario;
            scenario.keep_trace = args.len() > 3;
            let o = lab.run(&scenario, 1, Plan::Calm, true);
            for l in &o.lines {
                println!("{l}");
            }
            println!(
                "{:#?} {:x} events {} commits {} void {} {:?} {:?} at {:?} asked {}",
                o.violation,
                o.hash,
                o.events,
                o.commits,
                o.void,
                o.seen,
                o.ended,
                o.at,
                o.asked.len()
            );
        }
        "single" => {
            let scenario = match args[2].as_str() {
                "create" => Scenario::server_create(),
                "attach" => Scenario::volume_attach(),
                "life" => Scenario::life(),
                c => {
                    if c.starts_with("c") {
                        Scenario::server_create_cancelled(c[1..].parse().unwrap())
                    } else {
                        Scenario::volume_attach_cancelled(c[1..].parse().unwrap())
                    }
                }
            };
            let t = std::time::Instant::now();
            let tally = lab.singles(&scenario, 1, 5);
            print(&tally);
            println!("{:?}", t.elapsed());
        }
        "named" => {
            for n in named::all() {
                if args.len() > 2 && !n.name.starts_with(&args[2]) {
                    continue;
                }
                let mut sc = n.scenario.clone();
                sc.keep_trace = args.len() > 3;
                let o = lab.run(&sc, named::SEED, n.plan(), false);
                for l in &o.lines {
                    println!("{l}");
                }
                println!(
                    "{:60} {} {} {:?} at {}",
                    n.name,
                    o.violation.as_ref().map_or("ok".into(), ToString::to_string),
                    n.differs(&o).unwrap_or_default(),
                    n.bugs,
                    o.at.ms()
                );
                if n.differs(&o).is_some() || args.len() > 3 {
                    for x in &o.fired {
                        println!("   {} {} {:?} at {}ms", x.kind, x.place, x.lane, x.at.ms());
                    }
                    println!("{:?}", o.seen);
                }
            }
        }
        "random" => {
            let t = std::time::Instant::now();
            let tally = lab.randoms(
                args[2].parse().unwrap(),
                args[3].parse().unwrap(),
                args.get(4).map_or(5, |a| a.parse().unwrap()),
            );
            print(&tally);
            println!("{:?}", t.elapsed());
        }
        _ => {}
    }
}
fn print(tally: &Tally) {
    println!(
        "worlds {} events {} commits {} void {} ended {:?} hash {:x}",
        tally.worlds, tally.events, tally.commits, tally.void, tally.ended, tally.hash
    );
    println!("{:?}", tally.fired);
    for f in &tally.failures {
        println!(
            "FAIL {} seed {} faults {} (of {})",
            f.scenario,
            f.seed,
            f.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            f.fired_before
        );
        for x in &f.fired {
            println!("   {} {} {:?} at {}ms", x.kind, x.place, x.lane, x.at.ms());
        }
        println!("   {}", f.violation);
    }
}
