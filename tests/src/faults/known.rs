//! What is known of the controller and not put right yet. This list only ever gets shorter.

/// A gap that is known.
struct Known {
    fault: &'static str,
    /// How the sentences about it begin.
    begins: &'static str,
    /// Whether something is lost by it in the end.
    loses: bool,
    /// What is the matter.
    why: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        fault: "F9",
        begins: "a user's change",
        loses: false,
        why: "where half of all calls are throttled whatever their rate, the rate falls to its least, and all wait",
    },
    Known {
        fault: "F9",
        begins: "calls do not become fewer",
        loses: false,
        why: "they are at the least rate already, half a call a second for each operation",
    },
    Known {
        fault: "F11",
        begins: "tables made together",
        loses: false,
        why: "reads that share a list have no way around it when it hangs",
    },
    Known {
        fault: "F11",
        begins: "drift in account B",
        loses: false,
        why: "where calls hang, their time-outs hold up passes",
    },
];

/// What is the matter, if a sentence is about something known.
pub(super) fn reason(fault: &str, sentence: &str, lost: bool) -> Option<&'static str> {
    let about =
        |known: &&Known| known.fault == fault && sentence.starts_with(known.begins) && (known.loses || !lost);
    KNOWN.iter().find(about).map(|known| known.why)
}
