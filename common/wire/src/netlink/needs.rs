//! What rules need of the kernel, and whether it has it.

use super::nft::{
    ACK, APPEND, BATCH_BEGIN, BATCH_END, CREATE, DELETE_TABLE, NEW_CHAIN, NEW_RULE, NEW_TABLE, SUBSYSTEM, generic,
};
use super::{Batch, NetlinkError, Socket};
use crate::Family;

/// The name of what is only asked for.
const ASKING: &str = "dockless-asks";

/// What our rules need besides the core of nf_tables: each kind of expression with the module that has it.
const NEEDS: [(&str, &str); 4] = [("ct", "nft_ct"), ("fib", "nft_fib_ipv"), ("masq", "nft_masq"), ("nat", "nft_nat")];

impl Socket {
    /// The modules that rules of ours need and this kernel neither has nor loads.
    pub fn missing_modules(&self, family: Family) -> Result<Vec<String>, NetlinkError> {
        let mut missing = Vec::new();
        for (expression, module) in NEEDS {
            if !self.knows_expression(family, expression)? {
                let version = if family == Family::V4 { "4" } else { "6" };
                missing.push(if expression == "fib" { format!("{module}{version}") } else { module.to_owned() });
            }
        }
        if !self.asks(family, true, None)? {
            missing.push("nft_chain_nat".to_owned());
        }
        Ok(missing)
    }

    /// Whether rules may have expressions of that kind. Nothing is made.
    pub fn knows_expression(&self, family: Family, name: &str) -> Result<bool, NetlinkError> {
        self.asks(family, false, Some(name))
    }

    /// Asks for a chain and an expression without content, in a batch whose end cannot be done: so all of it is refused,
    /// and a kind that is not there is refused before (linux/net/netfilter/nf_tables_api.c, nf_tables_expr_parse).
    fn asks(&self, family: Family, nat: bool, name: Option<&str>) -> Result<bool, NetlinkError> {
        let mut batch = Batch::default();
        batch.begin(BATCH_BEGIN, 0, &generic(None, SUBSYSTEM));
        batch.begin(NEW_TABLE, CREATE, &generic(Some(family), 0));
        batch.text(1, ASKING);
        batch.begin(NEW_CHAIN, CREATE, &generic(Some(family), 0));
        batch.text(1, ASKING);
        batch.text(3, ASKING);
        if nat {
            batch.nest(4, |batch| {
                batch.big(1, 0);
                batch.big(2, -100i32 as u32);
            });
            batch.text(7, "nat");
        }
        if let Some(name) = name {
            batch.begin(NEW_RULE, CREATE | APPEND, &generic(Some(family), 0));
            batch.text(1, ASKING);
            batch.text(2, ASKING);
            batch.nest(4, |batch| batch.nest(1, |batch| batch.text(1, name)));
        }
        let asked = batch.sequence();
        batch.begin(DELETE_TABLE, ACK, &generic(Some(family), 0));
        batch.text(1, "dockless-has-none");
        let total = batch.sequence();
        batch.begin(BATCH_END, 0, &generic(None, SUBSYSTEM));
        match self.send_until(batch, total) {
            Err(NetlinkError::Refused { sequence, source, .. }) => {
                Ok(sequence != asked || source.raw_os_error() != Some(libc::ENOENT))
            }
            other => other.map(|()| true),
        }
    }
}
