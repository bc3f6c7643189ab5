//! Golden bytes of every row: a change of the fold's types that does not raise `IMAGE_FORMAT` fails here, since an older
//! image would be read as something else. After raising it, `WINDLASS_BLESS=1` writes the file anew.

mod samples;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use windlass_sagas::cell::state::IMAGE_FORMAT;

use crate::database::STORE_FORMAT;
use crate::requests::chunk_bytes;
use crate::row::{CellRow, bytes, encode, key, resource, resources};
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
    let (mut again, mut requests) = assemble::begin(CellRow::of(&cell));
    for resource in resources(&cell) {
        let row = encode(&cell, resource).expect("it exists");
        assemble::put(&mut again, key(resource), &row).expect("readable");
    }
    for (number, chunk) in cell.requests.chunks_from(0) {
        requests.take(u128::from(number), &chunk_bytes(chunk)).expect("the next one");
    }
    again.requests = requests.finish().expect("its own");
    assemble::finish(&mut again);
    assert_eq!(again, cell);
}

#[test]
fn every_kind_of_resource_has_a_row_and_a_number() {
    let cell = cell();
    let kinds: BTreeSet<u8> = resources(&cell).map(|it| key(it).0).collect();
    assert_eq!(kinds, (1..=16).collect());
    assert!(resources(&cell).all(|it| resource(key(it)) == Some(it)));
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
    for (number, chunk) in cell.requests.chunks_from(0) {
        line(&format!("requests {number}"), &chunk_bytes(chunk));
    }
    line("summary", &summary::encode(&sample_summary()));
    out
}
