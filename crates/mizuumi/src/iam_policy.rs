//! `mizuumi iam-policy`: the least that IAM has to allow, as the configuration says.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use mizuumi_api::Installation;
use mizuumi_core::iam::{Asked, policy};

/// What `iam-policy` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi iam-policy --config mizuumi.yaml                        what the controller's own credentials need
  mizuumi iam-policy --config mizuumi.yaml --profile restricted   what the role of a profile needs

A policy of IAM in JSON. Keys of KMS and Lake Formation are not in the configuration, and not in the policy.

Exit codes:
  0  printed
  1  an error: the configuration is wrong, or has no such profile")]
pub(crate) struct IamPolicyArgs {
    /// The installation's configuration.
    #[arg(long, env = "MIZUUMI_CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The profile whose role it is for; without it, the controller's own credentials.
    #[arg(long)]
    profile: Option<String>,
    /// The 12 digits of the account; without it, that of the profile's role, or any.
    #[arg(long, value_parser = account)]
    account: Option<String>,
}

fn account(text: &str) -> Result<String, String> {
    let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    is_account.then(|| text.to_owned()).ok_or_else(|| "must be the 12 digits of an account".to_owned())
}

/// Prints the policy.
pub(crate) fn run(args: &IamPolicyArgs, installation: &Installation) -> anyhow::Result<ExitCode> {
    let asked = Asked { installation, profile: args.profile.as_deref(), account: args.account.as_deref() };
    let policy = policy(asked).map_err(|why| anyhow!(why))?;
    writeln!(io::stdout().lock(), "{}", serde_json::to_string_pretty(&policy)?)?;
    Ok(ExitCode::SUCCESS)
}
