//! Golden bytes of every row: a change of the fold's types that does not raise `IMAGE_FORMAT` fails here, since an older
//! image would be read as something else. After raising it, `WINDLASS_BLESS=1` writes the file anew.

mod samples;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use windlass_sagas::cell::Cell;
use windlass_sagas::cell::state::IMAGE_FORMAT;
use windlass_sagas::record::ResourceRef;

use crate::database::STORE_FORMAT;
use crate::row::{CellRow, bytes, encode, key, resource};
use crate::{assemble, summary};
use samples::{cell, sample_summary};

const ADVICE: &str = "Images of the old layout would be misread: raise IMAGE_FORMAT (fold's types) or STORE_FORMAT \
                      (this crate's), then run this test with WINDLASS_BLESS=1.";

#[test]
fn rows_have_the_bytes_of_their_format() {
    let text = std::fs::read_to_string(file()).unwrap_or_default();
    let now = written();
    let (old_head, new_head) = (text.lines().next(), now.lines().next());
    if old_head != new_head && std::env::var_os("WINDLASS_BLESS").is_some() {
        std::fs::write(file(), now).expect("the golden file can be written");
    } else {
        assert_eq!(old_head, new_head, "another format: run this test with WINDLASS_BLESS=1");
        for (old, new) in text.lines().zip(now.lines()) {
            assert_eq!(old, new, "{ADVICE}");
        }
        assert_eq!(text.lines().count(), now.lines().count(), "{ADVICE}");
    }
}

#[test]
fn rows_give_back_the_cell_that_they_were_written_from() {
    let cell = cell();
    let mut again = assemble::begin(CellRow::of(&cell));
    for resource in resources(&cell) {
        let row = encode(&cell, resource).expect("it exists");
        assemble::put(&mut again, key(resource), &row).expect("readable");
    }
    for (time, saga) in &cell.requests_by_time {
        assemble::put_request(&mut again, *time, *saga, cell.requests[saga].fingerprint);
    }
    assemble::finish(&mut again);
    assert_eq!(again, cell);
}

#[test]
fn every_kind_of_resource_has_a_row_and_a_number() {
    let cell = cell();
    let kinds: BTreeSet<u8> = resources(&cell).into_iter().map(|it| key(it).0).collect();
    assert_eq!(kinds, (1..=16).collect());
    assert!(resources(&cell).into_iter().all(|it| resource(key(it)) == Some(it)));
    assert_eq!(resource((17, 0)), None);
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rows.txt")
}

fn written() -> String {
    let mut out = format!("image format {IMAGE_FORMAT}, store format {STORE_FORMAT}\n");
    let mut line = |name: &str, bytes: &[u8]| {
        let hex: String = bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("into memory");
            hex
        });
        writeln!(out, "{name} {hex}").expect("into memory");
    };
    let cell = cell();
    line("cell", &bytes(&CellRow::of(&cell)));
    for resource in resources(&cell) {
        line(&resource.to_string().replace(' ', "_"), &encode(&cell, resource).expect("it exists"));
    }
    line("summary", &summary::encode(&sample_summary()));
    out
}

pub(crate) fn resources(cell: &Cell) -> Vec<ResourceRef> {
    let mut all: Vec<ResourceRef> = Vec::new();
    all.extend(cell.servers.keys().map(|id| ResourceRef::Server(*id)));
    all.extend(cell.volumes.keys().map(|id| ResourceRef::Volume(*id)));
    all.extend(cell.ports.keys().map(|id| ResourceRef::Port(*id)));
    all.extend(cell.networks.keys().map(|id| ResourceRef::Network(*id)));
    all.extend(cell.subnets.keys().map(|id| ResourceRef::Subnet(*id)));
    all.extend(cell.security_groups.keys().map(|id| ResourceRef::SecurityGroup(*id)));
    all.extend(cell.flavors.keys().map(|id| ResourceRef::Flavor(*id)));
    all.extend(cell.images.keys().map(|id| ResourceRef::Image(*id)));
    all.extend(cell.key_pairs.keys().map(|id| ResourceRef::KeyPair(*id)));
    all.extend(cell.projects.keys().map(|id| ResourceRef::Project(*id)));
    all.extend(cell.hosts.keys().map(|id| ResourceRef::Host(*id)));
    all.extend(cell.sagas.keys().map(|id| ResourceRef::Saga(*id)));
    all.extend(cell.credentials.keys().map(|id| ResourceRef::Credential(*id)));
    all.extend(cell.principals.keys().map(|id| ResourceRef::Principal(*id)));
    all.extend(cell.join_tokens.keys().map(|id| ResourceRef::JoinToken(*id)));
    all.extend(cell.faults.keys().map(|id| ResourceRef::Fault(*id)));
    all
}
