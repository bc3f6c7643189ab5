//! Whether bytes are the image that they are said to be, and one that is safe to give to a host: a pure look at the first
//! bytes and the size, no more. It decides nothing about what is inside of a disk.
//!
//! The layout of qcow2 is that of QEMU's `docs/interop/qcow2`: everything big-endian, the header in the first cluster,
//! then header extensions. What names a file outside of the image, or hides its bytes, is refused: the host that opened
//! it would read that file for whoever uploaded the image.

/// So many first bytes decide, or all where there are fewer: the largest header and its extensions that are looked at.
pub const HEAD_BYTES: usize = 64 * 1024;
/// The largest disk that an image may hold, bytes.
pub const VIRTUAL_BYTES_MAX: u64 = 65_536 << 30;
/// The largest first-level table that QEMU opens, bytes.
const L1_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The largest table of reference counts that QEMU opens, bytes.
const REFCOUNT_TABLE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Header extensions that are looked at; real images have three.
const EXTENSIONS_MAX: usize = 64;
const SECTOR_BYTES: u64 = 512;

/// What an image is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The bytes of a disk.
    Raw,
    /// QEMU's format.
    Qcow2,
}

/// Why the bytes are refused, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

fn unfit<T>(why: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit(why.into()))
}

/// Looks at an image by its first bytes (`HEAD_BYTES`, or all of them) and its size; the size of the disk in it, bytes.
///
/// # Errors
/// `Unfit` where it is not what it is said to be, or nothing that a host should open.
pub fn inspect(format: Format, head: &[u8], size_bytes: u64) -> Result<u64, Unfit> {
    match format {
        Format::Raw => raw(head, size_bytes),
        Format::Qcow2 => qcow2(head, size_bytes),
    }
}

/// What other formats begin with: place, bytes, name.
const MAGICS: [(usize, &[u8], &str); 16] = [
    (0, b"QFI\xfb", "qcow2"),
    (0, b"QED\0", "qed"),
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vhd"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"),
    (0, b"Bochs Virtual HD Image", "bochs"),
    (0, b"#!/bin/sh\n#V2.0 Format\n", "cloop"),
    (0, b"OOOM", "uml"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"AFF10\x0d\x0a", "aff"),
    (0, b"EVF\x09\x0d\x0a\xff\0", "ewf"),
];

/// Plain bytes can be anything but the beginning of another format: they were uploaded under the wrong name, or are meant
/// to be opened as something else somewhere.
fn raw(head: &[u8], size_bytes: u64) -> Result<u64, Unfit> {
    let found = MAGICS.iter().find(|(at, magic, _)| head.get(*at..).is_some_and(|it| it.starts_with(magic)));
    if let Some((_, _, name)) = found {
        return unfit(format!("it is said to be raw, but begins as {name} does"));
    }
    if size_bytes == 0 {
        return unfit("it is empty");
    }
    if size_bytes > VIRTUAL_BYTES_MAX {
        return unfit(format!("its disk has {size_bytes} bytes; at most {VIRTUAL_BYTES_MAX}"));
    }
    Ok(size_bytes)
}

/// Big-endian numbers by their place.
#[derive(Clone, Copy)]
struct Head<'a>(&'a [u8]);

impl Head<'_> {
    fn u32(self, at: usize) -> Result<u32, Unfit> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    fn u64(self, at: usize) -> Result<u64, Unfit> {
        self.bytes(at).map(u64::from_be_bytes)
    }

    fn bytes<const N: usize>(self, at: usize) -> Result<[u8; N], Unfit> {
        let bytes = at.checked_add(N).and_then(|end| self.0.get(at..end));
        let bytes = bytes.and_then(|bytes| <[u8; N]>::try_from(bytes).ok());
        bytes.ok_or_else(|| Unfit(format!("its header is cut off at byte {}", self.0.len())))
    }
}

/// What of a qcow2 header is needed to judge the rest.
struct Shape {
    version: u32,
    cluster_bits: u32,
    virtual_bytes: u64,
    /// An entry of a second-level table, bytes.
    l2_entry_bytes: u64,
    header_bytes: usize,
}

fn qcow2(head: &[u8], size_bytes: u64) -> Result<u64, Unfit> {
    let head = Head(head);
    let shape = shape(head)?;
    tables(head, &shape, size_bytes)?;
    extensions(head, &shape)?;
    Ok(shape.virtual_bytes)
}

fn shape(head: Head<'_>) -> Result<Shape, Unfit> {
    if !head.0.starts_with(b"QFI\xfb") {
        return unfit("it is said to be qcow2, but does not begin as one");
    }
    let version = head.u32(4)?;
    if !matches!(version, 2 | 3) {
        return unfit(format!("it is qcow version {version}; 2 and 3 are taken"));
    }
    // The length beside it means nothing where there is none.
    if head.u64(8)? != 0 {
        return unfit("it has a backing file; flatten it with `qemu-img convert`");
    }
    let cluster_bits = head.u32(20)?;
    if !(9..=21).contains(&cluster_bits) {
        return unfit(format!("its clusters have 2^{cluster_bits} bytes; 2^9 to 2^21 are taken"));
    }
    let virtual_bytes = head.u64(24)?;
    if virtual_bytes == 0 || virtual_bytes > VIRTUAL_BYTES_MAX || !virtual_bytes.is_multiple_of(SECTOR_BYTES)
    {
        return unfit(format!(
            "its disk has {virtual_bytes} bytes; at most {VIRTUAL_BYTES_MAX}, and whole sectors of {SECTOR_BYTES}"
        ));
    }
    if head.u32(32)? != 0 {
        return unfit("it is encrypted");
    }
    if head.u32(60)? != 0 {
        return unfit("it holds snapshots; remove them with `qemu-img convert`");
    }
    let (features, header_bytes) = if version == 2 { (0, 72) } else { version_3(head, cluster_bits)? };
    let l2_entry_bytes = if features & EXTENDED_L2 == 0 { 8 } else { 16 };
    Ok(Shape { version, cluster_bits, virtual_bytes, l2_entry_bytes, header_bytes })
}

const DIRTY: u64 = 1;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;

/// What version 3 adds: the incompatible features, and the header's length.
fn version_3(head: Head<'_>, cluster_bits: u32) -> Result<(u64, usize), Unfit> {
    let features = head.u64(72)?;
    if features & EXTERNAL_DATA != 0 {
        return unfit("its data is in another file");
    }
    if features & (DIRTY | CORRUPT) != 0 {
        return unfit("it was not closed in order; repair it with `qemu-img check -r all`");
    }
    let unknown = features & !(COMPRESSION | EXTENDED_L2);
    if unknown != 0 {
        return unfit(format!("it needs features that are not known here ({unknown:#x})"));
    }
    if features & EXTENDED_L2 != 0 && cluster_bits < 14 {
        return unfit("its clusters are too small for extended second-level entries");
    }
    if head.u32(96)? > 6 {
        return unfit("its reference counts are wider than 64 bits");
    }
    let length = head.u32(100)?;
    if length < 104 || !length.is_multiple_of(8) || u64::from(length) > 1 << cluster_bits {
        return unfit(format!("its header has {length} bytes"));
    }
    let compression = if length > 104 { head.bytes::<1>(104)?[0] } else { 0 };
    let fits = match compression {
        0 => features & COMPRESSION == 0,
        1 => features & COMPRESSION != 0,
        _ => false,
    };
    if !fits {
        return unfit(format!("its compression {compression} is not known here"));
    }
    Ok((features, usize::try_from(length).unwrap_or(usize::MAX)))
}

/// Both tables are whole clusters' places within the file, and the first-level one covers the disk.
fn tables(head: Head<'_>, shape: &Shape, size_bytes: u64) -> Result<(), Unfit> {
    let cluster = 1_u64 << shape.cluster_bits;
    let (l1_entries, l1_at) = (u64::from(head.u32(36)?), head.u64(40)?);
    let covers = cluster * (cluster / shape.l2_entry_bytes);
    if l1_entries < shape.virtual_bytes.div_ceil(covers) {
        return unfit(format!("its {l1_entries} first-level entries don't cover its disk"));
    }
    placed("first-level table", l1_at, l1_entries * 8, (cluster, size_bytes, L1_BYTES_MAX))?;
    let (refcounts_at, refcount_clusters) = (head.u64(48)?, u64::from(head.u32(56)?));
    if refcount_clusters == 0 {
        return unfit("it has no reference counts");
    }
    let bounds = (cluster, size_bytes, REFCOUNT_TABLE_BYTES_MAX);
    placed("table of reference counts", refcounts_at, refcount_clusters * cluster, bounds)
}

fn placed(what: &str, at: u64, bytes: u64, (cluster, size_bytes, max): (u64, u64, u64)) -> Result<(), Unfit> {
    if bytes > max {
        return unfit(format!("its {what} has {bytes} bytes; at most {max}"));
    }
    let within = at.checked_add(bytes).is_some_and(|end| end <= size_bytes);
    if at == 0 || !at.is_multiple_of(cluster) || !within {
        return unfit(format!("its {what} is not in the file"));
    }
    Ok(())
}

/// The header extensions, of which some name other files or keys.
fn extensions(head: Head<'_>, shape: &Shape) -> Result<(), Unfit> {
    const END: u32 = 0;
    const BACKING_FORMAT: u32 = 0xe279_2aca;
    const EXTERNAL_DATA_NAME: u32 = 0x4441_5441;
    const ENCRYPTION: u32 = 0x0537_be77;
    let end = 1_usize << shape.cluster_bits;
    let mut at = shape.header_bytes;
    for _ in 0..EXTENSIONS_MAX {
        // The end of the first cluster ends them too.
        if at.saturating_add(8) > end {
            return Ok(());
        }
        let (kind, length) = (head.u32(at)?, head.u32(at + 4)?);
        match kind {
            END => return Ok(()),
            BACKING_FORMAT => return unfit("it names the format of a backing file"),
            EXTERNAL_DATA_NAME => return unfit("it names another file for its data"),
            ENCRYPTION => return unfit("it is encrypted"),
            // Names of features, bitmaps and what a later version may add: none of them is needed to read the disk.
            _ => {}
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let next = (at + 8).saturating_add(length.div_ceil(8).saturating_mul(8));
        if next > end {
            return unfit(format!(
                "a header extension of version {} passes the first cluster",
                shape.version
            ));
        }
        at = next;
    }
    unfit("it has too many header extensions")
}

#[cfg(test)]
mod tests;
