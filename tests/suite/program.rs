//! The program as a user runs it: in a folder of its own, with an empty environment.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A copy of an example to work in.
pub struct Place(pub tempfile::TempDir);

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// It ended as it should.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- standard output\n{}\n--- standard error\n{}", self.out, self.err);
        self
    }

    /// The codes of the findings, from JSON output.
    pub fn codes(&self) -> Vec<String> {
        let json: serde_json::Value =
            serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out));
        let findings = json["findings"].as_array().unwrap();
        findings.iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect()
    }
}

impl Place {
    pub fn example(name: &str) -> Self {
        let place = Self(crate::world::folder());
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_file() {
                std::fs::copy(entry.path(), place.path().join(entry.file_name())).unwrap();
            }
        }
        place
    }

    /// An empty folder to work in.
    pub fn empty() -> Self {
        Self(crate::world::folder())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path().join(file), text).unwrap();
    }

    pub fn edit(&self, file: &str, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.path().join(file)).unwrap();
        assert!(text.contains(old), "{file} has no {old}");
        self.write(file, &text.replace(old, new));
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("USER", "tester");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        said(self.command(args).output().unwrap())
    }

    /// Runs where no program is found.
    pub fn run_without_programs(&self, args: &[&str]) -> Said {
        said(self.command(args).env("PATH", "/nowhere").output().unwrap())
    }

    /// Runs with a limit on the size of each file, in KiB. The signal that comes with it is ignored, so that writing fails instead.
    pub fn with_file_limit(&self, kib: u32, args: &[&str]) -> Said {
        self.with_half_kib(kib * 2, "tester", args)
    }

    /// The same in the shell's own unit, as somebody.
    pub fn with_half_kib(&self, limit: u32, person: &str, args: &[&str]) -> Said {
        let program = env!("CARGO_BIN_EXE_lifeboat");
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", program]).args(args).current_dir(self.path());
        command.env_clear().env("HOME", self.path()).env("USER", person).stdin(Stdio::null());
        said(command.output().unwrap())
    }

    /// Runs where nothing in this folder can be written. `None` where this machine has no way to have that: a mount that can only be
    /// read needs the rights to make one.
    pub fn read_only(&self, args: &[&str]) -> Option<Said> {
        let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && cd \"$0\" && exec \"$@\" || exit 99";
        let with = |spaces: &[&str]| {
            let mut command = Command::new("unshare");
            command.args(spaces).args(["sh", "-c", script]).arg(self.path());
            command.arg(env!("CARGO_BIN_EXE_lifeboat")).args(args).stdin(Stdio::null()).env_clear();
            command.env("HOME", self.path()).env("USER", "tester");
            let said = said(command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output().ok()?);
            (said.code != 99 && !said.err.contains("unshare:")).then_some(said)
        };
        with(&["--mount"]).or_else(|| with(&["--mount", "--map-root-user", "--user"]))
    }

    /// Starts it deaf to the end of its terminal, as `nohup` does.
    pub fn start_deaf(&self, args: &[&str]) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_lifeboat")]).args(args);
        command.current_dir(self.path()).env_clear().env("HOME", self.path()).env("USER", "tester");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs with a full disk behind its standard output.
    pub fn on_full_disk(&self, args: &[&str]) -> Said {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        said(self.command(args).stdout(full).output().unwrap())
    }

    /// The keys of everything that the simulated world was asked to do.
    pub fn asked(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path().join(".lifeboat/sim/world.log")).unwrap();
        let lines = log.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
        lines.filter_map(|l| Some(l["entry"]["asked"]["key"].as_str()?.to_owned())).collect()
    }

    /// Applies a runbook to its end.
    #[track_caller]
    pub fn apply(&self, runbook: &str) -> Said {
        self.run(&["apply", runbook, "--confirm", runbook]).ends(0)
    }

    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// The state of every replica.
    pub fn states(&self) -> Vec<(String, String)> {
        let said = self.run(&["status", "--format", "json"]).ends(0);
        let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let one = |r: &serde_json::Value| {
            (
                r["replica"].as_str().unwrap().to_owned(),
                r["condition"]["state"].as_str().unwrap_or("part-way").to_owned(),
            )
        };
        json["replicas"].as_array().unwrap().iter().map(one).collect()
    }

    #[track_caller]
    pub fn all_are(&self, state: &str) {
        let states = self.states();
        assert!(
            !states.is_empty() && states.iter().all(|(_, s)| s == state),
            "{states:?} are not all {state}"
        );
    }

    /// The blocks of a machine's disk in the simulated world.
    pub fn disk(&self, vm: &str) -> Vec<(u64, u64)> {
        let said = self.run(&["sim", "disk", vm, "--format", "json"]).ends(0);
        let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let one = |b: &serde_json::Value| (b["session"].as_u64().unwrap(), b["record"].as_u64().unwrap());
        json["blocks"].as_array().unwrap().iter().map(one).collect()
    }
}

pub fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Sends a signal, as a terminal or an init system would.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status().unwrap();
    assert!(sent.success());
}
