//! The command `mizuumi` on a terminal: a real pseudo-terminal of a size of one's choice.

use pty_process::{Command, Size};
use tokio::io::AsyncReadExt as _;

use crate::plan::binary;
use crate::team::Team;

/// What begins a colour.
const ESCAPE: char = '\u{1b}';

/// What a terminal was told to show.
#[derive(Debug)]
pub struct Screen {
    /// As it was written, colours and all.
    pub raw: String,
    /// The exit code.
    pub code: i32,
}

impl Screen {
    /// Whether there are colours.
    #[must_use]
    pub fn is_coloured(&self) -> bool {
        self.raw.contains(ESCAPE)
    }

    /// The lines as a person reads them.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut text = String::new();
        let mut parts = self.raw.split(ESCAPE);
        text.extend(parts.next());
        text.extend(parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest)));
        text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
    }
}

impl Team {
    /// Runs the command on a terminal of so many columns, with these variables beside the usual ones.
    pub async fn on_terminal(&self, columns: u16, arguments: &[&str], variables: &[(&str, &str)]) -> Screen {
        let (mut terminal, its_end) = pty_process::open().expect("a pseudo-terminal");
        terminal.resize(Size::new(24, columns)).expect("it takes its size");
        let command = Command::new(binary())
            .args(arguments)
            .envs(self.variables())
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env_remove("COLUMNS")
            .envs(variables.iter().copied())
            .kill_on_drop(true);
        let mut child = command.spawn(its_end).expect("mizuumi starts");
        let mut raw = Vec::new();
        let mut piece = [0; 4096];
        // It ends by an error once nobody holds the other end any more.
        while let Ok(length @ 1..) = terminal.read(&mut piece).await {
            raw.extend_from_slice(&piece[..length]);
        }
        let ended = child.wait().await.expect("mizuumi ends");
        Screen { raw: String::from_utf8(raw).expect("text"), code: ended.code().expect("an exit code") }
    }
}
