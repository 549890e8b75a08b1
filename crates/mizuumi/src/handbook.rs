//! `mizuumi completions` and `mizuumi man`: what shells and `man` need to know of the command line, made from it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Command;
use clap_complete::Shell;

/// What `completions` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi completions bash > /etc/bash_completion.d/mizuumi
  source <(mizuumi completions zsh)")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// What `man` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi man --out /usr/local/share/man/man1     a page for each command
  mizuumi man | man -l -                          the first of them")]
pub(crate) struct ManArgs {
    /// Write a page for each command into this folder.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Prints what completes a command line in a shell.
pub(crate) fn completions(args: &CompletionsArgs, mut command: Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "mizuumi", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the page of the command, or writes all of them.
pub(crate) fn man(args: &ManArgs, command: Command) -> anyhow::Result<ExitCode> {
    let pages = pages(command)?;
    let Some(folder) = &args.out else {
        let first = pages.into_iter().next().map(|(_, page)| page).unwrap_or_default();
        io::stdout().write_all(&first)?;
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, page) in pages {
        let path = folder.join(format!("{name}.1"));
        std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The pages: the command's own first, then one for each that it has.
fn pages(mut command: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    command.build();
    let page = |name: String, command: &Command| {
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).title(name.clone()).render(&mut page)?;
        Ok((name, page))
    };
    let others = command.get_subcommands().filter(|one| one.get_name() != "help");
    let others = others.map(|one| page(format!("mizuumi-{}", one.get_name()), one));
    std::iter::once(page("mizuumi".to_owned(), &command)).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use crate::cli;

    #[test]
    fn every_command_has_a_page_with_its_name_and_what_it_is_for() {
        let pages = super::pages(cli::command()).expect("pages");
        let commands = cli::command().get_subcommands().count();
        assert_eq!(pages.len(), commands + 1);
        for (name, page) in pages {
            let page = String::from_utf8(page).expect("text");
            assert!(page.contains(&format!(".TH {name} 1")) && page.contains(".SH DESCRIPTION"), "{page}");
        }
    }

    #[test]
    fn the_manifest_for_krew_says_where_each_archive_is_and_its_digest() {
        let folder = std::env::temp_dir().join(format!("mizuumi-krew-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let archive = folder.join("mizuumi-linux-arm64.tar.gz");
        std::fs::write(&archive, "an archive").expect("an archive");
        let run = |archive: &std::path::Path| {
            let script = "../../packaging/krew.sh";
            let mut command = std::process::Command::new(script);
            command.args(["v0.1.0", "https://example.org/releases/"]).arg(archive).output().expect("it runs")
        };
        let told = run(&archive);
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        let text = String::from_utf8(told.stdout).expect("text");
        let manifest: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
        assert_eq!(manifest["metadata"]["name"], "mizuumi", "{text}");
        let platform = &manifest["spec"]["platforms"][0];
        assert_eq!(platform["selector"]["matchLabels"]["arch"], "arm64");
        assert_eq!(platform["uri"], "https://example.org/releases/mizuumi-linux-arm64.tar.gz");
        assert_eq!(platform["sha256"], mizuumi_core::publication::sha256(b"an archive"));
        let short = manifest["spec"]["shortDescription"].as_str().unwrap_or_default();
        assert!(short.len() <= 50, "krew's index takes no more: {short}");
        assert!(!run(&folder.join("other.tar.gz")).status.success());
        std::fs::remove_dir_all(&folder).expect("it is taken away");
    }
}
