//! What can go wrong with a call to AWS, in the six classes that differ in what to do next.

use std::fmt;

use mizuumi_api::Reason;

/// What the operations begin with that go to Kubernetes.
pub const KUBERNETES: &str = "kubernetes:";

/// What to do next depends on this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// AWS says no: credentials or policy. Only a change mends it.
    Denied,
    /// AWS does not accept the request. Only a change mends it.
    Invalid,
    /// Somebody else wrote in between. Look again at once.
    Conflict,
    /// Too many calls. Wait.
    Throttled,
    /// AWS failed before it did anything, or could not be reached. Wait.
    Unavailable,
    /// Whether the call took effect is not known. Look before doing anything else.
    Unknown,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Denied, Self::Invalid, Self::Conflict, Self::Throttled, Self::Unavailable, Self::Unknown];

    /// The word for labels and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.reason().name()
    }

    /// The reason that a condition carries for this class.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Denied => Reason::Denied,
            Self::Invalid => Reason::Invalid,
            Self::Conflict => Reason::Fighting,
            Self::Unavailable => Reason::Unavailable,
            Self::Throttled => Reason::Throttled,
            Self::Unknown => Reason::OutcomeUnknown,
        }
    }

    /// Whether time alone may mend it.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        !matches!(self, Self::Denied | Self::Invalid)
    }
}

/// A call to AWS that did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The operation as AWS names it, such as `glue:UpdateTable`.
    pub operation: &'static str,
    /// What to do next.
    pub class: Class,
    /// What AWS, or the network, said. The same at every try, so that a status that tells it is not written at every try.
    pub message: String,
    /// The error code of AWS, such as `AccessDeniedException`; none if AWS did not answer, or the call was never sent.
    pub code: Option<String>,
    /// By what AWS knows the call, for its support and for CloudTrail; another at every try.
    pub request_id: Option<String>,
}

impl Failure {
    /// A failure of which AWS says nothing more.
    #[must_use]
    pub fn new(operation: &'static str, class: Class, message: impl Into<String>) -> Self {
        Self { operation, class, message: message.into(), code: None, request_id: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let then = match self.class {
            Class::Denied if self.operation.starts_with(KUBERNETES) => "allow it to the controller's role",
            Class::Denied => "allow it to the role of this profile",
            Class::Invalid => "change the spec",
            Class::Conflict => "it is looked at again at once",
            Class::Throttled | Class::Unavailable => "it is tried again by itself",
            Class::Unknown => "what came of it is looked at before anything else is done",
        };
        write!(f, "{} failed: {}; {then}", self.operation, self.message.trim_end_matches('.'))
    }
}

impl std::error::Error for Failure {}
