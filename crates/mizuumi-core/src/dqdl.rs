//! DQDL, the language of data quality rules that Glue's users write: read, checked, and written again in one spelling.
//!
//! The grammar is that of `awslabs/dqdl` (`DataQualityDefinitionLanguage.g4` and `rules-config.json`). Whatever it accepts is accepted
//! here with the same meaning; its arithmetic has no precedence and goes from left to right, so `1 + 2 * 3` is 9.

pub mod condition;
pub mod display;
pub mod engine;
pub mod error;
pub mod model;
pub mod parser;
pub mod rule_type;
pub mod token;

pub use condition::{Condition, Date, Duration, Number, Size, Test, Text};
pub use engine::Engine;
pub use error::DqdlError;
pub use model::{Analyzer, Expression, Labels, Operator, Parameter, Rule, Ruleset};
pub use parser::parse;
pub use rule_type::{ConditionKind, RuleType};
