//! The last records by call number; older ones are forgotten, and it is known how many.

use std::collections::VecDeque;

/// A record that belongs to a call.
pub(crate) trait Numbered {
    /// The call's number.
    fn seq(&self) -> u64;
}

/// Records in the order of their calls, no more than a given number.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    records: VecDeque<T>,
    most: usize,
    forgotten: u64,
    forgotten_up_to: u64,
}

impl<T: Numbered> Ring<T> {
    /// An empty ring that keeps so many records.
    pub(crate) fn new(most: usize) -> Self {
        Self { records: VecDeque::new(), most, forgotten: 0, forgotten_up_to: 0 }
    }

    /// Adds a record. A call that took long comes after calls with greater numbers and is put before them.
    pub(crate) fn push(&mut self, record: T) {
        let seq = record.seq();
        let later = self.records.iter().rev().take_while(|other| other.seq() > seq).count();
        self.records.insert(self.records.len() - later, record);
        while self.records.len() > self.most {
            if let Some(record) = self.records.pop_front() {
                self.forgotten += 1;
                self.forgotten_up_to = self.forgotten_up_to.max(record.seq());
            }
        }
    }

    /// The records of the calls after that number, oldest first.
    pub(crate) fn after(&self, seq: u64) -> impl Iterator<Item = &T> {
        let start = self.records.partition_point(|record| record.seq() <= seq);
        self.records.range(start..)
    }

    /// Whether every record after that number is still here.
    pub(crate) fn is_complete_after(&self, seq: u64) -> bool {
        self.forgotten_up_to <= seq
    }

    /// How many records were forgotten because there was no room.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Forgets records on purpose; those do not count as forgotten.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.records.retain(keep);
        if self.records.is_empty() {
            (self.forgotten, self.forgotten_up_to) = (0, 0);
            self.records.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Numbered for u64 {
        fn seq(&self) -> u64 {
            *self
        }
    }

    #[test]
    fn the_last_records_are_kept_in_order_and_the_rest_is_counted() {
        let mut ring = Ring::new(3);
        for seq in [1, 2, 4, 3, 5] {
            ring.push(seq);
        }
        assert_eq!(ring.after(0).copied().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(ring.after(3).copied().collect::<Vec<_>>(), [4, 5]);
        assert_eq!(
            (ring.forgotten(), ring.is_complete_after(1), ring.is_complete_after(2)),
            (2, false, true)
        );
        ring.retain(|_| false);
        assert!(ring.is_complete_after(0));
    }
}
