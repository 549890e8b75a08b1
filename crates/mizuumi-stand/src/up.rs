//! Starting a stand, or the parts of it that are missing.

use std::env;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::cache::{Cache, Source};
use crate::down;
use crate::environment;
use crate::kubeconfig;
use crate::layout::Layout;
use crate::lock::Lock;
use crate::parts::Part;
use crate::ports::{self, Choice, Ports};
use crate::probe;
use crate::process::write_private;
use crate::say::{Say, seconds};
use crate::start::{self, Starting};
use crate::state::{Cluster, State};

/// What kind of stand is wanted.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the control plane comes from.
    pub source: Source,
    /// Whether the AWS endpoint belongs to it.
    pub with_aws: bool,
    /// The AWS endpoint's binary, if not the one beside this program.
    pub localaws: Option<PathBuf>,
    /// The ports.
    pub ports: Choice,
    /// Whether to throw the data of an earlier run away.
    pub fresh: bool,
}

/// Starts what does not run yet and waits until all parts answer.
pub fn up(layout: &Layout, options: &Options, say: Say) -> Result<()> {
    let begin = Instant::now();
    let _lock = Lock::take(layout.root(), say)?;
    let before = State::read(layout)?;
    if options.fresh {
        down::stop_all(layout, say);
        layout.purge_data()?;
    }
    let running: Vec<Part> =
        Part::ALL.into_iter().filter(|part| start::running(*part, layout).is_some()).collect();
    if let Some(before) = &before {
        check_same_cluster(before, options, &running)?;
        if is_whole(layout, before, options, &running) {
            say.line(format_args!(
                "already up in {} ({})",
                layout.root().display(),
                seconds(begin.elapsed())
            ));
            return Ok(());
        }
    }

    let localaws = find_localaws(options, before.as_ref(), &running)?;
    let (cluster, tools) = Cache::find()?.ensure(&options.source, localaws.is_some(), say)?;
    let ports = ports::decide(
        options.ports,
        before.as_ref().map(|state| state.ports),
        &running,
        layout.root(),
        ports::is_free,
    )?;
    layout.create()?;
    let token = match before {
        Some(before) => before.token,
        None => random_token()?,
    };
    let state = State { cluster, tools, localaws, ports, token };
    write_files(layout, &state)?;

    say.line(format_args!("starting in {}", layout.root().display()));
    if let Cluster::Existing { kubeconfig } = &state.cluster
        && !probe::apiserver_ready(&state, kubeconfig)
    {
        bail!(
            "the cluster of {} does not answer /readyz: start it, or check the kubeconfig",
            kubeconfig.display()
        );
    }
    start_parts(layout, &state, say)?;
    say.line(format_args!(
        "up in {}; `source {}` points a shell at it",
        seconds(begin.elapsed()),
        layout.env().display()
    ));
    Ok(())
}

/// In the order in which they need each other; the AWS endpoint needs nobody and starts meanwhile.
fn start_parts(layout: &Layout, state: &State, say: Say) -> Result<()> {
    let parts = state.parts();
    let mut localaws: Option<Starting> = None;
    if parts.contains(&Part::Localaws) {
        restart_if_rebuilt(layout, say);
        localaws = Some(start::begin(Part::Localaws, layout, state)?);
    }
    for part in parts.into_iter().filter(|part| *part != Part::Localaws) {
        start::begin(part, layout, state)?.finish(layout, state, say)?;
    }
    match localaws {
        Some(starting) => starting.finish(layout, state, say),
        None => Ok(()),
    }
}

/// Tests against yesterday's endpoint would mislead.
fn restart_if_rebuilt(layout: &Layout, say: Say) {
    if start::running(Part::Localaws, layout).is_some_and(|record| record.is_outdated()) {
        say.line(format_args!("  {:<24} was rebuilt: starting it anew", Part::Localaws));
        down::stop(Part::Localaws, layout, say);
    }
}

/// Whether all that is wanted runs and answers.
fn is_whole(layout: &Layout, state: &State, options: &Options, running: &[Part]) -> bool {
    let outdated = |part: Part| {
        part == Part::Localaws && start::running(part, layout).is_some_and(|record| record.is_outdated())
    };
    let fine = |part: Part| {
        start::running(part, layout)
            .is_some_and(|record| probe::is_ready(part, layout, state, &record, Duration::ZERO))
    };
    let wanted = state.parts();
    let on_these_ports = match options.ports {
        Choice::Auto => true,
        Choice::Base(base) => state.ports == Ports::from_base(base),
    };
    on_these_ports
        && !wanted.is_empty()
        && (!options.with_aws || wanted.contains(&Part::Localaws))
        && wanted.iter().all(|part| running.contains(part) && !outdated(*part) && fine(*part))
}

fn check_same_cluster(before: &State, options: &Options, running: &[Part]) -> Result<()> {
    let own_before = matches!(before.cluster, Cluster::Own { .. });
    let same = match &options.source {
        Source::Build => own_before,
        Source::Assets(folder) => {
            matches!(&before.cluster, Cluster::Own { binaries, .. } if binaries == folder)
        }
        Source::Existing(kubeconfig) => {
            before.cluster == Cluster::Existing { kubeconfig: kubeconfig.clone() }
        }
    };
    if same || running.is_empty() {
        return Ok(());
    }
    bail!("the stand runs with another control plane than is asked for now: `mizuumi-stand down` first")
}

/// The AWS endpoint's binary: asked for, or beside this program; none if the stand is to be without.
fn find_localaws(options: &Options, before: Option<&State>, running: &[Part]) -> Result<Option<PathBuf>> {
    if !options.with_aws {
        // One that runs stays a part of the stand, or nobody would stop it.
        let kept = before.filter(|_| running.contains(&Part::Localaws));
        return Ok(kept.and_then(|state| state.localaws.clone()));
    }
    let binary = match &options.localaws {
        Some(binary) => std::path::absolute(binary)?,
        None => env::current_exe()
            .context("this program's own path is unknown")?
            .with_file_name("mizuumi-localaws"),
    };
    if binary.is_file() {
        return Ok(Some(binary));
    }
    bail!(
        "{} does not exist: build it with `cargo build -p mizuumi-localaws`, or name another by \
         MIZUUMI_LOCALAWS, or do without: --without-aws",
        binary.display()
    )
}

fn write_files(layout: &Layout, state: &State) -> Result<()> {
    if let Cluster::Own { .. } = state.cluster {
        let administrator = format!("{},admin,admin,system:masters\n", state.token);
        write_private(&layout.tokens(), administrator.as_bytes())?;
        write_private(&layout.kubeconfig(), kubeconfig::text(layout, state).as_bytes())?;
        if !layout.service_account_key().is_file() {
            write_service_account_key(&layout.service_account_key())?;
        }
    }
    write_private(&layout.env(), environment::exports(layout, state).as_bytes())?;
    // Last: where there is a state, the rest is there too.
    state.write(layout)
}

fn write_service_account_key(path: &Path) -> Result<()> {
    let output = Command::new("openssl")
        .args(["genrsa", "2048"])
        .output()
        .context("openssl is needed for the key of service account tokens, and is not to be found")?;
    if !output.status.success() {
        bail!("openssl genrsa failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    write_private(path, &output.stdout)
}

fn random_token() -> Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
