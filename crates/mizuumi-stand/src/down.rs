//! Stopping: clients first, then the apiserver, then etcd.

use std::fs;
use std::time::Instant;

use anyhow::Result;

use crate::layout::Layout;
use crate::lock::Lock;
use crate::parts::Part;
use crate::process::Record;
use crate::say::{Say, seconds};
use crate::start;

/// Stops all parts of a stand; with `purge`, removes all that it has written too.
pub fn down(layout: &Layout, purge: bool, say: Say) -> Result<()> {
    if !layout.root().exists() {
        say.line(format_args!("no stand in {}", layout.root().display()));
        return Ok(());
    }
    let lock = Lock::take(layout.root(), say)?;
    stop_all(layout, say);
    if purge {
        layout.purge()?;
        drop(lock);
        fs::remove_file(layout.root().join("lock"))?;
        // It stays if there is something in it that is not the stand's.
        let _ = fs::remove_dir(layout.root());
        say.line(format_args!("removed the stand's data in {}", layout.root().display()));
    }
    Ok(())
}

/// Stops all parts; the caller holds the lock.
pub fn stop_all(layout: &Layout, say: Say) {
    let start = Instant::now();
    let running: Vec<Part> =
        Part::ALL.into_iter().filter(|part| start::running(*part, layout).is_some()).collect();
    for part in [Part::ControllerManager, Part::Localaws] {
        // Both at once; they do not need each other.
        if let Some(record) = start::running(part, layout) {
            record.terminate();
        }
    }
    for part in [Part::ControllerManager, Part::Localaws, Part::Apiserver, Part::Etcd] {
        stop(part, layout, say);
    }
    if running.is_empty() {
        say.line(format_args!("nothing was running in {}", layout.root().display()));
    } else {
        say.line(format_args!("down in {}", seconds(start.elapsed())));
    }
}

/// Stops one part; the caller holds the lock.
pub fn stop(part: Part, layout: &Layout, say: Say) {
    let Some(record) = Record::read(&layout.record(part)) else { return };
    let was_running = start::running(part, layout).is_some();
    let gentle = record.stop(part.patience());
    if !gentle {
        say.line(format_args!("  {part:<24} killed, as it did not end within {}", seconds(part.patience())));
    } else if was_running {
        say.line(format_args!("  {part:<24} stopped"));
    }
    for file in [layout.record(part), layout.pid(part)] {
        let _ = fs::remove_file(file);
    }
}
