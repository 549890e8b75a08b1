//! Which program a step runs, by its jar and arguments.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What a step is to run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// A program with its arguments.
    Program(String, Vec<String>),
    /// A script, in S3 or on the machine, with its arguments.
    Script(String, Vec<String>),
}

/// What the jar does with the arguments. EMR Release Guide, "Run commands and scripts on an Amazon EMR cluster":
/// `command-runner.jar` runs a program, `script-runner.jar` a script.
pub(super) fn of(jar: &str, args: &[String]) -> Result<Command, String> {
    let name = jar.rsplit('/').next().unwrap_or_default();
    let Some((first, rest)) = args.split_first() else {
        return Err(format!("Error: {name} was given no arguments"));
    };
    match name {
        "command-runner.jar" if first.ends_with("spark-submit") => {
            Ok(Command::Program(first.clone(), here(rest)))
        }
        "command-runner.jar" => Ok(Command::Program(first.clone(), rest.to_vec())),
        "script-runner.jar" => Ok(Command::Script(first.clone(), rest.to_vec())),
        _ => Err(format!(
            "Error: the local endpoint runs command-runner.jar and script-runner.jar only, not {jar}"
        )),
    }
}

/// The arguments of `spark-submit` without those that ask for YARN, which is not here. What follows the application is its
/// own.
fn here(args: &[String]) -> Vec<String> {
    const WITHOUT_VALUE: [&str; 6] = ["--supervise", "--verbose", "-v", "--version", "--help", "-h"];
    let mut kept = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let (name, inline) = arg.split_once('=').map_or((arg.as_str(), false), |(name, _)| (name, true));
        if !arg.starts_with('-') {
            kept.push(arg.clone());
            break;
        }
        let value = if inline || WITHOUT_VALUE.contains(&name) { None } else { rest.next() };
        if !matches!(name, "--master" | "--deploy-mode") {
            kept.push(arg.clone());
            kept.extend(value.cloned());
        }
    }
    kept.extend(rest.cloned());
    kept
}

/// The `PATH` of steps: Spark's programs before all others.
pub(super) fn search_path(spark_home: Option<&Path>) -> OsString {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = spark_home.map(|home| home.join("bin")).into_iter();
    let all = folders.chain(std::env::split_paths(&inherited));
    std::env::join_paths(all).unwrap_or(inherited)
}

/// Where a program is.
pub(super) fn find(program: &str, search_path: &OsStr) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    std::env::split_paths(search_path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_jar_says_what_the_arguments_are() {
        let runner = "s3://eu-west-1.elasticmapreduce/libs/script-runner/script-runner.jar";
        for (jar, args, wanted) in [
            ("command-runner.jar", "bash -c true", Ok(Command::Program("bash".to_owned(), words("-c true")))),
            (runner, "s3://b/x.sh 1", Ok(Command::Script("s3://b/x.sh".to_owned(), words("1")))),
            (
                "/var/lib/aws/emr/step-runner/hadoop-jars/command-runner.jar",
                "spark-submit --deploy-mode cluster --master=yarn --conf a=b -v s3://b/app.py --master x",
                Ok(Command::Program(
                    "spark-submit".to_owned(),
                    words("--conf a=b -v s3://b/app.py --master x"),
                )),
            ),
        ] {
            assert_eq!(of(jar, &words(args)), wanted, "{jar} {args}");
        }
        assert!(of("s3://b/own.jar", &words("x")).unwrap_err().contains("not s3://b/own.jar"));
        assert!(of("command-runner.jar", &[]).unwrap_err().contains("no arguments"));
    }

    #[test]
    fn a_program_is_looked_for_in_spark_first() {
        let search = search_path(Some(Path::new("/nowhere")));
        assert_eq!(std::env::split_paths(&search).next(), Some(PathBuf::from("/nowhere/bin")));
        assert!(find("sh", &search).is_some_and(|path| path.ends_with("sh")));
        assert_eq!(find("no-such-program", &search), None);
        assert_eq!(find("/no/such/program", &search), None);
    }
}
