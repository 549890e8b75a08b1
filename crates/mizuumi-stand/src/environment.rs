//! The variables that a user of the stand needs: for `.stand/env`, for `with`, and for kubectl.

use std::path::Path;

use crate::layout::Layout;
use crate::state::State;

/// Name and value of each variable. PATH and `NO_PROXY` are put before what `inherited` says they are.
#[must_use]
pub fn variables(
    layout: &Layout,
    state: &State,
    inherited: impl Fn(&str) -> Option<String>,
) -> Vec<(&'static str, String)> {
    let before = |name: &str, first: &str, separator: &str| match inherited(name) {
        Some(rest) if !rest.is_empty() => format!("{first}{separator}{rest}"),
        _ => first.to_owned(),
    };
    let path: Vec<String> = state.tools.path.iter().map(|folder| shown(folder)).collect();
    let mut variables = vec![
        ("MIZUUMI_STAND", shown(layout.root())),
        ("KUBECONFIG", shown(&state.kubeconfig(layout))),
        ("PATH", before("PATH", &path.join(":"), ":")),
        // A proxy cannot reach this machine's own addresses.
        ("NO_PROXY", before("NO_PROXY", "127.0.0.1,localhost", ",")),
    ];
    if state.localaws.is_some() {
        variables.extend([
            ("AWS_ENDPOINT_URL", state.ports.localaws_url()),
            // The endpoint takes the access key for the account's number.
            ("AWS_ACCESS_KEY_ID", "123456789012".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            // boto3 reads this name only.
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ]);
    }
    variables
}

/// The same as lines for a shell, which has its own PATH.
#[must_use]
pub fn exports(layout: &Layout, state: &State) -> String {
    let line = |(name, value): (&str, String)| {
        let rest = match name {
            "PATH" => "\"${PATH:+:$PATH}\"",
            "NO_PROXY" => "\"${NO_PROXY:+,$NO_PROXY}\"",
            _ => "",
        };
        format!("export {name}={}{rest}", quoted(&value))
    };
    let lines: Vec<String> = variables(layout, state, |_| None).into_iter().map(line).collect();
    lines.join("\n") + "\n"
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// In single quotes unless it is plain.
fn quoted(value: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-:,".contains(letter);
    if value.chars().all(plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Ports;
    use crate::state::{Cluster, Tools};

    fn stand() -> (Layout, State) {
        let state = State {
            cluster: Cluster::Own { binaries: "/c/bin".into(), controller_manager: true },
            tools: Tools {
                path: vec!["/c/bin".into()],
                kubectl: "/c/bin/kubectl".into(),
                kstatus: None,
                python: None,
            },
            localaws: Some("/localaws".into()),
            ports: Ports::from_base(20_000),
            token: String::new(),
        };
        (Layout::new(Path::new("/my stand")).unwrap(), state)
    }

    #[test]
    fn shells_can_read_it() {
        let (layout, state) = stand();
        let text = exports(&layout, &state);
        assert!(text.contains("export KUBECONFIG='/my stand/kubeconfig'\n"), "{text}");
        assert!(text.contains("export PATH=/c/bin\"${PATH:+:$PATH}\"\n"), "{text}");
        assert!(text.contains("export AWS_ENDPOINT_URL=http://127.0.0.1:20003\n"), "{text}");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn commands_get_the_programs_first() {
        let (layout, state) = stand();
        let path = variables(&layout, &state, |name| (name == "PATH").then(|| "/usr/bin".to_owned()));
        assert!(path.contains(&("PATH", "/c/bin:/usr/bin".to_owned())));
        assert!(path.contains(&("NO_PROXY", "127.0.0.1,localhost".to_owned())));
    }

    #[test]
    fn without_aws_nothing_points_there() {
        let (layout, mut state) = stand();
        state.localaws = None;
        assert!(!exports(&layout, &state).contains("AWS_"));
    }
}
