//! `provider: { libvirt: … }` of a `Site`.

use super::bounds::Bounded;
use schemars::JsonSchema;
use serde::Deserialize;

/// A host of libvirt and QEMU.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Libvirt {
    /// The URI that libvirt's own tools take: `qemu:///system`, `qemu+ssh://root@kvm-a/system`, `qemu+unix:///system?socket=/run/x`. Over
    /// ssh, or libssh, the connection of `run` is used, and `virsh` runs at the host.
    pub uri: String,
    /// How a command is run on the host: `local`, `{ ssh: … }` or `{ prefix: […] }`. Where nothing is said, the URI tells: a
    /// host of its own is reached over ssh, with its `keyfile` and `known_hosts`; none is the machine that Lifeboat runs on.
    pub run: Option<Way>,
    /// Where the other host reaches the disks that this one serves while they are copied.
    #[serde(default)]
    pub data: Data,
    /// The folder on the host for restore points, and for scratch files. Default /var/lib/libvirt/images/lifeboat.
    pub folder: Option<String>,
    /// After how long without any sign of progress something counts as hanging. Default 60s.
    pub silence: Option<String>,
    /// How many copies the host takes part in at once. Default 4.
    pub copies: Option<Bounded<1, 256>>,
}

/// How a command is run on a host.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum Way {
    /// The host is the machine that Lifeboat runs on.
    Local,
    /// Over ssh, with one connection that is kept open.
    Ssh(Ssh),
    /// Behind these arguments.
    Prefix(Vec<String>),
}

/// Where ssh goes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ssh {
    /// The destination, as `root@kvm-a`, or a name of the ssh configuration.
    pub to: String,
    /// The port, where it is not the configured one.
    pub port: Option<Bounded<1, 65535>>,
    /// The file of the private key, where it is not the configured one.
    pub key: Option<String>,
    /// The file of the host keys that count, where it is not the configured ones.
    pub known_hosts: Option<String>,
}

/// Where a host serves disks while they are copied.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The address at which the other host reaches it. Default: that of the URI, where it names one.
    pub address: Option<String>,
    /// The first port. Default 10809.
    pub first: Option<Bounded<1, 65535>>,
    /// The last port. Default 63 more than the first.
    pub last: Option<Bounded<1, 65535>>,
}
