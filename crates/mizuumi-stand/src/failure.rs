//! What to tell people when a part does not come up: the part, its command, the end of its log, what to do.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::layout::Layout;
use crate::parts::Part;
use crate::process::Invocation;

/// How many lines of a log are shown.
const LINES: usize = 15;

/// The message; `what` says what happened ("it ended with …", "it does not answer after …").
#[must_use]
pub fn message(part: Part, what: &str, invocation: &Invocation, layout: &Layout, log_offset: u64) -> String {
    let log = layout.log(part);
    let lines = tail(&log, log_offset);
    let advice = advice(part, &lines);
    let shown = if lines.is_empty() { "    (empty)".to_owned() } else { indented(&lines) };
    format!(
        "{part} did not come up: {what}\n  command: {command}\n  log: {log}, at its end:\n{shown}\n  what to do: {advice}",
        command = invocation.line(),
        log = log.display(),
    )
}

/// The last lines of a log, from `offset` on.
#[must_use]
pub fn tail(log: &Path, offset: u64) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let end = file.metadata()?.len();
        // Enough for the lines that are shown; logs can be long.
        file.seek(SeekFrom::Start(offset.max(end.saturating_sub(64 * 1024))))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

/// Lines with an indent, the long ones cut.
#[must_use]
pub fn indented(lines: &[String]) -> String {
    let cut = |line: &String| format!("    {}", line.chars().take(300).collect::<String>());
    lines.iter().map(cut).collect::<Vec<_>>().join("\n")
}

fn advice(part: Part, log: &[String]) -> String {
    let says = |words: &str| log.iter().any(|line| line.contains(words));
    if says("address already in use") {
        return "another program took its port meanwhile: `mizuumi-stand down`, then `up`".to_owned();
    }
    if says("no space left") {
        return "make room on the disk, then `up` again".to_owned();
    }
    if says("unexpected argument") || says("unknown flag") {
        return format!(
            "the binary is of another version than this program: rebuild {part}, then `up` again"
        );
    }
    if part == Part::Localaws {
        return "read the log; `mizuumi-stand up --without-aws` starts the control plane alone".to_owned();
    }
    "read the log; `mizuumi-stand up --fresh` starts again with empty data".to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn shows_the_end_of_this_start_only() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        fs::write(&log, "of an earlier start\n").unwrap();
        let offset = fs::metadata(&log).unwrap().len();
        assert!(tail(&log, offset).is_empty());
        let many: Vec<String> = (0..40).map(|line| format!("line {line}")).collect();
        fs::write(&log, format!("of an earlier start\n{}\n", many.join("\n"))).unwrap();
        let shown = tail(&log, offset);
        assert_eq!((shown.len(), shown[14].as_str()), (LINES, "line 39"));
    }

    #[test]
    fn advises_by_the_log() {
        let log = ["bind: address already in use".to_owned()];
        assert!(advice(Part::Etcd, &log).contains("port"));
        assert!(advice(Part::Etcd, &[]).contains("--fresh"));
    }
}
