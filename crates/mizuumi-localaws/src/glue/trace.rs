//! What a table remembers of who wrote and who read it, for the judge.

use std::cell::Cell;

use super::{Call, Client};

/// Moments are the catalog's own count of calls: a call's number says when it came, not when it took effect.
#[derive(Debug, Default)]
struct Moments {
    written: u64,
    written_by: u64,
    read: Cell<u64>,
}

impl Moments {
    fn write(&mut self, call: &Call<'_>) {
        if call.client != Client::Other {
            (self.written, self.written_by) = (call.moment, call.seq);
        }
    }

    fn read(&self, call: &Call<'_>) {
        if call.client == Client::Ours {
            self.read.set(call.moment);
        }
    }
}

/// The memory of one table.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Mizuumi made it or took it over, and has not released it.
    pub(super) kept: bool,
    /// Mizuumi put the owner mark on that it carries.
    pub(super) marked_by_us: bool,
    /// When the definition was written last, by anybody.
    pub(super) touched_millis: i64,
    definition: Moments,
    partitions: Moments,
}

impl Trace {
    /// The definition was written.
    pub(super) fn wrote(&mut self, call: &Call<'_>, owner_before: Option<&str>, owner_after: Option<&str>) {
        let ours = call.client != Client::Other;
        if ours {
            self.kept = owner_after.is_some();
        }
        if owner_before != owner_after {
            self.marked_by_us = ours && owner_after.is_some();
        }
        self.touched_millis = call.millis;
        self.definition.write(call);
    }

    /// Partitions were written.
    pub(super) fn wrote_partitions(&mut self, call: &Call<'_>) {
        self.partitions.write(call);
    }

    /// The definition as it is now was read.
    pub(super) fn read(&self, call: &Call<'_>) {
        self.definition.read(call);
    }

    /// Partitions as they are now were read.
    pub(super) fn read_partitions(&self, call: &Call<'_>) {
        self.partitions.read(call);
    }

    /// Why Mizuumi cannot know what the table is like, if it cannot.
    pub(super) fn unread(&self) -> Option<String> {
        let Moments { written, written_by, read } = &self.definition;
        if read.get() == 0 {
            return Some("the table was never read".to_owned());
        }
        if read.get() <= *written {
            return Some(format!("the table was not read since it was written by call {written_by}"));
        }
        if self.partitions.read.get() < self.partitions.written {
            let by = self.partitions.written_by;
            return Some(format!("the partitions were not read since they were written by call {by}"));
        }
        None
    }
}
