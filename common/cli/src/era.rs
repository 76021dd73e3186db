//! Whose columns are shown: today's, or those of a docker that a reader's notes are about.

/// A docker whose tables `--as` prints.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Era {
    /// Docker 0.6.4, of 2013
    #[value(name = "0.6.4")]
    V0_6_4,
    /// Docker 1.2.0, of 2014
    #[value(name = "1.2.0")]
    V1_2_0,
}
