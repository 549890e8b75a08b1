//! The types of rules: what each takes, by the table of the language (`rules-config.json` of `awslabs/dqdl`).

/// What a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionKind {
    /// Numbers.
    Number,
    /// Texts.
    Text,
    /// Days, times of day, and moments reckoned from now.
    Date,
    /// Lengths of time.
    Duration,
    /// Sizes of files.
    Size,
}

macro_rules! rule_types {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A type of rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RuleType {
            $($(#[$doc])* $name,)*
        }

        impl RuleType {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in DQDL.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

rule_types! {
    /// How many rows there are.
    RowCount,
    /// The ratio of the number of rows to that of another table.
    RowCountMatch,
    /// How many columns there are.
    ColumnCount,
    /// The part of the values of a column that is not null.
    Completeness,
    /// No value of a column is null.
    IsComplete,
    /// The type of a column, or of what its texts say.
    ColumnDataType,
    /// Every column's name matches a pattern.
    ColumnNamesMatchPattern,
    /// A column is there.
    ColumnExists,
    /// Pearson's coefficient of two columns.
    ColumnCorrelation,
    /// The part of the values that come once.
    Uniqueness,
    /// Every value comes once.
    IsUnique,
    /// The average of a column.
    Mean,
    /// The sum of a column.
    Sum,
    /// The standard deviation of a column.
    StandardDeviation,
    /// The variance of a column.
    Variance,
    /// The entropy of a column.
    Entropy,
    /// How many different values a column has.
    DistinctValuesCount,
    /// The part of the different values that come once.
    UniqueValueRatio,
    /// How long the values of a column are.
    ColumnLength,
    /// Every value comes once, and none is null.
    IsPrimaryKey,
    /// What the values of a column are.
    ColumnValues,
    /// How old the values of a column of times are.
    DataFreshness,
    /// What a query answers.
    CustomSql,
    /// The part of the values that another table has too.
    ReferentialIntegrity,
    /// The part of the rows that another table has too.
    DatasetMatch,
    /// The part of the columns that another table has too.
    SchemaMatch,
    /// The ratio of two aggregates.
    AggregateMatch,
    /// A metric is not unlike what it was.
    DetectAnomalies,
    /// Metrics of a column; for analyzers only.
    AllStatistics,
    /// Files have these checksums, or are the same as others.
    FileMatch,
    /// The part of the files that there is once.
    FileUniqueness,
    /// When files were written.
    FileFreshness,
    /// How large files are.
    FileSize,
}

impl RuleType {
    /// The type of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|type_| type_.name() == name)
    }

    /// The least and the most parameters.
    #[must_use]
    pub const fn parameters(self) -> (usize, usize) {
        match self {
            Self::RowCount | Self::ColumnCount => (0, 0),
            Self::FileUniqueness | Self::FileFreshness | Self::FileSize => (0, 1),
            Self::FileMatch => (0, 2),
            Self::ColumnCorrelation | Self::ReferentialIntegrity | Self::AggregateMatch => (2, 2),
            Self::DatasetMatch => (2, 3),
            Self::Uniqueness | Self::IsUnique | Self::IsPrimaryKey | Self::DetectAnomalies => (1, usize::MAX),
            _ => (1, 1),
        }
    }

    /// What its condition may compare, the likeliest first; nothing if it has no condition.
    #[must_use]
    pub const fn conditions(self, parameters: usize) -> &'static [ConditionKind] {
        use ConditionKind::{Date, Duration, Number, Size, Text};
        match self {
            Self::IsComplete
            | Self::ColumnNamesMatchPattern
            | Self::ColumnExists
            | Self::IsUnique
            | Self::IsPrimaryKey
            | Self::DetectAnomalies => &[],
            Self::FileMatch if parameters == 2 => &[],
            Self::FileMatch | Self::ColumnDataType => &[Text],
            Self::ColumnValues => &[Text, Number, Date],
            Self::DataFreshness => &[Duration],
            Self::FileFreshness => &[Date],
            Self::FileSize => &[Size],
            _ => &[Number],
        }
    }

    /// Whether it may do without the condition that it may have: then a query's answer is yes or no.
    #[must_use]
    pub const fn condition_is_optional(self) -> bool {
        matches!(self, Self::CustomSql)
    }

    /// Whether `with threshold` may follow.
    #[must_use]
    pub const fn takes_threshold(self) -> bool {
        matches!(
            self,
            Self::ColumnDataType
                | Self::ColumnValues
                | Self::CustomSql
                | Self::FileFreshness
                | Self::FileSize
        )
    }

    /// Whether `where` may follow.
    #[must_use]
    pub const fn takes_where(self) -> bool {
        matches!(
            self,
            Self::RowCount
                | Self::Completeness
                | Self::IsComplete
                | Self::ColumnDataType
                | Self::ColumnCorrelation
                | Self::Uniqueness
                | Self::IsUnique
                | Self::Mean
                | Self::Sum
                | Self::StandardDeviation
                | Self::Variance
                | Self::Entropy
                | Self::DistinctValuesCount
                | Self::UniqueValueRatio
                | Self::ColumnLength
                | Self::IsPrimaryKey
                | Self::ColumnValues
                | Self::DataFreshness
        )
    }

    /// Whether it is for analyzers alone.
    #[must_use]
    pub const fn is_analyzer_only(self) -> bool {
        matches!(self, Self::AllStatistics)
    }
}
