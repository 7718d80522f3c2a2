//! A site: a network namespace and a mount namespace with a libvirtd of its own, as a host of its own would have it. Both sites see
//! the same paths with different contents. Without rights it is a session daemon with folders of its own.

use super::run::{run, run_with, until};
use super::session;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

/// What a site has for itself: the folder in the lab, and where the site sees it.
const OWN: [(&str, &str); 5] = [
    ("etc", "/etc/libvirt"),
    ("run", "/run/libvirt"),
    ("lib", "/var/lib/libvirt"),
    ("log", "/var/log/libvirt"),
    ("cache", "/var/cache/libvirt"),
];

/// How a site is set up.
pub struct Design {
    /// Its name.
    pub name: &'static str,
    /// Its address on the network between the sites.
    pub address: &'static str,
    /// The name of its network for guests.
    pub network: &'static str,
    /// The first three numbers of that network.
    pub prefix: &'static str,
    /// Its host's UUID.
    pub uuid: &'static str,
    /// The first port for its data where it shares its address with the other one.
    pub port: u16,
}

/// A site that is up.
pub struct Site {
    /// How it is set up.
    pub design: Design,
    folder: PathBuf,
    /// The process that keeps its namespaces; none for a session.
    holder: Option<Child>,
    daemon: Mutex<Option<Child>>,
}

impl Site {
    /// Brings a site up. `cache` keeps what libvirt finds out about QEMU, which takes it seconds.
    ///
    /// # Errors
    /// A step of it does not work, with the command's words.
    pub fn up(design: Design, root: &Path, cache: &Path, guest: &Path) -> Result<Self, String> {
        let folder = root.join(design.name);
        let io = |e: std::io::Error| format!("site {}: {e}", design.name);
        for part in
            ["etc", "run", "lib/images", "lib/qemu", "lib/dnsmasq", "lib/network", "lib/boot", "log/qemu"]
        {
            std::fs::create_dir_all(folder.join(part)).map_err(io)?;
        }
        std::fs::create_dir_all(cache).map_err(io)?;
        configure(&design, &folder).map_err(io)?;
        for file in ["vmlinuz", "initrd", "initrd-agent"] {
            std::fs::copy(guest.join(file), folder.join("lib/boot").join(file)).map_err(io)?;
        }
        wire(&design)?;
        let holder = hold(&design, &folder, cache)?;
        let site = Self { design, folder, holder: Some(holder), daemon: Mutex::new(None) };
        until("the site's namespaces", 10, || site.exec(&["test", "-e", "/run/libvirt/ready"]).ok())?;
        site.start_daemon()?;
        site.network()?;
        Ok(site)
    }

    /// Brings a site up that is a session daemon of this user's.
    ///
    /// # Errors
    /// A step of it does not work, with the command's words.
    pub fn session(design: Design, root: &Path) -> Result<Self, String> {
        let folder = root.join(design.name);
        session::configure(&design, &folder).map_err(|e| format!("site {}: {e}", design.name))?;
        let site = Self { design, folder, holder: None, daemon: Mutex::new(None) };
        site.start_daemon()?;
        Ok(site)
    }

    /// Whether machines have a network there.
    pub fn networked(&self) -> bool {
        self.holder.is_some()
    }

    /// How libvirt is reached from outside of the site.
    pub fn uri(&self) -> String {
        let (kind, socket) = match self.holder {
            Some(_) => ("system", "libvirt-sock"),
            None => ("session", "libvirt/libvirt-sock"),
        };
        format!("qemu+unix:///{kind}?socket={}", self.folder.join("run").join(socket).display())
    }

    /// What stands before a command so that it runs at the site.
    pub fn prefix(&self) -> Vec<String> {
        let Some(holder) = &self.holder else { return Vec::new() };
        let pid = holder.id().to_string();
        ["nsenter", "--target", &pid, "--net", "--mount", "--"].map(str::to_owned).to_vec()
    }

    /// How commands are run at the site, as a `Site` says it.
    pub fn way(&self) -> String {
        let prefix = self.prefix();
        if prefix.is_empty() {
            return "run: local".to_owned();
        }
        format!("run: {{ prefix: {} }}", serde_json::to_string(&prefix).unwrap_or_default())
    }

    /// Where its data is, as a `Site` says it. Sessions share an address and a file system.
    pub fn data(&self) -> String {
        let address = self.design.address;
        if self.networked() {
            return format!("data: {{ address: {address} }}");
        }
        let first = self.design.port;
        let (last, folder) = (first + 31, self.sees("lifeboat"));
        format!("data: {{ address: {address}, first: {first}, last: {last} }}, folder: \"{folder}\"")
    }

    /// Runs a command at the site.
    ///
    /// # Errors
    /// It fails; with its own words.
    pub fn exec(&self, argv: &[&str]) -> Result<String, String> {
        let mut words = self.prefix();
        words.extend(argv.iter().map(|w| (*w).to_owned()));
        run(&words)
    }

    /// Asks the site's libvirt.
    ///
    /// # Errors
    /// It fails; with its own words.
    pub fn virsh(&self, argv: &[&str]) -> Result<String, String> {
        self.virsh_with(argv, None)
    }

    /// The same, with a text on its standard input.
    ///
    /// # Errors
    /// It fails; with its own words.
    pub fn virsh_with(&self, argv: &[&str], input: Option<&str>) -> Result<String, String> {
        let uri = self.uri();
        let words: Vec<&str> = ["virsh", "-q", "-c", &uri].into_iter().chain(argv.iter().copied()).collect();
        run_with(&words, input)
    }

    /// Starts the site's libvirtd.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start_daemon(&self) -> Result<(), String> {
        let log = std::fs::File::create(self.folder.join("log/stdout")).map_err(|e| e.to_string())?;
        let mut command = match self.prefix().split_first() {
            None => session::daemon(&self.folder),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).args(["libvirtd", "--pid-file", "/run/libvirt/libvirtd.pid"]);
                command
            }
        };
        let daemon = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|e| e.to_string())?)
            .stderr(log)
            .spawn()
            .map_err(|e| format!("libvirtd: {e}"))?;
        if let Ok(mut place) = self.daemon.lock() {
            *place = Some(daemon);
        }
        until("libvirtd", 60, || self.virsh(&["version"]).ok()).map(drop)
    }

    /// Kills the site's libvirtd, as a crash would. Its guests run on.
    pub fn kill_daemon(&self) {
        if let Ok(mut place) = self.daemon.lock()
            && let Some(mut daemon) = place.take()
        {
            drop(daemon.kill());
            drop(daemon.wait());
        }
    }

    /// Cuts the link to the other site and to whoever asks from outside over the network, or mends it.
    ///
    /// # Errors
    /// The link cannot be set.
    pub fn link(&self, up: bool) -> Result<(), String> {
        run(&["ip", "-n", self.design.name, "link", "set", "wan", if up { "up" } else { "down" }]).map(drop)
    }

    /// Lets so many Mbit a second leave the site, or as many as there are.
    ///
    /// # Errors
    /// The limit cannot be set.
    pub fn throttle(&self, mbit: Option<u32>) -> Result<(), String> {
        let rate = mbit.map(|mbit| format!("{mbit}mbit"));
        let head = ["tc", "-n", self.design.name, "qdisc"];
        let tail = match &rate {
            Some(rate) => {
                vec![
                    "replace", "dev", "wan", "root", "tbf", "rate", rate, "burst", "64kb", "latency", "400ms",
                ]
            }
            None => vec!["delete", "dev", "wan", "root"],
        };
        run(&head.into_iter().chain(tail).collect::<Vec<_>>()).map(drop)
    }

    /// Where libvirt notes what it does with a machine that is on.
    pub fn status_of(&self, domain: &str) -> PathBuf {
        self.folder.join("run/qemu").join(format!("{domain}.xml"))
    }

    /// A file of the site, as it is seen from outside of it.
    pub fn image(&self, name: &str) -> PathBuf {
        self.folder.join("lib/images").join(name)
    }

    /// The same file, as the site sees it.
    pub fn sees(&self, name: &str) -> String {
        let folder = match self.holder {
            Some(_) => PathBuf::from("/var/lib/libvirt/images"),
            None => self.folder.join("lib/images"),
        };
        folder.join(name).display().to_string()
    }

    fn network(&self) -> Result<(), String> {
        let Design { network, prefix, .. } = &self.design;
        let hosts: String = (1..=20)
            .map(|n| format!("<host mac='52:54:00:10:00:{n:02x}' ip='{prefix}.{}'/>", 10 + n))
            .collect();
        let xml = format!(
            "<network><name>{network}</name><forward mode='open'/><bridge name='br-{network}' stp='off' delay='0'/>\
             <ip address='{prefix}.1' netmask='255.255.255.0'><dhcp>\
             <range start='{prefix}.100' end='{prefix}.199'/>{hosts}</dhcp></ip></network>"
        );
        self.virsh_with(&["net-define", "/dev/stdin"], Some(&xml))?;
        self.virsh(&["net-start", network])?;
        self.exec(&["sysctl", "-qw", "net.ipv4.ip_forward=1"])?;
        let subnet = format!("{prefix}.0/24");
        run(&["ip", "route", "replace", &subnet, "via", self.design.address]).map(drop)
    }
}

fn configure(design: &Design, folder: &Path) -> std::io::Result<()> {
    let daemon = format!(
        "listen_tls = 0\nlisten_tcp = 0\nauth_unix_rw = \"none\"\nunix_sock_group = \"root\"\n\
         host_uuid_source = \"dmi\"\nhost_uuid = \"{}\"\nkeepalive_interval = 5\n\
         log_outputs = \"2:file:/var/log/libvirt/libvirtd.log\"\n",
        design.uuid
    );
    std::fs::write(folder.join("etc/libvirtd.conf"), daemon)?;
    // No systemd, no cgroups, no security driver in the lab: everything is root's.
    let qemu = "user = \"root\"\ngroup = \"root\"\ndynamic_ownership = 0\nremember_owner = 0\n\
                security_driver = \"none\"\nnamespaces = []\ncgroup_controllers = []\n\
                stdio_handler = \"file\"\nmax_core = 0\nbackup_tls_x509_verify = 0\n";
    std::fs::write(folder.join("etc/qemu.conf"), qemu)
}

/// The site's network namespace, with a cable to the bridge between the sites.
fn wire(design: &Design) -> Result<(), String> {
    let Design { name, address, .. } = design;
    let (peer, own) = (format!("wan-{name}"), format!("{address}/24"));
    run(&["ip", "netns", "add", name])?;
    run(&["ip", "-n", name, "link", "set", "lo", "up"])?;
    run(&["ip", "link", "add", "wan", "netns", name, "type", "veth", "peer", "name", &peer])?;
    run(&["ip", "link", "set", &peer, "master", "wanbr", "up"])?;
    run(&["ip", "-n", name, "addr", "add", &own, "dev", "wan"])?;
    run(&["ip", "-n", name, "link", "set", "wan", "up"])?;
    run(&["ip", "-n", name, "route", "add", "default", "via", super::OUTSIDE]).map(drop)
}

/// The process that keeps the site's namespaces, whatever becomes of its libvirtd.
fn hold(design: &Design, folder: &Path, cache: &Path) -> Result<Child, String> {
    let mut script = "set -e\nmount -t sysfs sysfs /sys\n".to_owned();
    for (part, place) in OWN {
        let own = if part == "cache" { cache.to_owned() } else { folder.join(part) };
        script.push_str(&format!("mkdir -p {place}; mount --bind '{}' {place}\n", own.display()));
    }
    script.push_str("touch /run/libvirt/ready; exec sleep infinity\n");
    let net = format!("--net=/run/netns/{}", design.name);
    Command::new("nsenter")
        .args([&net, "unshare", "--mount", "--propagation", "private", "sh", "-c", &script])
        .stdin(Stdio::null())
        .spawn()
        .map_err(|e| format!("nsenter: {e}"))
}
