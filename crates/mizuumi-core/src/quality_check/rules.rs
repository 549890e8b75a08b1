//! The rules of a check: DQDL or typed ones, read into one model and checked against the engine.

use std::fmt::Write as _;

use mizuumi_api::QualityCheck;
use mizuumi_api::quality_check::{CheckEngine, RuleSeverity, TypedRule};
use regex::Regex;

use crate::dqdl::model::ParameterValue;
use crate::dqdl::{self, Analyzer, Condition, Engine, Expression, Parameter, Rule, RuleType};
use crate::problem::Problem;
use crate::quality_check::{analyses, number};

/// At most so many rules has a check.
pub const MOST: usize = 100;
/// The label that says how bad it is if a rule does not pass.
const SEVERITY: &str = "severity";

/// Rules that an engine can evaluate.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// They.
    pub all: Vec<NumberedRule>,
    /// What is measured beside them.
    pub analyzers: Vec<Analyzer>,
    /// Who evaluates them.
    pub engine: Engine,
    /// Why that one.
    pub why: String,
}

/// A rule of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberedRule {
    /// Counts from 1.
    pub number: i64,
    /// As people read it.
    pub text: String,
    /// What it says, its variables resolved.
    pub expression: Expression,
    /// How bad it is if it does not pass.
    pub severity: RuleSeverity,
}

impl Rules {
    /// The rules of a check.
    ///
    /// # Errors
    /// Every problem, each with its path.
    pub fn new(check: &QualityCheck) -> Result<Self, Vec<Problem>> {
        let spec = &check.spec;
        match (&spec.rules, &spec.typed) {
            (Some(text), _) => Self::of_text("spec.rules", text, spec.engine),
            (None, Some(typed)) => Self::of_typed(typed, spec.engine),
            (None, None) => Err(vec![Problem::invalid("spec.rules", "must be set, or `spec.typed`")]),
        }
    }

    /// The rules that a text says.
    ///
    /// # Errors
    /// Every problem, each with the path of the text.
    pub fn of_text(path: &str, text: &str, engine: CheckEngine) -> Result<Self, Vec<Problem>> {
        let ruleset = dqdl::parse(text).map_err(|error| vec![Problem::invalid(path, error.to_string())])?;
        if let Some(analyzer) = ruleset.analyzers.iter().find(|of| !analyses::is_measured(of.type_)) {
            let message =
                format!("no engine of this version measures the analyzer `{analyzer}`; take it out");
            return Err(vec![Problem::invalid(path, message)]);
        }
        if ruleset.rules.len() > MOST {
            let message = format!(
                "has {} rules, and a check has at most {MOST}; make several checks",
                ruleset.rules.len()
            );
            return Err(vec![Problem::invalid(path, message)]);
        }
        let written = ruleset.rules.iter().map(ToString::to_string);
        let labelled = ruleset.rules.iter().map(|rule| severity(&ruleset.labels_of(rule)));
        let rules = ruleset.resolved().into_iter().zip(written.zip(labelled));
        let all = (1..).zip(rules).map(|(number, (expression, (text, severity)))| NumberedRule {
            number,
            text,
            expression,
            severity,
        });
        Self::checked(all.collect(), ruleset.analyzers, engine, |_| path.to_owned())
    }

    fn of_typed(typed: &[TypedRule], engine: CheckEngine) -> Result<Self, Vec<Problem>> {
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        for (number, rule) in (1..).zip(typed) {
            match read(rule) {
                Ok(expression) => all.push(NumberedRule {
                    number,
                    text: expression.to_string(),
                    expression,
                    severity: rule.severity.unwrap_or_default(),
                }),
                Err(why) => problems.push(Problem::invalid(format!("spec.typed[{}]", number - 1), why)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Self::checked(all, Vec::new(), engine, |number| format!("spec.typed[{}]", number - 1))
    }

    fn checked(
        all: Vec<NumberedRule>,
        analyzers: Vec<Analyzer>,
        wanted: CheckEngine,
        path: impl Fn(i64) -> String,
    ) -> Result<Self, Vec<Problem>> {
        let by_rows = analyzers.iter().any(|of| Engine::needs_rows(&of.as_rule()));
        let needs_rows = |rule: &NumberedRule| rule.expression.leaves().into_iter().any(Engine::needs_rows);
        let (engine, why) = match wanted {
            CheckEngine::CatalogOnly => (Engine::CatalogOnly, "`spec.engine` says so"),
            CheckEngine::Athena => (Engine::Athena, "`spec.engine` says so"),
            CheckEngine::Auto if by_rows || all.iter().any(needs_rows) => {
                (Engine::Athena, "some rules need the rows")
            }
            CheckEngine::Auto => (Engine::CatalogOnly, "no rule needs the rows"),
        };
        let mut problems = Vec::new();
        for rule in &all {
            for leaf in rule.expression.leaves() {
                let wrong = engine.refusal(leaf).or_else(|| unusable(leaf));
                problems.extend(
                    wrong.map(|why| {
                        Problem::invalid(path(rule.number), format!("rule {}: {why}", rule.number))
                    }),
                );
            }
        }
        for analyzer in &analyzers {
            let wrong = engine.refusal(&analyzer.as_rule());
            problems
                .extend(wrong.map(|why| Problem::invalid(path(0), format!("analyzer `{analyzer}`: {why}"))));
        }
        if problems.is_empty() {
            Ok(Self { all, analyzers, engine, why: why.to_owned() })
        } else {
            Err(problems)
        }
    }

    /// Every single rule.
    pub fn leaves(&self) -> impl Iterator<Item = &Rule> {
        self.all.iter().flat_map(|rule| rule.expression.leaves())
    }

    /// Whether the files have to be listed.
    #[must_use]
    pub fn need_files(&self) -> bool {
        self.leaves().any(|rule| matches!(rule.type_, RuleType::FileFreshness | RuleType::FileSize))
    }

    /// Whether the rows have to be queried.
    #[must_use]
    pub fn need_rows(&self) -> bool {
        let by_analyzer = self.analyzers.iter().any(|of| Engine::needs_rows(&of.as_rule()));
        self.engine == Engine::Athena && (by_analyzer || self.leaves().any(Engine::needs_rows))
    }

    /// Whether the rows have to be counted without being read.
    #[must_use]
    pub fn need_count(&self) -> bool {
        let by_analyzer = self.analyzers.iter().any(|of| of.type_ == RuleType::RowCount);
        self.engine == Engine::CatalogOnly
            && (by_analyzer || self.leaves().any(|rule| rule.type_ == RuleType::RowCount))
    }

    /// The names of the tables that rules compare with.
    #[must_use]
    pub fn references(&self) -> Vec<String> {
        let all = self.leaves().filter(|rule| rule.type_ == RuleType::SchemaMatch);
        all.filter_map(|rule| rule.parameters.first()).map(|of| of.text().to_owned()).collect()
    }
}

/// How bad it is if a rule with these labels does not pass.
fn severity(labels: &dqdl::Labels) -> RuleSeverity {
    match labels.get(SEVERITY).map(|value| value.to_ascii_lowercase()).as_deref() {
        Some("warn" | "warning") => RuleSeverity::Warn,
        _ => RuleSeverity::Error,
    }
}

/// A typed rule in the model of the language: its parts are read where a text would have them, and nowhere else.
fn read(typed: &TypedRule) -> Result<Expression, String> {
    let mut text = typed.type_.clone();
    for parameter in &typed.parameters {
        write!(text, " {}", Parameter::quoted(parameter.clone())).map_err(|error| error.to_string())?;
    }
    if let Some(condition) = &typed.condition {
        write!(text, " {condition}").map_err(|error| error.to_string())?;
    }
    if let Some(filter) = &typed.filter {
        write!(text, " where {}", Parameter::quoted(filter.clone())).map_err(|error| error.to_string())?;
    }
    if let Some(threshold) = &typed.threshold {
        write!(text, " with threshold {threshold}").map_err(|error| error.to_string())?;
    }
    let ruleset = dqdl::parse(&format!("Rules = [{text}\n]"));
    let ruleset = ruleset.map_err(|error| format!("`{text}`: {}", error.message))?;
    match ruleset.rules.as_slice() {
        [rule @ Expression::Rule(leaf)]
            if leaf.parameters.len() == typed.parameters.len() && ruleset.analyzers.is_empty() =>
        {
            Ok(rule.clone())
        }
        _ => Err(format!("`{text}` is not one rule; a condition is a comparison and nothing else")),
    }
}

/// Why the engine could not make anything of a rule whose type it can evaluate.
fn unusable(rule: &Rule) -> Option<String> {
    if let Some(Condition::Matches { pattern, .. }) = &rule.condition
        && let Err(why) = pattern_of(pattern)
    {
        return Some(why);
    }
    if rule.type_ == RuleType::ColumnNamesMatchPattern
        && let Some(Err(why)) = rule.parameters.first().map(|of| pattern_of(of.text()))
    {
        return Some(why);
    }
    if rule.parameters.iter().any(|of| matches!(of.value, ParameterValue::Variable(_))) {
        return Some("a variable stands for a text here, and not for NULL or EMPTY".to_owned());
    }
    rule.numbers().find_map(number::unknown_function)
}

/// The regular expression that has to match the whole of a text.
pub(super) fn pattern_of(pattern: &str) -> Result<Regex, String> {
    let whole = regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build();
    whole.map_err(|error| {
        let why = error.to_string();
        let last = why.lines().last().unwrap_or_default().trim();
        format!("\"{pattern}\" is no regular expression that is understood here ({last}); those that look around or back are not")
    })
}
