//! `mizuumi check`: rules over a table, evaluated once.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::Timestamp;
use mizuumi_api::Installation;
use mizuumi_api::condition::ConditionStatus;
use mizuumi_api::installation::DEFAULT_PROFILE;
use mizuumi_api::quality_check::{CheckEngine, RuleOutcome, RuleSeverity};
use mizuumi_aws::catalog::Catalog;
use mizuumi_aws::{CheckPort, Clients, Metrics};
use mizuumi_controller::LeaseName;
use mizuumi_core::data_table::{TableKey, Tables};
use mizuumi_core::dqdl::Engine;
use mizuumi_core::quality_check::analyses::{Analyzed, analyzed};
use mizuumi_core::quality_check::evaluate::{Earlier, Evaluated, evaluate};
use mizuumi_core::quality_check::report::verdict;
use mizuumi_core::quality_check::rules::NumberedRule;
use mizuumi_core::quality_check::{
    Answer, CatalogFacts, CheckLook, CheckedTable, FilesLook, Known, Rules, StartQuery, Statement, statement,
};
use mizuumi_core::{Errand, Kind, Lane, Reading, Still};

use crate::check_pre;
use crate::kubernetes::KubernetesArgs;
use crate::terminal::Terminal;

/// A rule did not pass.
const FAILED: u8 = 2;
/// A rule could not be evaluated, and none failed.
const NOT_EVALUATED: u8 = 3;

/// What `check` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi check delays -f rules.dqdl                       the DataTable 'delays' of the kubeconfig's namespace
  mizuumi check traffic.delays -f rules.dqdl               the Glue table itself, without Kubernetes
  mizuumi check delays -f - --partition day=2026-11-01     rules from standard input, over one partition
  mizuumi check delays -f rules.dqdl --samples             and some rows that do not pass, as CSV in S3
  mizuumi check --pre                                      whether a controller would find all that it needs

With --pre: whether Kubernetes answers, the definitions are there and current, whoever runs this may do what a controller does
in its namespaces, with the definitions and with its Lease (--lease), whose AWS credentials there are, and whether they may read what the configuration names. In a
controller's pod that is the controller's own account.

Nothing is written but samples, if they are asked for. Rules that compare with earlier evaluations have none here.

Exit codes:
  0  all rules passed, but for those that only warn
  1  an error: nothing was evaluated
  2  a rule failed; with --pre: something is amiss
  3  a rule could not be evaluated, and none failed")]
pub(crate) struct CheckArgs {
    /// Name of the DataTable, or the Glue table as DATABASE.TABLE.
    #[arg(required_unless_present = "pre")]
    table: Option<String>,
    /// The rules in DQDL; - for standard input.
    #[arg(short, long = "filename", value_name = "FILE", required_unless_present = "pre")]
    filename: Option<PathBuf>,
    /// Try what a controller would find, instead of evaluating rules.
    #[arg(long, conflicts_with_all = ["table", "filename", "all", "partition", "samples"])]
    pre: bool,
    /// With --pre: the Lease that the controller is given.
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "pre")]
    pub(crate) lease: Option<LeaseName>,
    /// The installation's configuration.
    #[arg(long, env = "MIZUUMI_CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArgs,
    /// The files of all partitions, and not those of the last one.
    #[arg(long, conflicts_with = "partition")]
    all: bool,
    /// The files of this partition: KEY=VALUE, with / between several.
    #[arg(long, value_name = "PARTITION", value_parser = partition)]
    partition: Option<Pairs>,
    /// For each rule over rows that failed, write so many rows that do not pass to S3, where the workgroup has its results. Each sample is
    /// a query more, which reads the rows again.
    #[arg(long, value_name = "ROWS", num_args = 0..=1, default_missing_value = "20", value_parser = clap::value_parser!(u16).range(1..=1000))]
    samples: Option<u16>,
}

/// Keys and values of a partition.
#[derive(Clone, Debug)]
struct Pairs(Vec<(String, String)>);

fn partition(text: &str) -> Result<Pairs, String> {
    let pair = |part: &str| part.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let pairs: Option<Vec<_>> = text.split('/').map(pair).collect();
    pairs.map(Pairs).ok_or_else(|| format!("must be KEY=VALUE, with / between several; it is '{text}'"))
}

/// Evaluates rules over a table, and prints what became of each; or tries what a controller would find.
pub(crate) async fn run(
    args: &CheckArgs,
    installation: &Installation,
    terminal: Terminal,
) -> anyhow::Result<ExitCode> {
    let (Some(asked), Some(filename)) = (&args.table, &args.filename) else {
        return check_pre::run(args, installation, terminal).await;
    };
    let path = filename.display().to_string();
    let text = text(filename).with_context(|| format!("cannot read {path}"))?;
    let rules = Rules::of_text(&path, &text, CheckEngine::Auto).map_err(|problems| {
        let listed: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", listed.join("\n  "))
    })?;
    let (table, references) = tables(args, asked, installation, &rules).await?;
    let files = match &args.partition {
        Some(Pairs(pairs)) => FilesLook::Partition(pairs.clone()),
        None if args.all => FilesLook::All,
        None => FilesLook::Newest,
    };
    let look = CheckLook {
        table: Some(table.clone()),
        references,
        files: rules.need_files().then(|| files.clone()),
        rows: rules.need_rows().then_some(files),
        ..CheckLook::default()
    };
    let port = CheckPort::new(Arc::new(Catalog::new(Clients::new(installation, Metrics::unread()).await)));
    let facts = port.facts(&look, Reading::Known, Lane::Change).await;
    let facts = facts.map_err(|failure| anyhow::anyhow!("cannot look at '{table}': {failure}"))?;
    let now = mizuumi_controller::now();
    let rows = rows(&port, installation, &rules, &table, &facts, now).await?;
    let results = evaluate(&rules, &facts, &rows, &Earlier::new(), now);
    let mut samples = BTreeMap::new();
    if let Some(most) = args.samples {
        for rule in failed(&rules, &results) {
            let picked = sample(&port, installation, rule, &table, &facts, now, most).await?;
            samples.entry(rule.number).or_insert_with(Vec::new).extend(picked);
        }
    }
    let measured = analyzed(&rules, &facts, &rows);
    print(&mut io::stdout().lock(), &results, &samples, &measured)?;
    Ok(match verdict(&results).0 {
        ConditionStatus::True => ExitCode::SUCCESS,
        ConditionStatus::False => ExitCode::from(FAILED),
        ConditionStatus::Unknown => ExitCode::from(NOT_EVALUATED),
    })
}

/// What a query says of the rows, if a rule needs them.
async fn rows(
    port: &CheckPort,
    installation: &Installation,
    rules: &Rules,
    table: &TableKey,
    facts: &CatalogFacts,
    now: Timestamp,
) -> anyhow::Result<Answer> {
    if !rules.need_rows() {
        return Ok(Answer::default());
    }
    let statement = Statement::new(rules, &facts.columns, &facts.scope, now);
    let profile = &table.profile;
    let Some(athena) = installation.profile(profile).and_then(|profile| profile.athena) else {
        bail!(
            "some rules need the rows, and profile '{profile}' of the configuration has no `athena.workgroup`"
        );
    };
    let asker = std::process::id().to_string();
    let numbers = match StartQuery::once(table, &athena, &statement, &asker, now) {
        Some(step) => {
            let answer = port.answer(&step, Errand { lane: Lane::Change, still: &Asked }).await;
            answer.map_err(|failure| anyhow::anyhow!("cannot query '{table}': {failure}"))?
        }
        None => Known::Not("nothing could be asked".to_owned()),
    };
    Ok(Answer { statement, numbers })
}

/// The rules that failed.
fn failed<'a>(rules: &'a Rules, results: &[Evaluated]) -> impl Iterator<Item = &'a NumberedRule> {
    let failed: Vec<i64> = results
        .iter()
        .filter(|result| result.outcome == RuleOutcome::Failed)
        .map(|result| result.number)
        .collect();
    rules.all.iter().filter(move |rule| failed.contains(&rule.number))
}

/// Where rows are that a rule over rows does not let pass, in words: one text for each part of it.
async fn sample(
    port: &CheckPort,
    installation: &Installation,
    rule: &NumberedRule,
    table: &TableKey,
    facts: &CatalogFacts,
    now: Timestamp,
    most: u16,
) -> anyhow::Result<Vec<String>> {
    let mut told = Vec::new();
    let athena = installation.profile(&table.profile).and_then(|profile| profile.athena);
    let over_rows = rule.expression.leaves().into_iter().filter(|leaf| Engine::needs_rows(leaf));
    for (leaf, athena) in over_rows.zip(athena.iter().cycle()) {
        let sql = match statement::sample(leaf, &facts.columns, &facts.scope, now, most) {
            Ok(sql) => sql,
            Err(why) => {
                told.push(format!("no sample: {why}"));
                continue;
            }
        };
        let step = StartQuery::of_sql_once(table, athena, sql, &std::process::id().to_string(), now);
        let sampled = port.sample(&step, Errand { lane: Lane::Change, still: &Asked }).await;
        told.push(match sampled.map_err(|failure| anyhow::anyhow!("cannot query '{table}': {failure}"))? {
            Known::Is(place) => format!("rows that do not pass: {place}"),
            Known::Not(why) => format!("no sample: {why}"),
        });
    }
    Ok(told)
}

/// Whoever asks from a terminal still wants to know.
struct Asked;

impl Still for Asked {
    fn holds(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(true))
    }

    fn lapses(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

fn text(filename: &Path) -> io::Result<String> {
    if filename.as_os_str() != "-" {
        return std::fs::read_to_string(filename);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// The table, and those that rules compare with.
async fn tables(
    args: &CheckArgs,
    asked: &str,
    installation: &Installation,
    rules: &Rules,
) -> anyhow::Result<(TableKey, BTreeMap<String, Option<TableKey>>)> {
    let in_glue = |name: &str| {
        let (database, table) = name.split_once('.')?;
        let (profile, database, table) = (DEFAULT_PROFILE.to_owned(), database.to_owned(), table.to_owned());
        Some(TableKey { profile, database, table })
    };
    if let Some(key) = in_glue(asked) {
        let references = rules.references().into_iter().map(|name| (name.clone(), in_glue(&name)));
        return Ok((key, references.collect()));
    }
    let cluster = args.kubernetes.lookup().await?;
    let found = cluster.table(asked).await;
    let found = found.with_context(|| format!("cannot look at DataTable '{asked}'"))?;
    let Some(table) = found else {
        bail!("there is no DataTable '{asked}' in namespace '{}'", cluster.namespace);
    };
    let key = match CheckedTable::of(&table, installation) {
        CheckedTable::Table(table) => table.key,
        CheckedTable::Refused(why) => bail!("DataTable '{asked}' cannot be looked at: {why}"),
        CheckedTable::Unknown | CheckedTable::Missing => bail!("DataTable '{asked}' is gone"),
    };
    let mut references = BTreeMap::new();
    for name in rules.references() {
        let other =
            cluster.table(&name).await.with_context(|| format!("cannot look at DataTable '{name}'"))?;
        references.insert(name, other.as_ref().map(Tables::key));
    }
    Ok((key, references))
}

fn print(
    out: &mut impl Write,
    results: &[Evaluated],
    samples: &BTreeMap<i64, Vec<String>>,
    measured: &[Analyzed],
) -> io::Result<()> {
    let metric = |result: &Evaluated| result.metric.clone().unwrap_or_else(|| "-".to_owned());
    let width = results.iter().map(|result| metric(result).chars().count()).max().unwrap_or_default().max(6);
    writeln!(out, "  #  RESULT  {:<width$}  RULE", "METRIC")?;
    for result in results {
        let word = match (result.outcome, result.severity) {
            (RuleOutcome::Passed, _) => "passed",
            (RuleOutcome::Failed, RuleSeverity::Error) => "FAILED",
            (RuleOutcome::Failed, RuleSeverity::Warn) => "warned",
            (RuleOutcome::Error, _) => "error",
        };
        writeln!(out, "{:>3}  {word:<6}  {:<width$}  {}", result.number, metric(result), result.text)?;
        for message in result.message.iter().chain(samples.get(&result.number).into_iter().flatten()) {
            writeln!(out, "     {:6}  {:width$}  {message}", "", "")?;
        }
    }
    for Analyzed { name, metric } in measured {
        let (metric, why) = match metric {
            Ok(metric) => (metric.as_str(), String::new()),
            Err(why) => ("-", format!(": {why}")),
        };
        writeln!(out, "{:>3}  {:<6}  {metric:<width$}  {name}{why}", "", "value")?;
    }
    let passed = results.iter().filter(|result| result.outcome == RuleOutcome::Passed).count();
    writeln!(out, "{passed} of {} rules passed.", results.len())
}
