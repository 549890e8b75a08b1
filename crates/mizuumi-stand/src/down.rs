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

/// The order of stopping.
const ORDER: [Part; 4] = [Part::ControllerManager, Part::Localaws, Part::Apiserver, Part::Etcd];

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
        ORDER.into_iter().filter(|part| start::running(*part, layout).is_some()).collect();
    // These two do not need each other.
    for part in [Part::ControllerManager, Part::Localaws] {
        if let Some(record) = start::running(part, layout) {
            record.terminate();
        }
    }
    for part in ORDER {
        let how = end(part, layout);
        if running.contains(&part) {
            say.line(format_args!("  {part:<24} {how}"));
        }
    }
    if running.is_empty() {
        say.line(format_args!("nothing was running in {}", layout.root().display()));
    } else {
        say.line(format_args!("down in {}", seconds(start.elapsed())));
    }
}

/// Stops one part; the caller holds the lock.
pub fn stop(part: Part, layout: &Layout, say: Say) {
    if start::running(part, layout).is_none() {
        say.line(format_args!("  {part:<24} was not running"));
        end(part, layout);
    } else {
        say.line(format_args!("  {part:<24} {}", end(part, layout)));
    }
}

/// Ends a part, and what a crash of it may have left; says how it went.
fn end(part: Part, layout: &Layout) -> String {
    let start = Instant::now();
    let gentle = Record::read(&layout.record(part)).is_none_or(|record| record.stop(part.patience()));
    for file in [layout.record(part), layout.pid(part)] {
        let _ = fs::remove_file(file);
    }
    let word = if gentle { "stopped in" } else { "did not stop by itself; killed after" };
    format!("{word} {}", seconds(start.elapsed()))
}
