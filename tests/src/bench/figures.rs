//! Figures: what was measured, what it should be, what others would take; and the table of them.

use std::fmt::Write as _;

use serde::Serialize;

use super::settings::{Id, Size};

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    Seconds,
    ASecond,
    Count,
    Mebibytes,
    Kibibytes,
    Cores,
    Times,
}

impl Unit {
    /// A value as a person would say it.
    pub(crate) fn say(self, value: f64) -> String {
        match self {
            Self::Seconds if value < 1.0 => format!("{:.0} ms", value * 1000.0),
            Self::Seconds if value < 300.0 => format!("{value:.1} s"),
            Self::Seconds if value < 7200.0 => format!("{:.1} min", value / 60.0),
            Self::Seconds => format!("{:.1} h", value / 3600.0),
            Self::ASecond => format!("{value:.1}/s"),
            Self::Count if value.fract() == 0.0 => grouped(value),
            Self::Count => format!("{value:.2}"),
            Self::Mebibytes if value >= 10.0 => format!("{} MiB", grouped(value.round())),
            Self::Mebibytes => format!("{value:.1} MiB"),
            Self::Kibibytes => format!("{value:.1} KiB"),
            Self::Cores => format!("{value:.4} core"),
            Self::Times => format!("{value:.2} ×"),
        }
    }
}

/// A whole number with commas.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
}

/// What somebody else would take.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Rival {
    /// By the formulas of `rivals.rs`.
    Computed(f64),
    /// As its own people measured it.
    Reported(f64),
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    #[serde(serialize_with = "as_text")]
    id: Id,
    #[serde(serialize_with = "as_text")]
    size: Size,
    what: String,
    unit: Unit,
    /// None if it could not be measured; then `note` says why.
    ours: Option<f64>,
    target: Option<Target>,
    floor: Option<f64>,
    ack: Option<Rival>,
    upjet: Option<Rival>,
    note: String,
    /// Whether it belongs in the table that everybody reads.
    main: bool,
}

fn as_text<S: serde::Serializer>(value: &impl ToString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

impl Figure {
    pub(crate) fn new(id: Id, size: Size, what: impl Into<String>, unit: Unit, ours: f64) -> Self {
        Self {
            id,
            size,
            what: what.into(),
            unit,
            ours: Some(ours),
            target: None,
            floor: None,
            ack: None,
            upjet: None,
            note: String::new(),
            main: true,
        }
    }

    /// A benchmark that could not be carried out.
    pub(crate) fn failed(id: Id, size: Size, why: String) -> Self {
        Self { ours: None, note: why, ..Self::new(id, size, "not measured", Unit::Count, 0.0) }
    }

    pub(crate) fn target(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }

    pub(crate) fn at_most(self, value: f64) -> Self {
        self.target(Target::AtMost(value))
    }

    /// The best that this machine and the quotas allow; nothing if that is no bound.
    pub(crate) fn floor(self, value: f64) -> Self {
        Self { floor: (value > 0.0).then_some(value), ..self }
    }

    pub(crate) fn ack(self, value: f64) -> Self {
        Self { ack: Some(Rival::Computed(value)), ..self }
    }

    pub(crate) fn upjet(self, value: f64) -> Self {
        Self { upjet: Some(Rival::Computed(value)), ..self }
    }

    pub(crate) fn upjet_reported(self, value: f64) -> Self {
        Self { upjet: Some(Rival::Reported(value)), ..self }
    }

    /// More about it, for the list of details.
    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// For those who want to know more.
    pub(crate) fn detail(self) -> Self {
        Self { main: false, ..self }
    }

    pub(crate) const fn is_main(&self) -> bool {
        self.main
    }

    pub(crate) fn is(&self, id: Id, what: &str) -> Option<(Size, f64)> {
        (self.id == id && self.what == what).then_some(())?;
        Some((self.size, self.ours?))
    }

    /// Whether the target is met; none if there is none.
    pub(crate) fn is_met(&self) -> Option<bool> {
        let Some(ours) = self.ours else { return Some(false) };
        self.target.map(|target| match target {
            Target::AtMost(value) => ours <= value,
            Target::AtLeast(value) => ours >= value,
            Target::Exactly(value) => (ours - value).abs() < 1e-9,
        })
    }

    /// Whether it could not be measured.
    pub(crate) const fn has_failed(&self) -> bool {
        self.ours.is_none()
    }

    /// What it is, at whatever size.
    pub(crate) fn name(&self) -> (Id, String) {
        (self.id, self.what.clone())
    }

    /// At what size.
    pub(crate) const fn size(&self) -> Size {
        self.size
    }

    /// One line about a figure that is not as it should be.
    pub(crate) fn complaint(&self) -> Option<String> {
        if self.is_met() != Some(false) {
            return None;
        }
        let note = if self.note.is_empty() { String::new() } else { format!(" ({})", self.note) };
        Some(format!("{} at {}: {}: {}{note}", self.id, self.size, self.what, self.say_ours()))
    }

    fn say_ours(&self) -> String {
        self.ours.map_or_else(|| "—".to_owned(), |ours| self.unit.say(ours))
    }

    fn say_target(&self) -> String {
        match self.target {
            Some(Target::AtMost(value)) => format!("≤ {}", self.unit.say(value)),
            Some(Target::AtLeast(value)) => format!("≥ {}", self.unit.say(value)),
            Some(Target::Exactly(value)) => self.unit.say(value),
            None => String::new(),
        }
    }

    fn say_rival(&self, rival: Option<Rival>) -> String {
        match rival {
            Some(Rival::Computed(value)) => self.unit.say(value),
            Some(Rival::Reported(value)) => format!("{} (reported)", self.unit.say(value)),
            None => String::new(),
        }
    }

    fn row(&self) -> [String; 10] {
        let met = match self.is_met() {
            _ if self.has_failed() => "**failed**",
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let ratio = self.ours.zip(self.floor).map(|(ours, floor)| format!("{:.2}", ours / floor));
        [
            self.id.to_string(),
            self.size.to_string(),
            self.what.clone(),
            self.say_ours(),
            self.say_target(),
            met.to_owned(),
            self.floor.map(|floor| self.unit.say(floor)).unwrap_or_default(),
            ratio.unwrap_or_default(),
            self.say_rival(self.ack),
            self.say_rival(self.upjet),
        ]
    }

    /// One line with all that is known of it.
    pub(crate) fn line(&self) -> String {
        let note = if self.note.is_empty() { String::new() } else { format!("; {}", self.note) };
        format!("- {} at {}: {}: **{}**{note}", self.id, self.size, self.what, self.say_ours())
    }
}

/// The table, with columns as wide as what is in them, so that it reads in a terminal too.
pub(crate) fn table<'a>(figures: impl Iterator<Item = &'a Figure>) -> String {
    let head = [
        "",
        "objects",
        "figure",
        "ours",
        "target",
        "",
        "floor",
        "ours / floor",
        "ACK, computed",
        "upjet, computed",
    ];
    let rows: Vec<[String; 10]> = figures.map(Figure::row).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    let mut line = |cells: &[String]| {
        for (index, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
            // Words begin where words begin, numbers end where numbers end.
            let cell =
                if [0, 2, 5].contains(&index) { format!("{cell}{gap}") } else { format!("{gap}{cell}") };
            write!(text, "| {cell} ").ok();
        }
        text.push_str("|\n");
    };
    line(&head.map(str::to_owned));
    let rule: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(index, width)| {
            if [0, 2, 5].contains(&index) {
                "-".repeat(*width)
            } else {
                format!("{}:", "-".repeat(width - 1))
            }
        })
        .collect();
    line(&rule);
    for row in &rows {
        line(row);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_said_as_people_say_them() {
        assert_eq!(Unit::Seconds.say(0.25), "250 ms");
        assert_eq!(Unit::Seconds.say(36_000.0), "10.0 h");
        assert_eq!(Unit::Count.say(1_234_567.0), "1,234,567");
        assert_eq!(Unit::Count.say(2.5), "2.50");
        assert_eq!(Unit::Mebibytes.say(1126.4), "1,126 MiB");
    }

    #[test]
    fn a_missed_target_is_told_and_so_is_what_was_not_measured() {
        let figure = Figure::new(Id::B1, Size(1000), "time", Unit::Seconds, 12.0).at_most(11.0).floor(10.0);
        assert_eq!(figure.is_met(), Some(false));
        assert_eq!(figure.row()[7], "1.20");
        let failed = Figure::failed(Id::B2, Size(1000), "no B1".to_owned());
        assert_eq!(failed.complaint().as_deref(), Some("B2 at 1k: not measured: — (no B1)"));
        let text = table([figure, failed].iter());
        let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    }
}
