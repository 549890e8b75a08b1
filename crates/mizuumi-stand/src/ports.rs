//! Ports of a stand: found free, or counted up from a base.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::parts::Part;

/// How many ports a stand uses.
const COUNT: u16 = 4;
/// Below the range from which systems take the ports of outgoing connections (Linux: from 32768, Macs: from
/// 49152). A port from that range could be gone when a part is restarted on it.
const AUTO: std::ops::Range<u16> = 20_000..32_000;

/// The ports of a stand, all on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// etcd for its clients.
    pub etcd: u16,
    /// etcd for other members, of which there are none; it listens nevertheless.
    pub etcd_peer: u16,
    /// The apiserver (https).
    pub apiserver: u16,
    /// The AWS endpoint.
    pub localaws: u16,
}

/// What the user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Any that are free.
    Auto,
    /// These: the base and the next three.
    Base(u16),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        match text.parse::<u16>() {
            Ok(base) if (1024..=u16::MAX - COUNT).contains(&base) => Ok(Self::Base(base)),
            _ => Err(format!("`auto`, or a port from 1024 to {}", u16::MAX - COUNT)),
        }
    }
}

impl Ports {
    /// The base and the next three.
    #[must_use]
    pub fn from_base(base: u16) -> Self {
        Self { etcd: base, etcd_peer: base + 1, apiserver: base + 2, localaws: base + 3 }
    }

    /// The ports of one part.
    #[must_use]
    pub fn of(&self, part: Part) -> Vec<u16> {
        match part {
            Part::Etcd => vec![self.etcd, self.etcd_peer],
            Part::Apiserver => vec![self.apiserver],
            Part::ControllerManager => vec![],
            Part::Localaws => vec![self.localaws],
        }
    }

    /// etcd's address for its clients.
    #[must_use]
    pub fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd)
    }

    /// The apiserver's address.
    #[must_use]
    pub fn apiserver_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.apiserver)
    }

    /// The AWS endpoint's address.
    #[must_use]
    pub fn localaws_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.localaws)
    }
}

/// Decides on the ports of a stand: `running` parts keep theirs, and so do the others if they can, so that
/// a kubeconfig that somebody copied stays right.
pub fn decide(
    choice: Choice,
    before: Option<Ports>,
    running: &[Part],
    stand: &Path,
    is_free: impl Fn(u16) -> bool,
) -> Result<Ports> {
    let wanted = match (choice, before) {
        (Choice::Base(base), Some(before)) if !running.is_empty() && Ports::from_base(base) != before => {
            bail!(
                "the stand runs on other ports than {base} to {}: `mizuumi-stand down` first",
                base + COUNT - 1
            )
        }
        (Choice::Base(base), _) => Ports::from_base(base),
        (Choice::Auto, Some(before)) => before,
        (Choice::Auto, None) => return find(stand, is_free),
    };
    let stopped = Part::ALL.into_iter().filter(|part| !running.contains(part));
    let mut needed = stopped.flat_map(|part| wanted.of(part).into_iter().map(move |port| (part, port)));
    let Some((owner, taken)) = needed.find(|(_, port)| !is_free(*port)) else { return Ok(wanted) };
    match choice {
        Choice::Auto if running.is_empty() => find(stand, is_free),
        Choice::Auto => bail!(
            "port {taken}, on which {owner} was, is taken by another program while other parts still run: \
             `mizuumi-stand down`, then `up` finds other ports"
        ),
        Choice::Base(_) => bail!(
            "port {taken}, wanted for {owner}, is taken by another program: stop that, or choose another base, \
             or `--ports auto`"
        ),
    }
}

/// Whether a port of 127.0.0.1 can be listened on.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Stands of different folders look from different places on, so that two that start at once rarely meet.
fn find(stand: &Path, is_free: impl Fn(u16) -> bool) -> Result<Ports> {
    let slots = (AUTO.end - AUTO.start) / COUNT;
    let mut hasher = DefaultHasher::new();
    stand.hash(&mut hasher);
    let first = u16::try_from(hasher.finish() % u64::from(slots))?;
    (0..slots)
        .map(|offset| AUTO.start + (first + offset) % slots * COUNT)
        .find(|base| (*base..*base + COUNT).all(&is_free))
        .map(Ports::from_base)
        .context("no four free ports in a row between 20000 and 32000 on 127.0.0.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(choice: Choice, before: Option<Ports>, running: &[Part], taken: &[u16]) -> Result<Ports> {
        decide(choice, before, running, Path::new("/a"), |port| !taken.contains(&port))
    }

    #[test]
    fn auto_takes_what_is_free_and_keeps_it() {
        let first = decided(Choice::Auto, None, &[], &[]).unwrap();
        assert!(AUTO.contains(&first.etcd) && AUTO.contains(&first.localaws));
        assert_eq!(decided(Choice::Auto, Some(first), &[], &[]).unwrap(), first);
        let moved = decided(Choice::Auto, Some(first), &[], &[first.apiserver]).unwrap();
        assert!(!moved.of(Part::Apiserver).contains(&first.apiserver));
        assert!(decided(Choice::Auto, None, &[], &(1..=u16::MAX).collect::<Vec<_>>()).is_err());
    }

    #[test]
    fn ports_of_running_parts_count_as_their_own() {
        let ports = Ports::from_base(20_000);
        let taken = [20_000, 20_001, 20_002];
        let running = [Part::Etcd, Part::Apiserver];
        assert_eq!(decided(Choice::Auto, Some(ports), &running, &taken).unwrap(), ports);
        let error = decided(Choice::Auto, Some(ports), &[Part::Etcd], &taken).unwrap_err().to_string();
        assert!(error.contains("20002") && error.contains("kube-apiserver"), "{error}");
    }

    #[test]
    fn a_base_is_obeyed_or_refused() {
        assert_eq!(decided(Choice::Base(9000), None, &[], &[]).unwrap(), Ports::from_base(9000));
        let error = decided(Choice::Base(9000), None, &[], &[9003]).unwrap_err().to_string();
        assert!(error.contains("9003") && error.contains("localaws"), "{error}");
        let elsewhere = Some(Ports::from_base(9100));
        assert!(decided(Choice::Base(9000), elsewhere, &[Part::Etcd], &[]).is_err());
    }

    #[test]
    fn choices_parse() {
        assert_eq!("auto".parse(), Ok(Choice::Auto));
        assert_eq!("18000".parse(), Ok(Choice::Base(18_000)));
        assert!("80".parse::<Choice>().is_err() && "65535".parse::<Choice>().is_err());
    }
}
