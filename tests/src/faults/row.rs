//! The table that `make faults` prints: a row for each fault.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cluster_judge::Counted;
use crate::judge::Finding;

/// How many sentences of each sort a reader gets to see; all of them are in the file.
const SHOWN: usize = 3;
/// How much of a sentence a reader gets to see.
const LONGEST: usize = 180;

/// What came of a fault.
#[derive(Debug)]
pub struct Row {
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    pub(crate) points: usize,
    pub(crate) finding: Finding,
    /// None where there are no clusters.
    pub(crate) clusters: Option<Counted>,
    pub(crate) slowest: f64,
    pub(crate) failures: Vec<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
}

/// What is to be thought of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 0 lost, 0 doubled, 0 foreign touched, and all else that was asked.
    Holds,
    /// Not so.
    Fails,
    /// What it speaks of is not there yet.
    Pending(String),
}

impl Row {
    /// What is to be thought of it.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// How long it took to find out.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.took
    }

    fn cells(&self) -> [String; COLUMNS] {
        let clusters = |count: fn(Counted) -> u64| {
            self.clusters.map_or_else(|| "-".to_owned(), |clusters| count(clusters).to_string())
        };
        let verdict = match &self.verdict {
            Verdict::Holds => "holds".to_owned(),
            Verdict::Fails => "FAILS".to_owned(),
            Verdict::Pending(_) => "pending".to_owned(),
        };
        [
            self.id.to_owned(),
            self.what.to_owned(),
            self.points.to_string(),
            self.finding.lost.len().to_string(),
            self.finding.doubled.len().to_string(),
            self.finding.foreign.len().to_string(),
            clusters(|clusters| clusters.started),
            clusters(|clusters| clusters.orphans),
            clusters(|clusters| clusters.duplicates),
            if self.slowest > 0.0 { format!("{:.1} s", self.slowest) } else { "-".to_owned() },
            verdict,
        ]
    }

    /// All that there is to say beside the numbers.
    #[must_use]
    pub fn remarks(&self) -> String {
        self.sentences(usize::MAX, usize::MAX)
    }

    fn sentences(&self, shown: usize, longest: usize) -> String {
        let mut text = String::new();
        let sorts = [
            ("lost", &self.finding.lost),
            ("doubled", &self.finding.doubled),
            ("foreign", &self.finding.foreign),
            ("not so", &self.failures),
        ];
        for (sort, sentences) in sorts {
            for sentence in sentences.iter().take(shown) {
                let whole = longest == usize::MAX;
                let first =
                    if whole { sentence.as_str() } else { sentence.lines().next().unwrap_or_default() };
                let cut: String = first.chars().take(longest).collect();
                let _ = writeln!(text, "{sort}: {cut}");
            }
            if let Some(more) = sentences.len().checked_sub(shown).filter(|more| *more > 0) {
                let _ = writeln!(text, "{sort}: and {more} more");
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        match &self.verdict {
            Verdict::Holds | Verdict::Fails => {}
            Verdict::Pending(why) => {
                let _ = writeln!(text, "pending: {why}");
            }
        }
        text
    }
}

/// How many columns there are.
const COLUMNS: usize = 11;
const HEADINGS: [&str; COLUMNS] = [
    "fault",
    "what is done",
    "points",
    "lost",
    "doubled",
    "foreign",
    "clusters",
    "orphans",
    "duplicates",
    "converges in",
    "verdict",
];

/// The rows for a terminal.
#[must_use]
pub fn text(rows: &[Row]) -> String {
    let cells: Vec<[String; COLUMNS]> = rows.iter().map(Row::cells).collect();
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| {
            cells.iter().map(|row| row[column].chars().count()).chain([HEADINGS[column].len()]).max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let line = |row: &[&str]| {
        let mut text = String::new();
        for (index, cell) in row.iter().enumerate() {
            let width = widths[index];
            // Numbers to the right, words to the left.
            let _ = match index {
                2..=9 => write!(text, "{cell:>width$}  "),
                _ => write!(text, "{cell:<width$}  "),
            };
        }
        text.trim_end().to_owned() + "\n"
    };
    let mut text = line(&HEADINGS);
    for (row, cells) in rows.iter().zip(&cells) {
        text += &line(&cells.each_ref().map(String::as_str));
        for sentence in row.sentences(SHOWN, LONGEST).lines() {
            let _ = writeln!(text, "       {sentence}");
        }
    }
    text
}

/// The rows as Markdown.
#[must_use]
pub fn markdown(rows: &[Row], heading: &str) -> String {
    let mut text = format!(
        "# Faults\n\n{heading}\n\n| {} |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n",
        HEADINGS.join(" | ")
    );
    for row in rows {
        let _ = writeln!(text, "| {} |", row.cells().join(" | "));
    }
    for row in rows {
        let _ = write!(text, "\n## {}: {}\n\n{:.0} s in all.\n", row.id, row.what, row.took.as_secs_f64());
        for sentence in row.remarks().lines() {
            let _ = writeln!(text, "\n    {sentence}");
        }
    }
    text
}
