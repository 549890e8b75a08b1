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
        begins: "under a quota",
        loses: false,
        why: "rates are configured, not learned from being throttled",
    },
    Known {
        fault: "F9",
        begins: "a user's change",
        loses: false,
        why: "a throttled write waits for the next pass, whose pause grows although the work goes on; no lane for users",
    },
    Known {
        fault: "F10",
        begins: "B waits for A",
        loses: false,
        why: "rates and workers are shared by all accounts: what a throttled one uses up another has not",
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
        why: "sweeps go one after the other, whatever hangs",
    },
    Known {
        fault: "F13",
        begins: "it said Unavailable",
        loses: false,
        why: "a conflict is told with the reason Unavailable",
    },
    Known {
        fault: "F16",
        begins: "Deleted: ",
        loses: true,
        why: "an object that only a stale list shows gets its table made again, which nobody keeps then",
    },
    Known {
        fault: "F16",
        begins: "Changed: ",
        loses: false,
        why: "the older spec of a stale list is written, until the list catches up",
    },
    Known {
        fault: "F18",
        begins: "one status write never gets an answer: ",
        loses: true,
        why: "requests to the apiserver have no time limit",
    },
    Known {
        fault: "F20",
        begins: "an update, at call ",
        loses: false,
        why: "a pass goes on with the spec that it began with, however old that is by then",
    },
    Known {
        fault: "F20",
        begins: "a deletion, at call ",
        loses: false,
        why: "whether the object is still being deleted is asked once at the beginning, not before the deletion itself",
    },
    Known {
        fault: "F35",
        begins: "new tables wait behind looks",
        loses: false,
        why: "work waits in no order: where looks take all workers, what is new may never have its turn",
    },
    Known {
        fault: "F33",
        begins: "/proc as working folder",
        loses: true,
        why: "a log that cannot be written ends the program",
    },
];

/// What is the matter, if a sentence is about something known.
pub(super) fn reason(fault: &str, sentence: &str, lost: bool) -> Option<&'static str> {
    let about =
        |known: &&Known| known.fault == fault && sentence.starts_with(known.begins) && (known.loses || !lost);
    KNOWN.iter().find(about).map(|known| known.why)
}
