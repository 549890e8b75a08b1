//! Starting one part and waiting until it answers.

use std::fs;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::failure;
use crate::layout::Layout;
use crate::parts::Part;
use crate::probe;
use crate::process::{self, Presence, Record, write_private};
use crate::say::{Say, seconds};
use crate::state::State;

/// How long a part may take until it answers. Seconds are usual; a machine that compiles at the same time
/// takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// A part that runs but perhaps does not answer yet.
#[derive(Debug)]
pub struct Starting {
    part: Part,
    record: Record,
    /// Known when it was started by this very call: then its exit status can be told.
    child: Option<Child>,
    since: Instant,
}

/// The record of a part that runs.
#[must_use]
pub fn running(part: Part, layout: &Layout) -> Option<Record> {
    Record::read(&layout.record(part)).filter(|record| record.presence() == Presence::Running)
}

/// Starts a part unless it runs.
pub fn begin(part: Part, layout: &Layout, state: &State) -> Result<Starting> {
    if let Some(record) = running(part, layout) {
        return Ok(Starting { part, record, child: None, since: Instant::now() });
    }
    if let Some(dead) = Record::read(&layout.record(part)) {
        // What it had started would keep ports and memory.
        dead.sweep();
    }
    if part == Part::Localaws {
        let _ = fs::remove_file(layout.localaws_ready());
    }
    let invocation = part.invocation(layout, state)?;
    let (child, record) = process::spawn(&invocation, &layout.log(part))?;
    write_private(&layout.record(part), serde_json::to_string(&record)?.as_bytes())?;
    write_private(&layout.pid(part), format!("{}\n", record.pid).as_bytes())?;
    Ok(Starting { part, record, child: Some(child), since: Instant::now() })
}

impl Starting {
    /// Waits until the part answers; an error says what to do.
    pub fn finish(mut self, layout: &Layout, state: &State, say: Say) -> Result<()> {
        let fail = |what: &str| -> Result<()> {
            let invocation = self.part.invocation(layout, state)?;
            bail!(failure::message(self.part, what, &invocation, layout, self.record.log_offset))
        };
        loop {
            let age = self.since.elapsed();
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                return fail(&format!("it ended after {} ({status})", seconds(age)));
            }
            if self.record.presence() != Presence::Running {
                return fail("it has ended");
            }
            if probe::is_ready(self.part, layout, state, &self.record, age) {
                break;
            }
            if age > PATIENCE {
                return fail(&format!("it runs, but does not answer after {}", seconds(age)));
            }
            sleep(Duration::from_millis(50));
        }
        let how = match self.child {
            Some(_) => format!("ready in {}", seconds(self.since.elapsed())),
            None => "was up".to_owned(),
        };
        let url = self.part.url(state).unwrap_or_default();
        let line = format!("  {:<24} {how:<16} {url}", self.part);
        say.line(format_args!("{}", line.trim_end()));
        Ok(())
    }
}
