//! What can be typed.

/// Show containers, images, volumes and networks as docker's own JSON
#[derive(clap::Parser, Debug)]
pub struct Args {
    /// Names or ids; files with a config.json, hostconfig.json or state.json; `-` takes names by line, or a document, from
    /// stdin
    #[arg(value_name = "NAME|ID|FILE|-", required_unless_present = "host")]
    pub names: Vec<String>,
    /// Look for objects of this type only
    #[arg(long, value_name = "TYPE")]
    pub r#type: Option<Type>,
    /// How to print: json, or a Go template
    #[arg(long, short, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print the bytes of the records as they lie
    #[arg(long, conflicts_with_all = ["format", "size", "host"])]
    pub raw: bool,
    /// Add the sizes of containers' files
    #[arg(long, short)]
    pub size: bool,
    /// Show the host as a whole: stores, versions, counts, sizes, orphans, names that lead nowhere
    #[arg(long, conflicts_with = "names")]
    pub host: bool,
    #[command(flatten)]
    pub root: cli::RootArg,
}

/// A type of object.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// A container
    Container,
    /// An image
    Image,
    /// A volume
    Volume,
    /// A network
    Network,
    /// A plugin
    Plugin,
}

impl Type {
    /// In the order in which docker tries them (cli/command/inspect/inspect.go, v28.5.2).
    pub const ALL: [Type; 5] = [Type::Container, Type::Image, Type::Network, Type::Volume, Type::Plugin];

    /// Docker's word.
    pub fn word(self) -> &'static str {
        match self {
            Type::Container => "container",
            Type::Image => "image",
            Type::Volume => "volume",
            Type::Network => "network",
            Type::Plugin => "plugin",
        }
    }
}
