//! What jobs and people may do, and what keeps a record of it.

use golden_jobs::{address::Network, budgets::Allowance, egress::Ports, governance::rules::Rules};

use crate::config::{
    audit_key::{self, AuditKey},
    setting::{
        About, Setting,
        Shown::{Nothing, Whole},
        Unset::{Otherwise, Value},
    },
    values,
};

pub(crate) static EGRESS_ALLOW: Setting<(Vec<String>, Vec<Network>)> = Setting {
    about: About {
        name: "GOLDEN_EGRESS_ALLOW",
        what: "hosts and networks that jobs may reach though they are not public",
        takes: "Host names, addresses and networks, with commas between.",
        unset: Otherwise("public addresses only, and in `golden dev` this machine"),
        example: "hooks.internal,10.1.0.0/16",
        shown: Whole,
    },
    parse: values::hosts_and_networks,
};

pub(crate) static EGRESS_PORTS: Setting<Ports> = Setting {
    about: About {
        name: "GOLDEN_EGRESS_PORTS",
        what: "ports that jobs may reach, or any",
        takes: "With commas between.",
        unset: Value("443"),
        example: "443,8443",
        shown: Whole,
    },
    parse: values::ports,
};

pub(crate) static EGRESS_HTTP: Setting<bool> = Setting {
    about: About {
        name: "GOLDEN_EGRESS_HTTP",
        what: "whether jobs may use plain http: on or off",
        takes: "Off is https alone.",
        unset: Value("off"),
        example: "on",
        shown: Whole,
    },
    parse: values::on_or_off,
};

pub(crate) static BUDGET: Setting<Allowance> = Setting {
    about: About {
        name: "GOLDEN_BUDGET",
        what: "what a tenant may spend for which nothing else was set",
        takes: "US dollars with up to six decimals, and `day`, `month` or `none` (for good). The same for all processes.",
        unset: Value("10/month"),
        example: "0.50/day",
        shown: Whole,
    },
    parse: values::budget,
};

pub(crate) static GOVERNANCE: Setting<Rules> = Setting {
    about: About {
        name: "GOLDEN_GOVERNANCE",
        what: "stricter rules for changes of agents' policies, by agent role",
        takes: "ROLE=ACTIVATIONS/COOLDOWN or ROLE=ACTIVATIONS/COOLDOWN/APPROVAL (`automatic`, `operator` or `admin`). What \
            is looser than the rules of [governance.md](governance.md) is refused. The same for all processes.",
        unset: Otherwise("the rules of docs/governance.md"),
        example: "developer=3/4h,tester=2/6h/operator",
        shown: Whole,
    },
    parse: values::governance,
};

pub(crate) static AUDIT_KEY: Setting<AuditKey> = Setting {
    about: About {
        name: "GOLDEN_AUDIT_KEY",
        what: "signs heads of the audit log: 32 bytes in base64, or a file with them",
        takes: "The same for all processes, any of which signs; `openssl rand -base64 32` makes one, `golden audit key` prints its public key. See [audit.md](audit.md).",
        unset: Otherwise("heads are not signed"),
        example: "/etc/golden/audit.key",
        shown: Nothing,
    },
    parse: audit_key::audit_key,
};
