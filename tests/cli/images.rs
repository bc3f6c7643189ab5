//! Images up and down: what is sent of a file, and what is left of a download that fails.

use serde_json::{Value, json};

use super::answers::usual;
use super::cell::{Cell, Sends, refusal};
use super::run::windlass;

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
fn a_file_is_announced_by_its_hash_sent_and_registered() {
    let (cell, file) = (Cell::new(usual), tempfile::NamedTempFile::new().expect("a file"));
    std::fs::write(&file, "hello").expect("written");
    let path = file.path().to_str().expect("text");
    let ran = windlass(Some(&cell), &["image", "create", "hello", "--file", path, "--format", "raw"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let calls = cell.calls();
    let of = |name: &str| -> Vec<&Value> {
        calls.iter().filter(|(method, _)| method.ends_with(name)).map(|(_, asked)| asked).collect()
    };
    let start = json!({ "parent": "projects/web", "format": "RAW", "sha256": HELLO, "sizeBytes": "5" });
    let sent = [json!({ "start": start }), json!({ "data": "aGVsbG8=" }), json!({ "finish": {} })];
    assert_eq!(of("/UploadImageData"), sent.iter().collect::<Vec<_>>());
    let image = &of("/CreateImage")[0]["image"];
    assert_eq!((&image["sha256"], &image["sizeBytes"]), (&json!("ab".repeat(32)), &json!("45")));
    assert_eq!(image["minDiskGib"], json!("4"), "3 GiB and a byte of disk");
    let without = windlass(Some(&cell), &["image", "create", "hello", "--format", "raw"]);
    assert_eq!(without.code, 2, "{without:?}");
    let both = windlass(Some(&cell), &["image", "create", "hello", "--file", path, "--sha256", HELLO]);
    assert_eq!(both.code, 2, "{both:?}");
}

#[test]
fn a_download_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("image");
    let part = |data: &str, size: u64, sha256: &str| {
        Sends::This(json!({ "data": data, "sizeBytes": size.to_string(), "sha256": sha256, "position": "7" }))
    };
    let lost = Sends::Break(refusal(tonic::Code::Internal, "INTERNAL", "the disk broke", &[]));
    let other = "00".repeat(32);
    let cases = [
        (1, vec![part("aGVs", 5, HELLO), lost]),
        (1, vec![part("aGVs", 5, HELLO)]),
        (1, vec![part("aGVs", 5, HELLO), part("bG8=", 5, &other)]),
        (0, vec![part("aGVs", 5, HELLO), part("bG8=", 5, HELLO)]),
    ];
    for (code, sends) in cases {
        let cell = Cell::new(usual);
        cell.watches([sends.clone()]);
        let args = ["image", "download", "hello", "--to", to.to_str().expect("text")];
        let ran = windlass(Some(&cell), &args);
        assert_eq!(ran.code, code, "{sends:?}: {ran:?}");
        let left = std::fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(left, usize::from(code == 0), "{sends:?}");
    }
    assert_eq!(std::fs::read(to).expect("it is there"), b"hello");
}
