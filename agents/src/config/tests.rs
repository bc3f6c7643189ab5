//! The layers of a configuration, and what is said about a bad one.

use super::*;

fn load(text: &str, options: Options) -> Result<Config, AgentError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path), options)
}

#[test]
fn the_later_layer_wins() {
    let text = "state = \"/a\"\nroles = [\"storage\"]\ndriver = \"sim\"\norchestrators = [\"a:1\"]\n\
                [sim]\nvcpus = 2\n[sim.latency_ms]\ndefault = 1\nboot_vm = 20\n";
    let config = load(text, Options::default()).unwrap();
    assert_eq!((config.state.to_str(), config.roles.len()), (Some("/a"), 1));
    assert_eq!((config.sim.capacity.vcpus, config.sim.capacity.disk_gib), (2, 1024));
    assert_eq!(config.sim.latency_of("boot_vm"), Duration::from_millis(20));
    assert_eq!(config.sim.latency_of("attach"), Duration::from_millis(1));
    let options = Options {
        state: Some("/b".into()),
        roles: vec!["network".into(), "hypervisor".into()],
        orchestrators: vec!["[::1]:7".into()],
        latencies: vec!["7".into(), "attach=9".into()],
        ..Options::default()
    };
    let config = load(text, options).unwrap();
    assert_eq!(config.state.to_str(), Some("/b"));
    assert_eq!(config.blob_cache_bytes, 20 << 30);
    let small = load(&format!("blob_cache_gib = 2\n{text}"), Options::default()).unwrap();
    assert_eq!(small.blob_cache_bytes, 2 << 30);
    assert_eq!(config.roles, BTreeSet::from([Role::Network, Role::Hypervisor]));
    assert_eq!(config.orchestrators, ["[::1]:7"]);
    let pauses = ["boot_vm", "attach", "detach"].map(|step| config.sim.latency_of(step).as_millis());
    assert_eq!(pauses, [20, 9, 7]);
}

#[test]
fn a_mistake_in_the_file_is_refused_with_its_line() {
    let cases = [
        ("state = \"/a\"\n\ncolour = \"red\"\n", "line 3", "colour"),
        ("driver = \"sim\"\nroles = [\"cook\"]\n", "line 2", "no role"),
        ("driver = \"qemu\"\n", "line 1", "no driver"),
        ("orchestrators = [\"a:1\", \"b\"]\n", "line 1", "no address"),
        ("[sim]\nvcpus = 0\n", "line 2", "1 to 65536"),
        ("[sim]\ntraits = [\"\"]\n", "line 2", "traits"),
        ("[sim.latency_ms]\nattach = 1\nboot_wm = 5\n", "line 3", "no step"),
        ("[sim.latency_ms]\nattach = -1\n", "line 2", "0 to 600000"),
        ("faults = \"plan.toml\"\n", "line 1", "faults"),
        ("blob_cache_gib = 0\n", "line 1", "1 to 1048576"),
        ("state = \n", "line 1", ""),
    ];
    for (text, line, says) in cases {
        let message = load(text, Options::default()).unwrap_err().to_string();
        assert!(message.contains(line) && message.contains(says), "{text}: {message}");
        assert!(message.contains("agent.toml"), "{message}");
    }
}

#[test]
fn what_is_missing_or_wrong_in_the_options_is_named() {
    let options = |state: bool, driver: &str, role: &str, address: &str| Options {
        state: state.then(|| "/a".into()),
        driver: Some(driver.into()).filter(|driver: &String| !driver.is_empty()),
        roles: vec![role.into()],
        orchestrators: vec![address.into()],
        ..Options::default()
    };
    for (options, says) in [
        (options(false, "sim", "storage", "a:1"), "--state"),
        (options(true, "", "storage", "a:1"), "--driver"),
        (options(true, "kvm", "storage", "a:1"), "kvm"),
        (options(true, "sim", "cook", "a:1"), "cook"),
        (options(true, "sim", "storage", "a:"), "no address"),
        (options(true, "sim", "storage", "a:0"), "no address"),
        (Options { name: Some(String::new()), ..options(true, "sim", "storage", "a:1") }, "name"),
        (Options { latencies: vec!["attach=x".into()], ..options(true, "sim", "storage", "a:1") }, "STEP=MS"),
        (Options { latencies: vec!["600001".into()], ..options(true, "sim", "storage", "a:1") }, "600000"),
        (Options { latencies: vec!["boot=5".into()], ..options(true, "sim", "storage", "a:1") }, "no step"),
        (Options { orchestrators: vec!["a:1".into(); 17], ..options(true, "sim", "storage", "a:1") }, "17"),
    ] {
        let message = Config::load(None, options).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
    assert!(Config::load(None, options(true, "sim", "storage", "orchestrator-1.example:7701")).is_ok());
}

fn plan(text: &str) -> Result<crate::faults::Plan, AgentError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("faults.toml");
    std::fs::write(&path, text).unwrap();
    read_plan(&path)
}

#[test]
fn a_mistake_in_a_plan_of_faults_is_refused_with_its_line() {
    let cases = [
        ("seed = 1\nsed = 2\n", "line 2", "sed"),
        ("[[fault]]\nkind = \"tea_break\"\n", "line 2", "tea_break"),
        ("[[fault]]\nkind = \"journal_unknown\"\n", "line 2", "no fault of an agent"),
        ("[[fault]]\nkind = \"hang\"\nstep = \"boot\"\n", "line 3", "no step"),
        ("[[fault]]\nkind = \"hang\"\ndirection = \"up\"\n", "line 3", "forward"),
        ("[[fault]]\nkind = \"hang\"\nat = 0\n", "line 3", "from 1"),
        ("[[fault]]\nkind = \"hang\"\nprobability = 1.5\n", "line 3", "0 to 1"),
        ("[[fault]]\nkind = \"hang\"\ncolour = 1\n", "line 3", "colour"),
        ("seed = 1\n\n[[fault]]\nkind = \"hang\"\nat = 1\nprobability = 0.5\n", "line 3", "exclude"),
        ("[[fault]]\nkind = \"crash_before\"\nwhen = \"after\"\n", "line 1", "own place"),
        ("[[fault]]\nkind = \"hang\"\n[[fault]]\nkind = \"hang\"\ndelay_ms = 5\n", "line 3", "delay_ms"),
        ("[[fault]]\nkind = \"hang\"\nretryable = false\n", "line 1", "retryable"),
        ("[[fault]]\nkind = \"error_after\"\nafter_changes = 2\n", "line 1", "after_changes"),
        ("[[fault]]\nstep = \"attach\"\n", "line 1", "kind"),
    ];
    for (text, line, says) in cases {
        let message = plan(text).unwrap_err().to_string();
        assert!(message.contains(line) && message.contains(says), "{text}: {message}");
    }
    assert!(plan("seed = 7\n[[fault]]\nkind = \"power_cut\"\nwhen = \"after\"\nat = 3\n").is_ok());
}

/// A step that is added must be added here too.
#[test]
fn every_step_has_its_name_in_the_list() {
    use windlass_sagas::ids::*;
    use windlass_sagas::record::{Evidence, StepInput};
    let (volume, server, port, network) = Default::default();
    let inputs = [
        StepInput::ReleaseVolume { volume, export_to: None, delete: false },
        StepInput::RemovePort { port, network },
        StepInput::DestroyGuest { server },
        StepInput::PlugVolume { attachment: AttachmentId::default(), server, volume, device: 0 },
        StepInput::UnplugVolume { attachment: AttachmentId::default(), server, volume, device: 0 },
        StepInput::ConfirmGuest { server, evidence: Evidence::ALL[0] },
        StepInput::StopGuest { server, grace_ms: 0 },
    ];
    for input in inputs {
        match &input {
            StepInput::ReserveVolume { .. }
            | StepInput::ReleaseVolume { .. }
            | StepInput::PreparePort(_)
            | StepInput::RemovePort { .. }
            | StepInput::BootGuest(_)
            | StepInput::BootKernel(..)
            | StepInput::StopGuest { .. }
            | StepInput::DestroyGuest { .. }
            | StepInput::PlugVolume { .. }
            | StepInput::UnplugVolume { .. }
            | StepInput::ConfirmGuest { .. } => assert_eq!(file::check_step(input.name()), Ok(())),
        }
    }
    for name in ["reserve_volume", "prepare_port", "boot_vm"] {
        assert_eq!(file::check_step(name), Ok(()));
    }
}
