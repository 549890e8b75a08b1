//! Statements of single rules, and that nothing which a rule says gets out of its place.
