//! How far a service has shown itself to work.

/// What is proven, each with all above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// TCP connects: that is a kernel's, or a proxy's, doing.
    Accepts,
    /// It spoke first, as a service that is known.
    Greets,
    /// The handshake is complete, and the certificate judged.
    Tls,
    /// The application answered a question.
    Answers,
}

impl Level {
    pub const ALL: [Self; 4] = [Self::Accepts, Self::Greets, Self::Tls, Self::Answers];

    /// As typed behind `--need`, and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepts => "accepts",
            Self::Greets => "greets",
            Self::Tls => "tls",
            Self::Answers => "answers",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.word() == word)
    }
}
