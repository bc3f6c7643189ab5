//! The world's own count of changes: what was made, removed and lost, thing by thing. Outside every ledger, so that it
//! can say whether a change was repeated.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use windlass_sagas::ids::*;

/// A thing that a host can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Thing {
    /// A volume's bytes.
    Volume(VolumeId),
    /// An open export.
    Export(VolumeId),
    /// A port.
    Port(PortId),
    /// A guest.
    Guest(ServerId),
    /// A volume in a guest.
    Device(ServerId, VolumeId),
}

/// What became of one thing so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How often it was made.
    pub made: u32,
    /// How often it was removed.
    pub removed: u32,
    /// How often a power cut, a reboot or, of a guest, a stop took it.
    pub lost: u32,
    /// How often a power cut brought it back.
    pub back: u32,
    /// How often it was made although it was there: bytes overwritten, a second guest.
    pub overwritten: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    tallies: BTreeMap<Thing, Tally>,
    changes: u64,
}

impl Counts {
    pub(crate) fn made(&mut self, thing: Thing, was_there: bool) {
        let tally = self.tallies.entry(thing).or_default();
        tally.made += 1;
        tally.overwritten += u32::from(was_there);
    }

    pub(crate) fn removed(&mut self, thing: Thing, was_there: bool) {
        self.tallies.entry(thing).or_default().removed += u32::from(was_there);
    }

    pub(crate) fn lost(&mut self, thing: Thing) {
        self.tallies.entry(thing).or_default().lost += 1;
    }

    pub(crate) fn back(&mut self, thing: Thing) {
        self.tallies.entry(thing).or_default().back += 1;
    }

    pub(crate) fn changed(&mut self) {
        self.changes += 1;
    }
}

impl crate::World {
    /// Sub-changes so far.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.counts.changes
    }

    /// What became of each thing so far.
    pub fn tallies(&self) -> impl Iterator<Item = (Thing, Tally)> + '_ {
        self.counts.tallies.iter().map(|(thing, tally)| (*thing, *tally))
    }

    /// Changes that were repeated: things made although they were there, and volumes, ports and guests made once more
    /// than they were lost. (An export or a device is made again by the undo of what removed it; a guest that a reboot or a
    /// stop once took is made again by each restore or start, also after one that was undone, and so is its port. Of a port
    /// that is made again for nobody the worlds show that it is too many.)
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.counted(|_| 0)
    }

    /// The same where the journal lost that things were removed: what then was removed is made again.
    #[must_use]
    pub fn repeated_but_for_removed(&self) -> u64 {
        self.counted(|tally| tally.removed)
    }

    fn counted(&self, excused: impl Fn(&Tally) -> u32) -> u64 {
        let repeated = |(thing, tally): (Thing, Tally)| {
            let again = match thing {
                Thing::Volume(_) => tally.made.saturating_sub(tally.lost + excused(&tally) + 1),
                Thing::Port(_) => tally.made.saturating_sub(tally.lost + tally.removed + 1),
                Thing::Guest(_) => {
                    let undone = if tally.lost > 0 { tally.removed } else { excused(&tally) };
                    tally.made.saturating_sub(tally.lost + undone + 1)
                }
                Thing::Export(_) | Thing::Device(..) => 0,
            };
            u64::from(tally.overwritten.max(again))
        };
        self.tallies().map(repeated).sum()
    }
}
