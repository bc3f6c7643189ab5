//! DHCP: one server a network and host, bound to the network's bridge. It knows the ports of this host alone, so that
//! each guest is answered by its own host, and nobody else at all.
//!
//! Invariants: a server that runs, runs by the configuration that is on disk (it is stopped before that is written); a
//! reservation goes, with its lease, only while the server stands still, for it keeps both in memory.

mod plan;
mod process;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use windlass_sagas::ids::NetworkId;
use windlass_sagas::record::{Mac, Refusal};

use super::record::{Record, file_failed};
use crate::files::{PRIVATE, replace};
use crate::linux::Run;

pub(super) use plan::{Plan, plan};
pub(super) use process::Running;

/// How long a lease is good, seconds: addresses rest at least as long before another port gets them.
pub(super) const LEASE_S: u64 = windlass_sagas::limits::ADDRESS_REST_MS / 1000;

/// The server of one network on this host.
pub(super) struct Server {
    directory: PathBuf,
}

impl Server {
    pub(super) fn of(run: &Run, network: NetworkId) -> Self {
        Self { directory: run.join("dhcp").join(network.to_string()) }
    }

    fn configuration(&self) -> PathBuf {
        self.directory.join("conf")
    }

    fn hosts(&self) -> PathBuf {
        self.directory.join("hosts")
    }

    fn leases(&self) -> PathBuf {
        self.directory.join("leases")
    }

    fn reservation(&self, record: &Record) -> PathBuf {
        self.hosts().join(record.setup.port.to_string())
    }

    /// Whether it runs by this plan.
    pub(super) fn serves(&self, plan: &Plan, running: &Running) -> Result<bool, Refusal> {
        let written = read(&self.configuration())?;
        let text = plan.text(&self.directory);
        Ok(written.as_deref() == Some(text.as_str()) && running.by(&self.configuration()) == 1)
    }

    /// Lets it run by this plan.
    pub(super) async fn serve(&self, plan: &Plan) -> Result<(), Refusal> {
        process::stop(&self.configuration()).await?;
        let failed = |error| file_failed(&self.directory, &error);
        // The server reads reservations as a user that owns nothing.
        passable(&self.hosts(), 0o755).map_err(failed)?;
        for above in self.directory.ancestors().take(2) {
            passable(above, 0o711).map_err(failed)?;
        }
        replace(&self.configuration(), PRIVATE, plan.text(&self.directory).as_bytes()).map_err(failed)?;
        process::start(&self.configuration()).await
    }

    /// Stops it, and keeps what it needs to go on.
    pub(super) async fn pause(&self) -> Result<(), Refusal> {
        process::stop(&self.configuration()).await
    }

    /// Whether the record's guest would get its address.
    pub(super) fn reserves(&self, record: &Record) -> Result<bool, Refusal> {
        Ok(read(&self.reservation(record))? == plan::reservation(record))
    }

    /// Lets the record's guest get its address; the server sees the file come.
    pub(super) fn reserve(&self, record: &Record) -> Result<(), Refusal> {
        let Some(line) = plan::reservation(record) else { return Ok(()) };
        let path = self.reservation(record);
        // Beside the directory that the server watches, then moved into it whole.
        let beside = self.directory.join("reservation.new");
        let written = fs::write(&beside, line)
            .and_then(|()| fs::set_permissions(&beside, Permissions::from_mode(0o644)))
            .and_then(|()| fs::rename(&beside, &path));
        written.map_err(|error| file_failed(&path, &error))
    }

    /// Whether anything is kept for the record's guest: a reservation, or a lease.
    pub(super) fn knows(&self, record: &Record) -> Result<bool, Refusal> {
        let leased = self.read_leases()?.iter().any(|lease| of(lease, record));
        Ok(leased || read(&self.reservation(record))?.is_some())
    }

    /// Forgets the record's guest. The server stands still meanwhile; it starts again where the plan is for others.
    pub(super) async fn forget(&self, record: &Record, others: Option<&Plan>) -> Result<(), Refusal> {
        process::stop(&self.configuration()).await?;
        let path = self.leases();
        let text = read(&path)?.unwrap_or_default();
        let kept: String = text
            .lines()
            .filter(|line| Lease::parse(line).is_none_or(|lease| !of(&lease, record)))
            .flat_map(|line| [line, "\n"])
            .collect();
        if kept != text {
            replace(&path, PRIVATE, kept.as_bytes()).map_err(|error| file_failed(&path, &error))?;
        }
        let path = self.reservation(record);
        gone(fs::remove_file(&path)).map_err(|error| file_failed(&path, &error))?;
        match others {
            Some(plan) => self.serve(plan).await,
            None => Ok(()),
        }
    }

    /// Whether there is anything of it.
    pub(super) fn exists(&self) -> Result<bool, Refusal> {
        Ok(self.directory.exists() || Running::look()?.by(&self.configuration()) > 0)
    }

    /// Stops it, and removes all of it.
    pub(super) async fn remove(&self) -> Result<(), Refusal> {
        process::stop(&self.configuration()).await?;
        gone(fs::remove_dir_all(&self.directory)).map_err(|error| file_failed(&self.directory, &error))
    }

    fn read_leases(&self) -> Result<Vec<Lease>, Refusal> {
        Ok(read(&self.leases())?.unwrap_or_default().lines().filter_map(Lease::parse).collect())
    }

    /// Whether a lease was granted to this MAC at or after a time, Unix seconds.
    pub(super) fn leased_since(&self, mac: Mac, since_unix_s: i64) -> Result<bool, Refusal> {
        let granted = |lease: &Lease| lease.ends_unix_s.saturating_sub(LEASE_S.cast_signed());
        Ok(self
            .read_leases()?
            .iter()
            .any(|lease| lease.mac == mac.to_string() && granted(lease) >= since_unix_s))
    }
}

/// Stops the servers of networks that are not among these, and removes what is left of them.
pub(super) async fn retain(run: &Run, networks: &BTreeSet<NetworkId>) -> Result<(), Refusal> {
    let directory = run.join("dhcp");
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(file_failed(&directory, &error)),
    };
    for entry in entries {
        let name = entry.map_err(|error| file_failed(&directory, &error))?.file_name();
        if let Some(Ok(network)) = name.to_str().map(str::parse)
            && !networks.contains(&network)
        {
            Server::of(run, network).remove().await?;
        }
    }
    Ok(())
}

/// A line of the server's file of leases.
struct Lease {
    ends_unix_s: i64,
    mac: String,
    address: Option<Ipv4Addr>,
}

impl Lease {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let ends_unix_s = words.next()?.parse().ok()?;
        let (mac, address) = (words.next()?.to_owned(), words.next()?.parse().ok());
        Some(Self { ends_unix_s, mac, address })
    }
}

/// Whether a lease is in the way of the next port that gets the record's address, or the record's own.
fn of(lease: &Lease, record: &Record) -> bool {
    lease.mac == record.setup.mac.to_string()
        || lease.address.is_some_and(|leased| record.addresses().any(|address| address == leased))
}

fn read(path: &Path) -> Result<Option<String>, Refusal> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_failed(path, &error)),
    }
}

fn passable(directory: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(mode))
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
