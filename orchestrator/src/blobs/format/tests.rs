//! Headers as QEMU writes them are taken; each hostile change of one is refused, and no bytes make the look panic.

use proptest::prelude::*;

use super::*;

const GIB: u64 = 1 << 30;

/// The header of an empty disk of 1 GiB, as `qemu-img create` lays it out: 64 KiB clusters, the reference counts' table
/// in cluster 1, the first-level table in cluster 3.
fn header(version: u32) -> Vec<u8> {
    let mut head = vec![0; 512];
    head[..4].copy_from_slice(b"QFI\xfb");
    put(&mut head, 4, version);
    put(&mut head, 20, 16);
    put64(&mut head, 24, GIB);
    put(&mut head, 36, 2);
    put64(&mut head, 40, 3 << 16);
    put64(&mut head, 48, 1 << 16);
    put(&mut head, 56, 1);
    if version == 3 {
        put(&mut head, 96, 4);
        put(&mut head, 100, 112);
        // A table of feature names, as every image has one.
        put(&mut head, 112, 0x6803_f857);
        put(&mut head, 116, 44);
    }
    head
}

/// Its size: the last table ends there.
const SIZE: u64 = (3 << 16) + 16;

fn put(head: &mut [u8], at: usize, value: u32) {
    head[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

fn put64(head: &mut [u8], at: usize, value: u64) {
    head[at..at + 8].copy_from_slice(&value.to_be_bytes());
}

#[test]
fn images_as_qemu_makes_them_are_taken() {
    for version in [2, 3] {
        assert_eq!(inspect(Format::Qcow2, &header(version), SIZE), Ok(GIB));
    }
    let mut zstd = header(3);
    put64(&mut zstd, 72, 1 << 3);
    zstd[104] = 1;
    assert_eq!(inspect(Format::Qcow2, &zstd, SIZE), Ok(GIB));
    let mut extended = header(3);
    put64(&mut extended, 72, 1 << 4);
    put(&mut extended, 36, 4);
    assert_eq!(inspect(Format::Qcow2, &extended, SIZE + 16), Ok(GIB));
    let mut lazy = header(3);
    put64(&mut lazy, 80, 1);
    assert_eq!(inspect(Format::Qcow2, &lazy, SIZE), Ok(GIB), "compatible features may be ignored");
}

#[test]
fn each_hostile_or_broken_header_is_refused_by_its_reason() {
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(&str, Spoil); 28] = [
        ("does not begin", |head| head[3] = 0),
        ("version", |head| put(head, 4, 1)),
        ("version", |head| put(head, 4, 4)),
        ("backing file", |head| put64(head, 8, 256)),
        ("clusters", |head| put(head, 20, 8)),
        ("clusters", |head| put(head, 20, 22)),
        ("its disk has", |head| put64(head, 24, 0)),
        ("its disk has", |head| put64(head, 24, GIB + 1)),
        ("its disk has", |head| put64(head, 24, VIRTUAL_BYTES_MAX + 512)),
        ("its disk has", |head| put64(head, 24, u64::MAX)),
        ("encrypted", |head| put(head, 32, 1)),
        ("don't cover", |head| put(head, 36, 1)),
        ("first-level table has", |head| put(head, 36, u32::MAX)),
        ("first-level table is not", |head| put(head, 36, 1000)),
        ("first-level table is not", |head| put64(head, 40, 0)),
        ("first-level table is not", |head| put64(head, 40, (3 << 16) + 512)),
        ("first-level table is not", |head| put64(head, 40, u64::MAX << 16)),
        ("reference counts is not", |head| put64(head, 48, 9 << 16)),
        ("no reference counts", |head| put(head, 56, 0)),
        ("reference counts has", |head| put(head, 56, 1000)),
        ("snapshots", |head| put(head, 60, 1)),
        ("not closed", |head| put64(head, 72, 1)),
        ("not closed", |head| put64(head, 72, 2)),
        ("another file", |head| put64(head, 72, 4)),
        ("not known", |head| put64(head, 72, 1 << 5)),
        ("backing file", |head| put(head, 112, 0xe279_2aca)),
        ("another file", |head| put(head, 112, 0x4441_5441)),
        ("encrypted", |head| put(head, 112, 0x0537_be77)),
    ];
    for (says, spoil) in cases {
        let mut head = header(3);
        spoil(&mut head);
        let refused = inspect(Format::Qcow2, &head, SIZE).unwrap_err().to_string();
        assert!(refused.contains(says), "{says}: {refused}");
    }
    let more: [(&str, Spoil); 8] = [
        ("its header has", |head| put(head, 100, 96)),
        ("its header has", |head| put(head, 100, 109)),
        ("its header has", |head| put(head, 100, 1 << 20)),
        ("reference counts are wider", |head| put(head, 96, 7)),
        ("compression 1", |head| head[104] = 1),
        ("compression 9", |head| {
            put64(head, 72, 1 << 3);
            head[104] = 9;
        }),
        ("too small", |head| {
            put(head, 20, 13);
            put64(head, 72, 1 << 4);
        }),
        ("passes the first cluster", |head| put(head, 116, u32::MAX)),
    ];
    for (says, spoil) in more {
        let mut head = header(3);
        spoil(&mut head);
        let refused = inspect(Format::Qcow2, &head, SIZE).unwrap_err().to_string();
        assert!(refused.contains(says), "{says}: {refused}");
    }
    // Extensions without an end.
    let mut endless = vec![0; 64 * 1024];
    endless[..512].copy_from_slice(&header(3));
    for at in (112..64 * 1024 - 8).step_by(8) {
        put(&mut endless, at, 7);
        put(&mut endless, at + 4, 0);
    }
    let refused = inspect(Format::Qcow2, &endless, SIZE).unwrap_err().to_string();
    assert!(refused.contains("too many"), "{refused}");
}

#[test]
fn a_raw_image_that_begins_as_another_format_is_refused() {
    assert_eq!(inspect(Format::Raw, &[0; 4096], 4096), Ok(4096));
    assert_eq!(inspect(Format::Raw, b"MZ", 2), Ok(2), "a kernel");
    for (at, magic, name) in MAGICS {
        let mut head = vec![0; 4096];
        head[at..at + magic.len()].copy_from_slice(magic);
        let refused = inspect(Format::Raw, &head, 4096).unwrap_err().to_string();
        assert!(refused.contains(name), "{name}: {refused}");
    }
    assert!(inspect(Format::Raw, b"", 0).is_err());
    assert!(inspect(Format::Raw, b"x", VIRTUAL_BYTES_MAX + 1).is_err());
}

/// What must hold of everything that is taken, read from the bytes once more.
fn harmless(head: &[u8]) -> bool {
    let u32_at = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().unwrap());
    let names = |kind: u32| head.windows(4).skip(112).step_by(8).any(|it| it == kind.to_be_bytes());
    let version_3 = u32_at(4) == 2 || (u64_at(72) & !(0b11 << 3) == 0 && !names(0x4441_5441));
    u64_at(8) == 0 && u32_at(32) == 0 && u32_at(60) == 0 && (9..=21).contains(&u32_at(20)) && version_3
}

#[test]
fn no_single_byte_makes_a_header_dangerous() {
    let mut taken = 0;
    for version in [2, 3] {
        for at in 0..160 {
            for value in 0..=255 {
                let mut head = header(version);
                head[at] = value;
                if inspect(Format::Qcow2, &head, SIZE).is_ok() {
                    assert!(harmless(&head), "byte {at} = {value:#x} of version {version}");
                    taken += 1;
                }
            }
        }
    }
    assert!(taken > 160 * 2, "most of what is taken is the header itself: {taken}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(head in proptest::collection::vec(any::<u8>(), 0..600), size in any::<u64>()) {
        for format in [Format::Raw, Format::Qcow2] {
            let _looked = inspect(format, &head, size);
        }
    }

    #[test]
    fn a_header_with_many_changes_is_refused_or_harmless(
        version in 2_u32..=3,
        changes in proptest::collection::vec((0_usize..160, any::<u8>()), 1..6),
        size in prop_oneof![Just(SIZE), any::<u64>()],
        cut in 4_usize..=512,
    ) {
        let mut head = header(version);
        for (at, value) in changes {
            head[at] = value;
        }
        if inspect(Format::Qcow2, &head[..cut], size).is_ok() {
            prop_assert!(harmless(&head));
        }
    }
}
