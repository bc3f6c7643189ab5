//! A small data centre for one test, made by `windlass up --driver linux` and removed with it, also when the test fails.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_windlass");
/// How long anything here may take; a bound against hanging, not a claim.
const PATIENCE: Duration = Duration::from_secs(90);
const TOOLS: [&str; 11] = [
    "ip",
    "nft",
    "conntrack",
    "dnsmasq",
    "qemu-system-x86_64",
    "qemu-storage-daemon",
    "qemu-img",
    "busybox",
    "cpio",
    "depmod",
    "mke2fs",
];

/// One site at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A running data centre: a storage host `s1`, hypervisors `h1` and `h2`.
pub(crate) struct Site {
    home: TempDir,
    up: Child,
    run: PathBuf,
    namespaces: String,
    _turn: MutexGuard<'static, ()>,
}

/// Why this machine can't run these tests, if it can't.
fn why_not() -> Option<String> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let missing = |tool: &&&str| !std::env::split_paths(&paths).any(|path| path.join(tool).exists());
    if let Some(tool) = TOOLS.iter().find(missing) {
        return Some(format!("{tool} is not installed"));
    }
    (!rustix::process::geteuid().is_root()).then(|| "it needs root".to_owned())
}

/// The guest's files, as `ops/test.sh` makes them; made here where it did not run.
fn guest() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guest = root.join("target").join("tools").join("guest");
    let made = Command::new("sh")
        .arg(root.join("ops/guest/make.sh"))
        .arg(&guest)
        .env("GUEST_INIT", root.join("ops/guest/init.sh"))
        .output()
        .map_err(|error| error.to_string())?;
    if made.status.success() {
        Ok(guest)
    } else {
        Err(String::from_utf8_lossy(&made.stderr).trim().to_owned())
    }
}

/// Waits, bounded, until it holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Site {
    /// Starts one; `None`, said on standard error, where this machine can't.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let guest = match why_not().map_or_else(guest, Err) {
            Ok(guest) => guest,
            Err(why) => {
                eprintln!("skipped: {test}: {why}");
                return None;
            }
        };
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        std::fs::create_dir(home.path().join("guest")).unwrap();
        for file in ["kernel", "initrd", "root"] {
            std::fs::copy(guest.join(file), home.path().join("guest").join(file)).unwrap();
        }
        let up = Self::up(home.path());
        let agent = || std::fs::read_to_string(home.path().join("hosts/h1/agent.toml")).unwrap_or_default();
        until("the first host is configured", || agent().contains("run = "));
        let run =
            agent().lines().find_map(|line| Some(line.strip_prefix("run = ")?.trim_matches('"').to_owned()));
        let run = PathBuf::from(run.unwrap()).parent().unwrap().to_path_buf();
        let name = run.file_name().unwrap().to_str().unwrap().to_owned();
        let namespaces = name.strip_suffix("run").unwrap().to_owned();
        let site = Self { home, up, run, namespaces, _turn: turn };
        site.until_up();
        Some(site)
    }

    fn up(home: &Path) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(home.join("up.log")).unwrap();
        Command::new(PROGRAM)
            .args(["up", "--driver", "linux", "--listen", "127.0.0.1:0", "--faults", "allow", "--state"])
            .arg(home)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn until_up(&self) {
        until("every host is up", || {
            let log = std::fs::read_to_string(self.home.path().join("up.log")).unwrap_or_default();
            assert!(!log.contains("error:"), "{log}");
            log.contains("cell up:")
        });
    }

    /// The state directory.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs the command.
    pub(crate) fn windlass(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(arguments)
            .env("WINDLASS_CONTEXT", self.home.path().join("context.toml"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs the command, which must exit so; gives all that it said.
    pub(crate) fn exits(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.windlass(arguments);
        let said =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert_eq!(
            output.status.code(),
            Some(code),
            "windlass {}:\n{said}\n{}",
            arguments.join(" "),
            self.logs()
        );
        said
    }

    /// Runs the command, which must succeed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        self.exits(0, arguments)
    }

    /// What the command shows of one thing, as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.windlass(&[arguments, &["-o", "json"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Makes a server on this host.
    pub(crate) fn server(&self, name: &str, host: &str, more: &[&str]) {
        let arguments =
            ["server", "create", name, "--flavor", "small", "--image", "guest", "--network", "net"];
        self.ok(&[&arguments[..], &["--on-host", host], more].concat());
    }

    /// A server's id.
    pub(crate) fn id(&self, server: &str) -> String {
        self.json(&["server", "get", server])["uid"].as_str().unwrap().to_owned()
    }

    /// A server's first address.
    pub(crate) fn address(&self, server: &str) -> String {
        let shown = self.json(&["server", "get", server]);
        shown["interfaces"][0]["fixedIps"][0]["ipAddress"]
            .as_str()
            .unwrap_or_else(|| panic!("{shown:#}"))
            .to_owned()
    }

    /// The directory of a guest, wherever it runs.
    pub(crate) fn guest(&self, server: &str) -> PathBuf {
        let id = self.id(server);
        let places = ["h1", "h2"].map(|host| self.run(host).join("guests").join(&id));
        places.into_iter().find(|place| place.exists()).unwrap_or_else(|| panic!("no guest of {server}"))
    }

    /// The run directory of a host.
    pub(crate) fn run(&self, host: &str) -> PathBuf {
        self.run.join(host)
    }

    /// Runs a command on a guest's console; gives what it printed.
    pub(crate) fn inside(&self, server: &str, command: &str) -> String {
        self.inside_guest(&self.guest(server), command)
    }

    /// The same, of the guest in this directory. The console belongs to the guest too: its DHCP client and its kernel
    /// may write in the middle of anything, so only lines count that are marked as the command's.
    pub(crate) fn inside_guest(&self, guest: &Path, command: &str) -> String {
        let mut console = UnixStream::connect(guest.join("con")).unwrap();
        console.set_read_timeout(Some(PATIENCE)).unwrap();
        // The shell's echo, however it is wrapped, shows the sums as they are written; its output shows them added up.
        let printed = "sed 's/^/said: /' /said; echo; echo the-end-$((40+2))";
        let line = format!("\necho the-begin-$((20+1)); {{ {command}; }} > /said 2>&1; {printed}\n");
        console.write_all(line.as_bytes()).unwrap();
        let mut seen = Vec::new();
        let mut part = [0; 4096];
        while !String::from_utf8_lossy(&seen).contains("the-end-42") {
            let count = console.read(&mut part).unwrap_or_else(|error| {
                panic!("{command}: {error}\n{}\n{}", String::from_utf8_lossy(&seen), self.logs())
            });
            assert!(count > 0, "the guest ended");
            seen.extend(&part[..count]);
        }
        let seen = String::from_utf8_lossy(&seen).replace('\r', "");
        let output = seen.split_once("the-begin-21").and_then(|(_, rest)| rest.split_once("the-end-42"));
        let (output, _) = output.unwrap_or_else(|| panic!("{command}: {seen}"));
        let said = output.lines().filter_map(|line| line.strip_prefix("said: "));
        said.collect::<Vec<_>>().join("\n").trim().to_owned()
    }

    /// Where a guest has a volume, as its serial says: device names follow the order of a start.
    pub(crate) fn disk(&self, server: &str, volume: &str) -> String {
        let volume = self.json(&["volume", "get", volume]);
        let attached = volume["attachments"].as_array().and_then(|all| all.first());
        let serial = attached.unwrap_or_else(|| panic!("not attached: {volume}"))["serial"]
            .as_str()
            .unwrap()
            .to_owned();
        let found = self.inside(server, &format!("grep -l {serial} /sys/block/vd*/serial"));
        let block = found.split('/').nth(3).unwrap_or_else(|| panic!("{server} has no {serial}: {found}"));
        format!("/dev/{block}")
    }

    /// Runs a program of the machine in a host's namespace.
    pub(crate) fn on(&self, host: &str, arguments: &[&str]) -> String {
        let namespace = format!("{}{host}", self.namespaces);
        let output = Command::new("ip").args(["netns", "exec", &namespace]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts a program of the machine in a host's namespace; whoever starts it ends it, and the site's end does too.
    pub(crate) fn start_on(&self, host: &str, arguments: &[&str]) -> Child {
        let namespace = format!("{}{host}", self.namespaces);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &namespace]).args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::null()).spawn().unwrap()
    }

    /// Every process whose command line holds all of this, by its number.
    pub(crate) fn processes(marks: &[&str]) -> BTreeSet<i32> {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let holds = |number: &i32| {
            let line = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
            !stat.contains(") Z ") && !line.is_empty() && marks.iter().all(|mark| line.contains(mark))
        };
        numbers.filter(holds).collect()
    }

    /// The agent of a host.
    pub(crate) fn agent(&self, host: &str) -> BTreeSet<i32> {
        let state = format!("--state={}", self.home.path().join("hosts").join(host).display());
        let found = Self::processes(&["agent", "run", &state]);
        // `ip netns exec` becomes the agent; while it does, both names are there.
        found.into_iter().filter(|pid| !cmdline(*pid).starts_with("ip ")).collect()
    }

    /// Ends a process of the site's as a crash would.
    pub(crate) fn kill(pid: i32) {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
    }

    /// Kills a host's agent, and waits for its successor.
    pub(crate) fn kill_agent(&self, host: &str) {
        let before = self.agent(host);
        assert_eq!(before.len(), 1, "one agent of {host}");
        before.iter().for_each(|pid| Self::kill(*pid));
        until("the agent is started again", || self.agent(host).difference(&before).count() == 1);
    }

    /// The doctor finds nothing.
    pub(crate) fn is_well(&self) {
        until("every host answers the doctor", || {
            let output = self.windlass(&["doctor"]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(!said.contains("failed"), "{said}");
            output.status.success() && said.contains("hosts compared: 3")
        });
    }

    /// All that is left of guests, volumes and ports on the hosts.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let run = self.run.display().to_string();
        for program in ["qemu-system-x86_64", "qemu-storage-daemon", "dnsmasq"] {
            let found = Self::processes(&[program, &run]);
            left.extend(found.into_iter().map(|pid| format!("process {pid}: {}", cmdline(pid))));
        }
        for host in ["s1", "h1", "h2"] {
            for part in ["guests", "exports", "ports", "dhcp"] {
                left.extend(entries(&self.run(host).join(part)));
            }
            let links = self.on(host, &["ip", "-o", "link"]);
            left.extend(
                links.lines().filter(|line| line.contains(": wl")).map(|line| format!("{host}: {line}")),
            );
            let flows = self.on(host, &["conntrack", "-L", "-o", "id"]);
            left.extend(
                flows.lines().filter(|line| line.contains("zone=")).map(|line| format!("{host}: {line}")),
            );
        }
        for host in ["h1", "h2"] {
            let rules = self.on(host, &["nft", "list", "ruleset"]);
            let of_ports = rules.lines().filter(|line| line.contains("wlt") && !line.contains("wlt*"));
            left.extend(of_ports.map(|line| format!("{host}: {}", line.trim())));
        }
        for part in ["volumes", "exports"] {
            left.extend(entries(&self.home.path().join("hosts/s1/pool").join(part)));
        }
        left
    }

    /// Nothing is left.
    pub(crate) fn is_empty(&self) {
        assert_eq!(self.left(), Vec::<String>::new());
    }

    /// What agents and orchestrator have logged last.
    pub(crate) fn logs(&self) -> String {
        let logs = ["up", "s1", "h1", "h2"].map(|name| {
            let text =
                std::fs::read_to_string(self.home.path().join(format!("{name}.log"))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!("== {name}\n{}\n", lines[lines.len().saturating_sub(15)..].join("\n"))
        });
        logs.concat()
    }

    /// Kills the whole command, as nobody should; what it made is gone all the same.
    pub(crate) fn killed(mut self) {
        self.up.kill().unwrap();
        self.up.wait().unwrap();
        self.is_removed();
    }

    fn is_removed(&self) {
        until("the site is removed", || {
            let there = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
            let of_us =
                |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&self.namespaces);
            !there.into_iter().any(of_us) && !self.run.exists()
        });
        let run = self.run.display().to_string();
        // One that was killed may be on its way out for a moment.
        until("no process of the site lives on", || Self::processes(&[&run]).is_empty());
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Ok(None) = self.up.try_wait() {
            let pid = rustix::process::Pid::from_raw(self.up.id().cast_signed()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        }
        self.up.wait().ok();
        if !std::thread::panicking() {
            self.is_removed();
        }
    }
}

fn cmdline(pid: i32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}
