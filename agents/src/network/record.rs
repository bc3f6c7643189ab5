//! The record of a port: a file from before anything else of the port is there until after all of it is gone. Links and
//! records together say what the host holds, whatever process looks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use windlass_sagas::ids::{CellId, NetworkId, PortId, ProjectId, SagaId, StepIndex};
use windlass_sagas::protocol::Owner;
use windlass_sagas::record::{PortSetup, Refusal, RefusalCode, StepKey};

use crate::driver::driver_failed;
use crate::files::{PRIVATE, replace, sync_parent};
use crate::linux::Run;

/// A port of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// What was asked for.
    pub(super) setup: PortSetup,
    /// For whom.
    pub(super) owner: Owner,
    /// By which step.
    pub(super) key: StepKey,
    /// Where the connections of its network are tracked on this host: networks may use the same addresses.
    pub(super) zone: u16,
}

impl Record {
    /// The IPv4 addresses; the others are not served yet.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.setup.addresses.iter().filter_map(|address| v4(address.ip))
    }

    fn to_json(&self) -> Value {
        json!({
            "cell": self.owner.cell.to_string(),
            "project": self.owner.project.to_string(),
            "saga": self.key.saga.to_string(),
            "step": self.key.step.0,
            "port": self.setup.port.to_string(),
            "network": self.setup.network.to_string(),
            "zone": self.zone,
            "setup": self.setup,
        })
    }

    fn of_json(mut value: Value) -> Option<Self> {
        let setup: PortSetup = serde_json::from_value(value.get_mut("setup")?.take()).ok()?;
        let text = |name: &str| value.get(name)?.as_str();
        let cell: CellId = text("cell")?.parse().ok()?;
        let project: ProjectId = text("project")?.parse().ok()?;
        let saga: SagaId = text("saga")?.parse().ok()?;
        let number = |name: &str| u16::try_from(value.get(name)?.as_u64()?).ok();
        let key = StepKey { saga, step: StepIndex(number("step")?) };
        Some(Self { setup, owner: Owner { cell, project }, key, zone: number("zone")? })
    }
}

/// An address, where it is an IPv4 one.
pub(super) const fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// The records of this host's ports.
pub(super) type Records = BTreeMap<PortId, Record>;

/// The zone that the network's connections are tracked in: the one that it has, or the first free one.
pub(super) fn zone(records: &Records, network: NetworkId) -> Result<u16, Refusal> {
    if let Some(record) = records.values().find(|record| record.setup.network == network) {
        return Ok(record.zone);
    }
    let taken: BTreeSet<u16> = records.values().map(|record| record.zone).collect();
    (1..=u16::MAX)
        .find(|zone| !taken.contains(zone))
        .ok_or_else(|| driver_failed("no zone for connections is free"))
}

/// Reads all of them. What can't be read is a refusal: a host that forgets a port would let it do what it likes.
pub(super) fn read_all(run: &Run) -> Result<Records, Refusal> {
    let directory = directory(run);
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Records::new()),
        Err(error) => return Err(file_failed(&directory, &error)),
    };
    let mut records = Records::new();
    for entry in entries {
        let path = entry.map_err(|error| file_failed(&directory, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "json")
            && let Some(record) = read_file(&path)?
        {
            records.insert(record.setup.port, record);
        }
    }
    Ok(records)
}

/// The port's record.
pub(super) fn read(run: &Run, port: PortId) -> Result<Option<Record>, Refusal> {
    read_file(&path(run, port))
}

fn read_file(path: &Path) -> Result<Option<Record>, Refusal> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_failed(path, &error)),
    };
    let record = serde_json::from_slice(&bytes).ok().and_then(Record::of_json);
    let no_record = || driver_failed(&format!("{} is no record of a port: move it away", path.display()));
    record.ok_or_else(no_record).map(Some)
}

/// Writes a record, or replaces it.
pub(super) fn write(run: &Run, record: &Record) -> Result<(), Refusal> {
    let path = path(run, record.setup.port);
    let directory = directory(run);
    fs::create_dir_all(&directory).map_err(|error| file_failed(&directory, &error))?;
    let text = format!("{:#}\n", record.to_json());
    replace(&path, PRIVATE, text.as_bytes()).map_err(|error| file_failed(&path, &error))
}

/// Removes a record; one that is not there is gone.
pub(super) fn remove(run: &Run, port: PortId) -> Result<(), Refusal> {
    let path = path(run, port);
    match fs::remove_file(&path) {
        Ok(()) => sync_parent(&path).map_err(|error| file_failed(&path, &error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(file_failed(&path, &error)),
    }
}

fn directory(run: &Run) -> PathBuf {
    run.join("ports")
}

fn path(run: &Run, port: PortId) -> PathBuf {
    directory(run).join(format!("{port}.json"))
}

/// A file that can't be read or written.
pub(super) fn file_failed(path: &Path, error: &std::io::Error) -> Refusal {
    let message = format!("{}: {error}", path.display());
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let code = if full { RefusalCode::DiskFull } else { RefusalCode::DriverFailed };
    Refusal { code, retryable: true, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::tests::cloud::{port, record};

    #[test]
    fn a_record_is_read_as_it_was_written_and_nothing_else_is_one() {
        let directory = tempfile::tempdir().unwrap();
        let run = Run::open(&directory.path().join("run")).unwrap();
        let (first, second) = (record(&port(1, 7)), record(&port(2, 7)));
        assert_eq!(read_all(&run).unwrap(), Records::new());
        for record in [&first, &second] {
            write(&run, record).unwrap();
        }
        assert_eq!(read(&run, first.setup.port).unwrap().as_ref(), Some(&first));
        assert_eq!(read_all(&run).unwrap().len(), 2);
        remove(&run, first.setup.port).unwrap();
        remove(&run, first.setup.port).unwrap();
        assert_eq!(read(&run, first.setup.port).unwrap(), None);
        fs::write(path(&run, first.setup.port), "{}").unwrap();
        assert!(read_all(&run).unwrap_err().message.contains("no record"), "a port is not forgotten");
    }

    #[test]
    fn a_network_keeps_its_zone_and_another_one_gets_the_first_that_is_free() {
        let records: Records =
            [port(1, 7), port(3, 7)].iter().map(|setup| (setup.port, record(setup))).collect();
        assert_eq!(zone(&records, port(3, 8).network).unwrap(), 3);
        assert_eq!(zone(&records, port(9, 8).network).unwrap(), 2);
        assert_eq!(zone(&Records::new(), port(9, 8).network).unwrap(), 1);
    }
}
