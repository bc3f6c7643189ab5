//! An image as one run of bytes: what an exported part of a journal begins with.
//!
//! Layout, big-endian: magic "WLI" 0, store and image format u16 each; head and cell, each behind its u32 length; then
//! rows: 1, kind u8, id 16, u32 length, bytes; requests: 2, time i64, saga 16, fingerprint u64; at the end 0 and the count
//! of both u64. The rows are those of the store, and their format is no promise: another one is refused by its number.
//! The bytes carry no hash: whoever keeps them does.

use std::io::{self, Write};

use windlass_sagas::cell::Cell;
use windlass_sagas::cell::state::IMAGE_FORMAT;
use windlass_sagas::ids::*;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::{ResourceRef as R, Tip};

use crate::assemble::{Image, begin, finish, put, put_request};
use crate::database::{Head, STORE_FORMAT, decode, format_bytes};
use crate::row::{self, CellRow};

const MAGIC: [u8; 4] = *b"WLI\0";
const END: u8 = 0;
const ROW: u8 = 1;
const REQUEST: u8 = 2;

/// Why bytes are no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageBytesError {
    /// They do not begin as one.
    #[error("this is no image")]
    NotAnImage,
    /// Their rows are of a format that this build does not read.
    #[error("its image is of format {}.{}, this build reads {STORE_FORMAT}.{IMAGE_FORMAT}", .0.0, .0.1)]
    Format((u16, u16)),
    /// They are cut or altered.
    #[error("its image is damaged: {0}")]
    Damaged(&'static str),
}

impl Image {
    /// Writes the image's bytes, row by row.
    ///
    /// # Errors
    /// Where `out` takes no more.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let Tip { position, hash, time, term } = self.tip;
        let head = Head { position, hash, time, term, cursor: self.cursor.0, sum: 0 };
        out.write_all(&MAGIC)?;
        out.write_all(&format_bytes())?;
        sized(out, &row::bytes(&head))?;
        sized(out, &row::bytes(&CellRow::of(&self.cell)))?;
        let mut count: u64 = 0;
        for resource in resources(&self.cell) {
            let Some(bytes) = row::encode(&self.cell, resource) else { continue };
            let (kind, id) = row::key(resource);
            out.write_all(&[ROW, kind])?;
            out.write_all(&id.to_be_bytes())?;
            sized(out, &bytes)?;
            count += 1;
        }
        for (time, saga, fingerprint) in requests(&self.cell) {
            out.write_all(&[REQUEST])?;
            out.write_all(&time.0.to_be_bytes())?;
            out.write_all(&saga.0)?;
            out.write_all(&fingerprint.to_be_bytes())?;
            count += 1;
        }
        out.write_all(&[END])?;
        out.write_all(&count.to_be_bytes())
    }

    /// Reads an image's bytes, all of them.
    ///
    /// # Errors
    /// Where they are not those of an image that this build reads.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ImageBytesError> {
        let mut rest = Rest(bytes);
        if rest.array() != Ok(MAGIC) {
            return Err(ImageBytesError::NotAnImage);
        }
        let [a, b, c, d] = rest.array()?;
        if [a, b, c, d] != format_bytes() {
            let format = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            return Err(ImageBytesError::Format(format));
        }
        let head: Head = decode(rest.sized()?).map_err(|_| ImageBytesError::Damaged("its head"))?;
        let row: CellRow = decode(rest.sized()?).map_err(|_| ImageBytesError::Damaged("its cell"))?;
        let mut cell = begin(row);
        let mut count: u64 = 0;
        loop {
            match rest.array()? {
                [ROW] => {
                    let [kind] = rest.array()?;
                    let id = u128::from_be_bytes(rest.array()?);
                    put(&mut cell, (kind, id), rest.sized()?).map_err(ImageBytesError::Damaged)?;
                }
                [REQUEST] => {
                    let time = Time(i64::from_be_bytes(rest.array()?));
                    let saga = SagaId(rest.array()?);
                    put_request(&mut cell, time, saga, u64::from_be_bytes(rest.array()?));
                }
                [END] => break,
                [_] => return Err(ImageBytesError::Damaged("a row of an unknown kind")),
            }
            count += 1;
        }
        if u64::from_be_bytes(rest.array()?) != count || !rest.0.is_empty() {
            return Err(ImageBytesError::Damaged("its rows are not those that were counted"));
        }
        let Head { position, hash, time, term, cursor, sum: _ } = head;
        if (cell.position, cell.time, cell.term) != (position, time, term) {
            return Err(ImageBytesError::Damaged("its cell and its tip do not belong together"));
        }
        finish(&mut cell);
        Ok(Self { cell, tip: Tip { position, hash, time, term }, cursor: Cursor(cursor) })
    }
}

/// Everything that has a row.
fn resources(cell: &Cell) -> impl Iterator<Item = R> + '_ {
    let access = cell.projects.keys().map(|id| R::Project(*id));
    let access = access.chain(cell.principals.keys().map(|id| R::Principal(*id)));
    let access = access.chain(cell.credentials.keys().map(|id| R::Credential(*id)));
    let hosts = cell.join_tokens.keys().map(|id| R::JoinToken(*id));
    let hosts = hosts.chain(cell.hosts.keys().map(|id| R::Host(*id)));
    let hosts = hosts.chain(cell.faults.keys().map(|id| R::Fault(*id)));
    let catalog = cell.flavors.keys().map(|id| R::Flavor(*id));
    let catalog = catalog.chain(cell.images.keys().map(|id| R::Image(*id)));
    let catalog = catalog.chain(cell.key_pairs.keys().map(|id| R::KeyPair(*id)));
    let cloud = cell.networks.keys().map(|id| R::Network(*id));
    let cloud = cloud.chain(cell.subnets.keys().map(|id| R::Subnet(*id)));
    let cloud = cloud.chain(cell.security_groups.keys().map(|id| R::SecurityGroup(*id)));
    let cloud = cloud.chain(cell.ports.keys().map(|id| R::Port(*id)));
    let cloud = cloud.chain(cell.volumes.keys().map(|id| R::Volume(*id)));
    let cloud = cloud.chain(cell.servers.keys().map(|id| R::Server(*id)));
    access.chain(hosts).chain(catalog).chain(cloud).chain(cell.sagas.keys().map(|id| R::Saga(*id)))
}

/// The requests that are remembered, with their fingerprints.
fn requests(cell: &Cell) -> impl Iterator<Item = (Time, SagaId, u64)> + '_ {
    cell.requests.iter().map(|(saga, memo)| (memo.time, saga, memo.fingerprint))
}

fn sized(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(bytes)
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ImageBytesError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(ImageBytesError::Damaged("it is cut"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ImageBytesError> {
        self.take(N)?.try_into().map_err(|_| ImageBytesError::Damaged("it is cut"))
    }

    fn sized(&mut self) -> Result<&'a [u8], ImageBytesError> {
        let length = u32::from_be_bytes(self.array()?);
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }
}
