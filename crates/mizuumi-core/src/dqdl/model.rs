//! A set of rules as it was read.

use std::collections::BTreeMap;

use super::condition::{Condition, Number, Test, Text};
use super::rule_type::RuleType;

/// Labels by their keys.
pub type Labels = BTreeMap<String, String>;

/// A text of DQDL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// What it says of itself: `Version`.
    pub version: Option<String>,
    /// Name of the table that the rules are about.
    pub primary: Option<String>,
    /// Names of the tables that rules compare with.
    pub additional: Vec<String>,
    /// What stands for other texts, in their order.
    pub variables: Vec<(String, Value)>,
    /// Labels of every rule.
    pub default_labels: Labels,
    /// The rules.
    pub rules: Vec<Expression>,
    /// Metrics that are only measured.
    pub analyzers: Vec<Analyzer>,
}

/// What a variable stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    One(Text),
    /// Several.
    Several(Vec<Text>),
}

/// A rule, or several together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// One.
    Rule(Box<Rule>),
    /// Several.
    Composite {
        /// How they count.
        operator: Operator,
        /// At least two.
        parts: Vec<Self>,
        /// Labels of the whole.
        labels: Labels,
    },
}

/// How several rules count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// All must pass.
    And,
    /// One must pass.
    Or,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it measures.
    pub type_: RuleType,
    /// Of what.
    pub parameters: Vec<Parameter>,
    /// What the metric is compared with.
    pub condition: Option<Condition>,
    /// Which rows count: an expression of SQL.
    pub filter: Option<String>,
    /// Its own labels.
    pub labels: Labels,
    /// How large the part of the rows or files has to be that pass.
    pub threshold: Option<Test<Number>>,
    /// Further settings, by name.
    pub tags: BTreeMap<String, Tag>,
}

/// A metric that is only measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analyzer {
    /// Which.
    pub type_: RuleType,
    /// Of what.
    pub parameters: Vec<Parameter>,
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The word before it, which means nothing.
    pub connector: Option<Connector>,
    /// What it says.
    pub value: ParameterValue,
}

/// A word before a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connector {
    /// `of`.
    Of,
    /// `and`.
    And,
}

/// What a parameter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterValue {
    /// A text in quotes.
    Quoted(String),
    /// A bare word.
    Word(String),
    /// What a variable stands for.
    Variable(String),
}

/// A further setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// A text.
    Text(String),
    /// A number.
    Number(Number),
}

impl Analyzer {
    /// It as a rule that compares with nothing.
    #[must_use]
    pub fn as_rule(&self) -> Rule {
        Rule {
            type_: self.type_,
            parameters: self.parameters.clone(),
            condition: None,
            filter: None,
            labels: Labels::new(),
            threshold: None,
            tags: BTreeMap::new(),
        }
    }
}

impl Parameter {
    /// A text in quotes, without a word before it.
    #[must_use]
    pub const fn quoted(text: String) -> Self {
        Self { connector: None, value: ParameterValue::Quoted(text) }
    }

    /// What it says; nothing while it is a variable.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.value {
            ParameterValue::Quoted(text) | ParameterValue::Word(text) => text,
            ParameterValue::Variable(_) => "",
        }
    }
}

impl Expression {
    /// Every rule in it.
    #[must_use]
    pub fn leaves(&self) -> Vec<&Rule> {
        match self {
            Self::Rule(rule) => vec![rule],
            Self::Composite { parts, .. } => parts.iter().flat_map(Self::leaves).collect(),
        }
    }

    /// Its own labels.
    #[must_use]
    pub const fn labels(&self) -> &Labels {
        match self {
            Self::Rule(rule) => &rule.labels,
            Self::Composite { labels, .. } => labels,
        }
    }

    fn resolved(&self, variables: &BTreeMap<&str, &Value>) -> Self {
        match self {
            Self::Rule(rule) => Self::Rule(Box::new(rule.resolved(variables))),
            Self::Composite { operator, parts, labels } => Self::Composite {
                operator: *operator,
                parts: parts.iter().map(|part| part.resolved(variables)).collect(),
                labels: labels.clone(),
            },
        }
    }
}

impl Ruleset {
    /// The rules with what their variables stand for.
    #[must_use]
    pub fn resolved(&self) -> Vec<Expression> {
        let variables = self.variables.iter().map(|(name, value)| (name.as_str(), value)).collect();
        self.rules.iter().map(|rule| rule.resolved(&variables)).collect()
    }

    /// The labels of a rule, those of all rules included.
    #[must_use]
    pub fn labels_of(&self, rule: &Expression) -> Labels {
        let mut labels = self.default_labels.clone();
        labels.extend(rule.labels().clone());
        labels
    }
}

impl Rule {
    fn resolved(&self, variables: &BTreeMap<&str, &Value>) -> Self {
        let mut rule = self.clone();
        for parameter in &mut rule.parameters {
            if let ParameterValue::Variable(name) = &parameter.value
                && let Some(Value::One(Text::Quoted(text))) = variables.get(name.as_str())
            {
                parameter.value = ParameterValue::Quoted(text.clone());
            }
        }
        if let Some(Condition::Text(of)) = rule.condition.take_if(|is| matches!(is, Condition::Text(_))) {
            rule.condition = Some(Condition::Text(resolved(of, variables)));
        }
        rule
    }

    /// Every number that it compares with.
    pub fn numbers(&self) -> impl Iterator<Item = &Number> {
        let condition = match &self.condition {
            Some(Condition::Number(test)) => test.operands(),
            _ => Vec::new(),
        };
        condition.into_iter().chain(self.threshold.iter().flat_map(Test::operands))
    }
}

fn resolved(condition: Test<Text>, variables: &BTreeMap<&str, &Value>) -> Test<Text> {
    let of = |operand: Text| match &operand {
        Text::Variable(name) => match variables.get(name.as_str()) {
            Some(Value::One(one)) => vec![one.clone()],
            Some(Value::Several(several)) => several.clone(),
            None => vec![operand],
        },
        _ => vec![operand],
    };
    match condition {
        Test::In { not, values } => Test::In { not, values: values.into_iter().flat_map(of).collect() },
        other => other.map(|operand| of(operand.clone()).into_iter().next().unwrap_or(operand)),
    }
}
