//! `mizuumi check --pre`: what a controller would find in Kubernetes and in AWS, tried before there is one.

use std::io::{self, Write};
use std::process::ExitCode;

use mizuumi_api::Installation;
use mizuumi_aws::preflight::profiles;
use mizuumi_aws::{Clients, Metrics};

use crate::check::CheckArgs;
use crate::terminal::{Terminal, Tone};

/// Something is amiss.
const AMISS: u8 = 2;

/// What is told.
struct Told<W> {
    out: W,
    terminal: Terminal,
    amiss: usize,
}

impl<W: Write> Told<W> {
    fn head(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", self.terminal.paint(Tone::Strong, text))
    }

    fn say(&mut self, what: &str, outcome: Result<(), String>) -> io::Result<()> {
        let Err(why) = outcome else {
            return writeln!(self.out, "  {}     {what}", self.terminal.paint(Tone::Good, "ok"));
        };
        self.amiss += 1;
        writeln!(self.out, "  {}  {what}", self.terminal.paint(Tone::Bad, "amiss"))?;
        self.terminal.wrap("         ", &why).iter().try_for_each(|line| writeln!(self.out, "{line}"))
    }
}

/// Tries all that can be tried without writing.
pub(crate) async fn run(
    args: &CheckArgs,
    installation: &Installation,
    terminal: Terminal,
) -> anyhow::Result<ExitCode> {
    let mut told = Told { out: io::stdout().lock(), terminal, amiss: 0 };
    told.head("Kubernetes")?;
    kubernetes(args, installation, &mut told).await?;
    let clients = Clients::new(installation, Metrics::unread()).await;
    for profile in profiles(installation) {
        told.head(&format!("AWS, profile '{profile}'"))?;
        match clients.identity(&profile).await {
            Ok((account, arn)) => {
                let what = format!("account {account} in {}: {arn}", installation.aws.region);
                told.say(&what, Ok(()))?;
            }
            // Without credentials nothing else can be tried.
            Err(failure) => {
                told.say("credentials", Err(failure.to_string()))?;
                continue;
            }
        }
        for trial in clients.trials(installation, &profile).await? {
            told.say(&trial.what, trial.outcome)?;
        }
    }
    writeln!(told.out, "Writes are not tried; what they need: mizuumi iam-policy")?;
    told.out.flush()?;
    Ok(if told.amiss == 0 { ExitCode::SUCCESS } else { ExitCode::from(AMISS) })
}

async fn kubernetes<W: Write>(
    args: &CheckArgs,
    installation: &Installation,
    told: &mut Told<W>,
) -> anyhow::Result<()> {
    let lookup = match args.kubernetes.lookup().await {
        Ok(lookup) => lookup,
        Err(error) => {
            return Ok(told.say("a kubeconfig, or a pod's service account", Err(format!("{error:#}")))?);
        }
    };
    match lookup.version().await {
        Ok(version) => told.say(&format!("Kubernetes {version} answers"), Ok(()))?,
        // Nothing else would be answered either.
        Err(error) => return Ok(told.say("the API server answers", Err(chain(error)))?),
    }
    for (name, outcome) in lookup.definitions().await? {
        told.say(&format!("{name} is there and current"), outcome.map_err(chain))?;
    }
    let namespaces = &installation.kubernetes.namespaces;
    let scope = if namespaces.is_empty() {
        "all namespaces".to_owned()
    } else {
        format!("namespaces {}", namespaces.join(", "))
    };
    let denied = lookup.denied(namespaces, args.lease.as_ref()).await.map_err(chain).and_then(|denied| {
        let what = denied.iter().map(|denied| match &denied.namespace {
            Some(namespace) => format!("{} in {namespace}", denied.what),
            None => denied.what.clone(),
        });
        let what: Vec<String> = what.collect();
        if what.is_empty() {
            Ok(())
        } else {
            Err(format!("may not {}; bind a role that has these", what.join(", ")))
        }
    });
    told.say(&format!("may do what a controller does in {scope}"), denied)?;
    Ok(())
}

/// An error and its causes, on one line.
fn chain(error: mizuumi_controller::Error) -> String {
    format!("{:#}", anyhow::Error::new(error))
}
