//! What is printed for people: as wide as they see, coloured where they want it, times as ages.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// The width where there is no terminal.
const WIDTH: usize = 80;
/// Narrower than that nothing can be read.
const NARROWEST: usize = 40;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set or TERM is `dumb`.
    #[default]
    Auto,
    Always,
    Never,
}

/// How to print what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    Json,
    Yaml,
}

/// What a word is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Doubtful,
    Bad,
    Strong,
    Faint,
    Plain,
}

/// Where things are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// How many characters a line may have.
    pub(crate) width: usize,
    is_coloured: bool,
}

impl Terminal {
    /// Standard output.
    pub(crate) fn new(colour: Colour) -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let is_dumb = set("TERM").is_some_and(|term| term == "dumb");
        let is_coloured = match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => io::stdout().is_terminal() && set("NO_COLOR").is_none() && !is_dumb,
        };
        let columns = set("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
        let seen = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Self { width: columns.or_else(seen).unwrap_or(WIDTH).max(NARROWEST), is_coloured }
    }

    /// A text in the colour of what it is about.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Doubtful => "33",
            Tone::Bad => "31",
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Plain => return text.to_owned(),
        };
        if self.is_coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A text over several lines, each begun by `indent`; words that are longer than a line are left whole, so that they can be
    /// copied.
    pub(crate) fn wrap(self, indent: &str, text: &str) -> Vec<String> {
        let room = self.width.saturating_sub(indent.chars().count()).max(NARROWEST / 2);
        let mut lines: Vec<String> = Vec::new();
        for paragraph in text.lines() {
            let mut line = String::new();
            for word in paragraph.split_whitespace() {
                if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                    lines.push(format!("{indent}{line}"));
                    line.clear();
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            lines.push(format!("{indent}{line}"));
        }
        lines
    }
}

/// Prints what is for programs; answers whether it did.
pub(crate) fn print_data(
    out: &mut impl Write,
    output: Output,
    data: &impl Serialize,
) -> anyhow::Result<bool> {
    match output {
        Output::Table => return Ok(false),
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(data)?)?,
        Output::Yaml => out.write_all(serde_saphyr::to_string(data)?.as_bytes())?,
    }
    Ok(true)
}

/// How long ago something was, or how long something takes, as kubectl says it.
pub(crate) fn length(length: SignedDuration) -> String {
    let seconds = length.as_secs().unsigned_abs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..10_800 => format!("{minutes}m"),
        10_800..172_800 => format!("{hours}h"),
        _ => format!("{days}d"),
    }
}

/// How long ago a moment was; times that are ahead are a clock's that goes ahead.
pub(crate) fn age(since: Timestamp, now: Timestamp) -> String {
    length(now.duration_since(since).max(SignedDuration::ZERO))
}

/// Rows under their heads, each column as wide as its widest; the last is not filled up.
pub(crate) fn columns(
    out: &mut impl Write,
    rows: &[Vec<(Tone, String)>],
    terminal: Terminal,
) -> io::Result<()> {
    let number = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|(_, text)| text.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..number).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, (tone, text)) in row.iter().enumerate() {
            let is_last = column + 1 == row.len();
            let fill = if is_last { 0 } else { widths[column] + 2 - text.chars().count() };
            line.push_str(&terminal.paint(*tone, text));
            line.extend(std::iter::repeat_n(' ', fill));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_wide_as_the_terminal_and_long_words_stay_whole() {
        let terminal = Terminal { width: 40, is_coloured: false };
        let long = "s3://a-bucket-with-a-long-name/and/a/long/prefix/";
        let lines = terminal.wrap("    ", &format!("the data of this table lies under {long} since a while"));
        assert!(lines.iter().all(|line| line.chars().count() <= 40 || line.contains(long)), "{lines:#?}");
        assert!(lines.iter().any(|line| line.trim() == long), "{lines:#?}");
    }

    #[test]
    fn ages_are_told_in_one_unit() {
        let told = |seconds| length(SignedDuration::from_secs(seconds));
        assert_eq!([5, 119, 120, 7200, 10_800, 172_800].map(told), ["5s", "119s", "2m", "120m", "3h", "2d"]);
    }
}
