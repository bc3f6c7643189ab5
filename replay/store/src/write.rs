//! Writing: one delta, one synced transaction, image and index together.

use redb::{ReadableTable, WriteTransaction};
use windlass_sagas::ids::*;
use windlass_sagas::record::Tip;

use crate::assemble::{CELL, REQUESTS_PART};
use crate::database::*;
use crate::delta::Delta;
use crate::error::StoreError;
use crate::row::bytes;
use crate::summary;

impl Store {
    /// Writes image and index in one synced transaction. Only of what is durable in the journal.
    ///
    /// # Errors
    /// `OutOfOrder` where the delta does not begin at the stored image; where the disk fails. Nothing has changed then.
    pub fn write(&self, delta: &Delta) -> Result<(), StoreError> {
        self.guarded(|| self.try_write(delta))
    }

    fn try_write(&self, delta: &Delta) -> Result<(), StoreError> {
        let mut write = self.database().begin_write()?;
        // Twice the flushes of one commit in thousands, and no walk over the whole file after a crash.
        write.set_quick_repair(true);
        {
            let mut head = write.open_table(HEAD)?;
            let old = head.get("head")?.map(|old| decode::<Head>(old.value())).transpose()?;
            let stored = old.map_or(Position(0), |old| old.position);
            if stored != delta.base {
                return Err(StoreError::OutOfOrder { base: delta.base, stored });
            }
            let mut sum = old.map_or(0, |old| old.sum);
            let cell = head.insert("cell", &*delta.cell)?.map_or(0, |old| row_sum(CELL, old.value()));
            sum = sum.wrapping_sub(cell).wrapping_add(row_sum(CELL, &delta.cell));
            sum = sum.wrapping_add(write_rows(&write, delta)?).wrapping_add(write_requests(&write, delta)?);
            let Tip { position, hash, time, term } = delta.tip;
            let new = Head { position, hash, time, term, cursor: delta.cursor.0, sum };
            head.insert("head", &*bytes(&new))?;
            head.insert("format", &format_bytes()[..])?;
        }
        write_index(&write, delta)?;
        write.commit()?;
        Ok(())
    }
}

/// Writes the rows of a delta; what they add to the sum.
fn write_rows(write: &WriteTransaction, delta: &Delta) -> Result<u128, StoreError> {
    let mut table = write.open_table(ROWS)?;
    let mut sum = 0_u128;
    for (key, row) in &delta.rows {
        let old = match row {
            Some(row) => {
                sum = sum.wrapping_add(row_sum(*key, row));
                table.insert(*key, &**row)?
            }
            None => table.remove(*key)?,
        };
        sum = sum.wrapping_sub(old.map_or(0, |old| row_sum(*key, old.value())));
    }
    Ok(sum)
}

/// Writes and forgets chunks of remembered requests; what that adds to the sum.
fn write_requests(write: &WriteTransaction, delta: &Delta) -> Result<u128, StoreError> {
    let mut table = write.open_table(REQUESTS)?;
    let mut sum = 0_u128;
    for (number, chunk) in &delta.requests {
        let key = (REQUESTS_PART, u128::from(*number));
        sum = sum.wrapping_add(row_sum(key, chunk));
        let old = table.insert(*number, &**chunk)?;
        sum = sum.wrapping_sub(old.map_or(0, |old| row_sum(key, old.value())));
    }
    for row in table.extract_from_if(..delta.requests_from, |_, _| true)? {
        let (number, chunk) = row?;
        sum = sum.wrapping_sub(row_sum((REQUESTS_PART, u128::from(number.value())), chunk.value()));
    }
    Ok(sum)
}

fn write_index(write: &WriteTransaction, delta: &Delta) -> Result<(), StoreError> {
    let index = &delta.index;
    let (mut summaries, mut all) = (write.open_table(SUMMARIES)?, write.open_table(LIST_ALL)?);
    let mut of_project = write.open_table(LIST_PROJECT)?;
    for (saga, found) in &index.summaries {
        let (saga, first) = (id(saga.0), found.first.0);
        summaries.insert(saga, &*summary::encode(found))?;
        all.insert((first, saga), ())?;
        of_project.insert((id(found.project.0), first, saga), ())?;
    }
    let mut commits = write.open_table(SAGA_COMMITS)?;
    for ((saga, position), cursor) in &index.saga_commits {
        commits.insert((id(saga.0), position.0), cursor.0)?;
    }
    let mut commits = write.open_table(RESOURCE_COMMITS)?;
    for (((kind, id), position), cursor) in &index.resource_commits {
        commits.insert((*kind, *id, position.0), cursor.0)?;
    }
    let (mut places, mut times) = (write.open_table(PLACES)?, write.open_table(TIMES)?);
    for (position, (cursor, time)) in &index.places {
        places.insert(position.0, (cursor.0, time.0))?;
        times.insert(time.0, position.0)?;
    }
    Ok(())
}
