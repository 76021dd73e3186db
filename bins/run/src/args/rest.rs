//! Docker's flags that ask for something which is not done here. They are taken, and what they ask for is named.

/// Flags that are taken and named.
#[derive(clap::Args, Debug)]
pub struct RestArgs {
    /// GPU devices to add to the container ('all' to pass all GPUs)
    #[arg(long, value_name = "gpu-request", help_heading = NOT_DONE)]
    pub gpus: Vec<String>,
    /// Optional volume driver for the container
    #[arg(long, value_name = "string", help_heading = NOT_DONE)]
    pub volume_driver: Option<String>,
    /// Storage driver options for the container
    #[arg(long, value_name = "list", help_heading = NOT_DONE)]
    pub storage_opt: Vec<String>,
    /// Container isolation technology
    #[arg(long, value_name = "string", help_heading = NOT_DONE)]
    pub isolation: Option<String>,
    /// Container IPv4/IPv6 link-local addresses
    #[arg(long, value_name = "list", help_heading = NOT_DONE)]
    pub link_local_ip: Vec<String>,
    /// Kernel memory limit
    #[arg(long, value_name = "bytes", help_heading = NOT_DONE)]
    pub kernel_memory: Option<String>,
    /// CPU count (Windows only)
    #[arg(long, value_name = "int", help_heading = NOT_DONE)]
    pub cpu_count: Option<i64>,
    /// CPU percent (Windows only)
    #[arg(long, value_name = "int", help_heading = NOT_DONE)]
    pub cpu_percent: Option<i64>,
    /// Maximum IO bandwidth limit for the system drive (Windows only)
    #[arg(long, value_name = "bytes", help_heading = NOT_DONE)]
    pub io_maxbandwidth: Option<String>,
    /// Maximum IOps limit for the system drive (Windows only)
    #[arg(long, value_name = "uint", help_heading = NOT_DONE)]
    pub io_maxiops: Option<u64>,
    /// Bind mount Docker API socket and required auth
    #[arg(long, help_heading = NOT_DONE)]
    pub use_api_socket: bool,
    /// Options of LXC, which docker had until 1.9
    #[arg(long, value_name = "list", help_heading = NOT_DONE)]
    pub lxc_conf: Vec<String>,
    /// Refuse an image of another platform
    #[arg(long, value_name = "string")]
    pub platform: Option<String>,
    /// Suppress the pull output: there is none
    #[arg(short, long)]
    pub quiet: bool,
    /// Skip image verification: nothing is pulled that could be verified
    #[arg(long, value_name = "bool", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    pub disable_content_trust: bool,
}

const NOT_DONE: &str = "Taken, and named as not done";

impl RestArgs {
    /// What was typed that leaves no mark in the record, one line each. What leaves one is named from there.
    pub fn notes(&self) -> Vec<String> {
        let numbers = [
            ("cpu-count", self.cpu_count.is_some()),
            ("cpu-percent", self.cpu_percent.is_some()),
            ("disable-content-trust=false", !self.disable_content_trust),
            ("io-maxbandwidth", self.io_maxbandwidth.is_some()),
            ("io-maxiops", self.io_maxiops.is_some()),
            ("link-local-ip", !self.link_local_ip.is_empty()),
            ("use-api-socket", self.use_api_socket),
            ("volume-driver", self.volume_driver.as_ref().is_some_and(|driver| driver != "local")),
        ];
        numbers.into_iter().filter(|(_, said)| *said).map(|(name, _)| format!("--{name} is not done")).collect()
    }
}
